"""Decoding across subjects: aligned by what they heard in training, decoded by all of them or by the others alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from b2m_encoding.data import Recording
from b2m_encoding.decoding.calibration import Scale
from b2m_encoding.decoding.pooled import PooledDecoder, TrainingWindows
from b2m_encoding.pipeline.decode import Decoding, Said, calibrated, judged, to_decode
from b2m_encoding.pipeline.decoding_samples import Samples, Units
from b2m_encoding.study import Study

POOLED, OTHERS = "pooled", "others"


def decode_together(recordings: Mapping[str, Recording], study: Study) -> dict[str, list[Decoding]]:
    """Decode every subject by a decoder of all (``pooled``) and by one of all but this subject (``others``).

    The alignment of the left-out subject comes from training clips, as that of the others. Nothing, where the study
    does not align or there is one subject.
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
    given = {subject: to_decode(recording, target, {}, study) for subject, recording in recordings.items()}
    units = {subject: Units.of(own.training.features) for subject, own in given.items()}
    windows = {
        subject: TrainingWindows(own.training.brain, units[subject].standard(own.training.features), own.training.runs)
        for subject, own in given.items()
    }
    n_targets = None if study.decoding.best_targets == "all" else study.decoding.best_targets

    def taught_by(subjects: list[str]) -> PooledDecoder:
        assert study.decoding is not None
        decoder = PooledDecoder(study.decoding.align, n_targets=n_targets, device=study.model.device)
        return decoder.fit(windows, subjects)

    def decoding(name: str, decoder: PooledDecoder, subject: str) -> Decoding:
        assert study.decoding is not None
        training, test = given[subject].training, given[subject].test
        said = _says(decoder, subject, windows, training, test, study.decoding.calibrate)
        return replace(judged(name, said, training, test, units[subject], target, study), lag=given[subject].lag)

    everyone = list(recordings)
    pooled = taught_by(everyone)
    return {
        subject: [
            decoding(POOLED, pooled, subject),
            decoding(OTHERS, taught_by([name for name in everyone if name != subject]), subject),
        ]
        for subject in everyone
    }


def _says(
    decoder: PooledDecoder,
    subject: str,
    windows: Mapping[str, TrainingWindows],
    training: Samples,
    test: Samples,
    scale: Scale,
) -> Said:
    said = tuple(decoder.predict(subject, part.brain, part.runs) for part in (training, test))
    if scale == "none":
        return said[0], said[1]
    return calibrated(said, decoder.cross_predict(subject, windows), windows[subject].embedding, scale)
