"""Sufficient statistics: adding up, taking apart, saving; and what must not change a fit."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from b2m_encoding.errors import InputError
from b2m_encoding.models import EncodingModel, SufficientStatistics
from b2m_encoding.models.solver.moments import Moments, Pool
from b2m_encoding.runs import Runs

few = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
seeds = st.integers(0, 10_000)


def small(seed, n=60, p=4, t=3, offset=100.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * rng.uniform(0.1, 10, p) + rng.uniform(-offset, offset, p)
    return X, X @ rng.standard_normal((p, t)) + rng.standard_normal((n, t)) + rng.uniform(-offset, offset, t), rng


def fitted(X, Y, runs, **options):
    return EncodingModel(None, alphas=np.logspace(-1, 4, 6), precision="float64", **options).fit(X, Y, runs=runs)


def assert_same(a: Moments, b: Moments) -> None:
    assert a.count == b.count
    for name in ("mean_x", "mean_y", "xx", "xy", "yy"):
        torch.testing.assert_close(getattr(a, name), getattr(b, name), rtol=1e-9, atol=1e-9)


@few
@given(seeds, st.permutations(range(5)))
def test_merge_order_does_not_matter(seed, order):
    X, Y, rng = small(seed)
    cuts = [0, *np.sort(rng.choice(np.arange(1, 60), 4, replace=False)).tolist(), 60]
    parts = [
        SufficientStatistics({"a": 4}, dtype=torch.float64).update("one", X[a:b], Y[a:b]) for a, b in pairwise(cuts)
    ]
    whole = SufficientStatistics({"a": 4}, dtype=torch.float64).update("one", X, Y).blocks["one"]
    left = parts[order[0]]
    for i in order[1:]:
        left = left.merge(parts[i])
    right = parts[order[0]].merge(parts[order[1]].merge(parts[order[2]].merge(parts[order[3]].merge(parts[order[4]]))))
    assert_same(left.blocks["one"], whole)
    assert_same(right.blocks["one"], whole)


@few
@given(seeds)
def test_pools_are_plain_sums(seed):
    X, Y, rng = small(seed)
    label = rng.integers(0, 4, 60)
    label[:4] = range(4)
    blocks = [Moments.from_samples(X[label == i], Y[label == i], dtype=torch.float64) for i in range(4)]
    train, held = label != 3, label == 3
    pool = Pool(blocks[:3])
    x, y = X - X[train].mean(0), Y - Y[train].mean(0)
    np.testing.assert_allclose(pool.xx, x[train].T @ x[train], rtol=1e-9, atol=1e-7)
    np.testing.assert_allclose(pool.xy(slice(None)), y[train].T @ x[train], rtol=1e-9, atol=1e-7)
    np.testing.assert_allclose(pool.yy, (y[train] ** 2).sum(0), rtol=1e-9)
    out = Pool(blocks[3:], about=pool)
    np.testing.assert_allclose(out.xx, x[held].T @ x[held], rtol=1e-9, atol=1e-7)
    np.testing.assert_allclose(out.xy(slice(1, 3)), y[held][:, 1:].T @ x[held], rtol=1e-9, atol=1e-7)
    total = sum((block.xy for block in blocks[1:]), blocks[0].xy)
    np.testing.assert_allclose(Pool(blocks[:3], complement=(total, blocks[3:])).xy(slice(None)), pool.xy(slice(None)))


def test_large_means_keep_their_digits():
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((800, 5)) + 1000).astype("f4")
    Y = (50 * rng.standard_normal((800, 40)) + 10000).astype("f4")
    single, double = (
        Moments.from_samples(X, Y),
        Moments.from_samples(X.astype("f8"), Y.astype("f8"), dtype=torch.float64),
    )
    scale = double.yy.sqrt()[:, None] * double.xx.diagonal().sqrt()
    assert ((single.xy - double.xy).abs() / scale).max() < 2e-6
    torch.testing.assert_close(single.yy, double.yy, rtol=1e-5, atol=0)


def test_save_and_load(tmp_path: Path):
    X, Y, _ = small(0)
    statistics = SufficientStatistics({"mulan": 3, "text": 1}).update("a", X[:30], Y[:30]).update("b", X[30:], Y[30:])
    again = SufficientStatistics.load(statistics.save(tmp_path / "sub-01.safetensors"))
    assert again.bands == statistics.bands
    assert list(again.blocks) == ["a", "b"]
    for name in "ab":
        assert_same(again.blocks[name], statistics.blocks[name])
    assert [path.name for path in tmp_path.iterdir()] == ["sub-01.safetensors"]


def test_save_leaves_the_old_file_if_it_fails(tmp_path: Path, monkeypatch):
    X, Y, _ = small(0)
    path = SufficientStatistics({"a": 4}).update("a", X, Y).save(tmp_path / "s.safetensors")
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("b2m_encoding.io.removal.os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        SufficientStatistics({"a": 4}).update("a", X * 2, Y).save(path)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_subset_and_without():
    X, Y, _ = small(1)
    statistics = SufficientStatistics({"a": 1, "b": 3}).update("one", X[:40], Y[:40]).update("two", X[40:], Y[40:])
    some = statistics.subset(["b"]).without(["two"])
    assert_same(some.blocks["one"], SufficientStatistics({"b": 3}).update("one", X[:40, 1:], Y[:40]).blocks["one"])
    assert statistics.n_samples == 60
    assert some.n_samples == 40
    for wrong in (lambda: statistics.subset(["c"]), lambda: statistics.without(["three"])):
        with pytest.raises(InputError, match="unknown"):
            wrong()


@few
@given(seeds)
def test_what_must_not_change_a_fit(seed):
    X, Y, rng = small(seed, offset=5.0)
    runs = Runs.from_lengths([20, 22, 18], tr=1.0)
    base = fitted(X, Y, runs)
    coef = base.coef_["features"][0]

    order = rng.permutation(3)
    shuffled = fitted(X, Y[:, order], runs)
    np.testing.assert_allclose(shuffled.coef_["features"][0], coef[:, order], atol=1e-9)
    np.testing.assert_array_equal(shuffled.best_alphas_, base.best_alphas_[order])

    scaled = fitted(X, 7.5 * Y, runs)
    np.testing.assert_allclose(scaled.coef_["features"][0], 7.5 * coef, rtol=1e-7, atol=1e-8)

    wider = fitted(np.hstack([X, np.zeros((60, 1))]), Y, runs)
    np.testing.assert_allclose(wider.coef_["features"][0][:4], coef, atol=1e-9)
    np.testing.assert_array_equal(wider.best_alphas_, base.best_alphas_)

    labels = np.array(["x", "y", "z"])[rng.permutation(3)]
    renamed = fitted(X, Y, Runs.from_labels(labels[np.searchsorted(runs.names, runs.run)], 1.0))
    np.testing.assert_allclose(renamed.coef_["features"][0], coef, atol=1e-9)

    units = fitted(X * np.array([1e-3, 1, 1e3, 1]), Y, runs)  # standardised: units do not matter
    np.testing.assert_allclose(units.predict(X * np.array([1e-3, 1, 1e3, 1])), base.predict(X), rtol=1e-4, atol=1e-4)
