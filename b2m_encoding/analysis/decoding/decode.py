"""Decoding of one subject: windows of responses to windows of features, and identification of the test clips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Float32, Float64, Floating
from b2m_encoding.analysis.decoding.decoders import Masks
from b2m_encoding.analysis.decoding.predict import Predictions, fit_decoders, predict_windows
from b2m_encoding.analysis.decoding.windows import Samples, ToDecode, Units, per_clip
from b2m_encoding.analysis.windows import WindowedRecording, stimulus_timeline, windowed
from b2m_encoding.data import Recording
from b2m_encoding.decoding.chance import EvaluatedClips, chance_interval, chance_of_scores
from b2m_encoding.decoding.decoders.base import Decoder
from b2m_encoding.decoding.decoders.calibration import Scale
from b2m_encoding.decoding.decoders.region import RegionDecoder
from b2m_encoding.decoding.decoders.ridge import RidgeDecoder
from b2m_encoding.decoding.groups import accuracy_within, by_label, group_scores
from b2m_encoding.decoding.identification import (
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
from b2m_encoding.results.schema import CHANCE
from b2m_encoding.runs import Runs
from b2m_encoding.study import Study

MERGING = "mean over the windows of a clip and over its repeats, of predictions and of features"


@dataclass(frozen=True, eq=False)
class Decoding:
    """Identification of the test clips of one subject from one decoded feature space.

    Parameters
    ----------
    target : str
        Name of the feature space.
    clips : tuple of str
    accuracy : array, shape (n_clips,)
        Identification accuracy of each clip.
    identified : tuple of str
        The clip whose features are most similar to the prediction from the responses to each clip.
    chance_interval : tuple of float
        95% interval of the mean accuracy by chance.
    regions : tuple of str
        Regions that were decoded from, best first.
    predicted, true : array, shape (n_clips, n_dimensions)
        Decoded features and features, in the units of the feature space.
    windows : DecodedWindows
        Decoded features of each window, in the same units.
    measures : mapping of str to float
        n-way accuracy, share within the best k, ranks; share of the clips whose group is recognised; correlation per
        dimension over windows, averaged; the same of the training windows to which the decoder was fitted.
    decoder : str
        Name of the decoder.
    lag : float or None
        Delay of the responses after the sound, s.
    notes : tuple of str
    chance : mapping of str to tuple of float
        Chance intervals of n-way accuracy, of the share within the best k and of ranks.
    unheard : array, shape (n_clips,), or None
        Accuracy of decoders trained without the group (genre) of the clip (Brain2Music, arXiv 2307.11078, Fig. 7a).
    unheard_chance : tuple of float, or None
        95% interval of the mean of ``unheard`` by chance.
    groups : tuple of str
        Group of each clip (its genre), "" for none.
    group_name : str
        What the groups are called.
    accuracy_raw : array, shape (n_clips,), or None
        Accuracy in the units of the feature space; ``accuracy`` is in standard units, in which dimensions weigh the
        same.
    within, unheard_within : array, shape (n_clips,), or None
        Accuracy among the clips of the same group, also of decoders trained without it; NaN where there is no other.
    region_sizes : tuple of int
        Targets of each of the regions.
    region_r : tuple of float
        Cross-validated r of each in training.
    penalties : mapping of str to array
        Scores at every penalty, see :meth:`~b2m_encoding.decoding.decoders.region.RegionDecoder.penalty_curve`.
    """

    target: str
    clips: tuple[str, ...]
    accuracy: Float64
    identified: tuple[str, ...]
    chance_interval: tuple[float, float]
    regions: tuple[str, ...]
    predicted: Float32
    true: Float32
    windows: DecodedWindows
    measures: Mapping[str, float]
    decoder: str = "regions"
    lag: float | None = None
    notes: tuple[str, ...] = ()
    chance: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    unheard: Float64 | None = None
    unheard_chance: tuple[float, float] | None = None
    groups: tuple[str, ...] = ()
    group_name: str = ""
    accuracy_raw: Float64 | None = None
    within: Float64 | None = None
    unheard_within: Float64 | None = None
    region_sizes: tuple[int, ...] = ()
    region_r: tuple[float, ...] = ()
    penalties: Mapping[str, Float64] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """Entry of ``identification.json``."""
        entry = {
            "feature_space": self.target,
            "decoder": self.decoder,
            "identification_accuracy": float(self.accuracy.mean()),
            "chance": CHANCE,
            "chance_interval_95": list(self.chance_interval),
            "clips": len(self.clips),
            "merging": MERGING,
            **({f"by_{self.group_name}": by_label(self.accuracy, np.array(self.groups))} if any(self.groups) else {}),
            **self.measures,
            "lag": self.lag,
            "regions": list(self.regions),
            "region_targets": list(self.region_sizes),
            "region_r": list(self.region_r),
            "notes": list(self.notes),
            "chance_interval_95_of": {name: list(ends) for name, ends in self.chance.items()},
        }
        if self.unheard is not None and self.unheard_chance is not None:
            entry["identification_accuracy_unheard_group"] = float(self.unheard.mean())
            entry[f"unheard_by_{self.group_name}"] = by_label(self.unheard, np.array(self.groups))
            if self.unheard_within is not None and np.isfinite(self.unheard_within).any():
                entry["identification_accuracy_unheard_within_group"] = float(np.nanmean(self.unheard_within))
            entry["chance_interval_95_unheard_group"] = list(self.unheard_chance)
        return entry


def to_decode(recording: Recording, name: str, spaces: Mapping[str, FeatureSpace], study: Study) -> ToDecode:
    """Responses averaged under windows, and a feature space of the sound of the same windows.

    Where the study names several lags, the lag with the best cross-validated r in training windows is used.

    Parameters
    ----------
    recording : Recording
    name : str
        Name of the feature space.
    spaces : mapping of str to FeatureSpace
        Feature spaces that exist already, for recordings in windows; others are computed.
    study : Study
    """
    assert study.decoding is not None
    lags: tuple[float | None, ...] = study.decoding.lags or (None,)
    tables = [study.decoded_windows(name, lag) for lag in lags]
    if isinstance(recording, WindowedRecording) and study.windows and tables == [study.windows.of("")] and spaces:
        cut, space = recording, spaces[name]
    else:
        cut = windowed(recording, tables[0])
        space = study.features[name].build(name, stimulus_timeline(cut))
    tried = [ToDecode.of(cut.responses, space, study)]
    for table in tables[1:]:  # the same sound, later responses
        later = windowed(recording, table).responses
        tried.append(ToDecode.of(later, replace(space, runs=later.runs), study))
    return max(tried, key=lambda windows: _cross_validated_r(windows.training, study)) if len(tried) > 1 else tried[0]


def _cross_validated_r(training: Samples, study: Study) -> float:
    features = Units.of(training.features).standard(training.features)
    return RidgeDecoder(device=study.model.device).fit(training.brain, features, runs=training.runs).score_


def decode_subject(windows: ToDecode, masks: Masks | None, study: Study) -> list[Decoding]:
    """Decode one feature space by every decoder of a study, and identify the test clips.

    Repeats are averaged and windows merged per clip.

    Parameters
    ----------
    windows : ToDecode
    masks : mapping of str to array of bool, shape (n_targets,), optional
        Regions to decode from; all targets are one region by default.
    study : Study

    Returns
    -------
    list of Decoding
        One per decoder, in the order of :func:`new_decoders`.
    """
    training, test = windows.training, windows.test
    units = Units.of(training.features)
    masks = masks or {"all": np.ones(training.brain.shape[1], dtype=bool)}
    decoders = fit_decoders(training, units, masks, study)
    assert study.decoding is not None
    predictions = predict_windows(decoders, training, test, units, study.decoding.calibrate)
    decodings = []
    for name, decoder in decoders.items():
        evaluated = evaluate_decoder(name, predictions[name], training, test, units, windows.target, study)
        decodings.append(replace(evaluated, lag=windows.lag, **_about_regions(decoder, training, units)))
    if "group" not in study.statistics.generalise:
        return decodings
    parts = _without_groups(training, test, units, masks, study)
    return [
        replace(
            decoding,
            unheard=_accuracy(parts[decoding.decoder]),
            unheard_within=_accuracy(parts[decoding.decoder], np.array(decoding.groups)),
            unheard_chance=chance_interval(
                parts[decoding.decoder], groups=np.array(decoding.groups), random_state=study.seed
            ),
        )
        for decoding in decodings
    ]


def _about_regions(decoder: Decoder, training: Samples, units: Units) -> dict[str, Any]:
    """Regions of a decoder, their sizes and scores, and the scores at every penalty; nothing of other decoders."""
    if not isinstance(decoder, RegionDecoder):
        return {}
    best = decoder.best_
    return {
        "regions": best,
        "region_sizes": tuple(len(decoder.columns_[name]) for name in best),
        "region_r": tuple(decoder.scores_[name] for name in best),
        "penalties": decoder.penalty_curve(training.brain, units.standard(training.features), runs=training.runs),
    }


def evaluate_decoder(
    name: str, predictions: Predictions, training: Samples, test: Samples, units: Units, target: str, study: Study
) -> Decoding:
    """Identify the test clips, and the training clips beside them, from the predictions of a decoder.

    Parameters
    ----------
    name : str
        Name of the decoder.
    predictions : tuple of array
        Decoded features of training and test windows, in standard units.
    training, test : Samples
    units : Units
        Scale of the features.
    target : str
        Name of the feature space.
    study : Study

    Raises
    ------
    InputError
        If a prediction is not finite.
    """
    assert study.decoding is not None
    predicted_training, predicted_test = predictions
    if not (np.isfinite(predicted_training).all() and np.isfinite(predicted_test).all()):
        raise InputError(f"decoder {name} predicted values that are not finite", found=target)
    true_training, true_test = units.standard(training.features), units.standard(test.features)
    predicted, true = per_clip(predicted_test, test.runs), per_clip(true_test, test.runs)
    groups = groups_of_clips(test.runs)
    clips = tuple(groups)
    known = per_clip(true_training, training.runs)
    of_training = identification_accuracy(per_clip(predicted_training, training.runs), known)
    measures = {
        **identification_scores(predicted, true),
        "identification_accuracy_windows": float(
            identification_accuracy(predicted_test, true_test, test.runs.clip).mean()
        ),
        "correlation": _mean_r(predicted_test, true_test),
        "identification_accuracy_training": float(of_training.mean()),
        "correlation_training": _mean_r(predicted_training, true_training),
    }
    raw = units.back(predicted), units.back(true)
    labels = np.array(list(groups.values()))
    within = accuracy_within(predicted, true, labels)
    measures["identification_accuracy_raw"] = float(identification_accuracy(*raw).mean())
    if np.isfinite(within).any():
        measures["identification_accuracy_within_group"] = float(np.nanmean(within))
    of_groups = group_scores(
        predicted, labels, known, np.array(list(groups_of_clips(training.runs).values())), random_state=study.seed
    )
    measures |= {name: share for name, (share, _, _) in of_groups.items()}
    note = note_of_shared(shared_clips(training.runs.clip, test.runs.clip))
    back = partial(units.back, same_length=study.decoding.calibrate != "none")
    every_clip = np.ones(len(clips), dtype=bool)
    return Decoding(
        target,
        clips,
        identification_accuracy(predicted, true),
        tuple(clips[i] for i in identified(predicted, true)),
        chance_interval([(predicted, true, every_clip)], random_state=study.seed),
        (),
        back(predicted),
        units.back(true),
        DecodedWindows(back(predicted_test), test.runs.clip, np.asarray(test.start, dtype=np.float64)),
        measures,
        decoder=name,
        notes=(note,) if note else (),
        chance=chance_of_scores(predicted, true, random_state=study.seed)
        | {name: (low, high) for name, (_, low, high) in of_groups.items()},
        groups=tuple(groups.values()),
        group_name=study.data.group_name or "group",
        accuracy_raw=identification_accuracy(*raw),
        within=within if np.isfinite(within).any() else None,
    )


def groups_of_clips(runs: Runs) -> dict[str, str]:
    """Group of each clip, by its first presentation, in the order of the samples."""
    groups: dict[str, str] = {}
    for clip, group in zip(runs.clip.tolist(), runs.group.tolist(), strict=True):
        groups.setdefault(str(clip), str(group))
    return groups


def _mean_r(predicted: Floating, true: Floating) -> float:
    """Pearson r of every dimension over windows, averaged over those that vary."""
    r = pearson_r(predicted, true)
    return float(np.nanmean(r)) if np.isfinite(r).any() else 0.0


def _without_groups(
    training: Samples, test: Samples, units: Units, masks: Masks, study: Study
) -> dict[str, list[EvaluatedClips]]:
    """Decode the clips of each group by decoders trained without it; all test clips stay candidates.

    Windows of other groups stay in training, though the responses in their first seconds still follow the clip before.
    """
    trained, tested = training.runs.group, np.array(list(groups_of_clips(test.runs).values()))
    parts: dict[str, list[EvaluatedClips]] = {}
    assert study.decoding is not None
    # only the scale of dimensions changes similarities much
    scale: Scale = "dimension" if study.decoding.calibrate == "dimension" else "none"
    for group in dict.fromkeys(tested.tolist()):
        others = training.take(trained != group)
        units = Units.of(others.features)
        true = per_clip(units.standard(test.features), test.runs)
        decoders = fit_decoders(others, units, masks, study)
        for name, (_, predicted) in predict_windows(decoders, others, test, units, scale).items():
            parts.setdefault(name, []).append((per_clip(predicted, test.runs), true, tested == group))
    return parts


def _accuracy(parts: list[EvaluatedClips], within: NDArray[np.str_] | None = None) -> Float64:
    """Accuracy of each clip by the decoder that is evaluated on it, among all clips or those with the same label."""
    out = np.empty(len(parts[0][0]))
    for predicted, true, evaluated in parts:
        found = identification_accuracy(predicted, true) if within is None else accuracy_within(predicted, true, within)
        out[evaluated] = found[evaluated]
    return out
