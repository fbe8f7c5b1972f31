"""Find every problem of a study before anything heavy runs."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pandas as pd

from b2m_encoding.data.events import NOTHING
from b2m_encoding.data.files import require_file
from b2m_encoding.data.recording import Recording
from b2m_encoding.errors import InputError, ProblemList, Problems
from b2m_encoding.features.delays import delays_in_samples
from b2m_encoding.features.extractors import Conditions, Stimulation
from b2m_encoding.pipeline.splits import block_samples, held_out_lengths, split_samples
from b2m_encoding.results.bundle import check_writable
from b2m_encoding.spaces import (
    RegionSpace,
    Space,
    Unplaced,
    VolumeSpace,
    drawing_surface,
    load_atlas,
    surface_space,
)
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
    problems = Problems()
    recordings: dict[str, Recording] = {}
    wanted: tuple[str, ...] = ()
    with problems.collect():
        wanted = study.data.list_subjects()
        if unknown := sorted(set(subjects) - set(wanted)):
            raise InputError("unknown subject", found=unknown, expected=list(wanted))
    for subject in [name for name in wanted if not subjects or name in subjects]:
        with problems.collect():
            recordings[subject] = study.data.read(subject, study.cleaning.build())
        if subject in recordings:
            for check in (_check_files, _check_samples, _check_evaluation, _check_events):
                with problems.collect():
                    check(recordings[subject], study)
    with problems.collect():
        check_writable(study.output, tuple(recordings))
    for name, extractor in study.features.items():
        for path in extractor.needs():
            with problems.collect():
                require_file(path, f"a file of feature space {name}")
    spaces = {r.responses.space.name: r.responses.space for r in recordings.values()}
    for space in spaces.values() or [surface_space("fsaverage5")]:
        with problems.collect():
            _check_atlas(space, study)
    if problems.found:
        raise ProblemList(_without_repeats(problems.found))
    return recordings


def no_maps(space: Space) -> str | None:
    """Why maps of a space cannot be drawn on the cortex; None if they can."""
    if isinstance(space, Unplaced):
        return "no maps: nobody has said where these responses lie in the brain; models and decoding need no places"
    if isinstance(space, RegionSpace):
        return "no maps: responses are means of regions; they are drawn as regions"
    if isinstance(space, VolumeSpace) and not space.in_mni:
        return f"no flatmaps: volumes in {space.name} are not registered to a cortical surface; NIfTI maps are written"
    return None


def _without_repeats(found: list[InputError]) -> list[InputError]:
    """The same problem of many subjects (an atlas, a missing stimulus) is told once."""
    return list({str(problem): problem for problem in found}.values())


def _check_files(recording: Recording, study: Study) -> None:
    for path in recording.inputs:
        if not os.access(path, os.R_OK):
            raise InputError("no permission to read a file", file=path)


def _check_samples(recording: Recording, study: Study) -> None:
    runs = recording.responses.runs
    problems = Problems()
    for name, rows in runs.slices.items():
        with problems.collect():
            if not runs.used[rows].any():
                raise InputError(
                    f"nothing is left of run {name} after the discarded start and censoring",
                    file=recording.files.get(name),
                    fix="discard less, or raise the thresholds of censoring",
                )
    with problems.collect():
        delays_in_samples(study.model.delays, runs.tr)
    problems.raise_any()


def _check_evaluation(recording: Recording, study: Study) -> None:
    runs, splits = split_samples(recording.responses.runs, study.evaluation)
    lengths = [length for split in splits for length in held_out_lengths(runs, split, study.evaluation)]
    check_arrangements(lengths, block_samples(study, runs.tr))
    for split in splits:
        training = replace(runs, used=split.train)
        if study.model.blocks is None:
            training.folds(study.model.folds)


def _check_events(recording: Recording, study: Study) -> None:
    needed = {column for extractor in study.features.values() for column in extractor.columns()}
    if needed and not recording.events:
        raise InputError("the features need events, and the data have none", found=study.data.reader)
    problems = Problems()
    for name in recording.responses.runs.names if needed else ():
        with problems.collect():
            if name not in recording.events:
                raise InputError(f"run {name} has no events", file=recording.files.get(name), expected=sorted(needed))
            table, path = recording.events[name], recording.event_files.get(name)
            if missing := sorted(needed - set(table.columns)):
                raise InputError(
                    "an event table lacks a column that the features need",
                    file=path,
                    found=", ".join(table.columns),
                    expected=", ".join(missing),
                )
            if "start" in needed:
                _check_starts(table, path)
    problems.raise_any()
    for extractor in study.features.values():
        if isinstance(extractor, Conditions):
            with problems.collect():
                extractor.values(Stimulation(recording.responses.runs, recording.events))
    problems.raise_any()


def _check_starts(table: pd.DataFrame, path: Path | None) -> None:
    """Raise unless every event that plays a clip says where in its file the clip begins."""
    played = table[~table["track"].isin(NOTHING)]
    seconds = pd.to_numeric(played["start"], errors="coerce")
    if not (seconds >= 0).all():
        row = (~(seconds >= 0)).idxmax()
        raise InputError(
            f"row {row + 1} does not say where its clip begins",
            file=path,
            found=f"start {played['start'][row]}",
            expected="seconds in the sound file",
        )


def _check_atlas(space: Space, study: Study) -> None:
    """Regions of the surface that maps will be drawn on."""
    if (surface := drawing_surface(space)) is None:
        return
    problems, atlas = Problems(), load_atlas(study.maps.atlas, surface)
    for name in (*study.maps.regions, study.maps.zoom):
        with problems.collect():
            atlas.members(name)
    problems.raise_any()
