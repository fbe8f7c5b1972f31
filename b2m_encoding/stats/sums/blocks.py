"""Held-out sums of every block: sufficient for scores, their differences and their bootstrap."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from b2m_encoding._typing import Bands, Float64
from b2m_encoding.io.stored_arrays import LARGE
from b2m_encoding.stats.sums.bootstrap import strata

Measure = Literal["r", "r2"]
TARGET_CHUNK = 1024
ROUNDING = 1e-12
"""A variance below this share of the mean square is rounding error."""


@dataclass(frozen=True, eq=False)
class Predicted:
    """Sums of the predictions of a model over the samples of each block, arrays of shape (n_blocks, n_targets).

    The mean response of the split is subtracted from predictions and responses.

    Parameters
    ----------
    p, pp, py : array
        Sums of the prediction, of its square, and of its product with the response.
    """

    p: Float64 = field(metadata=LARGE)
    pp: Float64 = field(metadata=LARGE)
    py: Float64 = field(metadata=LARGE)


@dataclass(frozen=True, eq=False)
class BlockSums:
    """Held-out samples of several models, summed within blocks.

    The scores of any resample of blocks follow by addition, so that a thousand bootstrap resamples of
    every model and target are a few matrix products.

    Parameters
    ----------
    n : array, shape (n_blocks,)
        Samples of each block.
    split : array of int, shape (n_blocks,)
        The train-test split each block was held out in.
    y, yy : array, shape (n_blocks, n_targets)
        Sums of the response and of its square.
    models : dict of tuple of str to Predicted
        Sums of every model, by its feature spaces.
    labels : array of str, shape (n_blocks,)
        Clip presented at the first sample of each block, "" where there is none.
    """

    n: Float64
    split: NDArray[np.intp]
    y: Float64 = field(metadata=LARGE)
    yy: Float64 = field(metadata=LARGE)
    models: Mapping[Bands, Predicted]
    labels: NDArray[Any]

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self.n)

    @property
    def n_targets(self) -> int:
        """Number of targets."""
        return int(self.y.shape[1])

    @property
    def degrees(self) -> int:
        """Degrees of freedom of a spread over blocks: one less than the blocks of each stratum."""
        return max(self.n_blocks - len(np.unique(strata(self.split))), 1)

    def take_targets(self, targets: NDArray[Any] | slice) -> BlockSums:
        """Select targets by a mask, indices or a slice."""
        models = {
            name: Predicted(*(getattr(sums, key)[:, targets] for key in SUMS)) for name, sums in self.models.items()
        }
        return replace(self, y=self.y[:, targets], yy=self.yy[:, targets], models=models)

    def take_models(self, models: Sequence[Bands]) -> BlockSums:
        """Select models."""
        return replace(self, models={name: self.models[name] for name in models})

    def scores(self, measure: Measure = "r") -> dict[Bands, Float64]:
        """Compute the score of every model, shape (n_targets,).

        Parameters
        ----------
        measure : {"r", "r2"}

        Returns
        -------
        dict of tuple of str to array
            NaN where the score is undefined; r is 0 where a prediction is constant.
        """
        parts = [scores for _, scores in self.resampled(np.ones((1, self.n_blocks)), measure)]
        return {name: np.concatenate([part[name][0] for part in parts]) for name in self.models}

    def resampled(
        self, weights: Float64, measure: Measure = "r", models: Sequence[Bands] | None = None
    ) -> Iterator[tuple[slice, dict[Bands, Float64]]]:
        """Compute scores under each row of block weights, for a chunk of targets at a time.

        Parameters
        ----------
        weights : array, shape (n_resamples, n_blocks)
        measure : {"r", "r2"}
            Mean over splits of Pearson r, weighted by samples; or R2 pooled over splits.
        models : sequence, optional
            All by default.

        Yields
        ------
        targets, scores : slice, dict of array (n_resamples, n_chunk)
        """
        scorer = _pearson if measure == "r" else _r2
        for start in range(0, self.n_targets, TARGET_CHUNK):
            part = slice(start, start + TARGET_CHUNK)
            score = scorer(self, weights, part)
            yield part, {name: score(self.models[name]) for name in models or self.models}

    def contributions(self, model: Bands, measure: Measure = "r") -> Float64:
        """Split the score of a model into contributions of the blocks, which add up to it.

        For r, which is not additive, to first order (influence function; Devlin et al. 1975,
        doi 10.1093/biomet/62.3.531): the variance of a block alone does not increase its contribution.

        Parameters
        ----------
        model : tuple of str
        measure : {"r", "r2"}

        Returns
        -------
        array, shape (n_blocks, n_targets)
        """
        out = np.empty((self.n_blocks, self.n_targets))
        share = _share_of_r2 if measure == "r2" else _share_of_r
        for start in range(0, self.n_targets, TARGET_CHUNK):
            part = slice(start, start + TARGET_CHUNK)
            out[:, part] = share(self, self.models[model], part)
        return out


SUMS = ("p", "pp", "py")


def _splits(sums: BlockSums) -> Iterator[tuple[NDArray[np.intp], float]]:
    """Blocks of each split, and its share of the samples."""
    for label in np.unique(sums.split):
        rows = np.flatnonzero(sums.split == label)
        yield rows, float(sums.n[rows].sum() / sums.n.sum())


def _share_of_r2(sums: BlockSums, model: Predicted, part: slice) -> Float64:
    """Contribution of every block to R2."""
    total = sums.yy[:, part].sum(axis=0)
    return np.asarray((2 * model.py[:, part] - model.pp[:, part]) / np.where(total > 0, total, np.nan))


def _share_of_r(sums: BlockSums, model: Predicted, part: slice) -> Float64:
    """Contribution of every block to r, to first order."""
    all_p, all_pp, all_py = (getattr(model, key)[:, part] for key in SUMS)
    all_y, all_yy = sums.y[:, part], sums.yy[:, part]
    out = np.empty_like(all_y)
    for rows, share in _splits(sums):
        n = sums.n[rows][:, None]
        p, pp, y, yy = all_p[rows], all_pp[rows], all_y[rows], all_yy[rows]
        mean_p, mean_y = p.sum(0) / n.sum(), y.sum(0) / n.sum()
        product = all_py[rows] - mean_p * y - mean_y * p + n * mean_p * mean_y
        square_p, square_y = pp - 2 * mean_p * p + n * mean_p**2, yy - 2 * mean_y * y + n * mean_y**2
        total_p, total_y = square_p.sum(0), square_y.sum(0)
        root = _root(total_p * total_y, pp.sum(0) * yy.sum(0))
        r = product.sum(0) / root
        spread = square_p / np.where(root > 0, total_p, np.nan) + square_y / np.where(root > 0, total_y, np.nan)
        contribution = share * (product / root + r * (n / n.sum() - spread / 2))
        out[rows] = np.where(np.isnan(root) & np.isfinite(total_y), 0.0, contribution)
    return out


def _pearson(sums: BlockSums, weights: Float64, part: slice) -> Callable[[Predicted], Float64]:
    """Correlation under each row of weights; what depends on responses alone is computed once."""
    everything = torch.from_numpy(weights @ sums.n)[:, None]
    all_y, all_yy, splits = sums.y[:, part], sums.yy[:, part], []
    for rows, _ in _splits(sums):
        total = _Weighted(weights, rows)
        n = total(sums.n[:, None])
        drawn = n.clamp_min(1e-9)  # a split of one block that was not drawn has no weight
        y, yy = total(all_y), total(all_yy)
        constant = torch.where(yy.isfinite(), 0.0, torch.nan)  # r of a constant prediction
        splits.append((total, n / everything, drawn, y, yy, yy - y * y / drawn, constant))

    def score(model: Predicted) -> Float64:
        found: Any = 0.0
        values = [getattr(model, key)[:, part] for key in SUMS]
        for total, share, drawn, y, yy, variance, constant in splits:
            p, pp, py = map(total, values)
            mean = p / drawn
            squares = (pp - p.mul_(mean)).mul_(variance)
            known = squares > ROUNDING * pp.mul_(yy)  # not where one variance is rounding error or missing
            found = found + torch.where(known, py.sub_(mean.mul_(y)).div_(squares.sqrt_()), constant) * share
        return np.asarray(found.numpy())

    return score


def _r2(sums: BlockSums, weights: Float64, part: slice) -> Callable[[Predicted], Float64]:
    """R2 under each row of weights; what depends on responses alone is computed once."""
    all_y, square = sums.y[:, part], torch.zeros(())
    for rows, _ in _splits(sums):
        total = _Weighted(weights, rows)
        square = square + total(all_y).square_().div_(total(sums.n[:, None]).clamp_min(1e-9))
    every = _Weighted(weights, np.arange(sums.n_blocks))
    variation = every(sums.yy[:, part]) - square
    variation = torch.where(variation > 0, variation, torch.nan)

    def score(model: Predicted) -> Float64:
        explained = every(2 * model.py[:, part] - model.pp[:, part])
        return np.asarray(explained.sub_(square).div_(variation).numpy())

    return score


class _Weighted:
    """Weighted sums over some blocks, shape (n_resamples, n_chunk); in torch, which computes on all cores."""

    def __init__(self, weights: Float64, rows: NDArray[np.intp]) -> None:
        self.rows, self.weights = rows, torch.from_numpy(weights[:, rows])

    def __call__(self, values: Float64) -> Tensor:
        return self.weights @ torch.from_numpy(values[self.rows])


def _root(product: Float64, scale: Float64) -> Float64:
    """Square root of a product of two variances; NaN where one is rounding error or missing."""
    with np.errstate(invalid="ignore"):
        return np.sqrt(np.where(product > ROUNDING * scale, product, np.nan))
