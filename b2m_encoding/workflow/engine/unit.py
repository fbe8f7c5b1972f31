"""A unit of work: a pure function, the inputs it is given, and everything that its result depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from b2m_encoding import __version__
from b2m_encoding.io.hashes import sources_hash
from b2m_encoding.workflow.engine.inputs import Input, needed_units

NO_NUMBERS = ("cli", "figures", "gallery", "phantom", "reconstruction", "results/report")
"""Parts of the package that draw, print or simulate, and so change no number of a study."""


@dataclass(frozen=True, eq=False)
class Unit:
    """One step of a study for one subject, run or part of the targets.

    Parameters
    ----------
    step : str
    label : str
        ``sub-01``, ``sub-01_run-3`` ...; "" for a step of the whole study.
    compute : callable
        Called with the inputs by name, and with ``study`` where the unit declares settings; its value is kept.
    inputs : mapping of str to Input
    study : tuple of str
        Settings that ``compute`` may read: ``"model"``, ``"statistics.audit"``.
    settings : mapping
        Those settings, and how the recordings are read; JSON.
    files : tuple of Path
        Input files and folders that the result depends on.
    watched : tuple of Path
        Further files that it reads; a hash of what they hold is among the settings.
    draws : bool
        Its pictures depend on the source of what draws too.
    temporary : bool
        Large, and removed when all units that need it are done.
    """

    step: str
    label: str
    compute: Callable[..., Any]
    inputs: Mapping[str, Input] = field(default_factory=dict)
    study: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    watched: tuple[Path, ...] = ()
    draws: bool = False
    temporary: bool = False

    @property
    def name(self) -> str:
        """Step and label: its folder in the work folder."""
        return f"{self.step}/{self.label}" if self.label else self.step

    @cached_property
    def needs(self) -> tuple[str, ...]:
        """Names of the units whose values or files it is given."""
        return needed_units(self.inputs)

    def __str__(self) -> str:
        """Name for people."""
        return f"{self.label}: {self.step}" if self.label else self.step


def key_of(fingerprint: Mapping[str, Any]) -> str:
    """Hash of everything that a unit depends on, in its order: that of feature spaces and runs is part of results."""
    return hashlib.sha256(json.dumps(fingerprint, default=str).encode()).hexdigest()


@cache
def code_version(*, draws: bool = False) -> str:
    """Version of the package and hash of every source file that can change numbers, or pictures too."""
    return f"{__version__}+{sources_hash(Path(str(files('b2m_encoding'))), () if draws else NO_NUMBERS)[:16]}"
