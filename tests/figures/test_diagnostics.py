"""Figures of the data, the design and the models: quality, design, delays, time courses, profile."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.figures import FigureResult, Style, delays, design, profile, quality, tags, timecourses
from b2m_encoding.stats.tuning import delay_curves

WIDTHS = (89, 120, 183)


def runs_table(n: int, tsnr: float = 80.0) -> pd.DataFrame:
    names = [f"ses-{i % 2 + 1}_task-listening_run-{i:02d}" for i in range(n)]
    return pd.DataFrame({"run": names, "tr": 1.5, "tsnr": tsnr + np.arange(n)})


def motion_table(n: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    parts = [
        pd.DataFrame({"run": run, "volume": range(40), "fd": rng.gamma(1, 0.2, 40)}) for run in runs_table(n)["run"]
    ]
    return pd.concat(parts).assign(fd=lambda table: table["fd"].where(table["volume"] > 0))


def designed(n: int, style: Style) -> FigureResult:
    rng = np.random.default_rng(n)
    values = rng.normal(size=(50, n))
    spaces = [("acoustic", "a_feature_space_with_a_long_name", "text")[3 * i // n] for i in range(n)]
    names = [f"feature {i} with a long name" for i in range(n)]
    return design(values, np.corrcoef(values.T), spaces=spaces, names=names, times=np.arange(50) * 1.5,
                  title="sub-01", note="simulated data", style=style, run="run-1", reduced=("text",))  # fmt: skip


def profiled(sides: tuple[str | None, ...], style: Style) -> FigureResult:
    rng = np.random.default_rng(3)
    rows = [
        {"region": f"region_{i}", "hemisphere": side, "model": model, "score": rng.uniform(-0.1, 0.7), "targets": 9}
        for i in range(40) for side in sides for model in ("joint", "acoustic", "text", "a_long_name_of_a_space")
    ]  # fmt: skip
    models = ("joint", "acoustic", "text", "a_long_name_of_a_space")
    return profile(pd.DataFrame(rows), models=models, title="sub-01", style=style)


def delayed(n_regions: int, style: Style) -> FigureResult:
    rows = [
        {"region": f"region_{i}_of_the_temporal_lobe", "delay": 1.5 * d, "lower_quartile": 0.2, "median": 0.5 + d / 20,
         "upper_quartile": 1.0, "targets": 10}
        for i in range(n_regions) for d in range(10)
    ]  # fmt: skip
    return delays(pd.DataFrame(rows), title="sub-01", style=style)


def coursed(n: int, style: Style) -> FigureResult:
    rng = np.random.default_rng(1)
    pairs = {f"A{i}, left, vertex {i}" + n * " of many": rng.normal(size=(2, 200)) for i in range(n)}
    return timecourses({name: (a, b) for name, (a, b) in pairs.items()}, 1.5, style=style)


def tagged(style: Style) -> FigureResult:
    rng = np.random.default_rng(2)
    rows = [
        {"region": region, "hemisphere": side, "feature": f"feature {i} with a long name", "r": r, "low": r - 0.2,
         "high": r + 0.2, "q": abs(r), "clips": 20}
        for region in ("core", "a_region_with_a_long_name", "belt") for side in "LR"
        for i, r in enumerate(rng.uniform(-0.6, 0.6, 12))
    ]  # fmt: skip
    return tags(pd.DataFrame(rows), title="sub-01: acoustic", note="simulated data", style=style)


CASES: dict[str, Callable[[Style], FigureResult]] = {
    "one run": lambda style: quality(runs_table(1), motion_table(1), style=style),
    "many runs": lambda style: quality(runs_table(24), motion_table(24), title="sub-01", style=style),
    "no motion": lambda style: quality(runs_table(6), title="sub-01", style=style),
    "few features": lambda style: designed(3, style),
    "many features": lambda style: designed(90, style),
    "hemispheres": lambda style: profiled(("L", "R"), style),
    "no hemispheres": lambda style: profiled((None,), style),
    "tags": lambda style: tagged(style),
    "delays": lambda style: delayed(4, style),
    "time courses": lambda style: coursed(5, style),
    "one time course": lambda style: coursed(1, style),
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("case", CASES)
def test_nothing_overlaps_or_leaves_the_page(case, width, text_problems):
    found = CASES[case](Style(width_mm=width, dpi=72))
    assert text_problems(found.figure) == []
    assert len(found.table)


def test_numbers_of_captions():
    moved = pd.DataFrame({"run": "run-1", "volume": range(4), "fd": [np.nan, 0.2, 0.8, 0.2]})
    assert "mean 0.40 mm, 25.0% of the volumes above 0.5 mm" in quality(runs_table(1, np.nan), moved).caption
    assert "tSNR" not in quality(runs_table(1, np.nan), moved).caption
    found = coursed(2, Style(dpi=72))
    texts = [text.get_text() for text in found.figure.texts]
    first = found.table[found.table["target"] == found.table["target"].iloc[0]]
    r = np.corrcoef(first["measured"], first["predicted"])[0, 1]
    assert f"r = {r:.2f}".replace("-", "−") in texts


def test_what_cannot_be_drawn_is_named():
    with pytest.raises(InputError, match="neither head motion nor"):
        quality(runs_table(2, np.nan))
    with pytest.raises(InputError, match="two or more delays"):
        delays(pd.DataFrame({"region": ["A1"], "delay": [3.0], "targets": [3]}))
    with pytest.raises(InputError, match="do not fit"):
        design(np.ones((3, 2)), np.ones((2, 2)), spaces=("a", "a"), names=("1", "2"), times=np.arange(4))
    with pytest.raises(InputError, match="no time course"):
        timecourses({}, 1.5)
    with pytest.raises(InputError, match="no region"):
        profile(
            pd.DataFrame({"region": ["A1"], "model": ["joint"], "hemisphere": ["L"], "score": [np.nan]}),
            models=["joint"],
        )


def test_delay_curves_find_a_shape_that_features_share(rng):
    """Weights of an outer product with noise: the oracle is NumPy's singular value decomposition, target by target."""
    shape = np.array([0.2, 1.0, 0.7, -0.1])
    weights = {
        name: shape[:, None, None] * rng.normal(size=(1, n, 7)) + 0.01 * rng.normal(size=(4, n, 7))
        for name, n in (("a", 5), ("b", 30))
    }
    weights["b"][:, :, 6] = np.nan
    weights["a"][:, :, 5], weights["b"][:, :, 5] = 0, 0
    deviations = {"a": rng.uniform(0.5, 2, 5), "b": rng.uniform(0.5, 2, 30)}
    found = delay_curves(weights, deviations)
    assert np.isnan(found[:, 5:]).all()
    for target in range(5):
        whole = np.concatenate([weights[name][:, :, target] * deviations[name] for name in weights], axis=1)
        left = np.linalg.svd(whole)[0][:, 0]
        assert found[:, target] == pytest.approx(left / left[np.abs(left).argmax()], abs=1e-9)
        assert found[:, target] == pytest.approx(shape, abs=0.05)
