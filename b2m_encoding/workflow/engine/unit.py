"""A unit of work: what is computed, from which settings, files and other units."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from b2m_encoding import __version__

if TYPE_CHECKING:
    from b2m_encoding.workflow.engine.context import Desk, Output

NO_NUMBERS = ("cli", "figures", "gallery", "phantom", "reconstruction", "results/report")
"""Parts of the package that draw, print or simulate, and so change no number of a study."""


@dataclass(frozen=True, eq=False)
class Unit:
    """One step of a study for one subject, run or part of the targets.

    Parameters
    ----------
    step : str
    label : str
        ``sub-01``, ``sub-01/run-3`` ...; "" for a step of the whole study.
    compute : callable
        Takes a :class:`Desk` and an :class:`Output`; what it returns is kept.
    needs : tuple of str
        Names of the units it reads.
    settings : mapping
        Of the study, as far as it depends on them; JSON.
    files : tuple of Path
        Input files it depends on.
    draws : bool
        It makes pictures: it depends on the source of what draws too.
    passing : bool
        Large, and removed when all units that need it are done.
    """

    step: str
    label: str
    compute: Callable[[Desk, Output], Any]
    needs: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    draws: bool = False
    passing: bool = False

    @property
    def name(self) -> str:
        """Step and label: its folder in the work folder."""
        return f"{self.step}/{self.label}" if self.label else self.step

    def __str__(self) -> str:
        """What a user reads."""
        return f"{self.label}: {self.step}" if self.label else self.step


def key_of(basis: Mapping[str, Any]) -> str:
    """Hash of everything a unit follows from."""
    return hashlib.sha256(json.dumps(basis, sort_keys=True, default=str).encode()).hexdigest()


@cache
def code_version(*, draws: bool = False) -> str:
    """Version of the package and hash of every source file that can change numbers, or pictures too."""
    package, total = Path(str(files("b2m_encoding"))), hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).as_posix()
        if draws or not name.startswith(tuple(f"{part}/" for part in NO_NUMBERS)):
            total.update(f"{name}\n".encode() + path.read_bytes())
    return f"{__version__}+{total.hexdigest()[:16]}"
