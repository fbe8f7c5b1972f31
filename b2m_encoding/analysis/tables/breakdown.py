"""Prediction accuracy by run, clip and genre of the held-out samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.analysis.encoding.encode import Encoding
from b2m_encoding.runs import Runs
from b2m_encoding.stats import scores_by
from b2m_encoding.stats.generalisation import genres_of
from b2m_encoding.study import Study


def labels_of(runs: Runs) -> dict[str, NDArray[Any]]:
    """Run, clip and genre of every held-out sample; genres only where clips are named after several of them.

    Examples
    --------
    >>> runs = Runs.from_labels(["0/test"] * 3, 1.5, clip=["jazz.00001", "jazz.00002", "pop.00001"])
    >>> {by: labels.tolist() for by, labels in labels_of(runs).items() if by != "clip"}
    {'run': ['test', 'test', 'test'], 'genre': ['jazz', 'jazz', 'pop']}
    """
    labels = {"run": np.array([str(name).rpartition("/")[2] for name in runs.run]), "clip": runs.clip}
    genres = genres_of(runs.clip)
    if 1 < len(set(genres.tolist()) - {""}) < len(set(runs.clip.tolist()) - {""}):
        labels["genre"] = genres
    return labels


def breakdown_rows(subject: str, encoding: Encoding, study: Study) -> list[dict[str, Any]]:
    """One row per run, clip and genre; none where no target is predicted.

    Columns are those of :data:`~b2m_encoding.results.schema.tables.BREAKDOWN`.
    """
    held_out, inside = encoding.held_out, encoding.q < study.statistics.q
    if held_out is None or not inside.any():
        return []
    predicted, measured = held_out.predicted[:, inside], held_out.measured[:, inside]
    rows = []
    for by, labels in labels_of(held_out.runs).items():
        for label, r in scores_by(predicted, measured, labels).items():
            finite = r[np.isfinite(r)]
            rows.append(
                {
                    "subject": subject,
                    "by": by,
                    "label": label,
                    "score": float(finite.mean()) if len(finite) else float("nan"),
                    "targets": int(inside.sum()),
                    "samples": int((labels == label).sum()),
                }
            )
    return rows
