"""Figures of volumes and of targets without places."""

import numpy as np
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.figures import Style, distribution, slices
from b2m_encoding.spaces import VolumeSpace

MASK = np.zeros((12, 14, 10), dtype=bool)
MASK[1:11, 1:13, 1:9] = True
AFFINE = np.array([[-8.0, 0, 0, 44], [0, 8.0, 0, -60], [0, 0, 8.0, -30], [0, 0, 0, 1]])
"""The first axis runs from right to left, as in many scanners."""
STYLE = Style(width_mm=89, dpi=72)


def test_left_is_left_and_front_is_up():
    space = VolumeSpace(MASK, AFFINE, "scanner")
    x, y, _ = space.points.T
    front_left = (x < 0) & (y > np.median(y))
    found = slices(np.where(front_left, 1.0, 0.0), space, significant=front_left, limits=(0.0, 1.0), style=STYLE)
    for axes in found.figure.axes:
        if axes.images and np.ndim(axes.images[0].get_array()) == 3 and axes.images[0].get_array().shape[0] > 4:
            picture = np.asarray(axes.images[0].get_array())[..., :3]  # row 0 is at the bottom
            coloured = np.ptp(picture, axis=2) > 0.1
            rows, columns = np.nonzero(coloured)
            assert columns.max() < picture.shape[1] / 2
            assert rows.min() >= picture.shape[0] / 2 - 1
    assert f"{front_left.sum()} of " in found.caption
    assert (found.table["significant"] == front_left).all()
    assert found.table[["x", "y", "z"]].to_numpy() == pytest.approx(space.points)


@pytest.mark.parametrize("name", ["scanner", "MNI152NLin2009cAsym"])
@pytest.mark.parametrize("width", [89, 183])
def test_slices_have_names_that_fit(name, width, text_problems):
    space = VolumeSpace(MASK, AFFINE, name)
    scores = np.random.default_rng(0).uniform(-0.1, 0.6, space.n_targets)
    scores[:20] = np.nan
    found = slices(scores, space, title="sub-01", note="simulated data", style=Style(width_mm=width, dpi=72))
    assert text_problems(found.figure) == []
    assert ("glass brain" in found.caption) == (name != "scanner")
    assert f"{space.n_targets - 20} of {space.n_targets} voxels were tested" in found.caption


def test_a_background_must_lie_on_the_grid():
    space = VolumeSpace(MASK, AFFINE, "scanner")
    with pytest.raises(InputError, match="another grid"):
        slices(np.ones(space.n_targets), space, background=np.ones((3, 3, 3)))
    with pytest.raises(InputError, match="one value per voxel"):
        slices(np.ones(3), space)


@pytest.mark.parametrize("n", [6, 400])
def test_distributions_rank_the_best(n, text_problems):
    rng = np.random.default_rng(1)
    scores = {"joint": rng.normal(0.2, 0.1, n), "text": rng.normal(0.1, 0.1, n)}
    scores["joint"][2] = np.nan
    names = [f"region_{i}" for i in range(n)]
    found = distribution(scores, significant=scores["joint"] > 0.3, names=names, title="sub-01", style=STYLE)
    assert text_problems(found.figure) == []
    best = names[int(np.nanargmax(scores["joint"]))].replace("_", " ")
    ticks = [text.get_text() for axes in found.figure.axes for text in axes.get_yticklabels()]
    assert best in ticks
    assert f"{n - 1} tested targets" in found.caption
    assert len(found.table) == n
