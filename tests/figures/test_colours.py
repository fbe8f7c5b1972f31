import numpy as np
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.figures.colours import (
    PreferenceColours,
    ScalarColours,
    over,
    shared_limits,
)


def test_scalar_colours_are_those_of_matplotlib():
    import matplotlib

    colours = ScalarColours(0.0, 1.0, "viridis")
    values = np.array([-1.0, 0.0, 0.5, 1.0, 9.0])
    wanted = matplotlib.colormaps["viridis"]([0.0, 0.0, 128 / 255, 1.0, 1.0], bytes=True)
    assert (colours.table[colours.codes(values)] == wanted).all()


def test_fade_is_in_the_table_and_so_on_the_colour_bar():
    table = ScalarColours(0.0, 1.0, fade=0.5).table
    assert table[0, 3] == 0
    assert (table[128:, 3] == 255).all()
    assert (over(table, 0.7)[0, :3] == round(0.7 * 255)).all()
    assert (over(table, 0.7)[:, 3] == 255).all()


def test_preference_has_hue_by_winner_and_lightness_by_score():
    colours = PreferenceColours(0.2, 0.5)

    def rgb(a: float, b: float) -> np.ndarray:
        return colours.table[colours.codes(np.array([a]), np.array([b]))][0, :3].astype(int)

    first, second, both, weak = rgb(0.5, 0.0), rgb(0.0, 0.5), rgb(0.5, 0.5), rgb(0.2, 0.0)
    assert first[2] > first[0]  # blue
    assert second[0] > second[2]  # orange
    assert np.ptp(both) < 12  # grey
    assert weak.sum() < first.sum()
    assert (rgb(5.0, 0.0) == first).all()


def test_black_and_white_print_keeps_the_order():
    """Luminance rises with the score."""
    luminance = ScalarColours(0, 1, "inferno").table[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luminance) > -0.5).all()


def test_limits_are_shared_and_report_clipping():
    found = shared_limits([np.array([0.1, 0.2, np.nan]), np.array([-0.3, 0.9])], 0.0, 0.5)
    assert (found.vmin, found.vmax, found.n_below, found.n_above, found.n) == (0.0, 0.5, 1, 1, 4)
    assert "1 of 4 values (25.0%) lie below and 1 of 4 values (25.0%) lie above" in found.sentence()
    assert "no value is clipped" in shared_limits([np.array([0.2])], 0.0, 0.5).sentence()


@pytest.mark.parametrize("values", [[], [np.nan], [0.0, 0.0], [-0.2, -0.1], [1e-12]])
def test_limits_of_odd_maps_still_rise(values):
    found = shared_limits([np.array(values)])
    assert found.vmax > found.vmin


def test_automatic_limit_is_round():
    assert shared_limits([np.full(1000, 0.4321)]).vmax == 0.5


def test_both_automatic_limits():
    found = shared_limits([np.linspace(-0.31, 0.42, 999)], None, None)
    assert found.vmin <= -0.3
    assert found.vmax >= 0.4


def test_limits_must_rise():
    with pytest.raises(InputError, match="rise"):
        ScalarColours(1.0, 1.0)
    with pytest.raises(InputError, match="colour map"):
        ScalarColours(0.0, 1.0, "infernal")
    with pytest.raises(InputError, match="positive"):
        PreferenceColours(0.0, 1.0)
