"""Prediction accuracy by run, clip and group of the held-out samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.analysis.encoding.encoding import Encoding
from b2m_encoding.runs import Runs
from b2m_encoding.stats import scores_by
from b2m_encoding.study import Study


def labels_of(runs: Runs, group: str = "group") -> dict[str, NDArray[Any]]:
    """Run, clip and group of every held-out sample; groups only where there are several, and fewer than clips.

    Parameters
    ----------
    runs : Runs
    group : str
        What the groups are called: ``genre``, ``speaker``.

    Examples
    --------
    >>> runs = Runs.from_labels(["0/test"] * 3, 1.5, clip=["a", "b", "c"], group=["jazz", "jazz", "pop"])
    >>> {by: labels.tolist() for by, labels in labels_of(runs, "genre").items() if by != "clip"}
    {'run': ['test', 'test', 'test'], 'genre': ['jazz', 'jazz', 'pop']}
    """
    labels = {"run": np.array([str(name).rpartition("/")[2] for name in runs.run]), "clip": runs.clip}
    if 1 < len(set(runs.group.tolist()) - {""}) < len(set(runs.clip.tolist()) - {""}):
        labels[group if group not in labels else "group"] = runs.group
    return labels


def breakdown_rows(subject: str, encoding: Encoding, study: Study) -> list[dict[str, Any]]:
    """One row per run, clip and group; none where no target is predicted.

    Columns are those of :data:`~b2m_encoding.results.schema.tables.BREAKDOWN`.
    """
    held_out, inside = encoding.held_out, encoding.q < study.statistics.q
    if held_out is None or not inside.any():
        return []
    predicted, measured = held_out.predicted[:, inside], held_out.measured[:, inside]
    rows = []
    for by, labels in labels_of(held_out.runs, study.data.group_name or "group").items():
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
