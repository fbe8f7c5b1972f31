"""The kinds made of maps: accuracy, preference, subjects."""

from dataclasses import replace

import numpy as np
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.figures import (
    Style,
    group,
    preference,
    score_map,
    subjects,
)
from b2m_encoding.figures.colours import PreferenceColours, over
from b2m_encoding.figures.layers import GYRUS, SULCUS
from b2m_encoding.figures.plots.preference import histogram_colours
from b2m_encoding.spaces import grayordinate_space, load_atlas, resample, surface_space

NARROW, WIDE = Style(width_mm=89, dpi=100), Style(width_mm=183, dpi=100)
both_widths = pytest.mark.parametrize("style", [NARROW, WIDE], ids=["89mm", "183mm"])


@both_widths
@pytest.mark.parametrize("view", ["whole", "zoom", "overview"])
def test_accuracy(space, atlas, holed, text_problems, style, view):
    found = score_map(
        holed, space, atlas, significant=holed > 0.15, view=view, title="Subject 1", note="simulated data", style=style
    )
    assert text_problems(found.figure) == []
    assert found.figure.get_figheight() * 25.4 <= style.max_height_mm + 1e-6
    words = [text.get_text() for text in found.figure.findobj(lambda one: hasattr(one, "get_text"))]
    hidden = "significant" if view == "zoom" else "not significant"  # in zooms all that was tested is in colour
    assert {"Left", "Right", "not tested", hidden, "simulated data"} <= set(words)
    assert ("MBelt" in words) == (view != "whole")


@both_widths
def test_overviews_keep_the_height_limit(space, atlas, acoustic, text, text_problems, style):
    for found in (
        score_map(acoustic, space, atlas, view="overview", title="A", note="simulated data", style=style),
        preference(acoustic, text, space, atlas, view="overview", title="A", note="simulated data", style=style),
    ):
        assert text_problems(found.figure) == []
        assert found.figure.get_figheight() * 25.4 <= style.max_height_mm + 1e-6


def test_clipping_is_reported_and_drawn(space, atlas, acoustic):
    found = score_map(acoustic, space, atlas, limits=(0.0, 0.2), style=NARROW)
    n_above, n_below = int((np.float32(acoustic) > 0.2).sum()), int((acoustic < 0).sum())
    assert f"{n_below:,} of 20,484 values" in found.caption
    assert f"{n_above:,} of 20,484 values" in found.caption
    bar = found.figure.axes[-2] if len(found.figure.axes[-1].patches) == 0 else found.figure.axes[-1]
    assert len(bar.patches) == 2
    assert "no value is clipped" in score_map(acoustic, space, atlas, limits=(-1.0, 1.0), style=NARROW).caption


def test_limits_are_of_what_is_significant(space, atlas):
    """A peak of one vertex in a hundred does not saturate because noise around it is in colour."""
    scores = np.random.default_rng(0).normal(0, 0.05, space.n_targets).astype(np.float32)
    scores[::100] = np.linspace(0.3, 0.6, len(scores[::100]))
    strong = scores > 0.25
    found = score_map(scores, space, atlas, significant=strong, view="overview", style=NARROW)
    assert "Colour limits 0 to 0.6;" in found.caption
    means = group({"a": scores, "b": scores}, space, atlas, significant={"a": strong, "b": strong}, style=NARROW)
    assert "Colour limits 0 to 0.6;" in means.caption


def test_caption_has_every_number(space, atlas, acoustic):
    significant = acoustic > 0.15
    caption = score_map(
        acoustic, space, atlas, significant=significant, criterion="significant at q < .05 (FDR)", style=NARROW
    ).caption
    counted = f"{significant.sum()} of {significant.size:,} tested vertices ({significant.mean():.1%})"
    assert f"{counted} are significant at q < .05 (FDR)." in caption
    assert "Scale bar: 50 mm" in caption
    assert "times those on the cortex" in caption


def test_distorted_flatmap_has_no_scale_bar(acoustic):
    fslr = surface_space("fsLR")
    found = score_map(np.zeros(fslr.n_targets), fslr, load_atlas("hcp-mmp1", fslr), style=NARROW)
    assert "No scale bar" in found.caption
    assert not any(text.get_text().endswith(" mm") for text in found.figure.texts)


def test_contour_outlines_what_is_significant(space, atlas, acoustic):
    options = {"significant": acoustic > 0.15, "style": NARROW}
    found = score_map(acoustic, space, atlas, view="zoom", **options)
    assert "outlined" in found.caption
    assert "not significant" not in [text.get_text() for text in found.figure.texts]
    hidden = score_map(acoustic, space, atlas, view="zoom", contour=False, **options)
    assert "outlined" not in hidden.caption
    assert "not significant" in [text.get_text() for text in hidden.figure.texts]


def test_where_nothing_is_preferred_it_is_cream(space, atlas, acoustic, text):
    undecided = np.abs(acoustic - text) < 0.2
    found = preference(acoustic, text, space, atlas, undecided=undecided, significant=acoustic > 0.1, style=NARROW)
    assert "no preference" in [one.get_text() for one in found.figure.texts]
    n = int((np.float32(acoustic) > 0.1).sum())
    assert f"({(undecided & (acoustic > 0.1)).sum() / n:.1%}) show no significant preference" in found.caption
    assert (found.table["preference"] == (acoustic > 0.1) & ~undecided).all()


@pytest.mark.parametrize("kind", ["all NaN", "nothing significant"])
def test_empty_maps(space, atlas, acoustic, text_problems, kind):
    scores = np.full(space.n_targets, np.nan) if kind == "all NaN" else acoustic
    nothing = np.zeros(space.n_targets, dtype=bool)
    for found in (
        score_map(scores, space, atlas, significant=nothing, view="overview", style=NARROW),
        preference(scores, scores, space, atlas, significant=nothing, style=NARROW),
        subjects({"sub-01": scores}, space, atlas, significant={"sub-01": nothing}, style=NARROW),
    ):
        assert text_problems(found.figure) == []
    found = score_map(scores, space, atlas, significant=nothing, note="simulated data", style=NARROW)
    assert "Note: simulated data; nothing is significant." in found.caption
    assert "nothing is significant" not in score_map(acoustic, space, atlas, style=NARROW).caption


def test_noise_stays_pale_where_nothing_is_significant(space, atlas, rng):
    scores, nothing = rng.normal(0, 0.1, space.n_targets), np.zeros(space.n_targets, dtype=bool)
    page = score_map(scores, space, atlas, significant=nothing, view="zoom", style=Style(width_mm=89, dpi=100)).figure
    page.canvas.draw()
    picture = np.asarray(page.canvas.buffer_rgba())[..., :3]
    assert (picture.max(axis=2) < 40).mean() < 0.02  # the lowest colour is black


def test_legend_and_histogram_have_the_colours_of_the_map(space, atlas, acoustic, text):
    found = preference(acoustic, text, space, atlas, names=("acoustic", "text"), limits=(0.3, 0.4), style=NARROW)
    colours = PreferenceColours(0.3, 0.4, fade=0.3 * 0.4)
    seen = over(colours.table, (GYRUS + SULCUS) / 2)
    legend, histogram = found.figure.axes[-2:]
    assert (legend.images[0].get_array() == seen.reshape(colours.N, colours.N, 4)).all()
    centres = np.array([0.1, 0.3])
    bins = histogram_colours(colours, centres, centres, np.array([[1, 0], [5, 2]]))
    assert (bins[1, 0, :3] == seen[colours.codes(np.array([0.1]), np.array([0.3]))][0, :3]).all()
    assert bins[0, 1, 3] == 0
    assert bins[1, 0, 3] == 255
    drawn = np.asarray(histogram.images[0].get_array())
    known = {tuple(colour) for colour in seen[:, :3]}
    assert {tuple(colour) for colour in drawn[drawn[..., 3] > 0][:, :3]} <= known


def test_long_names_of_feature_spaces(space, atlas, acoustic, text, text_problems):
    names = ("a very long name of a feature space", "another one, longer still, with a $")
    found = preference(acoustic, text, space, atlas, names=names, title="A long title " * 9, note="note", style=NARROW)
    assert text_problems(found.figure) == []


def test_preference_counts_the_winner(space, atlas, acoustic, text):
    found = preference(acoustic, text, space, atlas, names=("acoustic", "text"), style=NARROW)
    assert f"text is larger in {(text > acoustic).mean():.1%}" in found.caption
    assert {"score_acoustic", "score_text"} <= set(found.table.columns)


@both_widths
@pytest.mark.parametrize("zoom", [None, "auditory"])
@pytest.mark.parametrize("n", [1, 8])
def test_subjects(space, atlas, acoustic, text_problems, style, zoom, n):
    scores = {f"sub-{number:02d}": acoustic * (1 + number / 10) for number in range(n)}
    found = subjects(scores, space, atlas, zoom=zoom, note="simulated data", style=style)
    assert text_problems(found.figure) == []
    assert found.figure.get_figheight() * 25.4 <= style.max_height_mm + 1e-6
    assert [column for column in found.table if column.endswith("_score")] == [f"{name}_score" for name in scores]


def test_too_many_subjects_for_a_page(space, atlas, acoustic):
    with pytest.raises(InputError, match="too many maps"):
        subjects({str(number): acoustic for number in range(900)}, space, atlas, style=Style(max_height_mm=40))
    with pytest.raises(InputError, match="no subject"):
        subjects({}, space, atlas)


def test_wrong_atlas_or_zoom(space, atlas, acoustic):
    elsewhere = load_atlas("hcp-mmp1", surface_space("fsLR"))
    assert "regions of hcp-mmp1" in score_map(acoustic, space, elsewhere, view="zoom").caption  # loaded anew
    with pytest.raises(InputError, match="another surface"):
        score_map(acoustic, space, replace(elsewhere, name="my own"))
    with pytest.raises(InputError, match="unknown region"):
        score_map(acoustic, space, atlas, view="zoom", zoom="auditory_zom")
    with pytest.raises(InputError, match="unknown view"):
        score_map(acoustic, space, atlas, view="hole")


@both_widths
@pytest.mark.parametrize("n", [2, 3, 8])
def test_groups(space, atlas, acoustic, text_problems, style, n):
    scores = {f"sub-{number:02d}": acoustic * (1 + number / 10) for number in range(n)}
    found = {name: values > 0.2 for name, values in scores.items()}
    t = None if n < 3 else np.full(space.n_targets, 2.0)
    result = group(scores, space, atlas, significant=found, t=t, zoom="auditory", note="simulated data", style=style)
    assert text_problems(result.figure) == []
    every = np.logical_and.reduce(list(found.values()))
    assert f"in all of them ({every.sum()} vertices)" in result.caption
    assert (result.table["overlap"] == np.sum(list(found.values()), axis=0)).all()
    assert result.table["mean"].to_numpy() == pytest.approx(np.mean(list(scores.values()), axis=0), abs=1e-6)


def test_groups_in_any_form(space, atlas, acoustic):
    """Arrays of a known size, images, volumes with masks in their own space: as :func:`subjects` takes them."""
    scores = {"sub-01": acoustic, "sub-02": acoustic * 1.1}
    found = {name: values > 0.2 for name, values in scores.items()}
    given = group(scores, space, atlas, significant=found)
    images = {name: space.to_surface_image(values) for name, values in scores.items()}
    for other in (group(scores, significant=found), group(images, "fsaverage5", "hcp-mmp1", significant=found)):
        assert other.caption == given.caption
        assert other.table.equals(given.table)
    cifti = grayordinate_space()
    values = np.linspace(0.1, 0.5, cifti.n_targets, dtype=np.float32)
    masks = {"a": values > 0.3, "b": values > 0.4}
    moved = group({"a": values, "b": values}, cifti, significant=masks, t=values)
    expected = np.nan_to_num(resample(masks["a"].astype(np.float32), cifti, cifti.surface)[0]) >= 0.5
    assert ((moved.table["overlap"] > 0) == expected).all()
    with pytest.raises(InputError, match="every subject needs a mask"):
        group(scores, significant={"sub-01": found["sub-01"]})
