"""Inputs of a fit, gathered from samples: sufficient statistics, samples per block, status of targets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from b2m_encoding._typing import Floating
from b2m_encoding.models.layout import Design
from b2m_encoding.models.sizes import pick_form
from b2m_encoding.models.solver.devices import tensor
from b2m_encoding.models.solver.moments import Center
from b2m_encoding.models.solver.samples.arrays import Samples
from b2m_encoding.models.solver.settings import Settings
from b2m_encoding.models.solver.statistics import SufficientStatistics
from b2m_encoding.models.status import CONSTANT, MISSING, TESTED


@dataclass(frozen=True, eq=False)
class FitInputs:
    """Inputs of a fit: statistics, or samples.

    Parameters
    ----------
    statistics : SufficientStatistics, optional
        In the Gram form.
    samples : Samples, optional
        In the other forms.
    status : array of str, shape (n_targets,), optional
        Where there are samples; otherwise the statistics decide.
    """

    statistics: SufficientStatistics | None
    samples: Samples | None = None
    status: NDArray[np.str_] | None = None

    def target_status(self) -> NDArray[np.str_]:
        """Status of every target, "tested", "constant" or "missing", shape (n_targets,)."""
        if self.statistics is not None:
            return target_status(self.statistics)
        assert self.status is not None
        return self.status

    def as_float64(self) -> FitInputs:
        """The same inputs for products in float64."""
        if self.statistics is None:
            return self
        blocks = {name: replace(block, xy=block.xy.double()) for name, block in self.statistics.blocks.items()}
        return replace(self, statistics=replace(self.statistics, blocks=blocks, dtype=torch.float64))

    def of_targets(self, keep: NDArray[np.intp]) -> FitInputs:
        """Inputs of some targets."""
        at = torch.from_numpy(keep)
        return FitInputs(
            self.statistics and self.statistics.of_targets(at),
            self.samples and self.samples.of_targets(at),
            None if self.status is None else self.status[keep],
        )

    def without(self, blocks: Iterable[str]) -> FitInputs:
        """Inputs of the other blocks, with the same status of targets."""
        left_out = list(blocks)
        if self.samples is not None:
            return replace(self, samples=self.samples.without(left_out))
        assert self.statistics is not None
        return replace(self, statistics=self.statistics.without(left_out))

    def n_samples(self, blocks: Iterable[str]) -> int:
        """Number of samples of some blocks."""
        if self.samples is not None:
            return len(self.samples.index(blocks))
        assert self.statistics is not None
        return sum(self.statistics.blocks[name].count for name in blocks)

    @cached_property
    def variances(self) -> Tensor:
        """Variance of every column over all samples, shape (n_columns,), float64; 0 where it does not vary."""
        if self.samples is not None:
            return self.samples.variance
        assert self.statistics is not None
        pool = self.statistics.pool()
        variance, mean = pool.xx.diagonal() / pool.count, pool.mean_x
        return torch.where(variance.sqrt() > 1e-10 * mean.abs(), variance, 0.0)

    def mean_responses(self, center: Center) -> Tensor:
        """Mean that is removed from the responses of every target, shape (n_targets,), float64."""
        if self.statistics is not None:
            return self.statistics.pool().mean_y * (center != "none")
        assert self.samples is not None
        return self.samples.Y.mean(0, dtype=torch.float64) * (center != "none")

    def subset(self, names: Iterable[str], widths: Mapping[str, int]) -> FitInputs:
        """Inputs of some feature spaces.

        Parameters
        ----------
        names : iterable of str
        widths : dict of str to int
            Columns of every feature space, in order.
        """
        chosen = list(names)
        if chosen == list(widths):
            return self
        if self.statistics is not None:
            return replace(self, statistics=self.statistics.subset(chosen))
        assert self.samples is not None
        stops = np.cumsum(list(widths.values())).tolist()
        columns = {name: range(stop - widths[name], stop) for name, stop in zip(widths, stops, strict=True)}
        keep = torch.tensor([column for name in chosen for column in columns[name]], dtype=torch.int64)
        return replace(self, samples=self.samples.of_columns(keep))


def gather_inputs(design: Design, Y: Floating, settings: Settings) -> FitInputs:
    """Compute the statistics of every block, or keep its samples, as the form needs it.

    Parameters
    ----------
    design : Design
    Y : array, shape (n_samples, n_targets)
    settings : Settings
    """
    if pick_form(design.n_columns, design.runs, settings) != "gram":
        return _gather_samples(design, Y)
    rows = _block_rows(design)
    statistics = SufficientStatistics(design.layout.widths, dtype=settings.dtype, device=settings.device)
    for block, at in rows.items():
        statistics.update(block, design.values[at], Y[at])
    return FitInputs(statistics)


def _gather_samples(design: Design, Y: Floating) -> FitInputs:
    """Used samples in their order, whatever their blocks: models with other folds share what depends on features."""
    runs = design.runs
    at = runs.rows()
    X, Y = (design.values, Y) if len(at) == len(Y) else (design.values[at], Y[at])
    status, missing = _status_of_samples(Y)
    Y = np.where(missing, Y.dtype.type(0), Y) if missing.any() else Y
    rows = {block: tensor(np.searchsorted(at, runs.rows([block]))) for block in runs.blocks}
    return FitInputs(None, Samples(tensor(X), tensor(Y), rows), status)


def _status_of_samples(Y: Floating) -> tuple[NDArray[np.str_], NDArray[np.bool_]]:
    """Status of every target, and which miss a value."""
    lowest, highest = Y.min(axis=0), Y.max(axis=0)
    missing = ~np.isfinite(lowest) | ~np.isfinite(highest)
    with np.errstate(invalid="ignore"):
        constant = highest - lowest <= 8 * np.finfo(np.float64).eps * np.abs(highest)
    return np.where(missing, MISSING, np.where(constant, CONSTANT, TESTED)), missing


def _block_rows(design: Design) -> dict[str, slice | NDArray[np.intp]]:
    """Used rows of every block; a slice (a view instead of a copy) where they follow each other."""
    return {block: _contiguous(design.runs.rows([block])) for block in design.runs.blocks}


def _contiguous(rows: NDArray[np.intp]) -> slice | NDArray[np.intp]:
    if len(rows) and rows[-1] - rows[0] + 1 == len(rows):
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def target_status(statistics: SufficientStatistics) -> NDArray[np.str_]:
    """Status of every target from its statistics, "tested", "constant" or "missing", shape (n_targets,)."""
    blocks = list(statistics.blocks.values())
    missing = ~torch.stack([torch.isfinite(block.mean_y) for block in blocks]).all(0)
    pool = statistics.pool()
    deviation = (pool.yy / pool.count).sqrt()
    constant = deviation <= 4 * torch.finfo(torch.float64).eps * pool.mean_y.abs()
    return np.where(missing.cpu(), MISSING, np.where(constant.cpu(), CONSTANT, TESTED))
