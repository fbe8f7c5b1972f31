"""Decoding of one subject: windows of responses to windows of features, and which clip was heard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.data import Responses, average_repeats
from b2m_encoding.decoding.decoder import RegionDecoder
from b2m_encoding.decoding.identification import chance_interval, identification_accuracy, identified
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.features.windows import average_windows
from b2m_encoding.pipeline.splits import split_samples
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import Atlas
from b2m_encoding.spaces.meshes import HEMISPHERES
from b2m_encoding.study import DecodingTable, Study

MIN_REGION = 10
CHANCE = 0.5


@dataclass(frozen=True, eq=False)
class Decoding:
    """Identification of the test clips of one subject from one decoded feature space."""

    target: str
    clips: tuple[str, ...]
    accuracy: NDArray[np.float64]
    """Of each clip."""
    identified: tuple[str, ...]
    """The clip that is most like the prediction from the responses to each clip."""
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


def decode_subject(responses: Responses, space: FeatureSpace, atlas: Atlas | None, study: Study) -> Decoding:
    """Decode one feature space and identify the test clips, repeats averaged and windows merged per clip.

    Without an atlas (responses that have no places) all targets are one region.
    """
    table = study.decoding
    assert table is not None
    runs, [split] = split_samples(responses.runs, study.evaluation)
    responses = responses.with_runs(runs)
    train_runs, test_runs = (_names(runs, mask) for mask in (split.train, split.test))
    brain, windows = _windows(responses, train_runs, table.window, table.step, table.lag)
    target = _features(space, runs, train_runs, table)
    mean, deviation = target.mean(axis=0), target.std(axis=0)
    deviation[deviation == 0] = np.inf  # a dimension that never varies stays zero
    masks = region_masks(atlas) if atlas else {"all": np.ones(responses.n_targets, dtype=bool)}
    decoder = RegionDecoder(masks, n_best=table.regions, device=study.model.device)
    decoder.fit(brain, (target - mean) / deviation, windows)

    brain, windows = _windows(responses, test_runs, table.window, table.step, table.lag)
    heard = (_features(space, runs, test_runs, table) - mean) / deviation
    brain, merged = average_repeats(brain, windows)
    heard, _ = average_repeats(heard, windows)
    clips, predicted = _per_clip(decoder.predict(brain, merged), merged)
    _, true = _per_clip(heard, merged)
    chance = chance_interval(predicted, true, random_state=study.seed)
    taken = tuple(clips[i] for i in identified(predicted, true))
    return Decoding(space.name, clips, identification_accuracy(predicted, true), taken, chance, decoder.best_)


def region_masks(atlas: Atlas) -> dict[str, NDArray[np.bool_]]:
    """Each region of each hemisphere that is large enough to decode from."""
    masks = {f"{hemi}_{name}": atlas.mask(name, hemi) for name in atlas.regions for hemi in HEMISPHERES}
    return {name: mask for name, mask in masks.items() if mask.sum() >= MIN_REGION}


def _names(runs: Runs, mask: NDArray[np.bool_]) -> list[str]:
    return [name for name, rows in runs.slices.items() if mask[rows].any()]


def _windows(
    responses: Responses, names: list[str], window: float, step: float, lag: float
) -> tuple[NDArray[np.floating], Runs]:
    """Windows of the responses, one run in memory at a time."""
    parts = [
        average_windows(responses.load_run(name), responses.runs.select([name])[0], window, step, lag) for name in names
    ]
    return np.concatenate([values for values, _ in parts]), Runs.concatenate([runs for _, runs in parts])


def _features(space: FeatureSpace, runs: Runs, names: list[str], table: DecodingTable) -> NDArray[np.floating]:
    """Features of the windows whose responses are taken."""
    selected, rows = runs.select(names)
    return average_windows(space.values[rows], selected, table.window, table.step, table.lag, shifted=False)[0]


def _per_clip(values: NDArray[np.floating], runs: Runs) -> tuple[tuple[str, ...], NDArray[np.floating]]:
    """Mean over the windows of each clip."""
    clips = tuple(str(clip) for clip in dict.fromkeys(runs.clip.tolist()))
    return clips, np.stack([values[runs.clip == clip].mean(axis=0) for clip in clips])
