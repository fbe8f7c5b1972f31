"""What a unit works with: the study, the recordings, results of other units, and a place for its own."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from b2m_encoding.analysis.windows import windowed
from b2m_encoding.data import Recording
from b2m_encoding.results.bundle import BundleFiles
from b2m_encoding.spaces import Space
from b2m_encoding.study import Study
from b2m_encoding.workflow.engine.serialise import load_tree, size_of_tree
from b2m_encoding.workflow.engine.store import PUBLISHED, WorkFolder

REMEMBERED = 1.5e9
"""Bytes of results of units that stay in memory; the latest one always does."""


@dataclass(eq=False)
class Output:
    """Where a unit leaves files, beside the object it returns.

    Parameters
    ----------
    folder : Path
        Of the unit; what is written there is kept for other units.
    facts : dict
        A few numbers that planning needs.
    report : callable
        Called with how far the unit has got: what, done, of how many.
    """

    folder: Path
    facts: dict[str, Any] = field(default_factory=dict)
    report: Callable[[str, int, int], None] = lambda what, done, total: None

    @property
    def bundle(self) -> BundleFiles:
        """Files that belong into the results, under the same names."""
        return BundleFiles(self.folder / PUBLISHED)


class Desk:
    """Access of units to the study, in this process or in another one.

    Parameters
    ----------
    study : Study
    work : WorkFolder
    recordings : mapping of str to Recording
        Those that are open.
    """

    def __init__(self, study: Study, work: WorkFolder, recordings: Mapping[str, Recording] | None = None) -> None:
        self.study = study
        self.work = work
        self.recordings: dict[str, Recording] = dict(recordings or {})
        self.bundle: Path | None = None
        """Folder of the results as far as they are, for figures and report."""
        self._values: OrderedDict[str, tuple[Any, int]] = OrderedDict()

    def recording(self, subject: str) -> Recording:
        """The recording of a subject, opened once."""
        if subject not in self.recordings:
            recording = self.study.data.read(subject, self.study.cleaning.build())
            windows = self.study.windows
            self.recordings[subject] = windowed(recording, windows) if windows else recording
        return self.recordings[subject]

    def spaces(self, subjects: Iterable[str] | None = None) -> dict[str, Space]:
        """Where the responses of subjects lie; of all that are open by default."""
        chosen = self.recordings if subjects is None else subjects
        return {subject: self.recording(subject).responses.space for subject in chosen}

    def get(self, name: str) -> Any:
        """What a unit returned."""
        if name not in self._values:
            folder = self.folder(name)
            self.keep(name, load_tree(folder), size_of_tree(folder))
        self._values.move_to_end(name)
        return self._values[name][0]

    def has(self, name: str) -> bool:
        """Whether something is remembered under a name."""
        return name in self._values

    def keep(self, name: str, value: Any, size: int) -> None:
        """Remember something of so many bytes for the next units; what was not used for longest is forgotten."""
        self._values[name] = value, size
        while len(self._values) > 1 and sum(size for _, size in self._values.values()) > REMEMBERED:
            self._values.popitem(last=False)

    def folder(self, name: str) -> Path:
        """Folder of a unit."""
        return self.work.path / name
