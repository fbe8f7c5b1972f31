"""Models of other packages, scored, tested and drawn by the statistics of a study."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr
from scipy.stats import pearsonr
from sklearn.linear_model import Ridge as TheirRidge
from sklearn.linear_model import RidgeCV as TheirRidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from b2m_encoding import BandedRidgeCV, EncodingModel, InputError, RidgeCV, Runs, encode_subject, evaluate
from b2m_encoding.data import Responses
from b2m_encoding.features import FeatureSpace
from b2m_encoding.spaces import RegionSpace
from b2m_encoding.stats import Ceiling, NoCeiling, significance
from b2m_encoding.study import Study

TEST = "test*"
MIGRATION = Path(__file__).resolve().parents[2] / "docs" / "migration"


@pytest.fixture(scope="module")
def listening() -> tuple[np.ndarray, np.ndarray, Runs]:
    """Clips of ten samples; targets 0 to 2 follow the features, 3 is constant, the rest is noise."""
    rng = np.random.default_rng(0)
    names = ["train-1", "train-2", "train-3", "test-1", "test-2"]
    clips = [f"clip{i}" for i in range(40)] + [f"clip{i}" for i in (40, 41, 42, 43) * 2]
    runs = Runs.from_labels(
        np.repeat(names, [140, 130, 130, 40, 40]), 1.5, clip=np.repeat(clips, 10), presentation=np.arange(480) // 10
    )
    X = np.asarray(rng.standard_normal((480, 4)), dtype=np.float32)
    X[440:] = X[400:440]
    Y = rng.standard_normal((480, 8)).astype(np.float32)
    Y[:, :3] += 1.5 * X @ rng.standard_normal((4, 3)).astype(np.float32)
    Y[:, 3] = 2.0
    return X, Y, runs


def study(evaluation: dict[str, object], **statistics: object) -> Study:
    table = {
        "name": "study",
        "output": "results",
        "data": {"reader": "table", "files": "{subject}.txt", "regions": ["a"], "tr": 1.5},
        "features": {"text": {"extractor": "caption", "captions": "x"}},
        "cleaning": {"detrend": "none"},
        "model": {"delays": [0.0, 1.5]},
        "evaluation": evaluation,
        "statistics": {"permutations": 500, "audit": False, **statistics},
    }
    return Study.model_validate(table)


def encoded(listening, table: Study):
    X, Y, runs = listening
    responses = Responses.from_array(Y, runs, RegionSpace(tuple(map(str, range(8)))))
    return encode_subject(responses, {"text": FeatureSpace("text", X, runs)}, table)


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("correction", ["bh", "fwe"])
def test_the_numbers_are_those_of_a_study(listening, average, correction) -> None:
    X, Y, runs = listening
    table = study({"kind": "test", "test_runs": TEST, "average_repeats": average}, correction=correction)
    found = encoded(listening, table)
    options = {"average_repeats": average, "correction": correction, "n_permutations": 500, "random_state": table.seed}
    ours = evaluate(EncodingModel((0.0, 1.5)), {"text": X}, Y, runs, test=TEST, **options)
    np.testing.assert_array_equal(ours.status, found.status)
    np.testing.assert_allclose(ours.r, found.r["joint"], atol=1e-6)
    np.testing.assert_allclose(ours.r2, found.r2["joint"], atol=1e-5)
    np.testing.assert_allclose(ours.p, found.p)
    np.testing.assert_allclose(ours.q, found.q)
    assert ours.significance.method == found.significance.method
    assert isinstance(ours.ceiling, Ceiling)
    assert isinstance(found.ceiling, Ceiling)
    np.testing.assert_allclose(ours.ceiling.explainable_variance, found.ceiling.explainable_variance)


@pytest.mark.parametrize("average", [False, True])
def test_joined_folds_are_those_of_a_study(listening, average) -> None:
    """r and R2 to rounding, p within the noise of refits."""
    X, Y, runs = listening
    found = encoded(listening, study({"kind": "cross-validation", "average_repeats": average}, refits=1000))
    ours = evaluate(
        EncodingModel((0.0, 1.5)), {"text": X}, Y, runs, cv="runs", average_repeats=average, n_permutations=500,
        n_refits=160,
    )  # fmt: skip
    np.testing.assert_array_equal(ours.status, found.status)
    np.testing.assert_allclose(ours.r, found.r["joint"], atol=1e-5)
    np.testing.assert_allclose(ours.r2, found.r2["joint"], atol=1e-4)
    np.testing.assert_allclose(ours.p, found.p, atol=0.1)
    assert (ours.significance.method, ours.folds) == (found.significance.method, 4)
    assert isinstance(ours.ceiling, NoCeiling)


def test_joined_folds_hold_the_error_rate(rng) -> None:
    """Rearranged fixed predictions are twice as often below .05; half of the targets have signal, all one penalty."""
    runs = Runs.from_lengths([80] * 5, tr=1.5)
    X = rng.standard_normal((400, 10))
    Y = rng.standard_normal((400, 1600))
    Y[:, 800:] += X @ rng.standard_normal((10, 800))
    found = evaluate(TheirRidgeCV(np.logspace(-1, 5, 7)), X, Y, runs, cv="runs", n_permutations=500, n_refits=3000)
    fixed = significance(found.predicted, found.measured, found.runs, n_permutations=500, random_state=0)
    assert np.mean(fixed.p[:800] < 0.05) > 0.09
    assert 0.03 < np.mean(found.p[:800] < 0.05) < 0.07
    assert (found.q[800:] < 0.05).all()
    assert 1.3 < found.significance.fold_dependence < 1.45
    assert found.interval is not None
    inside = (found.interval.low[:800] < 0) & (found.interval.high[:800] > 0)
    assert 0.92 < inside.mean() < 0.97
    one = evaluate(TheirRidge(10.0), X, Y[:, 1000], runs, cv=[["run-01", "run-03"], ["run-02", "run-04"]], n_refits=300)
    assert one.p[0] < 0.01
    assert len(one.runs) == 320
    better = found.compare(evaluate(TheirRidge(1e5), X, Y, runs, cv="runs", n_refits=10), ("chosen", "strong"))
    assert np.mean(better.index[800:] == 0) > 0.8


class Own:
    """A model of one's own: nothing but fit and predict."""

    def fit(self, X, y):
        self.weights = np.linalg.lstsq(X, y, rcond=None)[0]

    def predict(self, X):
        return X @ self.weights


@pytest.mark.filterwarnings("ignore:.*himalaya.*")
def test_any_model_that_predicts(listening) -> None:
    from himalaya.ridge import RidgeCV as HimalayaRidgeCV

    X, Y, runs = listening
    Y = np.delete(Y, 3, axis=1)
    held_out = np.char.startswith(runs.run, "test")
    training = ~held_out
    models = {
        "scikit-learn": TheirRidge(1.0),
        "pipeline": make_pipeline(StandardScaler(), TheirRidge(1.0)),
        "search": GridSearchCV(TheirRidge(), {"alpha": [1.0, 10.0]}),
        "himalaya": HimalayaRidgeCV(alphas=[1.0, 10.0], cv=3),
        "ours": RidgeCV([1.0, 10.0]),
        "own": Own(),
    }
    for name, model in models.items():
        found = evaluate(model, X, Y, runs, test=["test-1", "test-2"], n_permutations=200)
        model.fit(X[training], Y[training])
        predicted = model.predict(X[held_out])
        fitted = evaluate(model, X[held_out], Y[held_out], runs[held_out], n_permutations=200)
        given = evaluate(predicted, None, Y[held_out], runs[held_out], n_permutations=200)
        expected = [pearsonr(a, b)[0] for a, b in zip(predicted.T, Y[held_out].T, strict=True)]
        np.testing.assert_allclose(fitted.r, expected, atol=1e-6, err_msg=name)
        np.testing.assert_allclose(fitted.r2, r2_score(Y[held_out], predicted, multioutput="raw_values"), atol=1e-5)
        np.testing.assert_array_equal(given.p, fitted.p)
        if name != "ours":  # its folds are the runs where it is fitted here
            np.testing.assert_allclose(found.r, expected, atol=1e-6, err_msg=name)
        assert (fitted.q[:3] < 0.05).all()


def test_unused_samples_shape_nothing(listening) -> None:
    X, Y, runs = listening
    part = runs.discard(15.0)
    spoilt = np.where(part.used[:, None], Y, 1e6)
    for model in (TheirRidge(1.0), EncodingModel((0.0, 1.5))):
        found = [evaluate(model, X, y, part, test=TEST, n_permutations=200).r for y in (Y, spoilt)]
        np.testing.assert_array_equal(*found)
    sub = evaluate(TheirRidge(1.0), pd.DataFrame(X), pd.DataFrame(Y), part, test=TEST, n_permutations=200)
    np.testing.assert_allclose(sub.r, evaluate(TheirRidge(1.0), X, Y, part, test=TEST, n_permutations=200).r, atol=1e-6)


def test_two_models_are_compared_and_maps_leave_as_tables(listening) -> None:
    X, Y, runs = listening
    good = evaluate(TheirRidge(1.0), X, Y, runs, test=TEST, n_permutations=200)
    bad = evaluate(TheirRidge(1.0), np.random.default_rng(1).permutation(X), Y, runs, test=TEST, n_permutations=200)
    preferred = good.compare(bad, ("good", "bad"), n_permutations=500)
    assert preferred.index[:3].tolist() == [0, 0, 0]
    frame = good.to_frame(RegionSpace(tuple("abcdefgh")))
    assert frame.loc[0, "region"] == "a"
    assert frame["status"].tolist()[3] == "constant"
    np.testing.assert_array_equal(frame["r"], good.r)
    assert {"p", "q", "pfwe", "rlow", "rhigh", "ceiling", "rnormalised"} <= {*frame.columns}
    assert "targets tested" in repr(good)
    assert "<table>" in good._repr_html_()
    once = evaluate(TheirRidge(1.0), X, Y, runs, test="test-1", n_permutations=100)
    assert isinstance(once.ceiling, NoCeiling)
    assert "ceiling" not in once.maps


def test_xarray(listening) -> None:
    pytest.importorskip("xarray", reason='xarray is not installed: pip install "b2m-encoding[xarray]"')
    X, Y, runs = listening
    found = evaluate(TheirRidge(1.0), X, Y, runs, test=TEST, n_permutations=100)
    data = found.to_xarray(RegionSpace(tuple("abcdefgh")))
    assert data.sizes == {"target": 8}
    assert float(data["r"].where(data["region"] == "b", drop=True)[0]) == found.r[1]
    assert data.attrs["space"] == "regions"


@pytest.mark.parametrize("kind", ["zarr", "dask", "h5py", "xarray"])
def test_arrays_that_are_not_in_memory(listening, kind: str, tmp_path: Path) -> None:
    """Read run by run: the largest part that is read is a run."""
    X, Y, runs = listening
    expected = EncodingModel((0.0, 1.5)).fit(X, Y, runs=runs)
    read: list[int] = []

    class Watched:
        def __init__(self, array):
            self.array, self.shape, self.ndim, self.chunks = array, array.shape, array.ndim, array.chunks

        def __getitem__(self, rows):
            part = self.array[rows]
            read.append(len(part))
            return part

    if kind == "zarr":
        array = zarr.create_array(tmp_path / "y.zarr", data=Y, chunks=(50, 8))
    elif kind == "dask":
        array = pytest.importorskip("dask.array", reason="dask is in the extra cluster").from_array(Y, chunks=(50, 4))
    elif kind == "h5py":
        h5py = pytest.importorskip("h5py", reason="h5py is in the extra arrays")
        array = h5py.File(tmp_path / "y.h5", "w").create_dataset("y", data=Y, chunks=(50, 8))
    else:
        array = pytest.importorskip("xarray", reason="xarray is in the extra xarray").DataArray(Y)
    found = EncodingModel((0.0, 1.5)).fit(X, Watched(array), runs=runs)
    assert max(read) == 140
    np.testing.assert_array_equal(found.best_alphas_, expected.best_alphas_)
    np.testing.assert_allclose(found.predict(X, runs), expected.predict(X, runs), rtol=1e-5)
    responses = Responses.from_array(array, runs)
    np.testing.assert_array_equal(responses.load_run("train-2"), Y[140:270])


def test_the_script_of_the_guide(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """What it prints stands in the guide, and it leaves a figure."""
    found = runpy.run_path(str(MIGRATION / "foreign_model.py"))
    printed = "\n".join(line.rstrip() for line in capsys.readouterr().out.strip().splitlines())
    assert printed in (MIGRATION.parent / "migration.md").read_text()
    assert found["figure"].save(tmp_path / "map", formats=("png",))[0].stat().st_size > 20_000


def test_what_cannot_be_evaluated_is_named(listening) -> None:
    X, Y, runs = listening
    with pytest.raises(InputError, match="some of train-1, train-2"):
        evaluate(TheirRidge(), X, Y, runs, test="rest*")
    with pytest.raises(InputError, match="prediction and responses differ in shape"):
        evaluate(Y[:, :3], None, Y, runs)
    with pytest.raises(InputError, match="only a model with fit"):
        evaluate(Y, X, Y, runs, test=TEST)
    with pytest.raises(InputError, match="only a model with fit can be cross-validated"):
        evaluate(Y, X, Y, runs, cv="runs")
    with pytest.raises(InputError, match="unknown folds"):
        evaluate(TheirRidge(), X, Y, runs, cv="run")
    with pytest.raises(InputError, match="once, or in folds"):
        evaluate(TheirRidge(), X, Y, runs, test=TEST, cv=3)
    with pytest.raises(InputError, match=r"whole runs[\s\S]*10 blocks of 5 runs[\s\S]*evaluation.blocks"):
        evaluate(TheirRidge(), X, Y, runs.split(2), cv="runs")
    with pytest.raises(InputError, match="not fitted, and no run is named"):
        evaluate(TheirRidge(), X, Y, runs)
    with pytest.raises(InputError, match="runs must be Runs"):
        evaluate(TheirRidge(), X, Y, runs.run, test=TEST)
    assert isinstance(evaluate(BandedRidgeCV(n_scalings=2), [X[:, :2], X[:, 2:]], Y, runs, test=TEST).r, np.ndarray)


def test_runs_are_named_by_numbers_as_well() -> None:
    rng, runs = np.random.default_rng(0), Runs.from_labels(np.repeat([1, 2, 3], 40), 1.5)
    X, Y = rng.standard_normal((120, 3)), rng.standard_normal((120, 2))
    found = evaluate(TheirRidge(), X, Y, runs, test=3)
    np.testing.assert_array_equal(found.r, evaluate(TheirRidge(), X, Y, runs, test=["3"]).r)
