"""The page of a comparison, and its figures."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import numpy as np

from b2m_encoding import figures
from b2m_encoding.comparison.compare import BLOCKS, GROUPS, OTHER_BLOCKS, SUBJECTS
from b2m_encoding.comparison.compared import Compared, Comparison
from b2m_encoding.figures import FigureResult
from b2m_encoding.io.names import in_words, safe_name
from b2m_encoding.results.report.content import Block, Lines, Link, Page, Picture, Section, Table, Text
from b2m_encoding.results.report.pictures import embedded, read_caption
from b2m_encoding.results.report.report_data import number, score
from b2m_encoding.results.schema import GROUP, comparison_tables, files
from b2m_encoding.spaces import drawing_surface, load_atlas, resample
from b2m_encoding.stats.regions import MANY_SUBJECTS

REGIONS = "regions"
METHODS = {
    BLOCKS: "The same samples were held out in both: the signs of the differences were flipped of blocks that are "
    "eight times as long as the reach of the autocorrelation, as for the feature spaces of one study. p refers to new "
    "stimuli for these fitted models, not to new training data.",
    OTHER_BLOCKS: "Other samples were held out: Welch's t over blocks of either. Samples that both have make it "
    "conservative.",
    SUBJECTS: "Signs of the differences were flipped of subjects; p refers to the population.",
    GROUPS: "The subjects differ: Welch's t among its values for rearranged membership. p refers to the populations, "
    "if they were sampled from them and measured alike.",
}
"""Texts by the test that they describe."""


def figures_of(comparison: Comparison) -> dict[str, FigureResult]:
    """Draw maps of the difference, scatters where there is no cortex, and the regions; by stem of the file."""
    drawn = {_stem(one): _drawn(one, comparison) for one in comparison.targets.values()}
    shown = comparison.scores
    if len(shown):
        keywords = comparison.sides[0].context.page_keywords()
        tests = comparison.regions.rename(columns={"first": "mean", "second": "other"})
        first, second = (side.name for side in comparison.sides)
        drawn[REGIONS] = figures.regions(
            shown, tests=tests.assign(first=first, second=second) if comparison.paired else None, q=comparison.q,
            level=comparison.level, **keywords | {"origin": ""},
        )  # fmt: skip
    return drawn


def _stem(one: Compared) -> str:
    return safe_name(f"sub-{one.subject}_comparison")


def _drawn(one: Compared, comparison: Comparison) -> FigureResult:
    context, names = comparison.sides[0].context, (comparison.sides[0].name, comparison.sides[1].name)
    decided = np.nan_to_num(one.found.q, nan=1.0) < comparison.q
    shown, tested = one.predicted | decided, np.isfinite(one.found.difference)
    criterion = f"predicted by one of them (its own q < {comparison.q:g}) or different"
    title = "all subjects" if one.subject == GROUP else f"sub-{one.subject}"
    keywords = context.page_keywords() | {"title": title, "origin": f"Test: {one.test}."}
    surface = drawing_surface(one.space)
    if surface is None:
        return figures.scatter(
            one.first, one.second, names=names, label="r", tested=shown, criterion=criterion, **keywords
        )
    masks = (mask.astype(np.float64) for mask in (tested, shown, decided))
    a, b, *moved = resample(np.stack([one.first, one.second, *masks]), one.space, surface)
    tested, shown, decided = (np.nan_to_num(mask) > 0.5 for mask in moved)
    return figures.preference(
        a, b, surface, load_atlas(context.maps.atlas, surface), names=names, label="r",
        undecided=~decided if one.known else None, tested=tested, significant=shown, criterion=criterion,
        view="overview", zoom=context.maps.zoom, **keywords,
    )  # fmt: skip


def comparison_page(comparison: Comparison, folder: Path) -> Page:
    """Content of the page; its figures lie in the folder."""
    first, second = comparison.sides
    context = first.context
    sections = [
        Section("summary", "Comparison", _summary(comparison)),
        Section("maps", "Difference, target by target", _pictures(comparison, folder)),
        Section("regions", "Regions", _regions(comparison, folder)),
        Section("methods", "How it was compared", [Text(_methods(comparison))]),
        Section("files", "Files", _files(folder)),
    ]
    title = f"{first.name} against {second.name}"
    return Page(title, "Comparison of two results", context.note, [one for one in sections if one.blocks], [])


def _summary(comparison: Comparison) -> list[Block]:
    rows = [
        [side.name, side.model, ", ".join(f"sub-{name}" for name in side.subjects), str(side.path)]
        for side in comparison.sides
    ]
    blocks: list[Block] = [Table(["", "model", "subjects", "results"], rows)]
    first, second = (side.name for side in comparison.sides)
    if comparison.targets:
        table = comparison.summary()
        cells = [
            ["all" if one.subject == GROUP else f"sub-{one.subject}", number(one.predicted), score(one.first),
             score(one.second), score(one.difference), number(one.first_better), number(one.second_better), one.test]
            for one in table.itertuples()
        ]  # fmt: skip
        columns = [
            "",
            "targets",
            f"r of {first}",
            f"r of {second}",
            "difference",
            f"{first} better",
            f"{second} better",
            "test",
        ]
        about = (
            f"Targets: predicted by one of both, by its own q < {comparison.q:g}. r: mean over these. Better: q of the "
            f"difference < {comparison.q:g}. n/a: not tested."
        )
        blocks.append(Table(columns, cells, about))
    if comparison.notes:
        blocks.append(Lines(comparison.notes))
    return blocks


def _pictures(comparison: Comparison, folder: Path) -> list[Block]:
    return [
        _picture(folder, _stem(one), "All subjects" if one.subject == GROUP else f"sub-{one.subject}")
        for one in comparison.targets.values()
    ]


def _picture(folder: Path, stem: str, title: str) -> Picture:
    png = folder / files.FIGURES / f"{stem}.png"
    text, origin = read_caption(png.with_suffix(".txt"))
    links = [Link(quote(f"{files.FIGURES}/{stem}.{kind}"), kind.upper()) for kind in ("pdf", "png", "tsv", "txt")]
    text = text.removeprefix(f"{'all subjects' if stem == f'sub-{GROUP}_comparison' else title}. ")
    return Picture(title, text, embedded(png), links, origin)


def _regions(comparison: Comparison, folder: Path) -> list[Block]:
    if not len(comparison.regions):
        return []
    first, second = (side.name for side in comparison.sides)
    rows = [
        [in_words(one.region), score(one.first), score(one.second), _interval(one.difference, one.low, one.high),
         number(one.p), number(one.q), " and ".join(f"{n:g}" for n in (one.n_subjects, one.n_second)), one.test]
        for one in comparison.regions.itertuples()
    ]  # fmt: skip
    columns = ["region", first, second, f"difference [{comparison.level:.0%}]", "p", "q", "subjects", "test"]
    about = "Mean r over the tested targets of a region, hemispheres averaged; q over all regions (Benjamini-Hochberg)."
    blocks: list[Block] = [Table(columns, rows, about)]
    if (folder / files.FIGURES / f"{REGIONS}.png").is_file():
        blocks.insert(0, _picture(folder, REGIONS, "Regions"))
    return blocks


def _interval(value: float, low: float, high: float) -> str:
    shown = f"{value:+.3f}"
    return shown if not np.isfinite([low, high]).all() else f"{shown} [{low:+.3f}, {high:+.3f}]"


def _methods(comparison: Comparison) -> list[str]:
    tests = dict.fromkeys(one.test for one in comparison.targets.values())
    texts = [
        "Scores are Pearson r of predicted and measured held-out responses; q controls the rate of false discoveries "
        "of differences (Benjamini and Hochberg) among targets where the sum of both r reaches the r of predicted "
        "targets (5th percentile of these): the sum does not depend on the difference."
    ]
    texts += [text for start, text in METHODS.items() if any(start in test for test in tests)]
    if comparison.paired and 1 < len(comparison.sides[0].subjects) < MANY_SUBJECTS:
        texts.append(
            f"A test over subjects needs {MANY_SUBJECTS} of them; with fewer, blocks of stimuli are flipped in all "
            "subjects together, and p refers to these subjects."
        )
    return texts


def _files(folder: Path) -> list[Block]:
    links: list[Block] = [
        Link(table.file, table.file, about)
        for table, about in (
            (comparison_tables.COMPARISON, "a row per subject"),
            (comparison_tables.COMPARISON_REGIONS, "a row per region"),
        )
        if (folder / table.file).is_file()
    ]
    return [*links, Lines(["sub-*/*_desc-comparison_stat-*: maps of the difference, its interval, p and q"])]
