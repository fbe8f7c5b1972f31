"""Tables of a reconstruction, and the page with its sounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from b2m_encoding.decoding.evaluation import over_subjects
from b2m_encoding.errors import InputError
from b2m_encoding.features.audio import decode_audio
from b2m_encoding.features.spectrum import log_mel, spectrogram
from b2m_encoding.figures.listening import Excerpt, Listening, Trial, listening_page, spectrum_picture
from b2m_encoding.io.names import in_words
from b2m_encoding.io.tables import tsv
from b2m_encoding.io.writing import write_whole
from b2m_encoding.results.reader import Results
from b2m_encoding.results.schema import tables
from b2m_encoding.results.schema.files import LISTEN, RECONSTRUCTION, REPORT

TEXT = {"subject": str, "clip": str, "recording": str, "about": str, "corpus": str,
        "corpus_key": str, "group": str}  # fmt: skip
UNKNOWN = "unknown"
"""Corpus of the rows of an earlier version, which did not tell."""
FIRST = ("heard", "retrieved")
"""Methods at the beginning of the page; others follow in between."""
STEPS = 120
"""Columns of the picture of a sound."""
LAST = ("oracle", "chance")
"""Methods at the end of the page."""


def merge_table(path: Path, new: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Replace the rows of a table on disk with the same keys by new rows; returns the whole table."""
    table = new
    if path.is_file():
        old = pd.read_csv(path, sep="\t", na_values=["n/a"], keep_default_na=False, dtype=TEXT)
        old = old.assign(**{name: UNKNOWN for name in keys if name not in old})  # of an earlier version
        replaced = set(map(tuple, new[list(keys)].astype(str).to_numpy().tolist()))
        unchanged = [tuple(row) not in replaced for row in old[list(keys)].astype(str).to_numpy().tolist()]
        if any(unchanged):
            table = pd.concat([old[unchanged], new], ignore_index=True)
    write_whole(path, tsv(table))
    return table


def write_listening(results: Results, table: pd.DataFrame, evaluation: pd.DataFrame, names: Mapping[str, str]) -> Path:
    """Write ``listen.html`` of one target, decoder and corpus.

    Parameters
    ----------
    results : Results
    table : DataFrame
        Rows of ``reconstruction.tsv``.
    evaluation : DataFrame
        Rows of ``evaluation.tsv``.
    names : mapping
        ``target``, ``decoder`` and ``corpus``.

    Returns
    -------
    Path
        The page.
    """
    chosen, evaluated = _rows_of(table, names), _rows_of(evaluation, names)
    genres = _genres(results, chosen)
    trials = [
        Trial(str(subject), str(clip), tuple(_excerpts(rows, results, genres)), genres.get(str(clip), ""))
        for subject, sounds in chosen.groupby("subject", sort=False)
        for clip, rows in sounds.groupby("clip", sort=False)
    ]
    caption = (
        f"Decoded feature space: {names['target']}, decoder {names['decoder']}. Retrieved: the recording of the "
        f"corpus {names['corpus']} that is nearest to the embedding decoded from the responses. Oracle: the nearest to "
        "the embedding of the presented sound. Chance: a random one. Generated sounds follow from the decoded "
        "embedding; of several, the one from which an encoding model predicts the measured responses best is first. "
        "All sounds are brought to one level. Pictures: mel spectrum. Similarity: cosine to the decoded embedding; "
        "responses r: of those that an encoding model predicts for the sound and those measured. Numbers: mean over "
        "subjects [95% interval]."
    )
    page = listening_page(Listening(
        f"{results.study.get('name', results.path.name)}: presented and reconstructed", trials, results.note, caption,
        _numbers(evaluated), REPORT if results.has(REPORT) else "",
    ))  # fmt: skip
    return write_whole(results.path / LISTEN, page)


def _rows_of(table: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    return table[np.all([table[name] == value for name, value in names.items()], axis=0)]


def _genres(results: Results, rows: pd.DataFrame) -> dict[str, str]:
    """Genres of presented clips and of recordings, as far as they are known."""
    genres: dict[str, str] = {}
    for subject in dict.fromkeys(rows["subject"]):
        for path in sorted((results.path / f"sub-{subject}" / RECONSTRUCTION).glob(f"*/{tables.NEIGHBOURS.file}")):
            table = pd.read_csv(path, sep="\t", na_values=["n/a"], keep_default_na=False, dtype=TEXT)
            known = table.dropna(subset="genre")
            genres |= dict(zip(known["recording"].astype(str), known["genre"].astype(str), strict=True))
    if results.has(tables.CLIPS):
        clips = results.table(tables.CLIPS).dropna(subset="group")
        genres |= dict(zip(clips["clip"], clips["group"], strict=True))
    return {name: genre for name, genre in genres.items() if genre}


def _facts(row: Mapping[Any, Any], genres: Mapping[str, str]) -> tuple[str, ...]:
    """Rank among the candidates, similarity to the decoded embedding, fit of the responses, genre."""
    numbers = [("similarity", row.get("cosine")), ("responses r", row.get("responses_r"))]
    known = [f"{name} {value:.2f}" for name, value in numbers if value is not None and np.isfinite(value)]
    ranked = [f"rank {int(row['rank'])}"] if known else []
    genre = genres.get(str(row.get("recording")), "")
    return tuple(line for line in (", ".join([*ranked, *known]), genre) if line)


def _look(path: Path) -> str:
    """Mel spectrum of a sound in 120 steps; "" where it cannot be read."""
    try:
        wave, rate = decode_audio(path)
    except InputError:
        return ""
    hop = max(len(wave) / rate / STEPS, 0.01)
    return spectrum_picture(log_mel(spectrogram(wave, rate, max(hop, 0.05), hop), rate))


def _excerpts(rows: pd.DataFrame, results: Results, genres: Mapping[str, str]) -> list[Excerpt]:
    """Sounds of one clip: presented, retrieved, generated, then oracle and chance."""

    def place(method: str) -> int:
        return FIRST.index(method) if method in FIRST else 100 + LAST.index(method) if method in LAST else 50

    ordered = rows.assign(place=rows["method"].map(place)).sort_values(["place", "method", "rank"], kind="stable")
    return [
        Excerpt(
            str(row["method"]),
            str(row["file"]),
            "" if row["method"] == "heard" else str(row["about"]),
            _facts(row, genres),
            _look(results.path / str(row["file"])),
        )
        for row in ordered.to_dict("records")
    ]


def _numbers(evaluation: pd.DataFrame) -> list[list[str]]:
    """Mean over subjects of every measure, with its 95% interval where there are several; a row per method."""
    if not len(evaluation):
        return []
    means = over_subjects(evaluation, by=["method", "encoder", "measure"])
    means["what"] = means["measure"].map(in_words) + ", " + means["encoder"]
    means["text"] = [_mean_and_interval(row) for row in means.to_dict("records")]
    columns = list(dict.fromkeys(means["what"]))
    rows = means.pivot(index="method", columns="what", values="text").reindex(dict.fromkeys(means["method"]))
    body = [
        [str(method), *cells] for method, cells in zip(rows.index, rows[columns].fillna("").to_numpy(), strict=True)
    ]
    return [["method", *columns], *body]


def _mean_and_interval(row: Mapping[Any, Any]) -> str:
    mean, low, high = (f"{round(row[name], 3) + 0.0:.3f}" for name in ("mean", "low", "high"))
    return mean if row["subjects"] < 2 else f"{mean} [{low}, {high}]"
