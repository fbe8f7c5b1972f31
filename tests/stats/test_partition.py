"""Variance partitioning: known parts, a direct fit through scikit-learn, one pass over the samples, intervals."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from b2m_encoding.errors import InputError
from b2m_encoding.features.space import all_subsets
from b2m_encoding.models import EncodingModel
from b2m_encoding.models.responses import ArrayResponses
from b2m_encoding.models.subsets import fit_subsets
from b2m_encoding.runs import Runs
from b2m_encoding.stats.sums.bootstrap import bootstrap_weights
from b2m_encoding.stats.sums.gather import block_sums
from b2m_encoding.stats.sums.join import join_splits
from b2m_encoding.stats.variance_partition import partition, partition_blocks, partition_groups

NAMES = ("a", "b", "c")


def venn(parts: dict[tuple[str, ...], float]) -> dict[tuple[str, ...], np.ndarray]:
    """R2 of every model, from the parts: a model explains every part that one of its feature spaces has."""
    names = sorted({name for part in parts for name in part})
    return {m: np.array([sum(v for p, v in parts.items() if set(p) & set(m))]) for m in all_subsets(names)}


def test_parts_of_three_feature_spaces_are_found_again(rng: np.random.Generator) -> None:
    parts = dict(zip(all_subsets(NAMES), rng.uniform(-0.05, 0.2, 7), strict=True))
    found = partition(venn(parts))
    assert {names: pytest.approx(value) for names, value in parts.items()} == {
        names: float(part[0]) for names, part in found.parts.items()
    }
    assert sum(found.parts.values())[0] == pytest.approx(found.r2[NAMES][0])
    assert found.shared[0] == pytest.approx(sum(v for names, v in parts.items() if len(names) > 1))


def test_a_missing_model_is_refused() -> None:
    r2 = {("a",): np.zeros(1), ("a", "b"): np.zeros(1)}
    with pytest.raises(InputError, match="every set"):
        partition(r2)


def spaces_of(rng: np.random.Generator, n: int, widths: dict[str, int]) -> dict[str, np.ndarray]:
    common = rng.standard_normal((n, 2))
    out = {}
    for name, width in widths.items():
        out[name] = rng.standard_normal((n, width))
        out[name][:, :2] += common
    return out


def held_out(alpha: float | None, precision: str = "float64") -> tuple[dict, dict, np.ndarray, Runs]:
    """Three models through our single pass, with what they were made of."""
    rng = np.random.default_rng(2)
    runs, test = Runs.from_lengths([60, 60, 60], 2.0), Runs.from_lengths([40, 40], 2.0)
    spaces, new = (spaces_of(rng, n, {"a": 6, "b": 4}) for n in (180, 80))
    weights = {name: rng.standard_normal((values.shape[1], 5)) for name, values in spaces.items()}
    weights["b"][:, 0] = 0
    Y, Y_new = (sum(s[n] @ w for n, w in weights.items()) + 3 * rng.standard_normal((len(s["a"]), 5))
                for s in (spaces, new))  # fmt: skip
    alphas = [alpha] if alpha else np.logspace(-1, 4, 6)
    model = EncodingModel(None, solver="ridge", alphas=alphas, standardize=False, precision=precision)
    predicted = {names: fitted.predict({n: new[n] for n in names}, test)
                 for names, fitted in fit_subsets(model, spaces, ArrayResponses(Y, runs))}  # fmt: skip
    return predicted, {"train": (spaces, Y), "test": (new, Y_new)}, Y_new, test


def test_two_feature_spaces_agree_with_three_direct_fits_in_scikit_learn() -> None:
    predicted, data, measured, runs = held_out(alpha=20.0)
    found = partition_blocks(block_sums(predicted, measured, runs, block_length=8), n_bootstraps=20)
    r2 = {}
    for names in all_subsets(["a", "b"]):
        X, X_new = (np.concatenate([data[part][0][name] for name in names], axis=1) for part in ("train", "test"))
        r2[names] = r2_score(
            measured, Ridge(alpha=20.0).fit(X, data["train"][1]).predict(X_new), multioutput="raw_values"
        )
    unique_a, unique_b = r2["a", "b"] - r2[("b",)], r2["a", "b"] - r2[("a",)]
    assert np.abs(found.unique["a"] - unique_a).max() < 1e-6
    assert np.abs(found.unique["b"] - unique_b).max() < 1e-6
    assert np.abs(found.shared - (r2["a", "b"] - unique_a - unique_b)).max() < 1e-6


@pytest.mark.parametrize("widths", [{"a": 5, "b": 3, "c": 4}, {"a": 40, "b": 30, "c": 9}, {"a": 90, "b": 70, "c": 9}])
@pytest.mark.parametrize("solver", ["stacked", "ridge", "banded"])
def test_a_subset_from_the_shared_pass_equals_a_fit_of_its_own(
    rng: np.random.Generator, widths: dict[str, int], solver: str
) -> None:
    """In the gram, prediction and dual forms, with delays, a constant feature and a missing target."""
    runs = Runs.from_lengths([50, 50, 48], 2.0)
    spaces = spaces_of(rng, 148, widths)
    spaces["c"][:, 5 if widths["c"] > 5 else 3] = 1.0
    Y = spaces["a"][:, :1] + spaces["b"][:, :4] @ rng.standard_normal((3 if widths["b"] == 3 else 4, 4))
    Y += rng.standard_normal((148, 4))
    Y[3, 2] = np.nan
    scalings = [[0.5, 0.3, 0.2], [0.1, 0.8, 0.1]]
    model = EncodingModel((2.0, 4.0), solver=solver, scalings=scalings if solver == "banded" else None,
                          alphas=np.logspace(0, 4, 5), precision="float64")  # fmt: skip
    seen = []
    for names, fitted in fit_subsets(model, spaces, ArrayResponses(Y, runs)):
        own = EncodingModel(**model.get_params())
        if solver == "banded":
            own.scalings = np.array(scalings)[:, [NAMES.index(name) for name in names]]
        some = {name: spaces[name] for name in names}
        own.fit(some, Y, runs=runs)
        assert np.array_equal(own.best_alphas_, fitted.best_alphas_, equal_nan=True), names
        assert np.allclose(own.predict(some, runs), fitted.predict(some, runs), atol=1e-5, equal_nan=True), names
        assert fitted.status_.tolist() == ["tested", "tested", "missing", "tested"]
        seen.append(names)
    assert seen == all_subsets(NAMES)


def test_responses_are_read_once_for_all_models(rng: np.random.Generator) -> None:
    runs, reads = Runs.from_lengths([40, 40, 40], 2.0), []

    class Counting:
        n_targets = 3

        def load_run(self, name: str, targets: slice | None = None) -> np.ndarray:
            reads.append(name)
            return np.random.default_rng(len(name)).standard_normal((40, 3))

    Counting.runs = runs
    spaces = spaces_of(rng, 120, {"a": 3, "b": 3, "c": 3})
    assert len(list(fit_subsets(EncodingModel(None), spaces, Counting()))) == 7
    assert reads == list(runs.names)


def test_unknown_feature_spaces_are_refused(rng: np.random.Generator) -> None:
    runs = Runs.from_lengths([20, 20], 2.0)
    with pytest.raises(InputError, match="unknown feature space"):
        list(fit_subsets(EncodingModel(None), {"a": np.ones((40, 1))}, ArrayResponses(np.ones((40, 1)), runs), [["b"]]))


def test_untested_targets_stay_nan_and_change_no_other() -> None:
    predicted, _, measured, runs = held_out(alpha=20.0)
    whole = partition_blocks(block_sums(predicted, measured, runs, block_length=8), n_bootstraps=50, random_state=0)
    measured = measured.copy()
    measured[:, 1], measured[5, 2] = 7.0, np.nan
    found = partition_blocks(block_sums(predicted, measured, runs, block_length=8), n_bootstraps=50, random_state=0)
    for names, part in found.parts.items():
        assert np.isnan(part).tolist() == [False, True, True, False, False]
        assert np.isnan(found.interval[names]).any(0).tolist() == [False, True, True, False, False]
        assert np.allclose(part[[0, 3, 4]], whole.parts[names][[0, 3, 4]])


def test_negative_parts_are_kept_flagged_and_clipped_only_on_request() -> None:
    found = partition({("a",): np.array([0.1, 0.3]), ("b",): np.array([0.1, 0.2]), ("a", "b"): np.array([0.3, 0.4])})
    assert found.parts["a", "b"] == pytest.approx([-0.1, 0.1])
    assert found.negative["a", "b"].tolist() == [True, False]
    clipped = found.clip()
    assert clipped.parts["a", "b"] == pytest.approx([0.0, 0.1])
    assert clipped.clipped
    assert not found.clipped


def test_groups_partition_the_mean_of_their_targets() -> None:
    predicted, _, measured, runs = held_out(alpha=20.0)
    measured[0, 4] = np.nan
    sums = block_sums(predicted, measured, runs, block_length=8)
    groups = np.array([[1, 1, 0, 0, 1], [0, 0, 1, 1, 0], [0, 0, 0, 0, 1]], dtype=bool)
    found, single = partition_groups(sums, groups, n_bootstraps=200, random_state=0), partition_blocks(sums)
    for names, part in found.parts.items():
        assert part[:2] == pytest.approx([single.parts[names][[0, 1]].mean(), single.parts[names][[2, 3]].mean()])
        assert np.isnan(part[2])
        low, high = found.interval[names]
        assert ((low < part) & (part < high))[:2].all()
    assert found.n_targets.tolist() == [2, 2, 0]


def test_intervals_cover_the_truth_and_known_parts_are_recovered() -> None:
    """Orthogonal signals of known variance: a alone .2, b alone .1, both .15, noise the rest."""
    rng = np.random.default_rng(5)
    n, n_targets, truth = 240, 400, {("a",): 0.2, ("b",): 0.1, ("a", "b"): 0.15}
    runs = Runs.from_lengths([120, 120], 1.5)
    signals = {names: np.sqrt(v) * rng.standard_normal((n, n_targets)) for names, v in truth.items()}
    measured = sum(signals.values()) + np.sqrt(0.55) * rng.standard_normal((n, n_targets))
    predicted = {
        m: sum(signal for names, signal in signals.items() if set(names) & set(m)) for m in all_subsets(["a", "b"])
    }
    found = partition_blocks(block_sums(predicted, measured, runs, block_length=10), n_bootstraps=500, random_state=0)
    for names, value in truth.items():
        assert found.parts[names].mean() == pytest.approx(value, abs=0.01)
        low, high = found.interval[names]
        assert 0.91 <= ((low <= value) & (value <= high)).mean() <= 0.98, names


def test_bootstrap_weights_have_the_variance_of_a_mean(rng: np.random.Generator) -> None:
    """With m - 1 draws the spread of the resampled mean is s / sqrt(m); with m draws it would be too small."""
    values = rng.standard_normal(6)
    weights = bootstrap_weights(np.zeros(6, dtype=int), 200_000, random_state=0)
    spread = (weights @ values / 6).std()
    assert spread == pytest.approx(values.std(ddof=1) / np.sqrt(6), rel=0.01)


def test_blocks_alone_in_their_split_are_drawn_from_each_other(rng: np.random.Generator) -> None:
    """Seven held-out parts of one block each: the spread of the mean r over parts is that of their r's."""
    r = rng.uniform(0.2, 0.6, 7)
    parts = []
    for i, own in enumerate(r):
        x, e = (np.linalg.qr(np.c_[np.ones(40), rng.standard_normal((40, 2))])[0][:, 1:]).T
        measured = (own * x + np.sqrt(1 - own**2) * e)[:, None]
        runs = Runs.from_lengths([40], 1.5)
        parts.append(block_sums({("a",): x[:, None]}, measured, runs, block_length=40, split=i))
    sums = join_splits(parts)
    assert sums.scores("r")[("a",)][0] == pytest.approx(r.mean())
    weights = bootstrap_weights(sums.split, 20_000, random_state=0)
    [(_, drawn)] = sums.resampled(weights)
    assert drawn[("a",)].std() == pytest.approx(r.std(ddof=1) / np.sqrt(7), rel=0.03)
    assert sums.degrees == 6
    [(_, drawn)] = sums.resampled(weights, "r2")
    assert np.isfinite(drawn[("a",)]).all()


@pytest.mark.parametrize("split", [[0], [0, 0, 1]])
def test_a_single_block_has_no_interval_of_width_zero(split: list[int]) -> None:
    with pytest.raises(InputError, match="a single block"):
        bootstrap_weights(np.array(split), 10)


def test_scores_of_all_blocks_equal_the_plain_scores(rng: np.random.Generator) -> None:
    runs = Runs.from_lengths([33, 40], 1.5)
    measured = 100 + rng.standard_normal((73, 6))
    predicted = {("a",): 100.3 + 0.5 * (measured - 100) + rng.standard_normal((73, 6))}
    sums = block_sums(predicted, measured, runs, block_length=10)
    r = [np.corrcoef(predicted[("a",)][:, i], measured[:, i])[0, 1] for i in range(6)]
    assert np.allclose(sums.scores("r")[("a",)], r)
    assert np.allclose(sums.contributions(("a",)).sum(0), r)
    expected = r2_score(measured, predicted[("a",)], multioutput="raw_values")
    assert np.allclose(sums.scores("r2")[("a",)], expected)
    order = np.r_[np.arange(10, 33), np.arange(10, 33), np.arange(33, 73)]  # blocks 1 and 2 twice, block 0 never
    weights = np.array([[0.0, 2, 2, 1, 1, 1, 1]])
    [(_, scores)] = sums.resampled(weights, "r2")
    again = r2_score(measured[order], predicted[("a",)][order], multioutput="raw_values")
    assert np.allclose(scores[("a",)][0], again)


def test_parts_that_cannot_be_are_doubted(rng: np.random.Generator) -> None:
    """A joint model that lost what one space predicts: the loss is no shared variance, and the table says so."""
    runs = Runs.from_lengths([200] * 4, 2.0)
    signal, useless = rng.standard_normal((2, 800, 6))
    measured = 0.7 * signal + rng.standard_normal((800, 6))
    good = {("a",): 0.7 * signal, ("b",): 0 * useless}
    sums = {
        "lost": block_sums({**good, ("a", "b"): 0.3 * useless}, measured, runs, block_length=5),
        "kept": block_sums({**good, ("a", "b"): 0.7 * signal}, measured, runs, block_length=5),
    }
    everything = np.ones((1, 6), dtype=bool)
    lost, kept = (partition_groups(one, everything, n_bootstraps=200, random_state=0) for one in sums.values())
    assert lost.doubts["b",] == ["significantly below zero; the joint model predicts worse than a alone"]
    assert lost.doubts["a", "b"] == ["larger than the R2 of a; larger than the R2 of b"]
    assert kept.doubts == {("a",): [""], ("b",): [""], ("a", "b"): [""]}


def test_doubts_have_the_error_of_joined_folds(rng: np.random.Generator) -> None:
    """What is doubted for fixed predictions is not where errors are known to be larger; the interval agrees with it."""
    runs = Runs.from_lengths([100] * 6, 2.0)
    signal, useless = rng.standard_normal((2, 600, 1))
    measured = 0.5 * signal + rng.standard_normal((600, 1))
    models = {("a",): 0.5 * signal, ("b",): 0 * useless, ("a", "b"): 0.5 * signal + 0.22 * useless}
    sums, one = block_sums(models, measured, runs, block_length=5), np.ones((1, 1), dtype=bool)
    for factor, doubted in ((1.0, True), (3.0, False)):
        widening = {part: np.full(1, factor) for part in (("a",), ("b",), ("a", "b"))}
        found = partition_groups(sums, one, n_bootstraps=300, widening=widening, random_state=0)
        assert ("below zero" in found.doubts["b",][0]) == doubted == bool(found.interval["b",][1, 0] < 0)
        assert ("worse than a" in found.doubts["b",][0]) == doubted


def test_correlated_feature_spaces_lose_what_estimation_costs_and_no_more() -> None:
    """R2 of ridge with a given penalty has a closed form: errors of weights and intercept, over new features."""
    rng, alpha, n, new, width, common, n_targets = np.random.default_rng(8), 60.0, 240, 16_000, 20, 0.6, 60
    one = np.eye(width)
    covariance = np.block([[one, common * one], [common * one, one]])
    values = rng.standard_normal((n + new, 2 * width)) @ np.linalg.cholesky(covariance).T
    spaces = {"a": values[:, :width], "b": values[:, width:]}
    weights = rng.standard_normal((2 * width, n_targets))
    weights *= np.sqrt(0.4 / np.einsum("ij,ik,kj->j", weights, covariance, weights))
    measured = values @ weights + np.sqrt(0.6) * rng.standard_normal((n + new, n_targets))
    runs, test = Runs.from_lengths([n // 2] * 2, 1.5), Runs.from_lengths([new // 2] * 2, 1.5)
    model = EncodingModel(None, solver="ridge", alphas=[alpha], standardize=False)
    own = {name: array[:n] for name, array in spaces.items()}
    predicted, expected = {}, {}
    for names, fitted in fit_subsets(model, own, ArrayResponses(measured[:n], runs)):
        predicted[names] = fitted.predict({name: spaces[name][n:] for name in names}, test)
        rows = np.r_[tuple(np.s_[:width] if name == "a" else np.s_[width : 2 * width] for name in names)]
        X = values[:n, rows] - values[:n, rows].mean(axis=0)
        inverse = np.linalg.inv(X.T @ X + alpha * np.eye(len(rows)))
        wrong = weights.copy()
        wrong[rows] -= inverse @ X.T @ (values[:n] - values[:n].mean(axis=0)) @ weights
        variance = 0.6 * np.trace(covariance[np.ix_(rows, rows)] @ inverse @ X.T @ X @ inverse)
        intercept = (values[:n].mean(axis=0) @ wrong) ** 2 + 0.6 / n
        expected[names] = 0.4 - np.einsum("ij,ik,kj->j", wrong, covariance, wrong) - variance - intercept
    found = partition_blocks(block_sums(predicted, measured[n:], test, block_length=50), n_bootstraps=20)
    known = partition(expected)
    for names, part in found.parts.items():
        assert found.r2[names].mean() == pytest.approx(expected[names].mean(), abs=0.004)
        assert part.mean() == pytest.approx(known.parts[names].mean(), abs=0.003)
    assert known.shared.mean() < 0.12  # .15 in the population
