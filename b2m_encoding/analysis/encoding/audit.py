"""The leakage audit of one subject: what the checks are asked about."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.analysis.encoding.audit_noise import noise_checks
from b2m_encoding.analysis.encoding.encoding import Encoding
from b2m_encoding.analysis.encoding.held_out import Audited
from b2m_encoding.analysis.encoding.predict import new_model, training_values
from b2m_encoding.analysis.encoding.sizes import TIME
from b2m_encoding.analysis.splits import Split, split_samples
from b2m_encoding.data import Recording
from b2m_encoding.errors import InputError
from b2m_encoding.features.extractors import AudioExtractor
from b2m_encoding.features.sound_copies import copies_of
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.features.stimulus_files import elsewhere, find_stimulus
from b2m_encoding.models import EncodingModel
from b2m_encoding.stats.audit import (
    Check,
    alpha_at_edge,
    control_model,
    fold_gap,
    shuffled_blocks,
    stimulus_overlap,
)
from b2m_encoding.stats.fitted_features import standardised_on_test
from b2m_encoding.study import Study

Values = Mapping[str, NDArray[np.float32]]
N_REFITTED = 200
"""Targets whose mean score in whole and in shuffled folds is compared."""


def audit_subject(
    encoding: Encoding,
    recording: Recording,
    spaces: Mapping[str, FeatureSpace],
    study: Study,
    factors: Path | None = None,
) -> list[Check]:
    """Run every check; a split that leaks is enough to fail, so the worst split counts where there are several.

    ``factors`` is the folder that the fits of the study share: the folds of one check are theirs.
    """
    runs, splits = split_samples(recording.responses.runs, study.evaluation)
    held_out = encoding.held_out
    assert held_out is not None
    control = np.where(encoding.tested, held_out.sums.scores("r")[(TIME,)], np.nan)
    edge = alpha_at_edge(encoding.alpha, study.model.alphas.grid(), encoding.q < study.statistics.q)
    values = [training_values(spaces, study, split, filtered=False) for split in splits]
    files = {label: one.stimulus for label, one in recording.presented.items()}
    return [
        control_model(control),
        _fold_gap(encoding, held_out.audited, training_values(spaces, study, splits[0]), study, factors),
        edge,
        _worst([_stimuli(runs.clip, split, files) for split in splits]),
        _worst([_sounds(runs.clip, split, study, files) for split in splits]),
        _worst([standardised_on_test(v, split.train, split.test) for v, split in zip(values, splits, strict=True)]),
        *noise_checks(encoding, runs, splits[0], study),
    ]


def _worst(checks: list[Check]) -> Check:
    return max(checks, key=lambda check: -1.0 if np.isnan(check.value) else check.value)


def _fold_gap(encoding: Encoding, audited: Audited | None, values: Values, study: Study, factors: Path | None) -> Check:
    """The joint model on some tested targets, whatever their score: those that it chose would seem to leak."""
    if audited is None:
        return fold_gap(np.zeros(0), np.zeros(0), np.zeros(0))
    chosen = encoding.tested[audited.targets]
    if not chosen.any():
        return fold_gap(np.zeros(0), np.zeros(0), np.zeros(0))
    some = np.flatnonzero(chosen)[:: -(-int(chosen.sum()) // N_REFITTED)]
    own, runs = {name: array[audited.rows] for name, array in values.items()}, audited.runs
    if study.model.blocks is not None:
        # the blocks that choose a penalty touch each other; folds that are to be clean need a gap
        try:
            runs = runs.split(study.model.blocks, max(study.model.delays, default=0.0))
        except InputError:
            return fold_gap(np.zeros(0), np.zeros(0), np.zeros(0))
    whole, shuffled = (
        _cross_validated(new_model(study, factors), own, audited.training[:, some], folds)
        for folds in (runs, shuffled_blocks(runs, len(runs.blocks), study.seed))
    )
    return fold_gap(audited.single_r[some], whole, shuffled)


def _cross_validated(model: EncodingModel, values: Values, Y: NDArray[Any], runs: Any) -> NDArray[np.float64]:
    model.set_params(scoring="r", alpha_per="target")
    return np.asarray(model.fit(values, Y, runs=runs).cv_scores_)


def _stimuli(clips: NDArray[Any], split: Split, files: Mapping[str, str]) -> Check:
    """Overlap by the file that clips are excerpts of: another excerpt of a piece is no new piece."""
    train, test = ([files.get(str(clip), str(clip)) for clip in np.unique(clips[rows])] for rows in _rows(split))
    return stimulus_overlap(np.unique(train), np.unique(test))


def _sounds(
    clips: NDArray[Any], split: Split, study: Study, stimuli: Mapping[str, str] = MappingProxyType({})
) -> Check:
    """Overlap by the sound of the files, where they are known: copies hide under other names and in other formats.

    Parameters
    ----------
    clips : array of str, shape (n_samples,)
        Labels of clips.
    split : Split
    study : Study
    stimuli : mapping of str to str
        File of each clip, as the events name it; by default clips are looked for by their labels.
    """
    folder = next((e.stimuli for e in study.features.values() if isinstance(e, AudioExtractor)), None)
    train, test = (
        [path for clip in np.unique(clips[rows]) if (path := _file(folder, str(clip), stimuli)) is not None]
        for rows in _rows(split)
    )
    if not train or not test:
        return stimulus_overlap([], [], what="sound")
    copies = copies_of(test, train)
    return stimulus_overlap(map(str, train), [str(copies.get(path, path)) for path in test], what="sound")


def _rows(split: Split) -> tuple[NDArray[Any], NDArray[Any]]:
    return split.train, split.test


def _file(folder: Path | None, clip: str, stimuli: Mapping[str, str]) -> Path | None:
    """File of a clip; None if it is not known."""
    if folder is None or not clip:
        return None
    if clip not in stimuli:
        return next((folder / name for name in elsewhere(folder, clip)), None)
    try:
        path = find_stimulus(folder, stimuli[clip])
    except InputError:
        return None
    return path if path.is_file() else None
