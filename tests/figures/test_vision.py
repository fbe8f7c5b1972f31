import warnings

import numpy as np
import pytest

from b2m_encoding.figures import Style
from b2m_encoding.figures.style import OKABE_ITO
from b2m_encoding.figures.vision import DEFICIENCIES, check_palette, colour_map_problems, palette_contrast


def test_contrast_of_known_palettes():
    contrast = palette_contrast(["#0072B2", "#D55E00"])
    assert contrast == pytest.approx({"normal": 115, "deuteranopia": 109, "protanopia": 92, "tritanopia": 102}, abs=2)
    contrast = palette_contrast(["#E69F00", "#0072B2", "#009E73"])
    assert contrast == pytest.approx({"normal": 70, "deuteranopia": 56, "protanopia": 52, "tritanopia": 17}, abs=2)


@pytest.mark.parametrize("kind", DEFICIENCIES)
def test_greys_look_the_same_to_everyone(kind):
    """The rows of every matrix sum to one: white stays white."""
    assert np.sum(DEFICIENCIES[kind], axis=1) == pytest.approx(1, abs=1e-5)


def test_palettes_are_checked():
    check_palette(OKABE_ITO[:3])
    with pytest.warns(UserWarning, match="deuteranopia"):
        check_palette(["#d7191c", "#8c6d00"])


@pytest.mark.parametrize("name", ["inferno", "viridis", "magma", "cividis", "Greys", "inferno_r"])
def test_good_colour_maps_are_silent(name):
    assert colour_map_problems(name) == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Style(colour_map=name)


@pytest.mark.parametrize(
    ("name", "problem"), [("jet", "black-and-white"), ("RdYlGn", "deuteranopia"), ("hsv", "normal")]
)
def test_bad_colour_maps_warn(name, problem):
    with pytest.warns(UserWarning, match=problem):
        Style(colour_map=name)
