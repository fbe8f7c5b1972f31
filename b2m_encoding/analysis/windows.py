"""Windows of clips as the samples of a recording, instead of volumes: as in Brain2Music."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.data import Recording, Responses
from b2m_encoding.features.clips import StimulusTimeline
from b2m_encoding.features.windows import Windows, cut_windows
from b2m_encoding.study import Study, WindowsTable


@dataclass(frozen=True, eq=False, kw_only=True)
class WindowedResponses(Responses):
    """Responses averaged under windows; the steps of their making name the averaging too."""

    made_of: Responses
    step: str
    lag: float

    @property
    def steps(self) -> tuple[str, ...]:
        """Every step between the files and ``load_run``."""
        return (*self.made_of.steps, self.step)


@dataclass(frozen=True, eq=False, kw_only=True)
class WindowedRecording(Recording):
    """A recording whose samples are windows."""

    windows: Windows


def read_recording(study: Study, subject: str) -> Recording:
    """Open the recording of a subject; its samples are windows where the study has ``[windows]``."""
    recording = study.data.read(subject, study.cleaning.build())
    return windowed(recording, study.windows) if study.windows else recording


def windowed(recording: Recording, table: WindowsTable) -> WindowedRecording:
    """Average the responses of a recording under windows of its clips, one run in memory at a time.

    A recording in windows is cut anew, from its volumes.

    Raises
    ------
    InputError
        If there is no clip, or one is shorter than a window.
    """
    volumes = getattr(recording.responses, "made_of", recording.responses)  # windows are cut from volumes
    windows = cut_windows(volumes.runs, table.length, table.step, table.lag)

    def read_run(name: str) -> NDArray[np.floating]:
        return windows.run_responses(name, volumes.load_run(name))

    step = f"average over windows of {table.length:g} s every {table.step:g} s, {table.lag:g} s after their sound"
    responses = WindowedResponses(windows.runs, volumes.space, read_run, made_of=volumes, step=step, lag=table.lag)
    parts = {
        name: getattr(recording, name) for name in ("subject", "events", "files", "inputs", "event_files", "clips")
    }
    return WindowedRecording(responses=responses, windows=windows, **parts)


def windows_of_features(study: Study) -> list[tuple[str, WindowsTable]]:
    """Feature spaces that are decoded, or encoded once more, from other windows than the samples of the study."""
    found = [(name, study.decoded_windows(name)) for name in (study.decoding.targets if study.decoding else ())]
    if (windows := study.windows) is not None:
        found += [(name, windows.of(name)) for name in windows.own]
    usual = windows and windows.of("")
    return [one for i, one in enumerate(found) if one[1] != usual and one not in found[:i]]


def stimulus_timeline(recording: Recording) -> StimulusTimeline:
    """What was played during the samples of a recording."""
    if isinstance(recording, WindowedRecording):
        volumes, windows = recording.windows.volumes, recording.windows
        return StimulusTimeline(volumes, recording.events, windows, recording.clips, recording.subject)
    return StimulusTimeline(
        recording.responses.runs, recording.events, columns=recording.clips, subject=recording.subject
    )
