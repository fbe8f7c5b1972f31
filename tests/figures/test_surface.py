"""The inflated cortex in the colours of the flatmap."""

import numpy as np
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.figures import Style, surface
from b2m_encoding.figures.solid import solid_view

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
    assert "on the inflated cortex of fsaverage5" in found.caption


def test_sides_are_those_of_anatomy(space):
    """Where front, top and the other hemisphere are, in every view; what is behind is not seen."""
    for hemi, sign in (("L", -1), ("R", 1)):
        points = space.mesh("inflated", hemi).points
        front = int(points[:, 1].argmax()) + space.hemisphere(hemi).start
        top = int(points[:, 2].argmax()) + space.hemisphere(hemi).start
        outer = int((sign * points[:, 0]).argmax()) + space.hemisphere(hemi).start
        lateral, medial = (solid_view(space, hemi, side, 120, 1.4) for side in ("lateral", "medial"))
        middle = lateral.points[space.hemisphere(hemi)].mean(axis=0)
        assert (lateral.points[front, 0] < middle[0]) == (hemi == "L")
        assert lateral.points[top, 1] > middle[1] + 20
        assert outer in lateral.triangles
        assert outer not in medial.triangles
        assert (medial.points[front, 0] < middle[0]) == (hemi == "R")
        dorsal = solid_view(space, hemi, "dorsal", 120, 0.6)
        assert dorsal.points[front, 1] > 40
        assert top in dorsal.triangles


def test_pixels_show_the_vertices_at_their_places(space):
    view = solid_view(space, "L", "lateral", 300, 1.4)
    rows, columns = np.nonzero(view.pixels.cortex)
    scale = view.pixels.window.height / 300
    x = view.pixels.window.left + (columns + 0.5) * scale
    y = view.pixels.window.top - (rows + 0.5) * scale
    shown = view.pixels.weights @ view.points
    assert np.median(np.abs(shown - np.column_stack([x, y])).max(axis=1)) < 0.1
    assert (view.light > 0.6).all()
    assert np.ptp(view.light) > 0.2  # shaded


def test_a_view_is_needed(space, atlas, holed):
    with pytest.raises(InputError, match="no view"):
        surface(holed, space, atlas, views=())
    assert len(surface(holed, space, atlas, views=("dorsal",), outline="auditory", style=NARROW).figure.axes) >= 3
