"""Decoding of one subject: windows of responses to windows of features, and which clip was heard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.data import Recording, Responses, average_repeats
from b2m_encoding.decoding.decoder import RegionDecoder
from b2m_encoding.decoding.identification import Part, chance_interval, identification_accuracy, identified
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.pipeline.splits import split_samples
from b2m_encoding.pipeline.windows import WindowedRecording, stimulation_of, windowed
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import Atlas
from b2m_encoding.spaces.meshes import HEMISPHERES
from b2m_encoding.stats.generalisation import genres_of
from b2m_encoding.study import Study

MIN_REGION = 10
CHANCE = 0.5
Masks = Mapping[str, NDArray[np.bool_]]


@dataclass(frozen=True, eq=False)
class Decoding:
    """Identification of the test clips of one subject from one decoded feature space.

    Parameters
    ----------
    target : str
    clips : tuple of str
    accuracy : array, shape (n_clips,)
    identified : tuple of str
        The clip that is most like the prediction from the responses to each clip.
    chance_interval : tuple of float
        Of the mean accuracy.
    regions : tuple of str
    unheard : array, shape (n_clips,), or None
        Accuracy of decoders that never met the genre of the clip (Brain2Music, arXiv 2307.11078, Fig. 7a).
    unheard_chance : tuple of float, or None
    """

    target: str
    clips: tuple[str, ...]
    accuracy: NDArray[np.float64]
    identified: tuple[str, ...]
    chance_interval: tuple[float, float]
    regions: tuple[str, ...]
    unheard: NDArray[np.float64] | None = None
    unheard_chance: tuple[float, float] | None = None

    def summary(self) -> dict[str, Any]:
        """What goes into the results."""
        found = {
            "feature_space": self.target,
            "identification_accuracy": float(self.accuracy.mean()),
            "chance": CHANCE,
            "chance_interval_95": list(self.chance_interval),
            "clips": len(self.clips),
            "regions": list(self.regions),
        }
        if self.unheard is not None and self.unheard_chance is not None:
            found["identification_accuracy_unheard_genre"] = float(self.unheard.mean())
            found["chance_interval_95_unheard_genre"] = list(self.unheard_chance)
        return found


@dataclass(frozen=True, eq=False)
class Samples:
    """Responses and features of the same windows, shape (n_windows, n_targets or n_dimensions)."""

    brain: NDArray[np.floating]
    features: NDArray[np.floating]
    runs: Runs

    def take(self, rows: NDArray[np.bool_]) -> Samples:
        """Some of the windows."""
        return Samples(self.brain[rows], self.features[rows], self.runs.take(rows))


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
    _, [split] = split_samples(responses.runs, study.evaluation)
    training, heard = (_samples(responses, space, mask) for mask in (split.train, split.test))
    training = training.take(training.runs.used)
    brain, merged = average_repeats(heard.brain, heard.runs)
    test = Samples(brain, average_repeats(heard.features, heard.runs)[0], merged)
    masks = region_masks(atlas) if atlas else {"all": np.ones(responses.n_targets, dtype=bool)}

    clips = tuple(str(clip) for clip in dict.fromkeys(merged.clip.tolist()))
    predicted, true, regions = _decode(training, test, masks, study)
    whole = [(predicted, true, np.ones(len(clips), dtype=bool))]
    unheard = None
    if "genre" in study.statistics.generalise:
        unheard = _without_genres(training, test, np.array(clips), masks, study)
    return Decoding(
        space.name,
        clips,
        identification_accuracy(predicted, true),
        tuple(clips[i] for i in identified(predicted, true)),
        chance_interval(whole, random_state=study.seed),
        regions,
        None if unheard is None else _accuracy(unheard),
        None if unheard is None else chance_interval(unheard, random_state=study.seed),
    )


def region_masks(atlas: Atlas) -> dict[str, NDArray[np.bool_]]:
    """Each region of each hemisphere that is large enough to decode from."""
    masks = {f"{hemi}_{name}": atlas.mask(name, hemi) for name in atlas.regions for hemi in HEMISPHERES}
    return {name: mask for name, mask in masks.items() if mask.sum() >= MIN_REGION}


def _decode(
    training: Samples, test: Samples, masks: Masks, study: Study
) -> tuple[NDArray[np.floating], NDArray[np.floating], tuple[str, ...]]:
    """Decoded and true features of every test clip, in units of the training windows, and the regions used."""
    assert study.decoding is not None
    mean, deviation = training.features.mean(axis=0), training.features.std(axis=0)
    deviation[deviation == 0] = np.inf  # a dimension that never varies stays zero
    decoder = RegionDecoder(masks, n_best=study.decoding.regions, device=study.model.device)
    decoder.fit(training.brain, (training.features - mean) / deviation, training.runs)
    predicted = _per_clip(decoder.predict(test.brain, test.runs), test.runs)
    return predicted, _per_clip((test.features - mean) / deviation, test.runs), decoder.best_


def _without_genres(training: Samples, test: Samples, clips: NDArray[Any], masks: Masks, study: Study) -> list[Part]:
    """Decode the clips of each genre by a decoder trained without it; all test clips stay candidates.

    Windows of other clips stay, though the response in their first seconds still holds some of a clip before them.
    """
    trained, tested = genres_of(training.runs.clip), genres_of(clips)
    parts = []
    for genre in dict.fromkeys(tested.tolist()):
        predicted, true, _ = _decode(training.take(trained != genre), test, masks, study)
        parts.append((predicted, true, tested == genre))
    return parts


def _accuracy(parts: list[Part]) -> NDArray[np.float64]:
    """Accuracy of each clip by the decoder that is judged on it."""
    out = np.empty(len(parts[0][0]))
    for predicted, true, judged in parts:
        out[judged] = identification_accuracy(predicted, true)[judged]
    return out


def _samples(responses: Responses, space: FeatureSpace, mask: NDArray[np.bool_]) -> Samples:
    """Samples of the runs with some windows, which are the used ones; one run of volumes in memory at a time."""
    names = [name for name, rows in responses.runs.slices.items() if mask[rows].any()]
    runs, rows = replace(responses.runs, used=mask).select(names)
    return Samples(np.concatenate([responses.load_run(name) for name in names]), space.values[rows], runs)


def _per_clip(values: NDArray[np.floating], runs: Runs) -> NDArray[np.floating]:
    """Mean over the windows of each clip, in the order in which they were heard first."""
    return np.stack([values[runs.clip == clip].mean(axis=0) for clip in dict.fromkeys(runs.clip.tolist())])
