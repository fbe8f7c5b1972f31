"""Find every problem of a study before anything heavy runs."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from b2m_encoding.analysis.checks import check_clusters, check_groups, check_learning_curve
from b2m_encoding.analysis.encoding.sizes import training_runs
from b2m_encoding.analysis.splits import block_samples, scored_runs, split_samples
from b2m_encoding.analysis.windows import read_recording, stimulus_timeline, windowed, windows_of_features
from b2m_encoding.data.clip_columns import ClipColumns
from b2m_encoding.data.clips import names_clips, played_clips
from b2m_encoding.data.recording import Recording
from b2m_encoding.errors import InputError, ProblemList, Problems
from b2m_encoding.features.delays import delays_in_samples
from b2m_encoding.features.extractors import Extractor
from b2m_encoding.io.names import LONGEST, check_label, printable
from b2m_encoding.io.presence import require_file
from b2m_encoding.results.place import check_owner, check_writable
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import (
    Space,
    drawing_surface,
    load_atlas,
    surface_space,
)
from b2m_encoding.stats.arrangements import check_arrangements
from b2m_encoding.stats.repeats import different_samples
from b2m_encoding.study import Study
from b2m_encoding.workflow.copies import describe_copies

logger = logging.getLogger(__name__)
LONGEST_SUBJECT, LONGEST_FEATURES = 60, 60
"""Characters of the label of a subject, and of the name of a feature space."""


def check_study(study: Study, subjects: tuple[str, ...] = (), file: str | Path | None = None) -> dict[str, Recording]:
    """Open every recording and compare it with the study; nothing is computed.

    Parameters
    ----------
    study : Study
    subjects : tuple of str
        Only these; the study's, if empty.
    file : Path, optional
        The study file: earlier results of another one are refused.

    Returns
    -------
    dict of str to Recording

    Raises
    ------
    ProblemList
        With every problem found.
    """
    file = None if file is None else Path(file)
    problems = Problems()
    with problems.collect():
        _check_feature_names(study)
    ready = _ready(study, problems)
    recordings: dict[str, Recording] = {}
    wanted: tuple[str, ...] = ()
    with problems.collect():
        wanted = study.data.list_subjects()
        if unknown := sorted(set(subjects) - set(wanted)):
            raise InputError("unknown subject", found=", ".join(unknown), expected=", ".join(wanted))
        if odd := [printable(name) for name in wanted if not _is_subject(name)]:
            wanted = ()
            raise InputError(
                "the label of a subject becomes part of file names",
                found=", ".join(odd),
                expected=f"letters and digits, at most {LONGEST_SUBJECT}; without sub-",
            )
    chosen = [name for name in wanted if not subjects or name in subjects]
    for subject in chosen:
        with problems.collect():
            recordings[subject] = read_recording(study, subject)
        if subject in recordings:
            for check in (_check_files, _check_samples, _check_evaluation):
                with problems.collect():
                    check(recordings[subject], study)
            with problems.collect():
                _check_run_names(recordings[subject])
                _check_features(recordings[subject], study, ready)  # finds files by the names of the runs
    with problems.collect():
        for sentence in (*_describe_shared(recordings, study), *describe_copies(recordings)):
            logger.warning(sentence)
    with problems.collect():
        _check_output(study, chosen, file)
    spaces = {r.responses.space.name: r.responses.space for r in recordings.values()}
    for space in spaces.values() or [surface_space("fsaverage5")]:
        with problems.collect():
            _check_atlas(space, study)
    if problems.found:
        raise ProblemList(_without_repeats(problems.found))
    return recordings


def _without_repeats(found: list[InputError]) -> list[InputError]:
    """Keep one of equal problems: an atlas or a stimulus that many subjects lack."""
    return list({str(problem): problem for problem in found}.values())


def _is_subject(label: str) -> bool:
    """Whether a label has letters and digits only, as BIDS has it."""
    return label.isascii() and label.isalnum() and len(label) <= LONGEST_SUBJECT


def _check_output(study: Study, chosen: list[str], file: Path | None) -> None:
    if chosen:  # of unknown subjects there is an error already; so there is of one that cannot be read
        check_writable(study.output, chosen)
    if file is not None:
        check_owner(study.output, study.name, file)


def _check_feature_names(study: Study) -> None:
    """Names of feature spaces, which become those of maps and files; parts of the variance join several of them."""
    problems = Problems()
    for name in study.features:
        with problems.collect():
            check_label("feature space", name, longest=LONGEST_FEATURES)
    problems.raise_any()
    joined = "_".join(study.features)
    if study.statistics.partitions(len(study.features)) and len(joined) > LONGEST:
        raise InputError(
            "the names of the feature spaces are too long to be joined in the name of a map",
            found=f"{len(joined)} characters",
            expected=f"at most {LONGEST}",
            fix="give shorter names under [features], or set statistics.partition = false",
        )


def _check_run_names(recording: Recording) -> None:
    problems = Problems()
    for name in recording.responses.runs.names:
        with problems.collect():
            check_label("run", name)
    problems.raise_any()


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
    longest = max(rows.stop - rows.start for rows in runs.slices.values()) * runs.tr
    if study.model.delays and min(study.model.delays) >= longest:
        problems.found.append(
            InputError("every delay is longer than the runs", found=study.model.delays, expected=f"below {longest:g} s")
        )
    problems.raise_any()


def _check_evaluation(recording: Recording, study: Study) -> None:
    if not all(recording.responses.runs.used[rows].any() for rows in recording.responses.runs.slices.values()):
        return  # which is an error of the samples
    runs, splits = split_samples(recording.responses.runs, study.evaluation)
    scored = [different_samples(scored_runs(runs, split, study.evaluation)) for split in splits]
    lengths = [[rows.stop - rows.start for rows in own.slices.values()] for own in scored]
    block = block_samples(study, runs.tr)
    check_arrangements([length for own in lengths for length in own], block)
    if len(study.features) > 1:  # their comparison draws these blocks again; an error now saves the fits
        n_blocks = [sum(max(length // block, 1) for length in own) for own in lengths]
        if n_blocks.count(1) == 1:
            _refuse_single_block(recording, scored[n_blocks.index(1)], block)
    check_clusters(recording.responses.space, study)
    check_groups(recording.responses.runs, study)
    check_learning_curve(recording.responses.runs, study)
    for split in splits:
        training_runs(runs, study, split)[0].folds(study.model.folds)


def _refuse_single_block(recording: Recording, scored: Runs, block: int) -> None:
    """Refuse the one held-out part that is too short for the spread of its score."""
    name, rows = next(iter(scored.slices.items()))
    raise InputError(
        f"the spread of a score cannot be estimated from a single block: run {name} has no second one",
        file=recording.files.get(name),
        found=f"{rows.stop - rows.start} samples that are scored",
        expected=f"{2 * block} or more, two blocks of {block * scored.tr:g} s",
        fix="leave a run that was broken off out; or take shorter blocks (statistics.block)",
    )


def _ready(study: Study, problems: Problems) -> list[Extractor]:
    """Feature spaces whose files are there; those that are not become problems."""
    ready: list[Extractor] = []
    for name, extractor in study.features.items():
        n_problems = len(problems.found)
        with problems.collect():
            for path in extractor.needs():
                with problems.collect():
                    require_file(path, f"a file of feature space {name}")
        if len(problems.found) == n_problems:
            ready.append(extractor)
    return ready


def _check_features(recording: Recording, study: Study, ready: Sequence[Extractor]) -> None:
    """What the features find wrong with the events and with their files."""
    problems = Problems()
    with problems.collect():
        _check_events(recording, study)
    broken, tables = bool(problems.found), recording.events
    for extractor in ready:
        named = set(tables) == set(recording.responses.runs.names)
        there = named and all(set(extractor.columns()) <= set(table.columns) for table in tables.values())
        if broken and (extractor.needs_clips or not there):
            continue  # its events are the problem
        with problems.collect():
            extractor.check(stimulus_timeline(recording))
    if broken:
        problems.raise_any()
    for _, table in windows_of_features(study):
        with problems.collect():
            windowed(recording, table)
    problems.raise_any()


def _check_events(recording: Recording, study: Study) -> None:
    needed = {column for extractor in study.features.values() for column in extractor.columns()}
    clips = any(extractor.needs_clips for extractor in study.features.values())
    if (needed or clips) and not recording.events:
        raise InputError("the features need events, and the data have none", found=study.data.reader)
    problems = Problems()
    for name in recording.responses.runs.names if needed or clips else ():
        with problems.collect():
            if name not in recording.events:
                expected = sorted(needed) or [f"onset, duration, {recording.clips.stimulus}"]
                raise InputError(f"run {name} has no events", file=recording.files.get(name), expected=expected)
            if clips:
                _check_names_clips(recording, name)
            table, path = recording.events[name], recording.event_files.get(name)
            if missing := sorted(needed - set(table.columns)):
                raise InputError(
                    "an event table lacks a column that the features need",
                    file=path,
                    found=", ".join(table.columns),
                    expected=", ".join(missing),
                )
    problems.raise_any()


def _describe_shared(recordings: Mapping[str, Recording], study: Study) -> Iterator[str]:
    """Sentences on features that subjects share although they heard different sounds in a run of one name."""
    shared = [name for name, extractor in study.features.items() if extractor.shared()]
    first: dict[str, tuple[str, list[tuple[str, float, float]]]] = {}
    for subject, recording in recordings.items() if shared else ():
        for run, table in recording.events.items():
            heard = [(one.stimulus, one.start, one.onset) for one in played_clips(table, recording.clips)]
            other, known = first.setdefault(run, (subject, heard))
            same = [one[:2] for one in heard] == [one[:2] for one in known]
            tr = recording.responses.runs.tr
            if not same or any(abs(a[2] - b[2]) > tr for a, b in zip(heard, known, strict=True)):
                yield (
                    f"sub-{other} and sub-{subject} heard different sounds, or at other times, in run {run}, and "
                    f"have the same features {', '.join(shared)}: put {{subject}} into the path of their files"
                )
                return


def _check_names_clips(recording: Recording, run: str) -> None:
    """Raise unless the events of a run have a column with the file of each sound."""
    table = recording.events[run]
    if not names_clips(table, recording.clips):
        raise InputError(
            "an event table names no sound files, which the features need",
            file=recording.event_files.get(run),
            found=f"columns {', '.join(map(str, table.columns))}",
            expected=f"a column {recording.clips.stimulus or ClipColumns.stimulus}: the file of each sound, below the "
            "folder of the stimuli (and start, s, where a clip is not played from the start of its file)",
            fix='name the column that has them: clips = { stimulus = "COLUMN" } under [data]',
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
