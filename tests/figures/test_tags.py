from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.figures import Style, profile, tag_map, tags
from b2m_encoding.figures.plots.tags import strongest


def table() -> pd.DataFrame:
    rows = []
    for region, shift in (("core", 0.0), ("belt", 0.1)):
        for side, step in (("L", 0.0), ("R", -0.05)):
            for i, name in enumerate(("guitar", "piano $x$", "drums", "choir")):
                r = [0.6, -0.7, 0.1, 0.3][i] + shift + step
                rows.append((region, side, name, r, r - 0.2, r + 0.2, 0.01 if abs(r) > 0.5 else 0.5, 20))
    return pd.DataFrame(rows, columns=["region", "hemisphere", "feature", "r", "low", "high", "q", "clips"])


def test_the_features_farthest_from_zero_are_drawn_by_size() -> None:
    whole = table()
    kept = strongest(whole[whole["region"] == "core"], 2)
    assert kept["feature"].tolist() == ["guitar", "guitar", "piano $x$", "piano $x$"]
    figure = tags(whole, n=3)
    *axes, keys = figure.figure.axes
    assert len(axes) == 2
    assert [text.get_text() for text in keys.texts] == ["left", "right", "q ≥ 0.05"]
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["guitar", "choir", "piano $x$"]
    points = [line for line in axes[0].lines if line.get_marker() == "o"]
    assert np.allclose(points[0].get_xdata(), 0.6)
    assert points[0].get_markerfacecolor() != "white"
    assert "20 held-out clips" in figure.caption
    assert len(figure.table) == 2 * 2 * 3
    low, high = axes[0].get_xlim()
    assert low == -high <= -0.9


@pytest.mark.parametrize("width", [60, 89, 120, 183])
def test_panels_have_room_on_any_page(width: float) -> None:
    whole = pd.concat([table().assign(region=f"region {i}") for i in range(5)])
    page = tags(whole, n=3, style=Style(width_mm=width)).figure
    *panels, _ = page.axes
    boxes = [axes.get_position() for axes in panels]
    assert min(box.width for box in boxes) * width > 15
    assert max(box.x1 for box in boxes) < 1
    assert len({(round(box.x0, 3), round(box.y0, 3)) for box in boxes}) == 5


def test_tables_without_a_column_or_a_number_are_refused() -> None:
    with pytest.raises(InputError, match="lacks columns"):
        tags(table().drop(columns="q"))
    with pytest.raises(InputError, match="no region"):
        tags(table().assign(r=np.nan))


@pytest.mark.parametrize("width", [89, 183])
def test_a_profile_holds_every_feature(text_problems, width: int) -> None:
    whole = table()
    figure = profile(whole, title="sub-01: tags", note="simulated data", style=Style(width_mm=width, dpi=100))
    assert text_problems(figure.figure) == []
    axes, _ = figure.figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["guitar", "choir", "drums", "piano $x$"]
    [picture] = axes.images
    np.testing.assert_allclose(picture.get_array()[0], [0.6, 0.55, 0.7, 0.65])
    [dots] = axes.lines[:1]
    assert len(dots.get_xdata()) == (whole["q"] < 0.05).sum()
    assert len(figure.table) == len(whole)
    with pytest.raises(InputError, match="lacks columns"):
        profile(whole.drop(columns="q"))


def test_the_preferred_feature_of_every_target(space, atlas, text_problems) -> None:
    """The most frequent ones have colours; rare ones are grey; a share of bootstrap samples is opacity."""
    names = [f"tag {i}" for i in range(30)]
    index = np.full(space.n_targets, -2.0)
    zoom = np.flatnonzero(atlas.mask("auditory_zoom"))
    index[zoom] = np.arange(len(zoom)) % 12
    index[zoom[::2]] = 20
    index[:5] = np.nan
    style = Style(width_mm=89, dpi=100)
    figure = tag_map(index, np.where(index >= 0, 0.8, 0), names, space, atlas, view="zoom", style=style)
    assert text_problems(figure.figure) == []
    assert "of 30" in figure.caption
    assert "median 0.80" in figure.caption
    bars = figure.figure.axes[-1]
    first, *_, last = [label.get_text() for label in bars.get_xticklabels()]
    assert (first, last) == ("tag 20", "others")
    assert (figure.table["feature"] == "tag 20").sum() == len(zoom[::2])
    assert (figure.table["feature"][:5] == "").all()
    with pytest.raises(InputError, match="has no name"):
        tag_map(index, index, names[:10], space, atlas)
