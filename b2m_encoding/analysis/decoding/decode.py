"""Decoding of one subject: windows of responses to windows of features, and which clip was heard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.analysis.decoding.decoders import Masks, new_decoders
from b2m_encoding.analysis.decoding.windows import Floats, Samples, ToDecode, Units, per_clip
from b2m_encoding.analysis.windows import WindowedRecording, stimulus_timeline, windowed
from b2m_encoding.data import Recording
from b2m_encoding.decoding.decoders.base import Decoder
from b2m_encoding.decoding.decoders.calibration import Calibration, Scale
from b2m_encoding.decoding.decoders.ensemble import EnsembleDecoder, mean_direction
from b2m_encoding.decoding.decoders.ridge import RidgeDecoder
from b2m_encoding.decoding.identification import (
    EvaluatedClips,
    by_label,
    chance_interval,
    chance_of_scores,
    identification_accuracy,
    identification_scores,
    identified,
    note_of_shared,
    shared_clips,
)
from b2m_encoding.errors import InputError
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.models.scores import pearson_r
from b2m_encoding.results.decoded import DecodedWindows
from b2m_encoding.stats.generalisation import genres_of
from b2m_encoding.study import Study

CHANCE = 0.5
MERGING = "mean over the windows of a clip and over its repeats, of predictions and of features"


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
    predicted, true : array, shape (n_clips, n_dimensions)
        In the units of the feature space.
    windows : DecodedWindows
        What was decoded from each window, in the same units.
    measures : mapping of str to float
        n-way accuracy, share within the best k, ranks; correlation per dimension over windows, averaged; the same of
        the training windows that the decoder was fitted to.
    decoder : str
    lag : float or None
        Of the windows, s.
    notes : tuple of str
    chance : mapping of str to tuple of float
        Intervals of n-way accuracy, of the share within the best k and of ranks by chance.
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
    predicted: NDArray[np.float32]
    true: NDArray[np.float32]
    windows: DecodedWindows
    measures: Mapping[str, float]
    decoder: str = "regions"
    lag: float | None = None
    notes: tuple[str, ...] = ()
    chance: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    unheard: NDArray[np.float64] | None = None
    unheard_chance: tuple[float, float] | None = None

    def summary(self) -> dict[str, Any]:
        """What goes into the results."""
        found = {
            "feature_space": self.target,
            "decoder": self.decoder,
            "identification_accuracy": float(self.accuracy.mean()),
            "chance": CHANCE,
            "chance_interval_95": list(self.chance_interval),
            "clips": len(self.clips),
            "merging": MERGING,
            "by_genre": by_label(self.accuracy, genres_of(np.array(self.clips))),
            **self.measures,
            "lag": self.lag,
            "regions": list(self.regions),
            "notes": list(self.notes),
            "chance_interval_95_of": {name: list(ends) for name, ends in self.chance.items()},
        }
        if self.unheard is not None and self.unheard_chance is not None:
            found["identification_accuracy_unheard_genre"] = float(self.unheard.mean())
            found["chance_interval_95_unheard_genre"] = list(self.unheard_chance)
        return found


def to_decode(recording: Recording, name: str, spaces: Mapping[str, FeatureSpace], study: Study) -> ToDecode:
    """Responses averaged under windows, and a feature space of the sound of the same windows.

    Where the study names several lags, that of the best cross-validated r in training windows.
    """
    assert study.decoding is not None
    if isinstance(recording, WindowedRecording):
        space = spaces[name] if name in spaces else study.features[name].build(name, stimulus_timeline(recording))
        return ToDecode.of(recording.responses, space, study)
    first, *more = study.decoding.lags or (study.decoding.lag,)
    cut = windowed(recording, study.decoding.windows_of(name, first))
    space = study.features[name].build(name, stimulus_timeline(cut))
    found = [ToDecode.of(cut.responses, space, study)]
    for lag in more:  # the same sound, later responses
        later = windowed(recording, study.decoding.windows_of(name, lag)).responses
        found.append(ToDecode.of(later, replace(space, runs=later.runs), study))
    return max(found, key=lambda one: _cross_validated_r(one.training, study)) if more else found[0]


def _cross_validated_r(training: Samples, study: Study) -> float:
    features = Units.of(training.features).standard(training.features)
    return RidgeDecoder(device=study.model.device).fit(training.brain, features, training.runs).score_


def decode_subject(windows: ToDecode, masks: Masks | None, study: Study) -> list[Decoding]:
    """Decode one feature space by every decoder of a study, and identify the test clips.

    Repeats are averaged and windows merged per clip.

    Parameters
    ----------
    windows : ToDecode
    masks : mapping of str to array of bool, optional
        Regions to decode from; all targets are one region by default.
    study : Study
    """
    training, test = windows.training, windows.test
    units = Units.of(training.features)
    masks = masks or {"all": np.ones(training.brain.shape[1], dtype=bool)}
    decoders = fit_decoders(training, units, masks, study)
    assert study.decoding is not None
    found = [
        evaluate_decoder(name, said, training, test, units, windows.target, study)
        for name, said in predict_windows(decoders, training, test, units, study.decoding.calibrate).items()
    ]
    found = [
        replace(one, lag=windows.lag, regions=tuple(getattr(decoder, "best_", ())))
        for one, decoder in zip(found, decoders.values(), strict=True)
    ]
    if "genre" in study.statistics.generalise:
        parts = _without_genres(training, test, units, masks, study)
        found = [
            replace(one, unheard=_accuracy(own), unheard_chance=chance_interval(own, random_state=study.seed))
            for one, own in zip(found, parts.values(), strict=True)
        ]
    return found


def fit_decoders(training: Samples, units: Units, masks: Masks, study: Study) -> dict[str, Decoder]:
    """Every decoder of the study, fitted to training windows in standard units."""
    decoders = new_decoders(masks, study)
    for decoder in decoders.values():
        if not isinstance(decoder, EnsembleDecoder):  # its members are the others
            decoder.fit(training.brain, units.standard(training.features), training.runs)
    return decoders


Predictions = tuple[Floats, Floats]
"""Decoded features of training and of test windows, in standard units."""


def predict_windows(
    decoders: Mapping[str, Decoder], training: Samples, test: Samples, units: Units, scale: Scale
) -> dict[str, Predictions]:
    """What fitted decoders make of the windows, calibrated; an ensemble says what those before it say on average."""
    standard = units.standard(training.features)
    said: dict[str, tuple[Floats, ...]] = {}
    crossed: dict[str, Floats] = {}
    for name, decoder in decoders.items():
        if isinstance(decoder, EnsembleDecoder):
            said[name] = tuple(map(mean_direction, zip(*said.values(), strict=True)))
            if scale != "none":
                crossed[name] = mean_direction(list(crossed.values()))
            continue
        said[name] = tuple(decoder.predict(part.brain, part.runs) for part in (training, test))
        if scale != "none":
            crossed[name] = decoder.cross_val_predict(training.brain, standard, training.runs)
    if scale == "none":
        return {name: (own[0], own[1]) for name, own in said.items()}
    return {name: calibrated(own, crossed[name], standard, scale) for name, own in said.items()}


def calibrated(said: Sequence[Floats], crossed: Floats, standard: Floats, scale: Scale) -> Predictions:
    """Predictions calibrated by cross-validated ones of training windows."""
    calibration = Calibration(scale, norm=False).fit(crossed, standard)
    return calibration(said[0]), calibration(said[1])


def evaluate_decoder(
    name: str, said: Predictions, training: Samples, test: Samples, units: Units, target: str, study: Study
) -> Decoding:
    """Identify the test clips by what a decoder says, and the training clips beside them."""
    assert study.decoding is not None
    if not all(np.isfinite(part).all() for part in said):
        raise InputError(f"decoder {name} gave values that are not finite", found=target)
    trained, true_trained = (per_clip(v, training.runs) for v in (said[0], units.standard(training.features)))
    heard = units.standard(test.features)
    predicted, true = per_clip(said[1], test.runs), per_clip(heard, test.runs)
    clips = tuple(str(clip) for clip in dict.fromkeys(test.runs.clip.tolist()))
    whole = [(predicted, true, np.ones(len(clips), dtype=bool))]
    measures = {
        **identification_scores(predicted, true),
        "identification_accuracy_windows": float(identification_accuracy(said[1], heard, test.runs.clip).mean()),
        "correlation": _mean_r(said[1], heard),
        "identification_accuracy_training": float(identification_accuracy(trained, true_trained).mean()),
        "correlation_training": _mean_r(said[0], units.standard(training.features)),
    }
    note = note_of_shared(shared_clips(training.runs.clip, test.runs.clip))
    back = partial(units.back, same_length=study.decoding.calibrate != "none")
    return Decoding(
        target,
        clips,
        identification_accuracy(predicted, true),
        tuple(clips[i] for i in identified(predicted, true)),
        chance_interval(whole, random_state=study.seed),
        (),
        back(predicted),
        units.back(true),
        DecodedWindows(back(said[1]), test.runs.clip, np.asarray(test.start, dtype=np.float64)),
        measures,
        decoder=name,
        notes=(note,) if note else (),
        chance=chance_of_scores(predicted, true, random_state=study.seed),
    )


def _mean_r(predicted: Floats, true: Floats) -> float:
    """Pearson r of every dimension over windows, averaged over those that vary."""
    r = pearson_r(predicted, true)
    return float(np.nanmean(r)) if np.isfinite(r).any() else 0.0


def _without_genres(
    training: Samples, test: Samples, units: Units, masks: Masks, study: Study
) -> dict[str, list[EvaluatedClips]]:
    """Decode the clips of each genre by decoders trained without it; all test clips stay candidates.

    Windows of other clips stay, though the response in their first seconds still holds some of a clip before them.
    """
    trained, tested = genres_of(training.runs.clip), genres_of(np.array(list(dict.fromkeys(test.runs.clip.tolist()))))
    parts: dict[str, list[EvaluatedClips]] = {}
    assert study.decoding is not None
    scale: Scale = "dimension" if study.decoding.calibrate == "dimension" else "none"  # others hardly change likeness
    for genre in dict.fromkeys(tested.tolist()):
        others = training.take(trained != genre)
        units = Units.of(others.features)
        true = per_clip(units.standard(test.features), test.runs)
        decoders = fit_decoders(others, units, masks, study)
        for name, (_, said) in predict_windows(decoders, others, test, units, scale).items():
            parts.setdefault(name, []).append((per_clip(said, test.runs), true, tested == genre))
    return parts


def _accuracy(parts: list[EvaluatedClips]) -> NDArray[np.float64]:
    """Accuracy of each clip by the decoder that is judged on it."""
    out = np.empty(len(parts[0][0]))
    for predicted, true, part in parts:
        out[part] = identification_accuracy(predicted, true)[part]
    return out
