"""Table of decoding accuracies beside the published ones, Table 2 of Brain2Music."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from b2m_encoding.analysis.decoding.decode import Decoding
from b2m_encoding.results.schema.brain2music import published
from b2m_encoding.results.schema.decoding_tables import MEASURES, RAW
from b2m_encoding.study import Study

SHORT = {
    **{name: text.replace(" accuracy", "").replace("correlation", "r") for name, text in MEASURES.items()},
    RAW: "identification, raw units",
}
"""Measures as a terminal has room for them."""


def decoding_table(decodings: Mapping[str, Sequence[Decoding]], study: Study) -> pd.DataFrame:
    """Mean and standard deviation over subjects of each decoded feature space and decoder, beside those of the paper.

    Embeddings, responses and alignment differ from those of the paper: compare the order of the rows, and each with
    chance.

    Parameters
    ----------
    decodings : mapping of subject to sequence of Decoding
    study : Study

    Returns
    -------
    DataFrame
        ``target``, ``decoder``, ``subjects``, each measure with ``_sd``, ``stands_for`` and each measure with
        ``_published`` and ``_published_sd``; NaN where the paper has no such row, or with one subject.
    """
    rows = [
        {"subject": subject, "target": decoding.target, "decoder": decoding.decoder, **_measures(decoding)}
        for subject, decoded in decodings.items()
        for decoding in decoded
    ]
    summary = []
    for (target, decoder), group in pd.DataFrame(rows).groupby(["target", "decoder"], sort=False):
        row: dict[str, Any] = {"target": target, "decoder": decoder, "subjects": len(group)}
        for name in (*MEASURES, RAW):
            row |= {name: group[name].mean(), f"{name}_sd": group[name].std()}
        row["stands_for"] = study.embedding(target)
        for name in MEASURES:
            if one := published().get(f"{name}/{row['stands_for']}"):
                row |= {f"{name}_published": one.value, f"{name}_published_sd": one.sd}
        summary.append(row)
    columns = [f"{name}_published{sd}" for name in MEASURES for sd in ("", "_sd")]
    table = pd.DataFrame(summary)
    return table.reindex(columns=[*[c for c in table if c not in columns], *columns])


def _measures(decoding: Decoding) -> dict[str, float]:
    values = (
        decoding.accuracy.mean(),
        decoding.measures["identification_accuracy_training"],
        decoding.measures["correlation"],
        decoding.measures["correlation_training"],
    )
    raw = decoding.measures.get("identification_accuracy_raw", float("nan"))
    return {**dict(zip(MEASURES, map(float, values), strict=True)), RAW: raw}


def shown(table: pd.DataFrame) -> list[tuple[str, str, str, str]]:
    """Lines of a printed table: what was decoded ("" as above), measure, and mean (SD) here and in the paper."""
    lines = []
    for row in table.to_dict("records"):
        stands_for = f" (for {row['stands_for']})" if isinstance(row["stands_for"], str) else ""
        what = f"{row['target']}{stands_for}, {row['decoder']}"
        for name, text in SHORT.items():
            if pd.isna(row[name]):
                continue
            published = _number(row.get(f"{name}_published", np.nan), row.get(f"{name}_published_sd", np.nan))
            lines.append((what, text, _number(row[name], row[f"{name}_sd"]), published))
            what = ""
    return lines


def warnings_of(decodings: Mapping[str, Sequence[Decoding]]) -> list[str]:
    """Every note on the decoding of a subject, once."""
    return sorted({note for decoded in decodings.values() for decoding in decoded for note in decoding.notes})


def _number(mean: float, deviation: float) -> str:
    if pd.isna(mean):
        return "-"
    return f"{mean:.3f}" if pd.isna(deviation) else f"{mean:.3f} ({deviation:.3f})"
