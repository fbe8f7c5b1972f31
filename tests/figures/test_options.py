"""Keywords that figures share, and the names that the package offers."""

import dataclasses
import importlib

import pytest

from b2m_encoding.figures import MapOptions, PageKeywords, PageOptions, Style, ViewKeywords, score_map


def test_every_keyword_has_a_default_and_every_default_a_keyword():
    assert {field.name for field in dataclasses.fields(PageOptions)} == set(PageKeywords.__annotations__)
    assert {field.name for field in dataclasses.fields(MapOptions)} == set(ViewKeywords.__annotations__)


def test_a_misspelt_keyword_is_an_error(space, atlas, acoustic):
    with pytest.raises(TypeError, match="titel"):
        score_map(acoustic, space, atlas, titel="sub-01")


def test_a_grid_shows_a_zoom_or_the_whole_cortex():
    assert MapOptions.of_grid(None, title="A").view == "whole"
    zoomed = MapOptions.of_grid("auditory", title="A")
    assert (zoomed.view, zoomed.zoom, zoomed.title) == ("zoom", "auditory", "A")


def test_the_caption_ends_with_the_origin_of_the_numbers(space, atlas, acoustic):
    result = score_map(acoustic, space, atlas, note="simulated data", origin="Study: A.", style=Style(width_mm=89))
    shown, details, origin = result.caption.split("\n\n")  # the report shows the first and folds the others
    assert shown == "Prediction accuracy (r). Note: simulated data."
    assert "Colour limits 0 to" in details
    assert origin.startswith("Drawn with b2m_encoding")
    assert result.caption.endswith(" Study: A.")


@pytest.mark.parametrize("room", ["figures", "gallery"])
def test_public_names_are_not_hidden_by_modules(room):
    package = importlib.import_module(f"b2m_encoding.{room}")
    assert set(package.__all__) <= set(dir(package))
    for name in package.__all__:
        assert type(getattr(package, name)).__name__ != "module"
    with pytest.raises(AttributeError, match="accuracy"):
        _ = package.accuracy
