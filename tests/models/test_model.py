"""EncodingModel: inputs, delays, status of targets, streaming, new runs, scikit-learn conventions."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from b2m_encoding.errors import InputError
from b2m_encoding.features.delays import delay
from b2m_encoding.models import Delayer, EncodingModel, RidgeCV
from b2m_encoding.runs import Runs


@pytest.mark.parametrize("form", ["gram", "prediction", "dual"])
def test_bad_targets_change_no_other(make, form):
    X, Y, runs = make(180, 10, 6)
    model = EncodingModel(None, form=form)
    clean = model.fit(X, Y, runs=runs)
    alphas, coef, path = clean.best_alphas_, clean.coef_["features"], clean.cv_path_
    bad = Y.copy()
    bad[7, 1], bad[:, 3], bad[9, 4], bad[:, 5] = np.nan, 10000.1, np.inf, np.nan
    fitted = EncodingModel(None, form=form).fit(X, bad, runs=runs)
    assert fitted.status_.tolist() == ["tested", "missing", "tested", "constant", "missing", "missing"]
    good = fitted.status_ == "tested"
    np.testing.assert_array_equal(fitted.best_alphas_[good], alphas[good])
    # a product of fewer targets rounds otherwise
    np.testing.assert_allclose(fitted.coef_["features"][..., good], coef[..., good], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(fitted.cv_path_[:, good], path[:, good], rtol=1e-5, atol=1e-6)
    for values in (
        fitted.best_alphas_,
        fitted.intercept_,
        fitted.cv_scores_,
        fitted.score_targets(X, Y, runs=runs),
        fitted.predict(X)[3],
        fitted.coef_["features"][0, 0],
    ):
        assert np.isnan(values[~good]).all()
        assert np.isfinite(values[good]).all()


def test_missing_values_in_unused_rows_do_not_matter(make):
    X, Y, runs = make(180, 4, 3)
    runs = runs.discard(6.0)
    Y[~runs.used] = np.nan
    assert (EncodingModel(None).fit(X, Y, runs=runs).status_ == "tested").all()


def test_bad_feature_is_named():
    runs = Runs.from_lengths({"morning": 20, "evening": 30}, tr=1.5)
    X = np.zeros((50, 3))
    X[25, 2] = np.nan
    with pytest.raises(InputError, match=r"feature space mulan has NaN .* run evening, sample 5, column 2"):
        EncodingModel(None).fit({"text": np.ones((50, 2)), "mulan": X}, np.zeros((50, 2)), runs=runs)


def test_constant_features_are_dropped_with_a_note(make):
    X, Y, runs = make(180, 6, 3)
    more = np.hstack([X, np.full((180, 1), 3.3)])
    a = EncodingModel((0, 1.5)).fit({"acoustic": X}, Y, runs=runs)
    b = EncodingModel((0, 1.5)).fit({"acoustic": more}, Y, runs=runs)
    assert any("acoustic: 1 features do not vary" in note for note in b.notes_)
    np.testing.assert_allclose(b.coef_["acoustic"][:, :6], a.coef_["acoustic"], atol=1e-5)
    assert (b.coef_["acoustic"][:, 6] == 0).all()


def test_delays_stay_within_runs(make):
    X, Y, runs = make(180, 6, 3)
    delays = (0.0, 1.5, 4.5)
    model = EncodingModel(delays, solver="ridge", delay_prior="flat", precision="float64")
    model.fit({"a": X[:, :4], "b": X[:, 4:]}, Y, runs=runs)
    stacked = np.hstack([delay(X[:, :4], runs, delays), delay(X[:, 4:], runs, delays)])
    plain = EncodingModel(None, precision="float64").fit(stacked, Y, runs=runs)
    np.testing.assert_allclose(model.cv_path_, plain.cv_path_, atol=1e-10)
    coef = np.concatenate([model.coef_["a"].reshape(12, -1), model.coef_["b"].reshape(6, -1)])
    np.testing.assert_allclose(coef, plain.coef_["features"][0], atol=1e-10)
    spike = X.copy()
    last = runs.slices[runs.names[0]].stop - 1
    spike[last, 0] += 1000
    moved = model.predict({"a": spike[:, :4], "b": spike[:, 4:]}, runs=runs)
    same = model.predict({"b": X[:, 4:], "a": X[:, :4]}, runs=runs)
    np.testing.assert_array_equal(np.flatnonzero((moved != same).any(1)), [last])
    with pytest.raises(InputError, match="delays need runs"):
        EncodingModel(delays).fit(X, Y)


def test_raw_bold_keeps_its_digits(make):
    """Mean 10,000 and standard deviation 50, in float32, against float64 of the centred data."""
    rng = np.random.default_rng(0)
    X, _, runs = make(400, 20, 1)
    Y = X @ rng.standard_normal((20, 30)) * 5 + 50 * rng.standard_normal((400, 30))
    drift = np.searchsorted(runs.names, runs.run)[:, None] * 30.0
    exact = EncodingModel(None, precision="float64").fit(X, Y + drift, runs=runs)
    raw = EncodingModel(None).fit((X + 100).astype("f4"), (Y + drift + 10000).astype("f4"), runs=runs)
    np.testing.assert_allclose(raw.cv_path_, exact.cv_path_, atol=2e-4)
    scale = np.abs(exact.coef_["features"]).max()
    np.testing.assert_allclose(raw.coef_["features"], exact.coef_["features"], atol=2e-3 * scale)


def test_only_used_rows_enter(make):
    X, Y, runs = make(180, 4, 3)
    part = runs.discard(12.0)
    a = EncodingModel(None, precision="float64").fit(X, Y, runs=part)
    b = EncodingModel(None, precision="float64").fit(X[part.used], Y[part.used], runs=part.take(part.used))
    np.testing.assert_allclose(a.coef_["features"], b.coef_["features"])
    assert a.predict(X).shape == Y.shape


class OnDisk:
    """Responses that count how often they are read."""

    def __init__(self, Y, runs):
        self.Y, self.runs, self.n_targets, self.reads = Y, runs, Y.shape[1], 0

    def load_run(self, name, targets=None):
        values = self.Y[self.runs.slices[name]][:, slice(None) if targets is None else targets]
        self.reads += 1
        values.flags.writeable = False
        return values


@pytest.mark.parametrize("form", ["gram", "prediction", "dual"])
@pytest.mark.parametrize("memory_limit", [1.0, 2e-5])
def test_streaming_gives_the_same(make, form, memory_limit):
    X, Y, runs = make(240, 20, 25)
    runs = runs.split(2, gap=3.0)
    responses = OnDisk(Y.astype(np.float32), runs)
    model = EncodingModel((0, 1.5), form=form, memory_limit=memory_limit)
    a = model.fit_responses({"a": X}, responses)
    if form == "gram":
        assert responses.reads == len(runs.names)
        assert (a.statistics_ is None) == (memory_limit < 1)
    b = EncodingModel((0, 1.5), form=form).fit({"a": X}, Y.astype(np.float32), runs=runs)
    np.testing.assert_array_equal(a.best_alphas_, b.best_alphas_)
    np.testing.assert_allclose(a.predict({"a": X}, runs), b.predict({"a": X}, runs), rtol=1e-5)
    if memory_limit < 1:
        with pytest.raises(InputError, match="share a penalty"):
            EncodingModel(None, alpha_per="all", memory_limit=memory_limit).fit_responses({"a": X}, responses)


def test_a_missing_value_and_a_constant_survive_statistics_on_disk(make):
    X, Y, runs = make(240, 20, 25)
    Y = Y.astype(np.float32)
    Y[3, 2], Y[:, 24] = np.nan, 5.0
    model = EncodingModel((0, 1.5), form="gram", memory_limit=2e-5).fit_responses({"a": X}, OnDisk(Y, runs))
    assert model.statistics_ is None
    assert [(i, status) for i, status in enumerate(model.status_) if status != "tested"] == [
        (2, "missing"),
        (24, "constant"),
    ]
    assert np.isfinite(model.best_alphas_).sum() == 23


def test_a_disk_too_small_for_statistics_is_an_error_before_reading(make, monkeypatch):
    X, Y, runs = make(240, 20, 25)
    responses = OnDisk(Y.astype(np.float32), runs)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(InputError, match="TMPDIR"):
        EncodingModel((0, 1.5), form="gram", memory_limit=2e-5).fit_responses({"a": X}, responses)
    assert responses.reads == 0


def test_new_runs_can_be_added(make):
    X, Y, runs = make(300, 10, 5)
    first, rows = runs.select(runs.names[:3])
    later, more = runs.select(runs.names[3:])
    model = EncodingModel((0, 1.5), precision="float64").fit({"a": X[rows]}, Y[rows], runs=first)
    model.partial_fit({"a": X[more]}, Y[more], runs=later)
    whole = EncodingModel((0, 1.5), precision="float64").fit({"a": X}, Y, runs=runs)
    np.testing.assert_allclose(model.coef_["a"], whole.coef_["a"], atol=1e-9)
    np.testing.assert_allclose(model.cv_path_, whole.cv_path_, atol=1e-9)
    with pytest.raises(InputError, match="already"):
        model.partial_fit({"a": X[more]}, Y[more], runs=later)


def test_same_seed_same_bits_and_global_state_untouched(make):
    X, Y, runs = make(120, 6, 4)
    spaces = {"a": X[:, :3], "b": X[:, 3:]}
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    threads, tf32 = torch.get_num_threads(), torch.backends.cuda.matmul.allow_tf32
    fits = [EncodingModel(None, solver="banded", n_scalings=9, random_state=3).fit(spaces, Y, runs=runs) for _ in "ab"]
    np.testing.assert_array_equal(fits[0].coef_["a"], fits[1].coef_["a"])
    np.testing.assert_array_equal(state, np.random.get_state()[1])  # noqa: NPY002
    assert (threads, tf32) == (torch.get_num_threads(), torch.backends.cuda.matmul.allow_tf32)


def test_a_fit_after_an_error_runs_where_asked(make):
    X, Y, runs = make(120, 6, 4)
    model = EncodingModel(None, device="cpu")
    with pytest.raises(InputError):
        model.fit(X[:-1], Y, runs=runs)
    assert model.fit(X, Y, runs=runs).weights_.reduced.device.type == "cpu"
    with pytest.raises(InputError, match="unknown device"):
        EncodingModel(None, device="abacus").fit(X, Y, runs=runs)


def test_arrays_are_not_changed(make):
    X, Y, runs = make(120, 6, 4)
    Y[3, 0] = np.nan
    before = X.copy(), Y.copy()
    EncodingModel(None).fit(X, Y, runs=runs).score(X, Y, runs=runs)
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(Y, before[1])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: agreement of CPU and GPU was not tested")
@pytest.mark.parametrize("form", ["gram", "prediction", "dual"])
@pytest.mark.parametrize("precision", ["float32", "fast"])
def test_gpu_agrees_with_cpu(make, form, precision):
    X, Y, runs = make(240, 60, 50)
    cpu = EncodingModel(None, form=form, device="cpu", precision="float64").fit(X, Y, runs=runs)
    gpu = EncodingModel(None, form=form, device="cuda", precision=precision).fit(X, Y, runs=runs)
    np.testing.assert_allclose(gpu.cv_path_, cpu.cv_path_, atol=1e-4 if precision == "float32" else 1e-2)


IMPOSSIBLE: dict[str, tuple[dict[str, object], str]] = {
    "no target at a time": ({"n_targets_batch": 0}, "n_targets_batch"),
    "half a target": ({"n_targets_batch": 1.5}, "n_targets_batch"),
    "no scaling": ({"solver": "banded", "n_scalings": 2.5}, "n_scalings"),
    "steps back": ({"solver": "banded", "refine": -1}, "refine"),
    "a width that is text": ({"smoothness": "wide"}, "smoothness"),
    "a negative width": ({"smoothness": -1.0}, "smoothness"),
    "penalties that are text": ({"alphas": "auto"}, "alphas must be numbers"),
    "no device": ({"device": None}, "unknown device"),
    "a delay of NaN": ({"delays": (float("nan"),)}, "list of seconds"),
    "an infinite delay": ({"delays": (float("inf"),)}, "list of seconds"),
    "one delay": ({"delays": 3.0}, "list of seconds"),
    "delays that are text": ({"delays": "3"}, "list of seconds"),
    "folds that are text": ({"cv": "loo"}, "folds cannot be read"),
    "no fold": ({"cv": ()}, "folds cannot be read"),
    "half a fold": ({"cv": 2.5}, "folds cannot be read"),
    "names that are numbers": ({"cv": [1, 2]}, "unknown block"),
    "a splitter that is a class": ({"cv": dict}, "folds cannot be read"),
}


@pytest.mark.parametrize(("options", "message"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible_parameters_are_named(make, options, message):
    X, Y, runs = make(60, 4, 3)
    with pytest.raises(InputError, match=message):
        EncodingModel(**{"delays": (0.0, 1.5), **options}).fit(X, Y, runs=runs)


def test_groups_and_folds_of_samples_are_checked(make):
    X, Y, _ = make(60, 4, 3)
    groups = np.repeat(np.arange(4), 15)
    masks = [(groups != i, groups == i) for i in range(4)]
    np.testing.assert_array_equal(RidgeCV(cv=masks).fit(X, Y).coef_, RidgeCV().fit(X, Y, groups=groups).coef_)
    mixed = np.array([1, "1", 2.5, "b"], dtype=object).repeat(15)
    assert RidgeCV().fit(X, Y, groups=mixed).coef_.shape == (4, 3)  # 1 and "1" are one label
    for wrong, message in {
        "short": (groups[:-1], "one label for every sample"),
        "two axes": (groups[:, None], "one label for every sample"),
        "missing": (np.where(groups == 0, np.nan, groups), "has no group"),
        "None": (np.where(groups == 0, None, groups), "has no group"),
    }.values():
        with pytest.raises(InputError, match=message):
            RidgeCV().fit(X, Y, groups=wrong)
    for cv, message in ((1, "folds"), (1000, "folds"), ([(np.arange(30), np.arange(30, 61))], "row that is not there")):
        with pytest.raises(InputError, match=message):
            RidgeCV(cv=cv).fit(X, Y)


def test_scores_of_unknown_kinds_and_unused_samples_are_refused(make):
    X, Y, runs = make(60, 4, 3)
    model = EncodingModel(None).fit(X, Y, runs=runs)
    with pytest.raises(InputError, match="unknown scoring"):
        model.score_targets(X, Y, runs=runs, scoring="rho")
    with pytest.raises(InputError, match="unknown measure"):
        model.score_bands(X, Y, runs, measure="R2")
    with pytest.raises(InputError, match="no sample is used"):
        EncodingModel(None).fit(X, Y, runs=replace(runs, used=np.zeros(60, dtype=bool)))
    with pytest.raises(InputError, match="needs delays"):
        Delayer([]).fit_transform(X, runs=runs)


@pytest.mark.parametrize("later", ["varies", "another constant", "the same"])
def test_a_feature_that_did_not_vary_in_earlier_runs(make, later):
    """It was left out of the statistics: what it does in new runs cannot be added to them."""
    X, Y, runs = make(300, 4, 3)
    first, rows = runs.select(runs.names[:3])
    last, more = runs.select(runs.names[3:])
    X[rows, 0] = 1.0
    X[more, 0] = {"varies": X[more, 1], "another constant": 2.0, "the same": 1.0}[later]
    model = EncodingModel(None, form="gram").fit(X[rows], Y[rows], runs=first)
    if later == "the same":
        whole = EncodingModel(None, form="gram").fit(X, Y, runs=runs)
        coef = model.partial_fit(X[more], Y[more], runs=last).coef_["features"]
        np.testing.assert_allclose(coef, whole.coef_["features"], atol=1e-4)
    else:
        with pytest.raises(InputError, match=r"did not vary(?s:.)*columns 0"):
            model.partial_fit(X[more], Y[more], runs=last)
