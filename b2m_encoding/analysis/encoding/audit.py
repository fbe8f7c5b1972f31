"""The leakage audit of one subject: what the checks are asked about."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.analysis.encoding.encode import Encoding
from b2m_encoding.analysis.encoding.held_out import TIME, Audited
from b2m_encoding.analysis.encoding.predict import new_model, training_values
from b2m_encoding.analysis.splits import Split, split_samples
from b2m_encoding.data import Recording
from b2m_encoding.errors import InputError
from b2m_encoding.features.extractors import AudioExtractor
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.io.hashes import sha256
from b2m_encoding.models import EncodingModel
from b2m_encoding.stats.audit import (
    Check,
    alpha_at_edge,
    control_model,
    fold_gap,
    shuffled_blocks,
    standardised_on_test,
    stimulus_overlap,
)
from b2m_encoding.study import Study

Values = Mapping[str, NDArray[np.float32]]


def audit_subject(
    encoding: Encoding, recording: Recording, spaces: Mapping[str, FeatureSpace], study: Study
) -> list[Check]:
    """Run every check; a split that leaks is enough to fail, so the worst split counts where there are several."""
    runs, splits = split_samples(recording.responses.runs, study.evaluation)
    held_out = encoding.held_out
    assert held_out is not None
    control = np.where(encoding.tested, held_out.sums.scores("r")[(TIME,)], np.nan)
    edge = alpha_at_edge(encoding.alpha, study.model.alphas.grid(), encoding.q < study.statistics.q)
    values = [training_values(spaces, study, split, filtered=False) for split in splits]
    return [
        control_model(control),
        _fold_gap(encoding, held_out.audited, training_values(spaces, study, splits[0]), splits[0], study),
        edge,
        _worst([_clips(runs.clip, split) for split in splits]),
        _worst([_sounds(runs.clip, split, study) for split in splits]),
        _worst([standardised_on_test(v, split.train, split.test) for v, split in zip(values, splits, strict=True)]),
    ]


def _worst(checks: list[Check]) -> Check:
    return max(checks, key=lambda check: -1.0 if np.isnan(check.value) else check.value)


def _fold_gap(encoding: Encoding, audited: Audited | None, values: Values, split: Split, study: Study) -> Check:
    """The joint model on some targets: predicted ones, if there are enough."""
    if audited is None:
        return fold_gap(np.zeros(0), np.zeros(0), np.zeros(0))
    predicted = (encoding.q < study.statistics.q)[audited.targets]
    chosen = predicted if predicted.sum() >= 20 else encoding.tested[audited.targets]
    if not chosen.any():
        return fold_gap(np.zeros(0), np.zeros(0), np.zeros(0))
    own, runs = {name: array[audited.rows] for name, array in values.items()}, audited.runs
    if study.model.blocks is not None:
        # the blocks that choose a penalty touch each other; folds that are to be clean need a gap
        try:
            runs = runs.split(study.model.blocks, max(study.model.delays, default=0.0))
        except InputError:
            return fold_gap(np.zeros(0), np.zeros(0), np.zeros(0))
    whole, shuffled = (
        _cross_validated(new_model(study), own, audited.training[:, chosen], folds)
        for folds in (runs, shuffled_blocks(runs, len(runs.blocks), study.seed))
    )
    return fold_gap(audited.single_r[chosen], whole, shuffled)


def _cross_validated(model: EncodingModel, values: Values, Y: NDArray[Any], runs: Any) -> NDArray[np.float64]:
    model.set_params(scoring="r", alpha_per="target")
    return np.asarray(model.fit(values, Y, runs=runs).cv_scores_)


def _clips(clips: NDArray[Any], split: Split) -> Check:
    return stimulus_overlap(np.unique(clips[split.train]), np.unique(clips[split.test]))


def _sounds(clips: NDArray[Any], split: Split, study: Study) -> Check:
    """Overlap by the bytes of the sound files, where they are known: copies hide under other names."""
    folder = next((e.stimuli for e in study.features.values() if isinstance(e, AudioExtractor)), None)
    train, test = ([_hash(folder, str(clip)) for clip in np.unique(clips[rows])] for rows in (split.train, split.test))
    return stimulus_overlap(train, test, what="hash of the sound file")


def _hash(folder: Path | None, clip: str) -> str:
    """Hash of a clip's file in GTZAN layout; "" if it is not known."""
    if folder is None or not clip:
        return ""
    path = folder / clip.rpartition(".")[0] / f"{clip}.wav"
    if not path.is_file():
        return ""
    state = path.stat()
    return _hash_of_state(path, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


@cache
def _hash_of_state(path: Path, _size: int, _modified: int, _changed: int) -> str:
    return sha256(path)[:12]
