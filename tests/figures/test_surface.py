"""The inflated cortex in the colours of the flatmap."""

import numpy as np
import pytest

from b2m_encoding.figures import Style, surface
from b2m_encoding.figures.colours import ScalarColours
from b2m_encoding.figures.flatmap import pixel_map
from b2m_encoding.figures.layers import ScoreMap, compose, vertex_palette

NARROW, WIDE = Style(width_mm=89, dpi=72), Style(width_mm=183, dpi=72)


@pytest.mark.parametrize("style", [NARROW, WIDE], ids=["89mm", "183mm"])
def test_surface(space, atlas, holed, text_problems, style):
    found = surface(
        holed, space, atlas, significant=holed > 0.15, title="Subject 1", note="simulated data", style=style
    )
    assert text_problems(found.figure) == []
    assert found.figure.get_figheight() * 25.4 <= style.max_height_mm + 1e-6
    words = {text.get_text() for text in found.figure.texts}
    assert {"Left, lateral", "Right, medial", "not tested", "not significant"} <= words
    assert "drawn by nilearn" in found.caption


def test_vertices_have_the_colours_of_the_flatmap(space, holed):
    """Where a pixel shows one vertex alone, it has the colour that the vertex has on the surface."""
    data = ScoreMap.of(space, (holed,), None, holed > 0.1)
    colours, pixels = ScalarColours(0.0, 0.4), pixel_map(space, 900)
    codes, palette = vertex_palette(space, data, colours)
    picture = compose(space, pixels, data, colours)[pixels.cortex]
    alone = np.asarray(pixels.weights.max(axis=1).todense()).ravel() > 0.97
    assert alone.sum() > 500
    difference = np.abs(picture[alone].astype(int) - palette[codes[pixels.nearest[alone]]]).max(axis=1)
    assert (difference <= 12).mean() > 0.97


def test_triangles_take_colours_of_their_corners(space, atlas, holed):
    """No colour is made up where tested and untested vertices meet."""
    found = surface(holed, space, atlas, significant=holed > 0.1, limits=(0.0, 0.4), views=("lateral",), style=NARROW)
    _, palette = vertex_palette(space, ScoreMap.of(space, (holed,), None, holed > 0.1), ScalarColours(0.0, 0.4))
    [triangles] = found.figure.axes[0].collections
    drawn = {tuple(np.round(255 * colour).astype(int)) for colour in triangles.get_facecolor()}
    assert drawn <= {tuple(colour) for colour in palette.astype(int)}
