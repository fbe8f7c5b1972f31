"""Objects in a notebook: short texts, tables and pictures of themselves, names that complete; tutorials have cells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from b2m_encoding import EncodingModel, InputError, Results, Runs, load_atlas, plot_flatmap
from b2m_encoding.data import Responses
from b2m_encoding.features import FeatureSpace
from b2m_encoding.spaces import as_space

from ..notebooks import cells_of

TUTORIALS = Path(__file__).resolve().parents[2] / "tutorials"
LONGEST = 220


def test_texts_are_short_and_tables_are_html() -> None:
    runs = Runs.from_labels(np.repeat([f"run-{i:03d}" for i in range(200)], 10), 1.5, clip=["a", "b"] * 1000)
    responses = Responses.from_array(np.zeros((2000, 20484), dtype=np.float32), runs, "fsaverage5")
    features = FeatureSpace("text", np.ones((2000, 3), dtype=np.float32), runs, {"extractor": "caption", "layer": 3})
    figure = plot_flatmap(np.zeros(20484), title="none")
    shown = [runs, responses, features, responses.space, load_atlas("hcp-mmp1", "fsaverage5"), as_space("91k"), figure]
    for one in shown:
        assert repr(one).startswith(f"<{type(one).__name__}")
        assert len(repr(one)) < LONGEST
    assert repr(runs) == "<Runs: 200 runs (run-000, run-001, ..., run-199), 2000 samples, tr=1.5, 2 clips>"
    for one in (runs, responses, features):
        html = one._repr_html_()
        assert html.startswith("<table>")
        assert html.count("<tr>") < 15
    assert "189 more" in runs._repr_html_()
    assert figure._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(InputError, match="complex numbers"):
        plot_flatmap(np.zeros(20484, dtype=complex))


@pytest.mark.parametrize("units", [False, True])
def test_a_fitted_model_is_displayed_and_completed(monkeypatch: pytest.MonkeyPatch, units: bool) -> None:
    rng = np.random.default_rng(0)
    X, Y, runs = rng.standard_normal((40, 3)), rng.standard_normal((40, 2)), Runs.from_lengths([20, 20], 1.5)
    model = EncodingModel(None).fit(X * (1e-30 if units else 1.0), Y, runs)
    assert not hasattr(model, "score_image_")
    monkeypatch.setattr(type(model.weights_), "full", None)  # weights of all targets are too large for a glance
    assert "best_alphas_" in model._repr_html_()
    assert {"coef_", "predict"} <= set(dir(model))


@pytest.fixture
def results(finished: Path) -> Results:
    return Results.open(finished)


def test_results_are_browsed(results: Results) -> None:
    assert results.maps["01"].joint.r.shape == (results.space("01").n_targets,)
    np.testing.assert_array_equal(results.maps["01"].joint.r, results.map("sub-01", "joint", "r"))
    assert "joint" in dir(results.maps["01"])
    assert "01" in results.maps._ipython_key_completions_()
    assert {"r", "p", "q"} <= {*results.maps["01"]["joint"]}
    assert isinstance(results.tables.regions, pd.DataFrame)
    assert results.table("regions").equals(results.table("regions.tsv"))
    for wrong, listed in (
        (lambda: results.maps["01"]["joint"]["rr"], "no such map[\\s\\S]*pfwe"),
        (lambda: results.maps["07"], "no such subject[\\s\\S]*01"),
        (lambda: results.table("region"), "no such table[\\s\\S]*regions"),
        (lambda: results.to_frame("07"), "no such subject"),
    ):
        with pytest.raises(InputError, match=listed):
            wrong()
    with pytest.raises(AttributeError, match="regions"):
        _ = results.tables.region
    assert len(repr(results)) < 2 * LONGEST
    html = results._repr_html_()
    assert "<table>" in html
    assert "data:image/png;base64" in html


def test_results_leave_as_tables(results: Results) -> None:
    frame = results.to_frame("01")
    np.testing.assert_array_equal(frame["joint_r"], results.map("01", "joint", "r"))
    assert frame.loc[frame.index[-1], "hemisphere"] == "R"
    xarray = pytest.importorskip("xarray", reason="xarray is in the extra xarray")
    data = results.to_xarray("01")
    assert isinstance(data, xarray.Dataset)
    np.testing.assert_array_equal(data["joint_r"], frame["joint_r"])


def test_every_tutorial_is_made_of_cells() -> None:
    for script in TUTORIALS.glob("[0-9]*.py"):
        for text in (text for kind, text in cells_of(script) if kind == "code"):
            compile(text, script.name, "exec")
