"""Responses that load run by run: their interface, and arrays behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.runs import Runs


class RunResponses(Protocol):
    """Responses that load one run at a time."""

    @property
    def runs(self) -> Runs:
        """Run, block, clip and use of every sample."""

    @property
    def n_targets(self) -> int:
        """Number of targets."""

    def load_run(self, name: str, targets: slice | None = None) -> NDArray[Any]:
        """Load the responses of a run, of all targets or of a slice, shape (n_run_samples, n_targets)."""


@dataclass(frozen=True, eq=False)
class ArrayResponses:
    """Responses in memory behind the interface of responses that load run by run.

    Parameters
    ----------
    values : array, shape (n_samples, n_targets)
        Of NumPy, or of zarr, dask or HDF5, of which one run is read at a time.
    runs : Runs
    """

    values: Any
    runs: Runs

    def __post_init__(self) -> None:
        self.runs.check_length(range(self.values.shape[0]), "the response array")

    @property
    def n_targets(self) -> int:
        """Number of targets."""
        return int(self.values.shape[1])

    def load_run(self, name: str, targets: slice | None = None) -> NDArray[Any]:
        """Responses of a run, shape (n_run_samples, n_targets)."""
        return np.asarray(self.values[self.runs.slices[name]])[:, slice(None) if targets is None else targets]


@dataclass(frozen=True, eq=False)
class Relabelled:
    """Responses with other runs: other blocks, other used samples, or a selection of the runs.

    Parameters
    ----------
    responses : RunResponses
    runs : Runs
        Each run has the samples of the run of that name in ``responses``.
    """

    responses: RunResponses
    runs: Runs

    @property
    def n_targets(self) -> int:
        """Number of targets."""
        return self.responses.n_targets

    def load_run(self, name: str, targets: slice | None = None) -> NDArray[Any]:
        """Responses of a run, shape (n_run_samples, n_targets)."""
        return self.responses.load_run(name, targets)
