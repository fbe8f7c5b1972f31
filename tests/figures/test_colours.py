import numpy as np
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.figures.colours import (
    PreferenceColours,
    ScalarColours,
    over,
    shared_limits,
)
from b2m_encoding.figures.layers import GYRUS, SULCUS
from b2m_encoding.figures.vision import _linear, _seen


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
        return over(colours.table, 0.75)[colours.codes(np.array([a]), np.array([b]))][0, :3].astype(int)

    first, second, both, weak = rgb(0.5, 0.0), rgb(0.0, 0.5), rgb(0.5, 0.5), rgb(0.2, 0.0)
    assert first[2] > first[0]  # blue
    assert second[0] > second[2]  # orange
    assert both.min() > 200  # cream
    assert np.abs(weak - 0.75 * 255).sum() < np.abs(first - 0.75 * 255).sum()  # fades into the cortex
    assert (rgb(5.0, 0.0) == first).all()


def ciede2000(one: np.ndarray, other: np.ndarray) -> float:
    """Colour difference of two CIE L*a*b* colours (Sharma et al. 2005, doi 10.1002/col.20070)."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    mean = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    g = 1.5 - 0.5 * np.sqrt(mean**7 / (mean**7 + 25.0**7))
    c1, c2 = np.hypot(g * a1, b1), np.hypot(g * a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, g * a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = 0.0 if c1 * c2 == 0 else (h2 - h1 + 180) % 360 - 180
    h = h1 + h2 if c1 * c2 == 0 else (h1 + turn / 2) % 360
    light, c = (l1 + l2) / 2 - 50, (c1 + c2) / 2
    cos = lambda angle: np.cos(np.radians(angle))  # noqa: E731
    t = 1 - 0.17 * cos(h - 30) + 0.24 * cos(2 * h) + 0.32 * cos(3 * h + 6) - 0.2 * cos(4 * h - 63)
    dl = (l2 - l1) / (1 + 0.015 * light**2 / np.sqrt(20 + light**2))
    dc = (c2 - c1) / (1 + 0.045 * c)
    dh = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2)) / (1 + 0.015 * c * t)
    r = -2 * np.sqrt(c**7 / (c**7 + 25.0**7)) * np.sin(np.radians(60 * np.exp(-(((h - 275) / 25) ** 2))))
    return float(np.sqrt(dl**2 + dc**2 + dh**2 + r * dc * dh))


def test_the_difference_of_colours_is_that_of_the_publication():
    pairs = [((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425), ((50, 2.5, 0), (73, 25, -18), 27.1492),
             ((22.7233, 20.0904, -46.694), (23.0331, 14.973, -42.5619), 2.0373)]  # fmt: skip
    for one, other, expected in pairs:
        assert ciede2000(np.array(one), np.array(other)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("seen", "least"), [("normal", 14), ("deuteranopia", 14), ("protanopia", 14), ("tritanopia", 10), ("print", 7)]
)
def test_no_preference_differs_from_cortex_and_from_both_ends(seen, least):
    """CIEDE2000 with full opacity, in every kind of colour vision and in black-and-white print."""
    colours = PreferenceColours(1.0, 1.0)
    first, neutral, second = over(colours.table, 0.75).reshape(colours.N, colours.N, 4)[-1, [0, colours.N // 2, -1], :3]
    everything = np.array([*(np.array([first, neutral, second]) / 255), [GYRUS] * 3, [SULCUS] * 3])
    lab = _seen(_linear(everything), "normal" if seen == "print" else seen)
    lab[:, 1:] *= seen != "print"
    pairs = [(one, other) for one in range(3) for other in range(one + 1, 5)]
    assert min(ciede2000(lab[one], lab[other]) for one, other in pairs) >= least


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
