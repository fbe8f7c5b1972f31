"""Rows of the table of delay curves: median and quartiles over the predicted targets of every region."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from b2m_encoding._typing import Booleans, Floating
from b2m_encoding.analysis.tables.regions import study_regions
from b2m_encoding.spaces import Space
from b2m_encoding.stats.tuning import delay_curves
from b2m_encoding.study import Study

FEWEST = 3
"""Targets below which quartiles say nothing."""


def delay_rows(
    weights: Mapping[str, Floating], deviations: Mapping[str, Floating], predicted: Booleans, space: Space, study: Study
) -> list[dict[str, Any]]:
    """Delay curves of regions, both hemispheres together; none where there is one delay, or no region is predicted.

    Columns are those of :data:`~b2m_encoding.results.schema.tables.DELAYS`.
    """
    masks: dict[str, Booleans] = {}
    for _, name, mask in study_regions(space, study):
        masks[name] = (masks[name] | mask if name in masks else mask) & predicted
    masks = {name: mask for name, mask in masks.items() if mask.sum() >= FEWEST}
    if len(study.model.delays) < 2 or not masks:
        return []
    every, rows = delay_curves(weights, deviations), []
    for name, mask in masks.items():
        curves = every[:, mask & np.isfinite(every).all(axis=0)]
        if curves.shape[1] < FEWEST:
            continue
        quartiles = np.percentile(curves, [25, 50, 75], axis=1).T.tolist()
        rows += [
            {"region": name, "delay": delay, "lower_quartile": low, "median": middle, "upper_quartile": high,
             "targets": curves.shape[1]}
            for delay, (low, middle, high) in zip(study.model.delays, quartiles, strict=True)
        ]  # fmt: skip
    return rows
