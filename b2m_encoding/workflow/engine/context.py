"""Inputs of units, resolved: the study as declared, recordings, values of other units, and a place for files."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from b2m_encoding._typing import Progress
from b2m_encoding.analysis.windows import read_recording, stimulus_timeline
from b2m_encoding.data import Recording
from b2m_encoding.results.bundle import BundleFiles
from b2m_encoding.study import Study
from b2m_encoding.workflow.engine.inputs import (
    Constant,
    Derived,
    FileOf,
    Given,
    Input,
    RecordingOf,
    ResultsFolder,
    SpaceOf,
    TimelineOf,
    values_in,
)
from b2m_encoding.workflow.engine.serialise import load_tree, size_in_memory
from b2m_encoding.workflow.engine.settings import DeclaredSettings
from b2m_encoding.workflow.engine.store import PUBLISHED, WorkFolder
from b2m_encoding.workflow.engine.unit import Unit

REMEMBERED = 1.5e9
"""Bytes of values that stay in memory; the latest one always does."""


@dataclass(frozen=True, eq=False)
class Output:
    """Files that a unit leaves beside its value, in its folder."""

    folder: Path

    @property
    def bundle(self) -> BundleFiles:
        """Files that belong into the results, under the same names."""
        return BundleFiles(self.folder / PUBLISHED)


class StepContext:
    """Inputs available to units, in this process or in another one.

    Parameters
    ----------
    study : Study
    work : WorkFolder
    """

    def __init__(self, study: Study, work: WorkFolder) -> None:
        self.study = study
        self.work = work
        self.recordings: dict[str, Recording] = {}
        self.results: Path | None = None
        """Folder of the results as far as they are written."""
        self._values: OrderedDict[str, tuple[Any, int]] = OrderedDict()

    def arguments(self, unit: Unit, output: Output, progress: Progress) -> dict[str, Any]:
        """Arguments of the function of a unit: its inputs, and the study as far as it is declared."""
        given = {Given.OUTPUT: output, Given.PROGRESS: progress, Given.FACTORS: self.work.factors}
        arguments = {
            name: given[source] if isinstance(source, Given) else self.value(source)
            for name, source in unit.inputs.items()
        }
        if unit.study:
            arguments["study"] = DeclaredSettings(self.study, unit.study)
        return arguments

    def value(self, source: Input, *, stored: bool = False) -> Any:
        """The value of an input; large arrays of units stay in their files if they are to be ``stored``."""
        if isinstance(source, str):
            return load_tree(self.work.folder(source), large=False) if stored else self._value_of_unit(source)
        if isinstance(source, Constant):
            return source.value
        if isinstance(source, RecordingOf):
            return self.recording(source.subject)
        if isinstance(source, TimelineOf):
            return stimulus_timeline(self.recording(source.subject))
        if isinstance(source, SpaceOf):
            return self.recording(source.subject).responses.space
        if isinstance(source, FileOf):
            path = self.work.folder(source.unit) / source.name
            return path if path.is_file() else None
        if isinstance(source, ResultsFolder):
            return self.results
        if isinstance(source, Derived):
            return self._derived(source)
        if isinstance(source, Mapping):
            return {name: self.value(part, stored=stored) for name, part in source.items()}
        assert isinstance(source, Sequence)
        return [self.value(part, stored=stored) for part in source]

    def recording(self, subject: str) -> Recording:
        """The recording of a subject, opened once."""
        if subject not in self.recordings:
            self.recordings[subject] = read_recording(self.study, subject)
        return self.recordings[subject]

    def keep(self, name: str, value: Any) -> None:
        """Keep a value in memory; those used longest ago are dropped beyond a limit."""
        self._values[name] = value, size_in_memory(value)
        self._values.move_to_end(name)
        while len(self._values) > 1 and sum(size for _, size in self._values.values()) > REMEMBERED:
            self._values.popitem(last=False)

    def release(self, units: Iterable[Unit]) -> None:
        """Drop the values from memory that none of these units, which are still to be computed, is given."""
        needed = {name for unit in units for name in values_in(unit.inputs)}
        for name in self._values.keys() - needed:
            del self._values[name]

    def _value_of_unit(self, name: str) -> Any:
        if name not in self._values:
            self.keep(name, load_tree(self.work.folder(name)))
        self._values.move_to_end(name)
        return self._values[name][0]

    def _derived(self, source: Derived) -> Any:
        if not source.name:
            return source.function(**self.value(source.inputs, stored=source.stored))
        if source.name not in self._values:
            self.keep(source.name, source.function(**self.value(source.inputs, stored=source.stored)))
        self._values.move_to_end(source.name)
        return self._values[source.name][0]
