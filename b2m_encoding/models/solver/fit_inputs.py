"""Inputs of a fit, gathered from samples: sufficient statistics, samples per block, status of targets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from b2m_encoding._typing import Floating
from b2m_encoding.models.layout import Design
from b2m_encoding.models.solver.devices import tensor
from b2m_encoding.models.solver.settings import Settings, pick_form
from b2m_encoding.models.solver.statistics import SufficientStatistics
from b2m_encoding.models.status import CONSTANT, MISSING, TESTED


@dataclass(frozen=True, eq=False)
class FitInputs:
    """Inputs of a fit: statistics, used samples, or both.

    Parameters
    ----------
    statistics : SufficientStatistics, optional
        None in the dual form.
    X, Y : dict of str to Tensor, shape (n_block_samples, n_features), (n_block_samples, n_targets), optional
        Used samples of every block.
    status : array of str, shape (n_targets,), optional
        In the dual form; otherwise the statistics decide.
    """

    statistics: SufficientStatistics | None
    X: dict[str, Tensor] | None = None
    Y: dict[str, Tensor] | None = None
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

    def without(self, blocks: Iterable[str]) -> FitInputs:
        """Inputs of the other blocks, with the same status of targets."""
        left_out = set(blocks)

        def others(samples: dict[str, Tensor] | None) -> dict[str, Tensor] | None:
            return samples and {name: part for name, part in samples.items() if name not in left_out}

        statistics = None if self.statistics is None else self.statistics.without(left_out)
        return replace(self, statistics=statistics, X=others(self.X), Y=others(self.Y))

    def n_samples(self, blocks: Iterable[str]) -> int:
        """Number of samples of some blocks."""
        if self.statistics is not None:
            return sum(self.statistics.blocks[name].count for name in blocks)
        assert self.X is not None
        return sum(len(self.X[name]) for name in blocks)

    def variances(self) -> Tensor:
        """Variance of every column over all samples, shape (n_columns,), float64; 0 where it does not vary."""
        if self.statistics is not None:
            pool = self.statistics.pool()
            variance, mean = pool.xx.diagonal() / pool.count, pool.mean_x
        else:
            assert self.X is not None
            x = torch.cat([part.double() for part in self.X.values()])
            variance, mean = x.var(0, correction=0), x.mean(0)
        return torch.where(variance.sqrt() > 1e-10 * mean.abs(), variance, 0.0)

    def subset(self, names: Iterable[str], widths: Mapping[str, int], n_held_out: int, settings: Settings) -> FitInputs:
        """Inputs of some feature spaces, in the form that suits their number of columns.

        Parameters
        ----------
        names : iterable of str
        widths : dict of str to int
            Columns of every feature space, in order.
        n_held_out : int
            Held-out samples of the smallest fold: where there are no more columns than these, statistics are enough.
        settings : Settings
            Whether the form is fixed, and type and device of statistics.
        """
        chosen, fixed_form = list(names), settings.form != "auto"
        stops = np.cumsum(list(widths.values())).tolist()
        columns = {name: range(stop - widths[name], stop) for name, stop in zip(widths, stops, strict=True)}
        keep = torch.tensor([column for name in chosen for column in columns[name]], dtype=torch.int64)
        X = None if self.X is None else {block: x[:, keep.to(x.device)] for block, x in self.X.items()}
        statistics = None if self.statistics is None else self.statistics.subset(chosen)
        samples_known = not fixed_form and X is not None and self.Y is not None
        if statistics is None and samples_known and len(keep) <= self.n_samples(self.X or ()):
            own = {name: widths[name] for name in chosen}
            statistics = SufficientStatistics(own, dtype=settings.dtype, device=settings.device)
            for block, x in (X or {}).items():
                statistics.update(block, x, (self.Y or {})[block])
        if statistics is not None and not fixed_form and len(keep) <= n_held_out:
            return replace(self, statistics=statistics, X=None, Y=None)
        return replace(self, statistics=statistics, X=X)


def rows_of_blocks(design: Design) -> dict[str, Tensor]:
    """Used samples of every block, shape (n_block_samples, n_features) each; not rounded before they are centred."""
    return {block: tensor(design.values[rows]) for block, rows in _block_rows(design).items()}


def gather_inputs(design: Design, Y: Floating, settings: Settings) -> FitInputs:
    """Compute the statistics of every block; keep its samples where the form needs them.

    Parameters
    ----------
    design : Design
    Y : array, shape (n_samples, n_targets)
    settings : Settings
    """
    form = pick_form(design.n_columns, design.runs, settings)
    rows = _block_rows(design)
    if form == "dual":
        return _dual_inputs(rows_of_blocks(design), {block: Y[at] for block, at in rows.items()})
    statistics = SufficientStatistics(design.layout.widths, dtype=settings.dtype, device=settings.device)
    for block, at in rows.items():
        statistics.update(block, design.values[at], Y[at])
    if form == "prediction":
        return FitInputs(statistics, rows_of_blocks(design), {block: tensor(Y[at]) for block, at in rows.items()})
    return FitInputs(statistics)


def _dual_inputs(X: dict[str, Tensor], Y: dict[str, Floating]) -> FitInputs:
    lowest = np.stack([np.min(part, axis=0) for part in Y.values()]).min(0)
    highest = np.stack([np.max(part, axis=0) for part in Y.values()]).max(0)
    missing = ~np.isfinite(lowest) | ~np.isfinite(highest)
    status = np.where(missing, MISSING, np.where(lowest == highest, CONSTANT, TESTED))
    clean = {block: tensor(np.where(missing, 0, part) if missing.any() else part) for block, part in Y.items()}
    return FitInputs(None, X, clean, status)


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
