import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from b2m_encoding.errors import InputError
from b2m_encoding.figures import Style, regions, scatter
from b2m_encoding.figures.plots.regions import summarise

NARROW, WIDE = Style(width_mm=89, dpi=100), Style(width_mm=183, dpi=100)
both_widths = pytest.mark.parametrize("style", [NARROW, WIDE], ids=["89mm", "183mm"])
ODD = ("A1", "IFG $x^2$ and $", "<script>alert(1)</script>", "Gyrus temporalis superior – Ω é")


@both_widths
@pytest.mark.parametrize("n_subjects", [1, 8])
@pytest.mark.parametrize("names", [ODD, ("A1", "RI", "A4", "A5", "STGa", "TA2", "STSda", "STSdp", "STSva", "STSvp")])
def test_regions(region_table, text_problems, style, n_subjects, names):
    ceiling = pd.DataFrame({"region": names, "lower": 0.3, "upper": 0.35})
    table = region_table(n_subjects, names, ("joint", "acoustic", "text"))
    found = regions(table, title="Regions", note="simulated data", ceiling=ceiling, style=style)
    assert text_problems(found.figure) == []
    assert found.figure.get_figheight() * 25.4 <= style.max_height_mm + 1e-6
    words = {text.get_text() for text in found.figure.findobj(lambda one: hasattr(one, "get_text"))}
    assert {*names, "joint", "left", "right", "noise ceiling"} <= words
    assert len(found.table) == len(table)


@both_widths
def test_brackets_join_what_differs_and_touch_nothing(region_table, text_problems, style):
    table = region_table(5, ("A1", "A5"), ("joint", "acoustic", "text"))
    pairs = [
        ("acoustic", "text", 1e-5),
        ("joint", "text", 0.02),
        ("joint", "acoustic", 0.005),
        ("acoustic", "mulan", 0),
    ]
    tests = pd.DataFrame([("A1", *pair) for pair in pairs] + [("A5", "acoustic", "text", 0.3)],
                         columns=["region", "first", "second", "q"])  # fmt: skip
    found = regions(table, tests=tests, style=style)
    assert text_problems(found.figure) == []
    stars = [text.get_text() for text in found.figure.findobj(lambda one: hasattr(one, "get_text"))]
    assert [stars.count("*" * n) for n in (1, 2, 3)] == [1, 1, 1]
    assert "3 of 5 tested differences have q < 0.05" in found.caption
    highest = table["score"].max()
    brackets = [line for line in found.figure.axes[-1].lines if len(line.get_xdata()) == 4]
    assert len(brackets) == 3
    assert all(min(line.get_ydata()) > highest for line in brackets)


def test_feature_spaces_stay_apart_in_black_and_white(region_table):
    found = regions(region_table(1, ("A1",), ("a", "b", "c")), style=NARROW)
    markers = {line.get_marker() for line in found.figure.axes[-1].lines} - {"None"}
    assert markers == {"o", "s", "^"}


def test_mean_and_interval(region_table):
    table = region_table(5, ("A1",), ("acoustic",))
    row = summarise(table).iloc[0]
    means = table.groupby("subject")["score"].mean()
    half = t.ppf(0.975, 4) * means.std() / np.sqrt(5)
    assert row["mean"] == pytest.approx(means.mean())
    assert (row["interval_low"], row["interval_high"]) == pytest.approx(
        (means.mean() - half, means.mean() + half), abs=1e-3
    )
    percent = summarise(table.assign(score=100 * table["score"])).iloc[0]  # no correlation: Student's, as it is
    ends = 100 * (means.mean() - half), 100 * (means.mean() + half)
    assert (percent["interval_low"], percent["interval_high"]) == pytest.approx(ends)


def test_interval_stays_within_the_range_of_a_correlation(region_table):
    table = region_table(3, ("A1",), ("acoustic",)).assign(score=lambda rows: rows["subject"].map(
        dict(zip(rows["subject"].unique(), (0.95, 0.2, 0.9), strict=True))))  # fmt: skip
    row = summarise(table).iloc[0]
    assert -1 < row["interval_low"] < row["mean"] < row["interval_high"] < 1


@pytest.mark.parametrize("n_subjects", [1, 2, 3])
def test_fewer_than_three_subjects_have_no_interval(region_table, n_subjects):
    found = regions(region_table(n_subjects, ("A1",)), style=NARROW)
    assert found.table["interval_low"].isna().all() == (n_subjects < 3)
    assert ("t interval" in found.caption) == (n_subjects == 3)
    low, high = found.figure.axes[-1].get_ylim()
    assert low > -0.5
    assert high < 1.5


def test_regions_without_hemispheres_and_with_holes(region_table, text_problems):
    table = region_table(4, ("LATL", "RATL"), hemispheres=(None,))
    table.loc[::3, "score"] = np.nan
    found = regions(table, style=NARROW)
    assert "hemisphere" not in found.caption
    assert len(found.table) == table["score"].notna().sum()
    assert text_problems(found.figure) == []


def test_many_regions_keep_the_height_limit(region_table, text_problems):
    found = regions(region_table(2, tuple(f"region{i}" for i in range(40))), style=NARROW)
    assert found.figure.get_figheight() * 25.4 <= NARROW.max_height_mm + 1e-6
    assert text_problems(found.figure) == []


@pytest.mark.parametrize("n_regions", [2, 12, 60])
def test_regions_of_very_long_names(n_regions, region_table, text_problems):
    found = regions(region_table(2, tuple(f"{'x' * 300} {number}" for number in range(n_regions))), style=WIDE)
    assert text_problems(found.figure) == []
    assert found.figure.get_figheight() * 25.4 <= WIDE.max_height_mm + 1e-6


def test_what_regions_refuse(region_table):
    table = region_table()
    with pytest.raises(InputError, match="lacks columns"):
        regions(table.drop(columns="score"))
    with pytest.raises(InputError, match="no score"):
        regions(table.assign(score=np.nan))
    with pytest.raises(InputError, match="too few colours"):
        regions(region_table(1, ("A1",), tuple("abcdefg")))


@both_widths
def test_scatter(acoustic, text, text_problems, style):
    found = scatter(acoustic, text, names=("acoustic", "text"), title="Models", note="simulated data", style=style)
    assert text_problems(found.figure) == []
    assert found.figure.get_figwidth() * 25.4 == pytest.approx(89)
    above = (text > acoustic).mean()
    assert f"{above:.1%} above the line" in found.caption
    assert any(f"{above:.0%} of 20,484 vertices" in one.get_text() for one in found.figure.texts)


def test_scatter_also_counts_what_is_significant(acoustic, text, text_problems):
    """The count that a figure of the preference has: of coloured targets, not of all."""
    chosen = np.maximum(acoustic, text) > 0.2
    found = scatter(acoustic, text, names=("a", "b"), significant=chosen, chosen="at q < 0.05", style=NARROW)
    assert text_problems(found.figure) == []
    share = (text > acoustic)[chosen].mean()
    assert f"Of the {chosen.sum():,} vertices that are at q < 0.05, {share:.1%} lie above it." in found.caption
    assert len(found.table) == len(acoustic)


def test_scatter_counts_every_target_once(acoustic, text):
    found = scatter(acoustic, text, names=("a", "b"), style=NARROW)
    assert len(found.table) == 20484
    second = scatter(acoustic[:50], text[:50], names=("a", "b"), style=NARROW)  # a new norm: few counts, own limits
    bars = [figure.figure.axes[1].get_ylim()[1] for figure in (found, second)]
    assert bars[0] > bars[1]


@pytest.mark.parametrize("values", [[], [np.nan, 1.0], [0.3], [0.2, 0.2]])
def test_scatter_of_little(values, text_problems):
    x = np.array(values, dtype=float)
    assert text_problems(scatter(x, x, names=("$a", "b$"), style=NARROW).figure) == []


def test_scatter_limits_and_shapes(acoustic, text):
    found = scatter(acoustic, text, names=("a", "b"), limits=(0.0, 0.2), style=NARROW)
    assert "lie outside the axes" in found.caption
    with pytest.raises(InputError, match="same targets"):
        scatter(acoustic, text[:-1], names=("a", "b"))
