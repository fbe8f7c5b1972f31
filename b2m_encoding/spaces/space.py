"""Protocol of a space, and the two spaces without geometry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@runtime_checkable
class Space(Protocol):
    """Locations of targets. Spaces with equal ``name`` and ``n_targets`` hold the same targets in the same order."""

    @property
    def name(self) -> str:
        """Name as in BIDS (``fsaverage5``, ``MNI152NLin2009cAsym`` ...)."""
        ...

    @property
    def n_targets(self) -> int:
        """Number of targets."""
        ...


@dataclass(frozen=True)
class RegionSpace:
    """Targets that are named regions (one time series each)."""

    regions: tuple[str, ...]
    name: str = "regions"

    @property
    def n_targets(self) -> int:
        """Number of regions."""
        return len(self.regions)


@dataclass(frozen=True)
class Unplaced:
    """Targets without coordinates: models and decoding work, maps cannot be drawn."""

    n_targets: int
    name: str = "unplaced"
