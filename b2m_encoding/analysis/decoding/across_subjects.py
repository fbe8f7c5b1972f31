"""Decoding across subjects, aligned by shared training clips: by all subjects, or by all but the one decoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache, lru_cache

import numpy as np

from b2m_encoding._typing import Floating
from b2m_encoding.analysis.decoding.decode import Decoding, evaluate_decoder, to_decode
from b2m_encoding.analysis.decoding.predict import Predictions, calibrate
from b2m_encoding.analysis.decoding.windows import Samples, Units
from b2m_encoding.data import Recording
from b2m_encoding.decoding.decoders.calibration import Scale
from b2m_encoding.decoding.decoders.pooled import PooledDecoder
from b2m_encoding.runs import Runs
from b2m_encoding.stats.generalisation import clips_in_other_training
from b2m_encoding.study import Study

POOLED, OTHERS = "pooled", "others"
"""Names of the decoders of all subjects, and of all but the one decoded."""
Training = Mapping[str, Samples]
"""Training windows of each subject, features in standard units."""


def decode_together(recordings: Mapping[str, Recording], study: Study) -> dict[str, list[Decoding]]:
    """Decode every subject by a decoder of all (``pooled``) and by one of all but this subject (``others``).

    The left-out subject is aligned by training clips, as the others are. Training windows of a clip that is a test clip
    of the decoded subject are left out for all subjects.

    Returns
    -------
    dict of subject to list of Decoding
        Empty where the study does not align, or there is one subject.
    """
    if study.decoding is None or study.decoding.align == "none" or len(recordings) < 2:
        return {}
    by_subject: dict[str, list[Decoding]] = {subject: [] for subject in recordings}
    for target in study.decoding.targets:
        for subject, decodings in _decode(recordings, target, study).items():
            by_subject[subject] += decodings
    return by_subject


def _decode(recordings: Mapping[str, Recording], target: str, study: Study) -> dict[str, list[Decoding]]:
    """Decode one target of all subjects."""
    assert study.decoding is not None
    align, device, scale = study.decoding.align, study.model.device, study.decoding.calibrate
    n_targets = None if study.decoding.best_targets == "all" else study.decoding.best_targets
    windows = {subject: to_decode(recording, target, {}, study) for subject, recording in recordings.items()}
    # features are standardised over all subjects: the pooled decoder has one feature scale
    units = Units.of(np.concatenate([part.training.features for part in windows.values()]))
    trained = {subject: part.training.runs.clip for subject, part in windows.items()}

    @lru_cache(maxsize=1)
    def training_windows(left_out: frozenset[str]) -> Training:
        return {subject: _without(part.training, units, left_out) for subject, part in windows.items()}

    @cache
    def fitted_on(subjects: tuple[str, ...], left_out: frozenset[str]) -> PooledDecoder:
        decoder = PooledDecoder(align, n_targets=n_targets, device=device)
        X, Y, runs = _by_subject(training_windows(left_out))
        return decoder.fit(X, Y, runs=runs, training_subjects=subjects)

    def decoding(name: str, subject: str, training_subjects: tuple[str, ...]) -> Decoding:
        part = windows[subject]
        left_out = frozenset(clips_in_other_training(subject, trained, part.test.runs.clip))
        decoder = fitted_on(training_subjects, left_out)
        predictions = _predict(decoder, subject, training_windows(left_out), part.training, part.test, scale)
        evaluated = evaluate_decoder(name, predictions, part.training, part.test, units, target, study)
        return replace(evaluated, lag=part.lag)

    everyone = tuple(recordings)
    return {
        subject: [
            decoding(POOLED, subject, everyone),
            decoding(OTHERS, subject, tuple(name for name in everyone if name != subject)),
        ]
        for subject in everyone
    }


def _without(training: Samples, units: Units, left_out: frozenset[str]) -> Samples:
    """Training windows without those of some clips, features in standard units."""
    used = training.take(~np.isin(training.runs.clip, list(left_out))) if left_out else training
    return replace(used, features=units.standard(used.features))


def _by_subject(training: Training) -> tuple[dict[str, Floating], dict[str, Floating], dict[str, Runs]]:
    """Responses, features and runs of the training windows of each subject."""
    responses = {subject: part.brain for subject, part in training.items()}
    features = {subject: part.features for subject, part in training.items()}
    return responses, features, {subject: part.runs for subject, part in training.items()}


def _predict(
    decoder: PooledDecoder, subject: str, windows: Training, training: Samples, test: Samples, scale: Scale
) -> Predictions:
    """Decode training and test windows of a subject, calibrated by cross-validated predictions."""
    predictions = (
        decoder.predict(training.brain, runs=training.runs, subject=subject),
        decoder.predict(test.brain, runs=test.runs, subject=subject),
    )
    if scale == "none":
        return predictions
    X, Y, runs = _by_subject(windows)
    held_out = decoder.cross_val_predict(X, Y, runs=runs, subject=subject)
    return calibrate(predictions, held_out, windows[subject].features, scale)
