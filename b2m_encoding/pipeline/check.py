"""Find every problem of a study before anything heavy runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from b2m_encoding.data.recording import Recording
from b2m_encoding.errors import InputError, ProblemList
from b2m_encoding.features.delays import delays_in_samples
from b2m_encoding.pipeline.encode import block_samples, held_out_lengths, split_samples
from b2m_encoding.results.bundle import check_writable
from b2m_encoding.spaces import load_atlas, surface_space
from b2m_encoding.stats import check_arrangements
from b2m_encoding.study import Study


def check_study(study: Study, subjects: tuple[str, ...] = ()) -> dict[str, Recording]:
    """Open every recording and compare it with the study; nothing is computed.

    Parameters
    ----------
    study : Study
    subjects : tuple of str
        Only these; the study's, if empty.

    Returns
    -------
    dict of str to Recording

    Raises
    ------
    ProblemList
        With every problem found.
    """
    problems: list[InputError] = []
    recordings: dict[str, Recording] = {}
    wanted = _try(problems, study.data.list_subjects) or ()
    unknown = sorted(set(subjects) - set(wanted))
    if wanted and unknown:
        problems.append(InputError("unknown subject", found=unknown, expected=list(wanted)))
    for subject in [name for name in wanted if not subjects or name in subjects]:
        recording = _try(problems, study.data.read, subject, study.cleaning.build())
        if recording is not None:
            recordings[subject] = recording
            _try(problems, _check_recording, recording, study)
    _try(problems, check_writable, study.output, tuple(recordings))
    _try(problems, _check_extractors, study)
    _try(problems, _check_maps, study)
    if problems:
        raise ProblemList(problems)
    return recordings


def _try(problems: list[InputError], step: Callable[..., Any], *arguments: Any) -> Any:
    """Run one check; keep what it complains about."""
    try:
        return step(*arguments)
    except ProblemList as error:
        problems.extend(error.problems)
    except InputError as error:
        problems.append(error)
    return None


def _check_recording(recording: Recording, study: Study) -> None:
    runs = recording.responses.runs
    for name, rows in runs.slices.items():
        path = recording.files.get(name)
        if path is not None and not os.access(path, os.R_OK):
            raise InputError("no permission to read a file", file=path)
        if not runs.used[rows].any():
            raise InputError(f"nothing is left of run {name} after the discarded start", file=path)
    delays_in_samples(study.model.delays, runs.tr)
    runs, splits = split_samples(runs, study.evaluation)
    lengths = [length for split in splits for length in held_out_lengths(runs, split, study.evaluation)]
    check_arrangements(lengths, block_samples(study, runs.tr))
    for split in splits:
        training = replace(runs, used=split.train)
        if study.model.blocks is None:
            training.folds(study.model.folds)
    for name, table in recording.events.items():
        needed = {column for extractor in study.features.values() for column in extractor.columns()}
        if missing := sorted(needed - set(table.columns)):
            raise InputError(
                f"the events of run {name} lack what the features need", found=list(table.columns), expected=missing
            )
    if not recording.events and any(extractor.columns() for extractor in study.features.values()):
        raise InputError("the features need events, and the data have none", found=study.data.reader)


def _check_extractors(study: Study) -> None:
    for name, extractor in study.features.items():
        for path in extractor.needs():
            if not path.exists():
                raise InputError(f"a file of feature space {name} is missing", file=path)


def _check_maps(study: Study) -> None:
    if study.data.reader != "table":
        atlas = load_atlas(
            study.maps.atlas, surface_space(study.data.space if study.data.reader == "bids" else "fsaverage5")
        )
        for name in (*study.maps.regions, study.maps.zoom):
            atlas.members(name)
