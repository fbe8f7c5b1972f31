"""Decoding across subjects: aligned by what they heard in training, decoded by all of them or by the others alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache, lru_cache

import numpy as np

from b2m_encoding.analysis.decoding.decode import Decoding, Predictions, calibrated, evaluate_decoder, to_decode
from b2m_encoding.analysis.decoding.windows import Samples, Units
from b2m_encoding.data import Recording
from b2m_encoding.decoding.decoders.calibration import Scale
from b2m_encoding.decoding.decoders.pooled import PooledDecoder, TrainingWindows
from b2m_encoding.stats.generalisation import heard_elsewhere
from b2m_encoding.study import Study

POOLED, OTHERS = "pooled", "others"


def decode_together(recordings: Mapping[str, Recording], study: Study) -> dict[str, list[Decoding]]:
    """Decode every subject by a decoder of all (``pooled``) and by one of all but this subject (``others``).

    The alignment of the left-out subject comes from training clips, as that of the others. A clip that one subject is
    tested with and another heard in training is left out of what the other teaches. Nothing, where the study does not
    align or there is one subject.
    """
    if study.decoding is None or study.decoding.align == "none" or len(recordings) < 2:
        return {}
    found: dict[str, list[Decoding]] = {subject: [] for subject in recordings}
    for target in study.decoding.targets:
        for subject, decodings in _decode(recordings, target, study).items():
            found[subject] += decodings
    return found


def _decode(recordings: Mapping[str, Recording], target: str, study: Study) -> dict[str, list[Decoding]]:
    """One target, of all subjects."""
    assert study.decoding is not None
    align, device, scale = study.decoding.align, study.model.device, study.decoding.calibrate
    n_targets = None if study.decoding.best_targets == "all" else study.decoding.best_targets
    given = {subject: to_decode(recording, target, {}, study) for subject, recording in recordings.items()}
    # one decoder speaks in one unit, whatever each subject heard
    units = Units.of(np.concatenate([own.training.features for own in given.values()]))
    trained = {subject: own.training.runs.clip for subject, own in given.items()}

    @lru_cache(maxsize=1)
    def lessons(unheard: frozenset[str]) -> dict[str, TrainingWindows]:
        return {subject: _lesson(own.training, units, unheard) for subject, own in given.items()}

    @cache
    def taught_by(subjects: tuple[str, ...], unheard: frozenset[str]) -> PooledDecoder:
        return PooledDecoder(align, n_targets=n_targets, device=device).fit(lessons(unheard), subjects)

    def decoding(name: str, subject: str, teachers: tuple[str, ...]) -> Decoding:
        own = given[subject]
        unheard = frozenset(heard_elsewhere(subject, trained, own.test.runs.clip))
        decoder = taught_by(teachers, unheard)
        said = _says(decoder, subject, lessons(unheard), own.training, own.test, scale)
        return replace(evaluate_decoder(name, said, own.training, own.test, units, target, study), lag=own.lag)

    everyone = tuple(recordings)
    return {
        subject: [
            decoding(POOLED, subject, everyone),
            decoding(OTHERS, subject, tuple(name for name in everyone if name != subject)),
        ]
        for subject in everyone
    }


def _lesson(training: Samples, units: Units, unheard: frozenset[str]) -> TrainingWindows:
    """Training windows without those of some clips."""
    kept = training.take(~np.isin(training.runs.clip, list(unheard))) if unheard else training
    return TrainingWindows(kept.brain, units.standard(kept.features), kept.runs)


def _says(
    decoder: PooledDecoder,
    subject: str,
    windows: Mapping[str, TrainingWindows],
    training: Samples,
    test: Samples,
    scale: Scale,
) -> Predictions:
    said = tuple(decoder.predict(subject, part.brain, part.runs) for part in (training, test))
    if scale == "none":
        return said[0], said[1]
    return calibrated(said, decoder.cross_val_predict(subject, windows), windows[subject].embedding, scale)
