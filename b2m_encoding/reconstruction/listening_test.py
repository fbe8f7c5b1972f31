"""A blind two-alternative listening test of reconstructions: made from a results folder, and its answers analysed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from b2m_encoding.decoding.evaluation import cluster_interval, exact_interval
from b2m_encoding.errors import InputError
from b2m_encoding.figures.listening_test import BlindTrial, listening_test_page
from b2m_encoding.io.tables import tsv
from b2m_encoding.io.writing import write_whole
from b2m_encoding.reconstruction.evaluate import PRESENTED
from b2m_encoding.reconstruction.listening_page import merge_table
from b2m_encoding.results.place import results_kept
from b2m_encoding.results.reader import Results
from b2m_encoding.results.schema import CHANCE, listening_tables, tables
from b2m_encoding.results.schema.files import LISTENING_TEST

BY = ("listener", "genre", "subject", "method")
"""What answers are divided by."""


def write_listening_test(
    path: str | Path,
    *,
    method: str | None = None,
    target: str | None = None,
    decoder: str | None = None,
    corpus: str | None = None,
    subjects: Sequence[str] = (),
    trials: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
) -> Path:
    """Write a listening test, which of two reconstructions is that of the presented sound, as one HTML file.

    Parameters
    ----------
    path : path
        Results folder with reconstructions.
    method : str, optional
        ``retrieved`` or a generator; by default the generator, if there is one.
    target, decoder, corpus : str, optional
        Decoded feature space, decoder and corpus, as in ``reconstruction.tsv``; by default the first of each.
    subjects : sequence of str
        Only these.
    trials : int, optional
        So many of the clips, drawn at random; by default all.
    seed : int
    out : path, optional
        The page; ``listening_test.html`` in the results by default.

    Returns
    -------
    Path
        The page. The key, which a listener must not see, is added to ``listening_key.tsv`` in the results.

    Raises
    ------
    InputError
        If the results hold no such reconstructions, or fewer than two clips of a subject.

    Notes
    -----
    Each reconstruction is once the right one and once the other one, so that its number of occurrences is no hint.
    """
    results = Results.open(path)
    chosen = {"target": target, "decoder": decoder, "corpus": corpus}
    rows = _reconstructions(results, method, chosen, tuple(subjects))
    rng, page = np.random.default_rng(seed), Path(out) if out else results.path / LISTENING_TEST
    key = pd.concat([_paired(own, trials, rng) for _, own in rows.groupby("subject", sort=False)], ignore_index=True)
    key = key.iloc[rng.permutation(len(key))].reset_index(drop=True)
    content = [(results.path / file).read_bytes() for column in ("heard", "own", "foreign") for file in key[column]]
    digest = hashlib.sha256(f"{seed}".encode() + b"".join(hashlib.sha256(one).digest() for one in content))
    key["page"] = f"p{digest.hexdigest()[:12]}"
    key["trial"] = [f"t{i:03d}" for i in rng.permutation(len(key))]
    key["right"] = np.where(rng.permutation(len(key)) < len(key) / 2, "a", "b")
    names = {
        one: f"s{i:03d}" for i, one in zip(rng.permutation(len(set(content))), dict.fromkeys(content), strict=True)
    }
    heard, own, foreign = ([names[one] for one in content[i * len(key) : (i + 1) * len(key)]] for i in range(3))
    shown = [
        BlindTrial(trial, *((h, o, f) if right == "a" else (h, f, o)))
        for trial, right, h, o, f in zip(key["trial"], key["right"], heard, own, foreign, strict=True)
    ]
    shown.sort(key=lambda one: one.trial)
    sounds = dict(sorted((name, one) for one, name in names.items()))
    html = listening_test_page(str(key["page"].iloc[0]), shown, sounds, results.note)
    with results_kept(results.path, results.path):
        columns = [name for name in listening_tables.LISTENING_KEY.columns if name in key]
        merge_table(results.path / listening_tables.LISTENING_KEY.file, key[columns], ("page", "trial"))
        write_whole(page, html)
    return page


def _reconstructions(
    results: Results, method: str | None, wanted: Mapping[str, str | None], subjects: tuple[str, ...]
) -> pd.DataFrame:
    """Best reconstruction of every clip of one method beside the presented sound, with groups of clips."""
    table = results.table(tables.RECONSTRUCTION)
    made = table[table["rank"] == 1]
    for name, own in wanted.items():
        if own is not None or made[name].notna().any():  # tables of earlier versions name no corpus
            made = made[made[name] == (own if own is not None else made[name].iloc[0])]
    known = [name for name in dict.fromkeys(made["method"]) if name not in (PRESENTED, "oracle", "chance")]
    method = method or next((name for name in known if name != "retrieved"), known[0] if known else None)
    chosen = made[(made["method"] == method) & (made["subject"].isin(subjects) if subjects else True)]
    heard = made[made["method"] == PRESENTED].set_index(["subject", "clip"])["file"]
    heard = heard[~heard.index.duplicated()]
    rows = chosen.assign(heard=[heard.get((s, c)) for s, c in zip(chosen["subject"], chosen["clip"], strict=True)])
    rows = rows.dropna(subset="heard").drop_duplicates(["subject", "clip"])
    if not len(rows):
        raise InputError(
            "the results hold no such reconstructions, with their presented sounds",
            file=results.path / tables.RECONSTRUCTION.file,
            found=", ".join(part for part in (method, *wanted.values(), *subjects) if part),
            expected=", ".join([*known, "oracle", "chance"]),
            fix="b2m reconstruct first; --sounds names the folder of the stimuli",
        )
    clips = results.table(tables.CLIPS).set_index("clip")["group"] if results.has(tables.CLIPS) else {}
    return rows.assign(genre=[clips.get(str(clip), np.nan) for clip in rows["clip"]])


def _paired(rows: pd.DataFrame, trials: int | None, rng: np.random.Generator) -> pd.DataFrame:
    """Each reconstruction of a subject beside that of the next clip in a random circle."""
    rows = rows.iloc[rng.permutation(len(rows))[:trials]]
    if len(rows) < 2:
        raise InputError("a listening test needs two clips of a subject", found=f"sub-{rows['subject'].iloc[0]}")
    after = rows.iloc[np.roll(np.arange(len(rows)), -1)]
    return pd.DataFrame(
        {
            **{name: rows[name].to_numpy() for name in ("subject", "clip", "genre", "method", "heard")},
            "own": rows["file"].to_numpy(),
            "foreign": after["file"].to_numpy(),
            "other": after["clip"].to_numpy(),
            "other_genre": after["genre"].to_numpy(),
        }
    )


def analyse_answers(path: str | Path, answers: Sequence[str | Path], *, level: float = 0.95) -> pd.DataFrame:
    """Analyse answers to a listening test: share of right ones, of all, and by listener, genre, subject and method.

    Parameters
    ----------
    path : path
        The results folder, which holds the key.
    answers : sequence of path
        Files that listeners saved.
    level : float
        Coverage of the intervals.

    Returns
    -------
    DataFrame
        Columns of :data:`~b2m_encoding.results.schema.listening_tables.LISTENING_SUMMARY`; also written into the
        results, with all answers.

    Raises
    ------
    InputError
        If a file holds no answers, answers of another test, or a trial twice for one listener.

    Notes
    -----
    The exact interval and the binomial test treat answers as independent. Several answers to one clip, or of one
    listener, are not: the intervals over clips, and over listeners, count that.
    """
    results = Results.open(path)
    key = results.table(listening_tables.LISTENING_KEY)
    given = pd.concat([_read(Path(file)) for file in answers], ignore_index=True)
    twice = given.duplicated(["page", "listener", "trial"])
    if twice.any():
        row = given[twice].iloc[0]
        raise InputError(
            "a listener answers a trial twice", found=f"{row['listener']}, {row['trial']}",
            fix="leave out files that come twice; label listeners apart",
        )  # fmt: skip
    table = given.merge(key, on=["page", "trial"], how="left", validate="many_to_one")
    if (unknown := table["right"].isna()).any():
        row = table[unknown].iloc[0]
        raise InputError(
            "answers of another listening test", file=results.path / listening_tables.LISTENING_KEY.file,
            found=f"{row['page']}, {row['trial']}", expected=", ".join(dict.fromkeys(key["page"])),
        )  # fmt: skip
    table["correct"] = table["chosen"] == table["right"]
    rows = [_summary("all", "all", table, level)]
    for by in BY:
        rows += [_summary(by, str(label), own, level) for label, own in table.groupby(by, sort=True)]
    summary = pd.DataFrame(rows, columns=list(listening_tables.LISTENING_SUMMARY.columns))
    with results_kept(results.path, results.path):
        write_whole(
            results.path / listening_tables.LISTENING_ANSWERS.file,
            tsv(given[list(listening_tables.LISTENING_ANSWERS.columns)]),
        )
        write_whole(results.path / listening_tables.LISTENING_SUMMARY.file, tsv(summary))
    return summary


def _read(file: Path) -> pd.DataFrame:
    """Answers of a file."""
    names = list(listening_tables.LISTENING_ANSWERS.columns)
    try:
        table = pd.read_csv(file, sep="\t", dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputError("answers cannot be read", file=file, found=error, expected="a saved table") from error
    if missing := [name for name in names if name not in table.columns]:
        raise InputError("answers lack columns", file=file, found=", ".join(table.columns), expected=", ".join(missing))
    wrong = table[~table["chosen"].isin(["a", "b"]) | (table["listener"] == "")]
    if len(wrong) or not len(table):
        found = "no answer" if not len(table) else f"{wrong['trial'].iloc[0]}: {wrong['chosen'].iloc[0]!r}"
        raise InputError(
            "a file holds no valid answers", file=file, found=found, expected="a or b, of a named listener"
        )
    return table


def _summary(by: str, label: str, table: pd.DataFrame, level: float) -> dict[str, Any]:
    right, n = int(table["correct"].sum()), len(table)
    row: dict[str, Any] = {"by": by, "label": label, "answers": n, "right": right, "proportion": right / n}
    row["low"], row["high"] = exact_interval(right, n, level)
    row["p"] = float(binomtest(right, n, CHANCE).pvalue)
    for name, column in (("clips", "clip"), ("listeners", "listener")):
        row[name] = table[column].nunique()
        row[f"{name}_low"], row[f"{name}_high"] = cluster_interval(table["correct"], table[column], level)
    return row
