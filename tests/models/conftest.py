"""Data with known structure, and ridge cross-validation written out as loops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from b2m_encoding.runs import Runs


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Small problems: threads would only wait for each other, for seconds on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def simulate(n: int, p: int, t: int, seed: int = 0, noise: float = 1.0, n_runs: int = 6) -> tuple[Any, Any, Runs]:
    """Correlated features with an offset, noisy responses far from zero, runs of unequal length."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((p, p)) * np.logspace(0, -1.5, p)
    X = rng.standard_normal((n, p)) @ mixing / np.sqrt(p) + rng.uniform(-5, 5, p)
    Y = X @ rng.standard_normal((p, t)) + noise * np.abs(rng.standard_normal(t)) * rng.standard_normal((n, t)) + 50
    cuts = np.r_[0, np.arange(1, n_runs) * n // n_runs + rng.integers(-3, 4, n_runs - 1), n]
    return X, Y, Runs.from_lengths(np.diff(cuts).tolist(), tr=1.5)


def explicit_cv(X: Any, Y: Any, runs: Runs, alphas: Any, scoring: str = "r2_pooled", standardize: bool = False) -> Any:
    """Scores (n_alphas, n_targets) from scikit-learn, one fit per fold and penalty."""
    lost, r2, r = np.zeros((3, len(alphas), Y.shape[1]))
    varied = np.zeros(Y.shape[1])
    scale = X[runs.rows()].std(0) if standardize else np.ones(X.shape[1])
    for block in runs.blocks:
        out = runs.rows([block])
        inside = np.setdiff1d(runs.rows(), out)
        own = ((Y[out] - Y[out].mean(0)) ** 2).sum(0)
        varied += own
        for i, alpha in enumerate(alphas):
            predicted = (
                Ridge(alpha, solver="svd")
                .fit(X[inside] / scale, Y[inside])
                .predict(X[out] / scale)
                .reshape(Y[out].shape)
            )
            error = ((Y[out] - predicted) ** 2).sum(0)
            lost[i] += error
            r2[i] += (1 - error / own) / len(runs.blocks)
            centred, y = predicted - predicted.mean(0), Y[out] - Y[out].mean(0)
            r[i] += (centred * y).sum(0) / np.sqrt((centred**2).sum(0) * (y**2).sum(0)) / len(runs.blocks)
    return {"r2_pooled": 1 - lost / varied, "r2": r2, "r": r}[scoring]


@pytest.fixture
def make() -> Callable[..., tuple[Any, Any, Runs]]:
    return simulate


@pytest.fixture
def oracle() -> Callable[..., Any]:
    return explicit_cv
