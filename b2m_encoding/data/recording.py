"""Recording of one subject: responses, events and files of its runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.data.cleaning import Cleaning
from b2m_encoding.data.clip_columns import BIDS_CLIPS, ClipColumns
from b2m_encoding.data.clips import ClipLabels, Played, columns_of, played_clips
from b2m_encoding.data.events import check_events, label_clips, read_events
from b2m_encoding.data.recent import recent
from b2m_encoding.data.responses import Responses
from b2m_encoding.errors import InputError, Problems, notice
from b2m_encoding.runs import Runs
from b2m_encoding.spaces.space import Space

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Series:
    """The response file of one run, opened but not read.

    Parameters
    ----------
    n_samples : int
    tr : float or None
        Seconds, from its header; None if that states none.
    read : callable
        Returns the responses, shape (n_samples, n_targets).
    files : tuple of Path
        The first one is named in messages about the run.
    start : float or None
        Time of the first volume (s), from its header; None if that states none.
    """

    n_samples: int
    tr: float | None
    read: Callable[[], NDArray[np.floating]]
    files: tuple[Path, ...]
    start: float | None = None


@dataclass(frozen=True, eq=False)
class Recording:
    """Responses of one subject with the events and the file of each run, and all files that were read.

    ``clips`` are the columns of the events that name clips.
    """

    subject: str
    responses: Responses
    events: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    inputs: tuple[Path, ...] = ()
    event_files: Mapping[str, Path] = field(default_factory=dict)
    clips: ClipColumns = BIDS_CLIPS

    @property
    def presented(self) -> dict[str, Played]:
        """The last presentation of each clip, by its label in ``Runs.clip``."""
        played = [one for table in self.events.values() for one in played_clips(table, self.clips)]
        label = ClipLabels(played, columns_of(self.events, self.clips))
        return {label(one): one for one in played}

    def starting_at(self, seconds: Mapping[str, float | None]) -> Recording:
        """The same recording with volumes that stand for the time to which their slices were corrected.

        A volume covers the stimuli of one repetition time around that time. Without it, a volume covers the time of its
        acquisition.

        Parameters
        ----------
        seconds : mapping of run name to float or None
            Time from the start of a volume, s; None where it is not known.
        """
        stated = {run: start for run, start in seconds.items() if start is not None}
        if not stated:
            return self
        if missing := sorted(set(seconds) - set(stated)):
            raise InputError(
                "some runs state to which time their slices were corrected, others do not",
                file=self.files.get(missing[0]),
                found=f"StartTime of {', '.join(sorted(stated))} only",
                expected="StartTime beside the responses of all runs, or of none",
                fix="preprocess all runs in the same way",
            )
        runs, time = self.responses.runs, self.responses.runs.time.copy()
        for run, rows in runs.slices.items():
            time[rows] += stated[run] - runs.tr / 2
        shifted = replace(runs, time=np.round(time, 9), instant=runs.tr / 2)
        return replace(self, responses=self.responses.with_runs(shifted))

    def after(self, volumes: Mapping[str, int]) -> Recording:
        """The same recording, whose runs begin so many volumes after the first one, from which events count."""
        runs, time = self.responses.runs, self.responses.runs.time.copy()
        for run, number in volumes.items():
            time[runs.slices[run]] += number * runs.tr
        return replace(self, responses=self.responses.with_runs(replace(runs, time=np.round(time, 9))))

    def with_events(
        self,
        files: Mapping[str, Path],
        columns: tuple[str, ...] | None = None,
        clips: ClipColumns = BIDS_CLIPS,
        shortened: Collection[str] = (),
    ) -> Recording:
        """Read the event tables of runs; where they name stimuli, label the clip of each sample.

        Parameters
        ----------
        files : mapping of run name to Path
        columns : tuple of str, optional
            Names of the columns of tables without a header.
        clips : ClipColumns
            Columns that name clips.
        shortened : collection of str
            Runs whose last volumes were cut off: events after the last one are left out.

        Raises
        ------
        InputError, ProblemList
            With every table that cannot be used: unknown run, missing or malformed file, event beyond its run.
        """
        runs, problems = self.responses.runs, Problems()
        events: dict[str, pd.DataFrame] = {}
        for run, path in files.items():
            with problems.collect():
                if run not in runs.slices:
                    raise InputError("events are given for a run that has no image", found=run, expected=runs.names)
                table = read_events(path, columns=columns)
                if run in shortened:
                    table = _until_end(table, runs, run, path)
                check_events(table, runs, run, path)
                events[run] = table
        problems.raise_any()
        return self.with_tables(events, files, clips)

    def with_tables(
        self, events: Mapping[str, pd.DataFrame], files: Mapping[str, Path], clips: ClipColumns = BIDS_CLIPS
    ) -> Recording:
        """Attach event tables that have been read; label the clip of each sample where they name its stimulus."""
        runs = label_clips(self.responses.runs, events, files, clips)
        return replace(
            self,
            responses=self.responses.with_runs(runs),
            events=events,
            event_files=dict(files),
            inputs=(*self.inputs, *files.values()),
            clips=clips,
        )

    def prepared(
        self,
        cleaning: Cleaning,
        *,
        discard: float = 0.0,
        confounds: Mapping[str, pd.DataFrame] | None = None,
        kept: Mapping[str, NDArray[np.bool_]] | None = None,
        inputs: tuple[Path, ...] = (),
    ) -> Recording:
        """Discard the start of runs, censor volumes, then attach the cleaning.

        Parameters
        ----------
        cleaning : Cleaning
        discard : float
            Seconds at the start of each run that never enter a fit.
        confounds : mapping of run name to DataFrame
            Regressed out.
        kept : mapping of run name to array of bool
            False for a censored volume: it is removed from ``Runs.used`` and not replaced.
        inputs : tuple of Path
            Files that confounds were read from.
        """
        runs = self.responses.runs.discard(discard)
        used = runs.used.copy()
        for name, mask in (kept or {}).items():
            used[runs.slices[name]] &= mask
        responses = self.responses.with_runs(replace(runs, used=used)).cleaned(cleaning, confounds)
        return replace(self, responses=responses, inputs=(*self.inputs, *inputs))


def _until_end(table: pd.DataFrame, runs: Runs, run: str, path: Path) -> pd.DataFrame:
    """The events that begin before the last volume of a run ends."""
    inside = table["onset"] < float(runs.time[runs.slices[run]][-1]) + runs.tr
    if inside.all() or not inside.any():
        return table
    notice(f"{path}: {int((~inside).sum())} events after the last volume, behind which others were cut, are left out")
    return table[inside].reset_index(drop=True)


def assemble(
    subject: str,
    series: Mapping[str, Series],
    space: Space,
    *,
    tr: float | None = None,
    trust_header: bool = True,
    more_inputs: tuple[Path, ...] = (),
) -> Recording:
    """Make a recording of the opened runs of one subject.

    Parameters
    ----------
    subject : str
    series : mapping of run name to Series
    space : Space
    tr : float, optional
        Seconds; by default the headers'.
    trust_header : bool
        Whether a header that states another one is an error. Set it to false only if the header is known to be wrong.
    more_inputs : tuple of Path
        Other files that were read: masks, sidecars.

    Raises
    ------
    InputError, ProblemList
        If there is no run, no repetition time or an impossible one, or runs disagree about it.
    """
    if not series:
        raise InputError("no responses are given for a subject", found=subject)
    problems, seconds = Problems(), tr
    if tr is not None:
        check_repetition_time(tr, None)
    for one in series.values():
        if one.tr is None or not (trust_header or tr is None):
            continue
        with problems.collect():
            check_repetition_time(one.tr, one.files[0] if one.files else None)
            seconds = one.tr if seconds is None else seconds
        if seconds is not None and _plausible(one.tr) and abs(one.tr - seconds) > 1e-3:
            wrong = InputError(
                "repetition times disagree",
                file=one.files[0],
                found=f"{one.tr:g} s in the header",
                expected=f"{seconds:g} s",
                fix="correct the header, or set trust_header = false under [data] if only the header is wrong",
            )
            problems.found.append(wrong)
    problems.raise_any()
    if seconds is None:
        raise InputError("no header states the repetition time", found=subject, fix="give tr (seconds) under [data]")
    runs = Runs.from_lengths({name: one.n_samples for name, one in series.items()}, seconds)
    return Recording(
        subject,
        Responses(runs, space, recent({name: one.read for name, one in series.items()})),
        files={name: one.files[0] for name, one in series.items() if one.files},
        inputs=tuple(dict.fromkeys([*(path for one in series.values() for path in one.files), *more_inputs])),
    )


def check_repetition_time(tr: float, file: Path | None) -> None:
    """Raise unless a repetition time, in seconds, is plausible."""
    if not _plausible(tr):
        guess = ""
        if _plausible(tr / 1000):
            guess = " (milliseconds declared as seconds?)"
        elif _plausible(tr * 1000):
            guess = " (seconds declared as milliseconds?)"
        raise InputError(
            "a repetition time is impossible",
            file=file,
            found=f"{tr:g} s{guess}",
            expected="0.1 to 30 s",
            fix="correct it; if only the header is wrong, set trust_header = false under [data]",
        )


def _plausible(tr: float) -> bool:
    return bool(np.isfinite(tr) and 0.1 <= tr <= 30)
