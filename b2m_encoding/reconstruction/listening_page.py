"""Tables of a reconstruction, and the page that plays it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from b2m_encoding.decoding.evaluation import over_subjects
from b2m_encoding.figures.listening import Excerpt, Listening, Trial, listening_page
from b2m_encoding.io.writing import write_whole
from b2m_encoding.results.reader import Results
from b2m_encoding.results.schema.files import LISTEN

TEXT = {"subject": str, "clip": str, "recording": str, "about": str}
ORDER = ("heard", "retrieved")
"""What is played first; oracle and chance come last."""
LAST = ("oracle", "chance")


def merge_table(path: Path, new: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Put rows into a table on disk in the place of those with the same keys; returns the whole."""
    table = new
    if path.is_file():
        old = pd.read_csv(path, sep="\t", na_values=["n/a"], keep_default_na=False, dtype=TEXT)
        replaced = set(map(tuple, new[list(keys)].astype(str).to_numpy().tolist()))
        kept = [tuple(row) not in replaced for row in old[list(keys)].astype(str).to_numpy().tolist()]
        if any(kept):
            table = pd.concat([old[kept], new], ignore_index=True)
    write_whole(path, table.to_csv(sep="\t", index=False, na_rep="n/a", float_format="%.6g"))
    return table


def write_listening(
    results: Results, table: pd.DataFrame, evaluation: pd.DataFrame, names: Mapping[str, str], corpus: str
) -> Path:
    """Write ``listen.html`` of one target and decoder.

    Parameters
    ----------
    results : Results
    table : DataFrame
        Rows of ``reconstruction.tsv``.
    evaluation : DataFrame
        Rows of ``evaluation.tsv``.
    names : mapping
        ``target`` and ``decoder``.
    corpus : str
        Its name.
    """
    chosen, judged = (_of(one, names) for one in (table, evaluation))
    trials = [
        Trial(str(subject), str(clip), tuple(_excerpts(rows)))
        for subject, own in chosen.groupby("subject", sort=False)
        for clip, rows in own.groupby("clip", sort=False)
    ]
    caption = (
        f"Decoded feature space: {names['target']}, decoder {names['decoder']}. Retrieved: the recording of the "
        f"corpus {corpus} that is nearest to what was decoded from the responses. Oracle: the nearest to the embedding "
        "of what was heard. Chance: any. Generated sounds are made from the decoded embedding; of several the one "
        "comes first from which an encoding model predicts the measured responses best. All sounds are brought "
        "to one level. Numbers: mean over subjects [95 % interval]."
    )
    page = listening_page(Listening(
        f"{results.study.get('name', results.path.name)}: heard and reconstructed", trials, results.note, caption,
        _numbers(judged),
    ))  # fmt: skip
    return write_whole(results.path / LISTEN, page)


def _of(table: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    return table[(table["target"] == names["target"]) & (table["decoder"] == names["decoder"])]


def _excerpts(rows: pd.DataFrame) -> list[Excerpt]:
    """Sounds of one clip: heard, retrieved, generated, then oracle and chance."""

    def place(method: str) -> int:
        return ORDER.index(method) if method in ORDER else 100 + LAST.index(method) if method in LAST else 50

    ordered = rows.assign(place=rows["method"].map(place)).sort_values(["place", "method", "rank"], kind="stable")
    return [
        Excerpt(str(row["method"]), str(row["file"]), "" if row["method"] == "heard" else str(row["about"]))
        for row in ordered.to_dict("records")
    ]


def _numbers(judged: pd.DataFrame) -> list[list[str]]:
    """Mean over subjects of every measure, with its 95 % interval where there are several; a row per method."""
    if not len(judged):
        return []
    found = over_subjects(judged, by=["method", "encoder", "measure"])
    found["what"] = found["measure"] + ", " + found["encoder"]
    found["said"] = [_mean_and_interval(row) for row in found.to_dict("records")]
    columns = list(dict.fromkeys(found["what"]))
    rows = found.pivot(index="method", columns="what", values="said").reindex(dict.fromkeys(found["method"]))
    body = [[str(method), *own] for method, own in zip(rows.index, rows[columns].fillna("").to_numpy(), strict=True)]
    return [["method", *columns], *body]


def _mean_and_interval(row: Mapping[Any, Any]) -> str:
    mean, low, high = (f"{round(row[name], 3) + 0.0:.3f}" for name in ("mean", "low", "high"))
    return mean if row["subjects"] < 2 else f"{mean} [{low}, {high}]"
