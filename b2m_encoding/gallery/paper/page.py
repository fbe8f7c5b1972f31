"""Write ``paper/``: everything that Brain2Music published beside ours, as a page, figures and tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from b2m_encoding._typing import Progress
from b2m_encoding.gallery.context import FigureContext, FigureRequest
from b2m_encoding.gallery.paper import design, findings
from b2m_encoding.gallery.paper.beside import NA, Compared, Line
from b2m_encoding.gallery.paper.drawn import BEYOND, Wanted, draw, wanted
from b2m_encoding.io.names import in_words
from b2m_encoding.io.removal import remove_temporary_files
from b2m_encoding.io.tables import tsv
from b2m_encoding.io.writing import write_whole
from b2m_encoding.results.manifest import note_written
from b2m_encoding.results.place import HALF_WRITTEN, results_kept
from b2m_encoding.results.report.content import Block, Lines, Link, Page, Picture, Section, Table, Text
from b2m_encoding.results.report.page import render
from b2m_encoding.results.report.pictures import embedded, read_caption
from b2m_encoding.results.report.report_data import number, percents
from b2m_encoding.results.schema import tables
from b2m_encoding.results.schema.brain2music import deviations, paper
from b2m_encoding.results.schema.files import PAPER, REPORT

PAGE = "paper.html"
STATES = {"reproduced": "yes", "not reproduced": "no", "not possible": "not known"}
"""Looks of the verdicts in the report."""
PARTS = {
    "design": ("Data (section 3.1)", design.design, ()),
    "decoding": ("Decoding (Table 2)", design.decoding, ("figureA2",)),
    "regions": ("Regions that are decoded (section 3.2)", design.regions, ("figureA1",)),
    "reconstruction": ("Reconstruction (Figures 3 and 4)", findings.reconstruction, ("figure3", "figure4")),
    "encoding": ("Encoding (Figures 5, 6 and 7b)", findings.encoding, ("figure5", "figure6", "figure7b")),
    "generalisation": ("Generalisation (Figure 7a)", findings.generalisation, ("figure7a",)),
    "appendix": ("Appendix (Figures A.1 to A.5)", findings.appendix, ("figureA3", "figureA4", "figureA5")),
}
"""Sections of the page in the order of the paper: title, lines, and figures."""


def write_paper(path: str | Path, progress: Progress = lambda what, done, total: None) -> tuple[Path, pd.DataFrame]:
    """Set results beside Brain2Music (arXiv 2307.11078): a page, journal figures and tables in ``paper/``.

    Parameters
    ----------
    path : Path
        The results folder; nothing is computed anew.
    progress : callable
        Called with the figure that is drawn, the figures done and all of them.

    Returns
    -------
    page : Path
        ``paper/paper.html``.
    lines : DataFrame
        A row per item of the paper, with verdict.

    Raises
    ------
    InputError
        If there are no results, or another process works on them.
    """
    path = Path(path)
    compared = Compared(FigureContext.open(path, FigureRequest(), {}))
    folder = path / PAPER
    with results_kept(path, folder):
        folder.mkdir(exist_ok=True)
        remove_temporary_files(folder, HALF_WRITTEN)
        lines = {name: list(make(compared)) for name, (_, make, _) in PARTS.items()}
        found = pd.DataFrame([{"part": name, **line.row()} for name, own in lines.items() for line in own])
        files = [write_whole(folder / "beside.tsv", tsv(found))]
        files.append(write_whole(folder / "table1.tsv", tsv(design.table1(compared))))
        if len(compared.paired_tests):
            files.append(write_whole(folder / tables.EVALUATION_TESTS.file, tsv(compared.paired_tests)))
        if (table := compared.report.table(tables.BRAIN2MUSIC_TABLE2)) is not None:
            files.append(write_whole(folder / "table2.tsv", tsv(table)))
        pictures, refused = _draw_all(compared, folder, progress)
        page = Page(
            str(compared.report.study["name"]),
            "Beside Brain2Music",
            compared.context.note,
            _sections(compared, lines, pictures, refused),
            [Link(f"../{REPORT}", "Study"), Link(PAGE, "Beside Brain2Music")],
        )
        written = write_whole(folder / PAGE, render(page))
        note_written(path, [*files, *(one for group in pictures.values() for one in group), written])
    return written, found


def _draw_all(compared: Compared, folder: Path, progress: Progress) -> tuple[dict[str, list[Path]], list[str]]:
    """Draw and save the figures; files by name, and reasons of those that could not be drawn."""
    figures: list[Wanted] = list(wanted(compared))
    files: dict[str, list[Path]] = {}
    refused = []
    for done, one in enumerate(figures):
        progress(one.name, done, len(figures))
        drawn = draw(compared, one)
        if isinstance(drawn, str):
            refused.append(f"{one.name}: {drawn}")
        else:
            files[one.name] = drawn.save(folder / one.name, formats=("png", "pdf"))
    progress("page", len(figures), len(figures))
    return files, refused


def _sections(
    compared: Compared, lines: Mapping[str, Sequence[Line]], pictures: Mapping[str, list[Path]], refused: list[str]
) -> list[Section]:
    simulated = "simulat" in (compared.context.note or "").lower()
    sections = [Section("summary", "Summary", _summary(compared, lines, simulated))]
    for name, (title, _, prefixes) in PARTS.items():
        shown = [stem for stem in pictures if stem.startswith(prefixes)] if prefixes else []
        blocks: list[Block] = [_table(lines[name], simulated)]
        if name == "design":
            blocks.append(_table1(compared))
        if name == "reconstruction" and len(compared.paired_tests):
            blocks.append(_tests(compared))
        if name == "encoding":
            blocks += [Text([text]) for text in _null(compared)]
        blocks += [_picture(stem, pictures[stem]) for stem in shown]
        sections.append(Section(name, title, blocks))
    sections.append(Section("followers", "What followed on the same data", [_followers(compared)]))
    if beyond := [stem for stem in pictures if stem.startswith(BEYOND)]:
        sections.append(Section("beyond", "Beyond the paper", [_picture(stem, pictures[stem]) for stem in beyond]))
    if refused:
        sections.append(Section("refused", "Figures that could not be drawn", [Lines(refused)]))
    return sections


def _summary(compared: Compared, lines: Mapping[str, Sequence[Line]], simulated: bool) -> list[Block]:
    every = [line for own in lines.values() for line in own]
    counts = {verdict: sum(line.verdict == verdict for line in every) for verdict in STATES}
    text = (
        f"{len(every)} items of Brain2Music (arXiv 2307.11078) are set beside ours: "
        + ", ".join(f"{n} {verdict}" for verdict, n in counts.items())
        + ". Numbers count as reproduced where they differ by at most two standard deviations over subjects, of the "
        "paper and of ours together; statements where most subjects agree. MuLan, w2v-BERT, SoundStream and MusicLM "
        "are not open: other networks stand for them, so that the order of numbers tells more than their values."
    )
    if simulated:
        text = f"SIMULATED DATA: nothing below is evidence about people, or about the paper. {text}"
    spaces = ", ".join(f"{name} for {embedding}" for embedding, name in compared.spaces.items()) or "none"
    changed = [[key, theirs, ours] for key, theirs, ours in deviations(compared.report.study)]
    about = f"Settings that differ from what the paper states. Feature spaces that stand for its embeddings: {spaces}."
    unstated = [f"{one['key']}: {one['text']}" for one in paper()["open"]]
    return [
        Text([text]),
        Table(["setting", "paper", "this study"], changed or [["none", "", ""]], about),
        Text(["What the paper does not state:"]),
        Lines(unstated),
    ]


def _table(lines: Iterable[Line], simulated: bool) -> Table:
    rows, states = [], []
    for line in lines:
        made = simulated and line.verdict != "not possible"
        verdict = f"{line.verdict} (simulated)" if made else line.verdict
        rows.append([line.where, line.item, verdict, line.published, line.ours, line.why])
        states.append(STATES[line.verdict])
    return Table(["where", "item", "verdict", "paper", "here", "how, or why not"], rows, states=states)


def _table1(compared: Compared) -> Table:
    """Table 1, each number as ours | the paper's."""
    rows = [
        [row["embedding"], row["stands_for_it"], *(f"{number(row[key])} | {number(row[f'{key}_published'])}"
                                                   for key in ("dimensions", "per_clip", "window")),
         number(row["rate_published"])]
        for row in design.table1(compared).to_dict("records")
    ]  # fmt: skip
    columns = ["embedding", "here", "dimensions", "vectors per clip", "window, s", "native rate, Hz"]
    return Table(columns, rows, "Table 1: here | paper.")


def _tests(compared: Compared) -> Table:
    """Paired tests over clips: of every two methods, corpora, and decoded spaces."""
    columns = ["compared", "first", "second", "target", "corpus", "measure", "difference", "interval", "p", "q",
               "p, groups", "clips"]  # fmt: skip
    rows = []
    for row in compared.paired_tests.to_dict("records"):
        names = [NA if pd.isna(row[key]) else str(row[key]) for key in columns[:6]]
        names[5] += "" if row["encoder"] == "decoded space" else f", {row['encoder']}"
        numbers = [f"{row['difference']:+.3f}", f"{row['low']:+.3f} to {row['high']:+.3f}"]
        numbers += [NA if pd.isna(row[key]) else f"{row[key]:.2g}" for key in ("p", "q", "p_groups")]
        rows.append([*names, *numbers, str(row["clips"])])
    about = (
        "Paired tests over clips, whose values are averaged over subjects: signs of their differences flipped, "
        "two-sided, q over all rows (Benjamini-Hochberg). p, groups: signs of the mean differences of groups (genres) "
        "flipped, for other groups than these. The paper names no test; its error bars are standard errors over "
        "subjects."
    )
    return Table(columns, rows, about)


def _null(compared: Compared) -> list[str]:
    """What the null distribution of the paper does to these data; empty where the study has another."""
    own = compared.report.subjects
    rates = own.loc[own["test"] == "paper", "false_positives"].dropna()
    if not len(rates):
        return []
    shown = percents([float(rates.min()), float(rates.max())])
    return [
        "Targets are called significant by the null of the paper: correlations of independent series. Windows of a "
        f"clip overlap and are not independent: from the autocorrelation of these series {shown} of targets without a "
        "response to the stimuli are to be expected below p = .05, and q does not control the false discovery rate. In "
        "simulations of the design of the paper 18 % of them are, and 4.5 % by the null of this package, which "
        'exchanges clips (statistics.test = "auto"). Counts and shares of significant targets here are too large, as '
        "are those of the paper."
    ]


def _picture(stem: str, files: Sequence[Path]) -> Picture:
    png = next(path for path in files if path.suffix == ".png")
    text, origin = read_caption(png.with_suffix(".txt"))
    links = [Link(path.name, path.suffix[1:].upper()) for path in files]
    return Picture(in_words(stem).replace("figure", "Figure "), text, embedded(png), links, origin)


def _followers(compared: Compared) -> Table:
    """Published numbers of later work, and ours where the study computed the same measure."""
    transport = bool((compared.report.get("decoding") or {}).get("transport"))
    rows = [
        [one["work"], one["what"], one["data"], f"{one['value']:.3f}",
         _ours(compared, one["measure"]) if one.get("transport", transport) == transport else NA, one["here"]]
        for one in paper()["follower"]
    ]  # fmt: skip
    columns = ["work", "what", "its data", "published", "here", "how here"]
    return Table(columns, rows, "Numbers as published, not computed anew; ours are of this study.")


def _ours(compared: Compared, measure: str) -> str:
    """Mean over subjects of a measure by decoded feature space: the best of them."""
    if not measure:
        return NA
    if measure == "generated":
        table = compared.report.table(tables.CLIP_EVALUATION)
        if table is None:
            return NA
        means = findings._generators(findings._means(table, "method"))
        return ", ".join(f"{name} {value:.3f}" for name, value in means.items()) or NA
    decoder, _, name = measure.partition("/")
    rows = [one for one in compared.report.identification if one.get("decoder", "regions") == decoder]
    values = pd.DataFrame(rows)
    key = name or "identification_accuracy"
    if not len(values) or key not in values:
        return NA
    means = values.groupby("feature_space")[key].mean()
    return f"{means.idxmax()} {means.max():.3f}"
