import numpy as np
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.figures.colours import PreferenceColours, ScalarColours, over
from b2m_encoding.figures.flatmap import pixel_map
from b2m_encoding.figures.layers import GREYS as LEVELS
from b2m_encoding.figures.layers import PALE, ScoreMap, compose

COLOURS = ScalarColours(0.0, 0.5)
GREYS = [round(255 * grey) for grey in LEVELS["continuous"]]
LIGHT = [round(255 * (1 - PALE * (1 - grey))) for grey in LEVELS["continuous"]]


def painted(space, data, colours=COLOURS, height=200, **options):
    pixels = pixel_map(space, height)
    picture = compose(space, pixels, data, colours, **options)
    assert (picture[~pixels.cortex] == 255).all()
    assert (picture[..., 3] == 255).all()
    return pixels, picture[pixels.cortex][:, :3]


def is_grey(pixels, *levels):
    return np.logical_or.reduce([(pixels == level).all(axis=1) for level in levels])


def test_pixels_have_the_colours_of_their_values(space, acoustic):
    pixels, seen = painted(space, ScoreMap.of(space, (acoustic,)))
    assert (seen == COLOURS.table[COLOURS.codes(pixels.sample(acoustic))][:, :3]).all()


def test_not_tested_is_apart_from_not_significant(space, acoustic):
    tested = np.ones(space.n_targets, dtype=bool)
    tested[: space.n_vertices] = False
    significant = acoustic > 0.2
    pixels, seen = painted(space, ScoreMap.of(space, (acoustic,), tested, significant))
    left = pixels.nearest < space.n_vertices
    assert is_grey(seen[left], *LIGHT).all()
    strong = pixels.covered(significant, tested)
    assert is_grey(seen[~left & ~strong], *GREYS).all()
    assert not is_grey(seen[strong], *LIGHT, *GREYS).any()


def test_nan_is_light_grey_never_black(space, holed):
    pixels, seen = painted(space, ScoreMap.of(space, (holed,)), ScalarColours(0.0, 0.5, "viridis"))
    assert is_grey(seen, *LIGHT)[np.isnan(pixels.sample(holed))].all()
    assert (seen.sum(axis=1) > 60).all()


def test_all_nan_and_nothing_significant(space, acoustic):
    _, seen = painted(space, ScoreMap.of(space, (np.full(space.n_targets, np.nan),)))
    assert is_grey(seen, *LIGHT).all()
    nothing = np.zeros(space.n_targets, dtype=bool)
    _, seen = painted(space, ScoreMap.of(space, (acoustic,), None, nothing))
    assert is_grey(seen, *GREYS).all()


def test_fade_shows_the_underlay(space):
    _, seen = painted(space, ScoreMap.of(space, (np.zeros(space.n_targets),)), ScalarColours(0.0, 1.0, fade=0.3))
    assert is_grey(seen, *GREYS).all()


@pytest.mark.parametrize(("underlay", "n"), [("binary", 2), ("continuous", 24), ("none", 1)])
def test_underlays(space, acoustic, underlay, n):
    data = ScoreMap.of(space, (acoustic,), None, np.zeros(space.n_targets, dtype=bool))
    _, seen = painted(space, data, underlay=underlay)
    assert len(np.unique(seen, axis=0)) == n


def test_two_scores(space, acoustic, text):
    colours = PreferenceColours(0.2, 0.4)
    pixels, seen = painted(space, ScoreMap.of(space, (acoustic, text)), colours, underlay="none")
    codes = colours.codes(pixels.sample(acoustic), pixels.sample(text))
    assert (seen == over(colours.table, LEVELS["none"][0])[codes][:, :3]).all()


def test_shapes_are_checked(space, acoustic):
    with pytest.raises(InputError, match="one value per target of fsaverage5"):
        ScoreMap.of(space, (acoustic[:-1],))
    with pytest.raises(InputError, match="significant"):
        ScoreMap.of(space, (acoustic,), None, np.ones(3, dtype=bool))
