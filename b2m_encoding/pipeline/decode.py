"""Decoding of one subject: windows of responses to windows of features, and which clip was heard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.data import Recording, Responses, average_repeats
from b2m_encoding.decoding.decoder import RegionDecoder
from b2m_encoding.decoding.identification import chance_interval, identification_accuracy
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.pipeline.splits import split_samples
from b2m_encoding.pipeline.windows import WindowedRecording, stimulation_of, windowed
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import Atlas
from b2m_encoding.spaces.meshes import HEMISPHERES
from b2m_encoding.study import Study

MIN_REGION = 10
CHANCE = 0.5


@dataclass(frozen=True, eq=False)
class Decoding:
    """Identification of the test clips of one subject from one decoded feature space."""

    target: str
    clips: tuple[str, ...]
    accuracy: NDArray[np.float64]
    """Of each clip."""
    chance_interval: tuple[float, float]
    regions: tuple[str, ...]

    def summary(self) -> dict[str, Any]:
        """What goes into the results."""
        return {
            "feature_space": self.target,
            "identification_accuracy": float(self.accuracy.mean()),
            "chance": CHANCE,
            "chance_interval_95": list(self.chance_interval),
            "clips": len(self.clips),
            "regions": list(self.regions),
        }


def to_decode(
    recording: Recording, name: str, spaces: Mapping[str, FeatureSpace], study: Study
) -> tuple[Responses, FeatureSpace]:
    """Responses averaged under windows, and a feature space of the sound of the same windows."""
    assert study.decoding is not None
    if isinstance(recording, WindowedRecording):
        return recording.responses, spaces[name]
    recording = windowed(recording, study.decoding.windows)
    return recording.responses, study.features[name].build(name, stimulation_of(recording))


def decode_subject(responses: Responses, space: FeatureSpace, atlas: Atlas | None, study: Study) -> Decoding:
    """Decode one feature space and identify the test clips, repeats averaged and windows merged per clip.

    Without an atlas (responses that have no places) all targets are one region.

    Parameters
    ----------
    responses : Responses
        Of windows.
    space : FeatureSpace
        Of the same windows.
    atlas : Atlas, optional
    study : Study
    """
    table = study.decoding
    assert table is not None
    _, [split] = split_samples(responses.runs, study.evaluation)
    brain, windows, target = _samples(responses, space, split.train)
    brain, windows, target = brain[windows.used], windows.take(windows.used), target[windows.used]
    mean, deviation = target.mean(axis=0), target.std(axis=0)
    deviation[deviation == 0] = np.inf  # a dimension that never varies stays zero
    masks = region_masks(atlas) if atlas else {"all": np.ones(responses.n_targets, dtype=bool)}
    decoder = RegionDecoder(masks, n_best=table.regions, device=study.model.device)
    decoder.fit(brain, (target - mean) / deviation, windows)

    brain, windows, heard = _samples(responses, space, split.test)
    brain, merged = average_repeats(brain, windows)
    heard, _ = average_repeats((heard - mean) / deviation, windows)
    clips, predicted = _per_clip(decoder.predict(brain, merged), merged)
    _, true = _per_clip(heard, merged)
    chance = chance_interval(predicted, true, random_state=study.seed)
    return Decoding(space.name, clips, identification_accuracy(predicted, true), chance, decoder.best_)


def region_masks(atlas: Atlas) -> dict[str, NDArray[np.bool_]]:
    """Each region of each hemisphere that is large enough to decode from."""
    masks = {f"{hemi}_{name}": atlas.mask(name, hemi) for name in atlas.regions for hemi in HEMISPHERES}
    return {name: mask for name, mask in masks.items() if mask.sum() >= MIN_REGION}


def _samples(
    responses: Responses, space: FeatureSpace, mask: NDArray[np.bool_]
) -> tuple[NDArray[np.floating], Runs, NDArray[np.floating]]:
    """Responses, runs and features of the runs with some windows, which are the used ones."""
    names = [name for name, rows in responses.runs.slices.items() if mask[rows].any()]
    runs, rows = replace(responses.runs, used=mask).select(names)
    return np.concatenate([responses.load_run(name) for name in names]), runs, space.values[rows]


def _per_clip(values: NDArray[np.floating], runs: Runs) -> tuple[tuple[str, ...], NDArray[np.floating]]:
    """Mean over the windows of each clip."""
    clips = tuple(str(clip) for clip in dict.fromkeys(runs.clip.tolist()))
    return clips, np.stack([values[runs.clip == clip].mean(axis=0) for clip in clips])
