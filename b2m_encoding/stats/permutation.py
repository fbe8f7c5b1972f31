"""Significance of prediction accuracy by permuting whole blocks of the test set."""

from __future__ import annotations

from collections.abc import Iterable
from math import factorial, prod

import numpy as np
import torch
from numpy.typing import NDArray
from statsmodels.stats.multitest import multipletests

from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs
from b2m_encoding.stats.scores import pearson_r, standardised

TARGET_CHUNK = 4096
PERMUTATION_CHUNK = 2048
MIN_ARRANGEMENTS = 1000


def block_permutation_p(
    predicted: NDArray[np.floating],
    measured: NDArray[np.floating],
    runs: Runs,
    *,
    block_length: int,
    n_permutations: int = 10_000,
    random_state: int | None = None,
) -> NDArray[np.float64]:
    """One-sided p value of Pearson r when blocks of the prediction are shuffled within their runs.

    The samples of each run are cut into blocks (one clip, as a rule), which stay whole, so that the
    autocorrelation of BOLD stays in the null distribution; every target sees the same permutations. Because
    shuffling leaves means and variances alone, a permuted r is a sum of inner products between blocks: these are
    computed once, and all permutations follow as one matrix product.

    Parameters
    ----------
    predicted, measured : array, shape (n_samples, n_targets)
    runs : Runs
        Of the test samples.
    block_length : int
        Samples per block. It must exceed the autocorrelation of the responses (10 s or more for BOLD).
    n_permutations : int
    random_state : int, optional

    Returns
    -------
    array, shape (n_targets,)
        (b + 1) / (m + 1) with b of m permutations at least as high as the true r (Phipson & Smyth 2010,
        doi 10.2202/1544-6115.1585); never 0. NaN where r is undefined.

    Raises
    ------
    InputError
        If the blocks allow fewer than 1000 arrangements.

    Notes
    -----
    Not for event-related designs in which the order of blocks follows the measured response (a block then is not
    exchangeable), nor where a block is shorter than the haemodynamic response.
    """
    runs.check_length(predicted, "the prediction")
    runs.check_length(measured, "the response array")
    blocks = _blocks(runs, block_length)
    generator = np.random.default_rng(random_state)
    arrangements = np.stack([_shuffled(blocks, generator) for _ in range(n_permutations)])
    p = np.full(predicted.shape[1], np.nan)
    tested = np.flatnonzero(np.isfinite(pearson_r(predicted, measured)))
    for start in range(0, len(tested), TARGET_CHUNK):
        targets = tested[start : start + TARGET_CHUNK]
        products = _block_products(predicted[:, targets], measured[:, targets], blocks, block_length)
        p[targets] = (_count_at_least_true(products, arrangements, blocks) + 1) / (n_permutations + 1)
    return p


def fdr_q(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Benjamini-Hochberg adjusted p values (doi 10.1111/j.2517-6161.1995.tb02031.x); NaN stays NaN.

    Examples
    --------
    >>> fdr_q(np.array([0.01, np.nan, 0.02]))
    array([0.02,  nan, 0.02])
    """
    q = np.full(p.shape, np.nan)
    tested = np.isfinite(p)
    if tested.any():
        q[tested] = multipletests(p[tested], method="fdr_bh")[1]
    return q


def check_arrangements(lengths: Iterable[int], block_length: int) -> None:
    """Raise unless runs of these lengths hold enough whole blocks to permute."""
    arrangements = prod(factorial(length // block_length) for length in lengths)
    if arrangements < MIN_ARRANGEMENTS:
        raise InputError(
            "too few blocks for a permutation test",
            found=f"{arrangements} arrangements of blocks of {block_length} samples",
            expected=f"at least {MIN_ARRANGEMENTS}",
            fix="use shorter blocks or more test runs",
        )


def _blocks(runs: Runs, block_length: int) -> list[NDArray[np.intp]]:
    """First rows of the blocks of each run; a run's last, shorter part stays in place in every arrangement."""
    check_arrangements((rows.stop - rows.start for rows in runs.slices.values()), block_length)
    return [
        np.arange((rows.stop - rows.start) // block_length) * block_length + rows.start
        for rows in runs.slices.values()
        if rows.stop - rows.start >= 2 * block_length
    ]


def _shuffled(blocks: list[NDArray[np.intp]], generator: np.random.Generator) -> NDArray[np.intp]:
    """One arrangement: for each block, which block of its run is moved there."""
    return np.concatenate([generator.permutation(len(run)) for run in blocks])


def _block_products(
    predicted: NDArray[np.floating], measured: NDArray[np.floating], blocks: list[NDArray[np.intp]], length: int
) -> NDArray[np.float32]:
    """Inner products of every block with every block of its run, shape (n_pairs, n_targets)."""
    a = standardised(predicted).astype(np.float32)
    b = standardised(measured).astype(np.float32)
    products = []
    for starts in blocks:
        rows = slice(int(starts[0]), int(starts[-1]) + length)
        shape = (len(starts), length, a.shape[1])
        pairs = np.einsum("jlt,ilt->ijt", a[rows].reshape(shape), b[rows].reshape(shape), optimize=True)
        products.append(pairs.reshape(-1, a.shape[1]))
    return np.concatenate(products)


def _count_at_least_true(
    products: NDArray[np.float32], arrangements: NDArray[np.intp], blocks: list[NDArray[np.intp]]
) -> NDArray[np.int64]:
    """How many permutations reach the true inner product, per target."""
    sizes = np.array([len(run) for run in blocks])
    offset = np.concatenate([np.r_[0, np.cumsum(sizes**2)][r] + np.arange(n) * n for r, n in enumerate(sizes)])
    identity = np.concatenate([np.arange(n) for n in sizes])
    pairs = torch.from_numpy(products)
    true = pairs[torch.from_numpy(offset + identity)].sum(dim=0)
    slack = 1e-5 * pairs.abs().sum(dim=0) / len(pairs)  # rounding must not make an equal arrangement look smaller
    count = torch.zeros(products.shape[1], dtype=torch.int64)
    for start in range(0, len(arrangements), PERMUTATION_CHUNK):
        columns = torch.from_numpy(offset + arrangements[start : start + PERMUTATION_CHUNK])
        chosen = torch.zeros((len(columns), len(pairs))).scatter_(1, columns, 1.0)
        count += (chosen @ pairs >= true - slack).sum(dim=0)
    return count.numpy()
