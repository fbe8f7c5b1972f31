"""Three values in one colour: shares of feature spaces, components, layers; and the figures drawn with them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb

from b2m_encoding.errors import InputError
from b2m_encoding.figures import Style, hierarchy, ternary, weights
from b2m_encoding.figures.colours import over
from b2m_encoding.figures.layers import GYRUS, SULCUS
from b2m_encoding.figures.mixing import RgbColours, TernaryColours
from b2m_encoding.figures.plots.hierarchy import LayerColours
from b2m_encoding.figures.style import OKABE_ITO

NARROW, WIDE = Style(width_mm=89, dpi=72), Style(width_mm=183, dpi=72)
both_widths = pytest.mark.parametrize("style", [NARROW, WIDE], ids=["89mm", "183mm"])
views = pytest.mark.parametrize(("style", "view"), [(NARROW, "overview"), (NARROW, "whole"), (WIDE, "zoom")])
NAMES = ("acoustic", "text", "mulan")
COLOURS = TernaryColours(0.5, OKABE_ITO[:3])


def rgb(colours, *values):
    return colours.table[colours.codes(*(np.array([value]) for value in values))][0, :3].astype(int)


@pytest.mark.parametrize("winner", range(3))
def test_a_score_alone_has_the_colour_of_its_feature_space(winner):
    values = [0.5 if i == winner else 0.0 for i in range(3)]
    assert np.abs(rgb(COLOURS, *values) - 255 * np.array(to_rgb(OKABE_ITO[winner]))).max() <= 2


def test_equal_scores_are_an_even_mix_and_weak_ones_are_dark():
    even, weak = rgb(COLOURS, 0.5, 0.5, 0.5), rgb(COLOURS, 0.1, 0.1, 0.1)
    alone = np.array([to_rgb(colour) for colour in OKABE_ITO[:3]])
    assert (np.abs(even / 255 - np.mean(alone**2.2, axis=0) ** (1 / 2.2)) < 0.06).all()
    assert weak.sum() < 0.6 * even.sum()


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=3))
def test_scores_below_zero_count_as_zero_and_codes_stay_inside(values):
    codes = COLOURS.codes(*(np.array([value]) for value in values))
    clipped = COLOURS.codes(*(np.array([max(value, 0.0)]) for value in values))
    assert (codes == clipped).all()
    assert 0 <= codes[0] < len(COLOURS.table)


@given(st.lists(st.floats(-9, 9), min_size=3, max_size=3))
def test_components_rise_with_their_channel(values):
    colours = RgbColours(((-1.0, 1.0), (-2.0, 2.0), (0.0, 3.0)))
    here = rgb(colours, *values)
    for channel in range(3):
        more = [value + (2.0 if i == channel else 0.0) for i, value in enumerate(values)]
        raised = rgb(colours, *more)
        assert raised[channel] >= here[channel]
        assert (np.delete(raised, channel) == np.delete(here, channel)).all()


def test_best_layer_decides_the_colour():
    colours = LayerColours(3, 0.5)
    scores = np.array([[0.1, 0.3, 0.2], [0.2, 0.1, 0.2], [0.0, 0.0, 0.4]])
    assert (colours.codes(*scores) // colours.LEVELS).tolist() == [1, 0, 2]
    luminance = colours.table[:: colours.LEVELS, :3] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luminance) > 20).all()  # in black and white too


@pytest.fixture(scope="module")
def mulan(bumps):
    return bumps(3, "PBelt", "A4")


@views
def test_ternary(space, atlas, acoustic, text, mulan, text_problems, style, view):
    significant = np.maximum(acoustic, text) > 0.1
    found = ternary(
        (acoustic, text, mulan), space, atlas, names=NAMES, significant=significant, view=view, title="Subject 1",
        note="simulated data", style=style,
    )  # fmt: skip
    assert text_problems(found.figure) == []
    assert found.figure.get_figheight() * 25.4 <= style.max_height_mm + 1e-6
    best = np.argmax(np.stack([acoustic, text, mulan]), axis=0)[significant]
    assert f"acoustic {np.mean(best == 0):.1%}" in found.caption
    assert {"score_acoustic", "score_text", "score_mulan"} <= set(found.table)


def test_triangle_and_map_have_one_colour_function(space, atlas, acoustic, text, mulan):
    found = ternary((acoustic, text, mulan), space, atlas, names=NAMES, limits=(0.0, 0.4), style=NARROW)
    colours = TernaryColours(0.4, OKABE_ITO[:3], 0.3 * 0.4)
    known = {tuple(colour) for colour in over(colours.table, (GYRUS + SULCUS) / 2)[:, :3]}
    legend = found.figure.axes[-4].images[0].get_array()
    assert {tuple(colour[:3]) for colour in legend[legend[..., 3] == 255]} <= known
    top = legend[np.argmax(legend[..., 3].any(axis=1)) + 2]
    assert np.abs(top[top[:, 3] == 255][:, :3].mean(axis=0) - 255 * np.array(to_rgb(OKABE_ITO[0]))).max() < 8


@views
def test_weights(space, atlas, acoustic, text, mulan, text_problems, style, view):
    found = weights(
        np.stack([acoustic, text, mulan]), space, atlas, explained=(0.4, 0.2, 0.1), view=view, note="simulated data",
        style=style,
    )  # fmt: skip
    assert text_problems(found.figure) == []
    assert found.figure.get_figheight() * 25.4 <= style.max_height_mm + 1e-6
    assert f"{np.percentile(np.float32(acoustic), 99):.3g}, 40.0% of the variance" in found.caption


@both_widths
@pytest.mark.parametrize("n", [2, 13])
def test_hierarchy(space, atlas, bumps, text_problems, style, n):
    scores = {f"layer {i:02d} of a network" if n > 2 else f"L{i}": bumps(i, "A1", "A5") for i in range(n)}
    found = hierarchy(scores, space, atlas, note="simulated data", style=style)
    assert text_problems(found.figure) == []
    assert found.figure.get_figheight() * 25.4 <= style.max_height_mm + 1e-6
    best = np.argmax(np.stack(list(scores.values())).astype(np.float32), axis=0)
    assert f"{next(iter(scores))} {(best == 0).sum():,} " in found.caption
    assert (found.table["best"] == np.array(list(scores))[best]).all()


@pytest.mark.parametrize("kind", ["all NaN", "nothing significant"])
def test_empty_maps(space, atlas, acoustic, text_problems, kind):
    values = np.full(space.n_targets, np.nan) if kind == "all NaN" else acoustic
    empty = {"significant": np.zeros(space.n_targets, dtype=bool), "style": NARROW}
    for found in (
        ternary((values, values, values), space, atlas, names=NAMES, **empty),
        weights(np.stack([values] * 3), space, atlas, **empty),
        hierarchy({"a": values, "b": values}, space, atlas, **empty),
    ):
        assert text_problems(found.figure) == []


def test_what_is_refused(space, atlas, acoustic):
    with pytest.raises(InputError, match="two layers"):
        hierarchy({"a": acoustic}, space, atlas)
    with pytest.raises(InputError, match="three components"):
        weights(np.stack([acoustic] * 2), space, atlas)
    with pytest.raises(InputError, match="three scores"):
        ternary((acoustic, acoustic), space, atlas, names=("a", "b"))
    with pytest.raises(InputError, match="positive"):
        TernaryColours(0.0, OKABE_ITO[:3])
    with pytest.raises(InputError, match="rise"):
        RgbColours(((0.0, 1.0), (1.0, 1.0), (0.0, 1.0)))
