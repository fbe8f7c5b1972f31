"""Held-out sums of every block: sufficient for scores, their differences and their bootstrap."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from b2m_encoding._typing import Bands, Float64, Floating
from b2m_encoding.errors import InputError, whole_number
from b2m_encoding.io.stored_arrays import LARGE, SideBySide, side_by_side
from b2m_encoding.runs import Runs
from b2m_encoding.stats.repeats import first_presentations

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
        return max(self.n_blocks - len(np.unique(_strata(self.split))), 1)

    def take_targets(self, targets: NDArray[Any] | slice) -> BlockSums:
        """Select targets by a mask, indices or a slice."""
        models = {
            name: Predicted(*(getattr(sums, key)[:, targets] for key in _KEYS)) for name, sums in self.models.items()
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


def block_sums(
    predicted: Mapping[Bands, Floating],
    measured: Floating,
    runs: Runs,
    *,
    block_length: int,
    split: int = 0,
) -> BlockSums:
    """Sum the held-out samples of one split within blocks of their runs.

    Parameters
    ----------
    predicted : dict of tuple of str to array (n_samples, n_targets)
        Predictions of every model, by its feature spaces.
    measured : array, shape (n_samples, n_targets)
    runs : Runs
        Runs of the held-out samples.
    block_length : int
        Samples per block, longer than the autocorrelation of the responses; usually one clip. The rest at the
        end of a run joins its last block. All presentations of a stimulus belong to the block of the first.
    split : int
        Number of the split.

    Returns
    -------
    BlockSums

    Raises
    ------
    InputError
        If shapes differ.
    """
    runs.check_length(measured, "the response array")
    units = block_units(runs, block_length)
    order = np.argsort(units, kind="stable")
    starts = np.searchsorted(units[order], np.arange(units.max(initial=-1) + 1))
    n = np.diff(np.r_[starts, len(runs)]).astype(float)
    together = bool((np.diff(order) != 1).any())
    y, yy = (np.empty((len(n), measured.shape[1])) for _ in range(2))
    models = {name: Predicted(*(np.empty_like(y) for _ in _KEYS)) for name in predicted}
    for values in predicted.values():
        if values.shape != measured.shape:
            raise InputError("predictions and responses differ in shape", found=values.shape, expected=measured.shape)
    for start in range(0, measured.shape[1], TARGET_CHUNK):
        part = slice(start, start + TARGET_CHUNK)
        own = measured[:, part][order] if together else measured[:, part]
        shift = own.mean(axis=0, dtype=np.float64)
        response = np.where(np.ptp(own, axis=0) > 0, own - shift, np.nan)
        y[:, part], yy[:, part] = (
            np.add.reduceat(values, starts, axis=0) for values in (response, response * response)
        )
        for name, into in models.items():
            p = (predicted[name][:, part][order] if together else predicted[name][:, part]) - shift
            for key, values in (("p", p), ("pp", p * p), ("py", p * response)):
                getattr(into, key)[:, part] = np.add.reduceat(values, starts, axis=0)
    return BlockSums(n, np.full(len(n), split), y, yy, models, runs.clip[order[starts]])


def block_starts(runs: Runs, block_length: int) -> NDArray[np.intp]:
    """Find the first row of every block; no block crosses runs.

    Parameters
    ----------
    runs : Runs
    block_length : int
        Samples per block.

    Returns
    -------
    array of int, shape (n_blocks,)

    Examples
    --------
    >>> block_starts(Runs.from_lengths([7, 3], 1.5), 3).tolist()
    [0, 3, 7]
    """
    if block_length < 1:
        raise InputError("a block holds at least one sample", found=block_length)
    starts = [
        np.arange(max((rows.stop - rows.start) // block_length, 1)) * block_length + rows.start
        for rows in runs.slices.values()
    ]
    return np.concatenate(starts) if starts else np.zeros(0, dtype=np.intp)


def block_units(runs: Runs, block_length: int) -> NDArray[np.intp]:
    """Number the block of every sample; all presentations of a stimulus belong to the block of the first.

    Parameters
    ----------
    runs : Runs
    block_length : int
        Samples per block.

    Returns
    -------
    array of int, shape (n_samples,)

    Examples
    --------
    >>> block_units(Runs.from_labels(list("aaabbb"), 1.5, clip=list("xxyxxy")), 2).tolist()
    [0, 0, 0, 0, 0, 0]
    >>> block_units(Runs.from_labels(list("aaabbb"), 1.5, clip=list("xxyzzz")), 1).tolist()
    [0, 1, 2, 3, 4, 5]
    """
    starts = block_starts(runs, block_length)
    own = np.searchsorted(starts, first_presentations(runs), side="right") - 1
    return np.unique(own, return_inverse=True)[1]


def merge_blocks(sums: BlockSums, runs: Runs, block_length: int, longer: int) -> BlockSums:
    """Add up neighbouring blocks to longer ones, within runs.

    Parameters
    ----------
    sums : BlockSums
        Of blocks of ``block_length`` samples, of one split or of several that were joined.
    runs : Runs
        Runs of the held-out samples, in the order of the splits.
    block_length, longer : int
        Samples per block; ``longer`` is a multiple of ``block_length``.

    Returns
    -------
    BlockSums
    """
    target = merged_units(sums, runs, block_length, longer)
    starts = np.searchsorted(target, np.arange(target[-1] + 1))

    def summed(values: Float64) -> Float64:
        return np.asarray(np.add.reduceat(values, starts, axis=0))

    def add(values: Any) -> Any:
        return values.reduced(summed, len(starts)) if isinstance(values, SideBySide) else summed(values)

    models = {name: Predicted(*(add(getattr(one, key)) for key in _KEYS)) for name, one in sums.models.items()}
    return BlockSums(summed(sums.n), sums.split[starts], add(sums.y), add(sums.yy), models, sums.labels[starts])


def merged_units(sums: BlockSums, runs: Runs, block_length: int, longer: int) -> NDArray[np.intp]:
    """Number the longer block that each block of some sums becomes part of, shape (n_blocks,), increasing."""
    if longer % block_length:
        raise InputError("a longer block holds whole blocks", found=longer, expected=f"a multiple of {block_length}")
    parts, first, count = [], 0, 0
    for label in dict.fromkeys(sums.split.tolist()):
        stop = first + int(sums.n[sums.split == label].sum())
        own = runs.take(np.arange(first, stop))
        _, rows = np.unique(block_units(own, block_length), return_index=True)
        parts.append(block_units(own, longer)[rows] + count)
        first, count = stop, parts[-1].max() + 1
    return np.concatenate(parts)


def join_splits(parts: Sequence[BlockSums]) -> BlockSums:
    """Join sums of several splits, which differ in ``split``.

    Parameters
    ----------
    parts : sequence of BlockSums

    Returns
    -------
    BlockSums
    """
    models = {
        name: Predicted(*(np.concatenate([getattr(part.models[name], key) for part in parts]) for key in _KEYS))
        for name in parts[0].models
    }
    n, split, y, yy, labels = (
        np.concatenate([getattr(part, key) for part in parts]) for key in ("n", "split", "y", "yy", "labels")
    )
    return BlockSums(n, split, y, yy, models, labels)


def join_models(parts: Sequence[BlockSums]) -> BlockSums:
    """Join sums of the same samples for different models.

    Parameters
    ----------
    parts : sequence of BlockSums

    Returns
    -------
    BlockSums
    """
    return replace(parts[0], models={name: sums for part in parts for name, sums in part.models.items()})


def join_targets(parts: Sequence[BlockSums]) -> BlockSums:
    """Join sums of neighbouring slices of targets, in their order.

    Parameters
    ----------
    parts : sequence of BlockSums

    Returns
    -------
    BlockSums
    """
    models = {
        name: Predicted(*(side_by_side([getattr(part.models[name], key) for part in parts]) for key in _KEYS))
        for name in parts[0].models
    }
    y, yy = (side_by_side([getattr(part, key) for part in parts]) for key in ("y", "yy"))
    return replace(parts[0], y=y, yy=yy, models=models)


def bootstrap_weights(split: NDArray[np.intp], n_bootstraps: int, random_state: int | None = None) -> Float64:
    """Draw the weight of each block in each bootstrap resample.

    Blocks are drawn within their split; those that are alone in their split, from each other. Of m blocks, m - 1 are
    drawn and weighted by m / (m - 1): the variance of a mean then is unbiased, where m draws would make it too small by
    the share 1/m (Rao & Wu 1988, doi 10.1080/01621459.1988.10478591).

    Parameters
    ----------
    split : array of int, shape (n_blocks,)
    n_bootstraps : int
    random_state : int, optional

    Returns
    -------
    array, shape (n_bootstraps, n_blocks)

    Raises
    ------
    InputError
        If a block has no other to be drawn from, or there are fewer than two resamples: an interval would have no
        width.

    Notes
    -----
    With fewer than about eight blocks the spread is poorly estimated: intervals are too narrow.

    Examples
    --------
    >>> bootstrap_weights(np.array([0, 0, 0, 1, 1]), 2, random_state=0).sum(axis=1)
    array([5., 5.])
    """
    n_bootstraps = whole_number(n_bootstraps, "n_bootstraps", 2)
    rng, strata = np.random.default_rng(random_state), _strata(split)
    weights = np.empty((n_bootstraps, len(split)))
    for label in np.unique(strata):
        members = np.flatnonzero(strata == label)
        if (m := len(members)) < 2:
            raise InputError(
                "the spread of a score cannot be estimated from a single block",
                found=f"{len(split)} block(s) in {len(np.unique(split))} held-out part(s)",
                expected="two blocks in each, or two parts of one block",
                fix="take shorter blocks (statistics.block)",
            )
        weights[:, members] = rng.multinomial(m - 1, np.full(m, 1 / m), size=n_bootstraps) * (m / (m - 1))
    return weights


def _strata(split: NDArray[np.intp]) -> NDArray[np.intp]:
    """Stratum of every block: its split; -1 for blocks that are alone in theirs."""
    labels, index, count = np.unique(split, return_inverse=True, return_counts=True)
    return np.where(count[index] > 1, labels[index], -1)


_KEYS = ("p", "pp", "py")


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
    all_p, all_pp, all_py = (getattr(model, key)[:, part] for key in _KEYS)
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
        values = [getattr(model, key)[:, part] for key in _KEYS]
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
