"""Rows of the table of features with names: what the regions of a subject respond to, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from b2m_encoding._typing import Float32
from b2m_encoding.analysis.tables.regions import study_regions
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.results.clip_responses import ClipResponses
from b2m_encoding.spaces import Space
from b2m_encoding.stats.tuning import named_tuning
from b2m_encoding.study import Study

FEWEST = 8
"""Clips below which correlations over clips say nothing."""


def tag_rows(
    responses: ClipResponses, spaces: Mapping[str, FeatureSpace], space: Space, study: Study
) -> list[dict[str, Any]]:
    """Correlations of the held-out responses of regions with named features of the clips.

    Columns are those of :data:`~b2m_encoding.results.schema.tables.TAGS`; none where fewer than eight clips were
    held out, or no feature has a name.
    """
    if len(responses.clips) < FEWEST:
        return []
    rows = []
    regions = [(hemi, name, _mean(responses.responses[:, mask])) for hemi, name, mask in study_regions(space, study)]
    for feature_space in spaces.values():
        if not feature_space.names:
            continue
        features = clip_means(feature_space, responses.clips.tolist())
        for hemi, region, response in regions:
            if response is None:
                continue
            found = named_tuning(response, features, study.statistics.level)
            rows += [
                {
                    "hemisphere": hemi,
                    "region": region,
                    "feature_space": feature_space.name,
                    "feature": name,
                    "r": found.r[i],
                    "low": found.low[i],
                    "high": found.high[i],
                    "q": found.q[i],
                    "clips": found.n_clips,
                }
                for i, name in enumerate(feature_space.names)
            ]
    return rows


def clip_means(space: FeatureSpace, clips: list[str]) -> Float32:
    """Mean of the features over the samples of each clip, shape (n_clips, n_features)."""
    return np.stack([space.values[space.runs.clip == clip].mean(axis=0) for clip in clips])


def _mean(responses: Float32) -> Float32 | None:
    """Mean over the tested targets of a region; None if there are none."""
    tested = np.isfinite(responses).all(axis=0)
    return responses[:, tested].mean(axis=1) if tested.any() else None
