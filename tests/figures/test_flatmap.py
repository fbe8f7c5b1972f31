import numpy as np
import pytest
from matplotlib.path import Path as MatplotlibPath

from b2m_encoding.errors import InputError
from b2m_encoding.figures.flatmap import GAP, Window, flat_layout, pixel_map, rasterised
from b2m_encoding.spaces import surface_space


def test_hemispheres_stand_apart_by_the_gap(space):
    layout = flat_layout(space)
    left, right = (layout.points[np.unique(layout.of([hemi]))] for hemi in "LR")
    assert right[:, 0].min() - left[:, 0].max() == pytest.approx(GAP)
    assert layout.window.left == 0


@pytest.mark.parametrize("name", ["fsaverage5", "fsLR"])
def test_pixels_interpolate_between_the_corners_of_their_triangle(name):
    """A plane over the flatmap comes back exactly at pixel centres: the weights are barycentric."""
    space = surface_space(name)
    layout, pixels = flat_layout(space), pixel_map(space, 1024)
    scale = pixels.window.height / 1024
    rows, columns = np.nonzero(pixels.cortex)
    wanted = 3 * (pixels.window.left + (columns + 0.5) * scale) - 2 * (pixels.window.top - (rows + 0.5) * scale)
    found = pixels.sample(layout.points @ [3.0, -2.0])
    assert np.abs(found - wanted).max() < 5e-3


def test_weights_are_those_of_one_triangle(space):
    pixels = pixel_map(space, 200)
    assert np.allclose(np.asarray(pixels.weights.sum(axis=1)).ravel(), 1, atol=1e-5)
    assert pixels.weights.data.min() >= -1e-6
    corners = pixels.weights.indices.reshape(-1, 3)
    assert (corners == pixels.triangles[pixels.triangle]).all()


def test_nan_is_neither_spread_nor_drawn(space):
    values = np.ones(space.n_targets)
    values[np.random.default_rng(0).choice(space.n_targets, 2000, replace=False)] = np.nan
    pixels = pixel_map(space, 300)
    found = pixels.sample(values)
    weight = pixels.weights @ np.isfinite(values).astype(float)
    clear = np.abs(weight - 0.5) > 1e-4
    assert (np.isnan(found) == (weight <= 0.5))[clear].all()
    assert np.nanmax(np.abs(found - 1)) < 1e-5


def test_a_mask_covers_its_targets_and_no_others(space):
    """No target changes side, however its neighbours are: not even one alone."""
    rng = np.random.default_rng(1)
    among = rng.random(space.n_targets) < 0.9
    mask = rng.random(space.n_targets) < 0.5
    pixels = pixel_map(space, 1024)
    covered = pixels.covered(mask, among)
    near = np.asarray(pixels.weights.max(axis=1).todense()).ravel() > 0.95
    sure = near & among[pixels.nearest]
    assert sure.sum() > 1000
    assert (covered == mask[pixels.nearest])[sure].all()
    assert not covered[near & ~among[pixels.nearest] & ~mask[pixels.nearest]].all()
    assert pixels.covered(among, among)[sure].all()
    assert not pixels.covered(~among, among).any()


def test_the_edge_of_a_mask_is_smooth(space):
    """A half plane has a straighter edge than the line through the middle of the edges between both sides."""
    layout, pixels = flat_layout(space), pixel_map(space, 600)
    x = layout.points[:, 0]
    mask = x > 150
    everywhere = np.ones_like(mask)
    position = pixels.weights @ x
    plain = pixels.weights @ mask.astype(float) > 0.5

    def roughness(covered: np.ndarray) -> float:
        return float(np.abs(position[covered != (position > 150)] - 150).sum())

    assert roughness(pixels.covered(mask, everywhere)) < 0.9 * roughness(plain)


def test_all_nan(space):
    assert np.isnan(pixel_map(space, 60).sample(np.full(space.n_targets, np.nan))).all()


def test_window_crops_the_same_map(space):
    whole = flat_layout(space).window
    box = Window(100, 150, -20, 20)
    small = pixel_map(space, 200, window=box, hemispheres=("L",))
    assert small.shape == (200, 250)
    x = flat_layout(space).points[:, 0]
    seen = np.asarray(small.picture(small.sample(x), np.nan))
    assert np.nanmin(seen) > 99.5
    assert np.nanmax(seen) < 150.5
    assert box.width < whole.width


def test_second_call_is_free(space):
    first = pixel_map(space, 150)
    assert pixel_map(space, 150) is first


def test_no_rows():
    with pytest.raises(InputError, match="row"):
        pixel_map(surface_space(), 0)


def test_pixels_are_those_whose_centres_are_in_a_triangle_and_the_last_of_several_is_seen(space, rng):
    shape, corners = (30, 40), rng.uniform(-10, 50, (25, 3, 2))
    centres = np.stack(np.meshgrid(np.arange(40) + 0.5, np.arange(30) + 0.5), axis=-1).reshape(-1, 2)
    expected = np.zeros(len(centres), dtype=int)
    for number, triangle in enumerate(corners, start=1):
        expected[MatplotlibPath(triangle).contains_points(centres)] = number
    found = rasterised(space, np.arange(75).reshape(25, 3), corners, Window(0, 40, 0, 30), shape)
    assert (found.picture(found.triangle + 1, 0).ravel() == expected).all()
    mixed = found.weights @ np.vstack([corners.reshape(-1, 2), np.zeros((space.n_targets - 75, 2))])
    np.testing.assert_allclose(mixed, centres[expected > 0], atol=1e-3)
