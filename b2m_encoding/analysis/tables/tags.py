"""Features with names: what the regions, and the targets, of a subject respond to, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from b2m_encoding._typing import Float32
from b2m_encoding.analysis.tables.regions import study_regions
from b2m_encoding.data import Recording
from b2m_encoding.features.captions import caption_words
from b2m_encoding.features.clips import Clip
from b2m_encoding.features.extractors.from_captions import CaptionExtractor
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.results.clip_responses import ClipResponses
from b2m_encoding.spaces import Space
from b2m_encoding.stats.tuning import named_tuning
from b2m_encoding.study import Study

FEWEST = 8
"""Clips below which correlations over clips say nothing."""


class NamedFeatures(NamedTuple):
    """Features with names, of clips.

    Parameters
    ----------
    space : str
        Feature space.
    names : tuple of str
        Tags, acoustic features, or words of captions.
    values : array, shape (n_clips, n_features)
        Means over the samples of each clip; 1 where its caption contains the word, else 0.
    """

    space: str
    names: tuple[str, ...]
    values: Float32


def named_features(
    responses: ClipResponses, spaces: Mapping[str, FeatureSpace], recording: Recording, study: Study
) -> list[NamedFeatures]:
    """Read the features with names of the held-out clips; none where fewer than eight were held out."""
    clips = responses.clips.tolist()
    if len(clips) < FEWEST:
        return []
    found = []
    for name, space in spaces.items():
        table = study.features[name]
        if space.names:
            found.append(NamedFeatures(name, space.names, clip_means(space, clips)))
        elif isinstance(table, CaptionExtractor):
            presented = {
                label: Clip(one.stimulus, one.start, one.duration) for label, one in recording.presented.items()
            }
            captions = table.texts_of(presented.values())
            words, there = caption_words([captions[presented[label]] for label in clips])
            found += [NamedFeatures(name, words, there)] if words else []
    return found


def tag_rows(
    responses: ClipResponses, named: Sequence[NamedFeatures], space: Space, study: Study
) -> list[dict[str, Any]]:
    """Correlations of the held-out responses of regions with named features of the clips.

    Columns are those of :data:`~b2m_encoding.results.schema.tables.TAGS`.
    """
    rows = []
    regions = [(hemi, name, _mean(responses.responses[:, mask])) for hemi, name, mask in study_regions(space, study)]
    for features in named:
        for hemi, region, response in regions:
            if response is None:
                continue
            found = named_tuning(response, features.values, study.statistics.level)
            rows += [
                {
                    "hemisphere": hemi,
                    "region": region,
                    "feature_space": features.space,
                    "feature": name,
                    "r": found.r[i],
                    "low": found.low[i],
                    "high": found.high[i],
                    "q": found.q[i],
                    "clips": found.n_clips,
                }
                for i, name in enumerate(features.names)
            ]
    return rows


def clip_means(space: FeatureSpace, clips: list[str]) -> Float32:
    """Mean of the features over the samples of each clip, shape (n_clips, n_features)."""
    return np.stack([space.values[space.runs.clip == clip].mean(axis=0) for clip in clips])


def _mean(responses: Float32) -> Float32 | None:
    """Mean over the tested targets of a region; None if there are none."""
    tested = np.isfinite(responses).all(axis=0)
    return responses[:, tested].mean(axis=1) if tested.any() else None
