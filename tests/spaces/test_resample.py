from __future__ import annotations

import numpy as np
import pytest

from b2m_encoding.spaces import surface_space
from b2m_encoding.spaces.resample import barycentric_matrix, surface_to_surface


def test_rows_sum_to_one_and_reproduce_linear_functions() -> None:
    space = surface_space("fsaverage5")
    sphere = space.mesh("sphere", "L")
    matrix = barycentric_matrix(sphere, sphere.points)
    assert np.allclose(matrix.sum(axis=1), 1)
    assert np.allclose(matrix @ sphere.points, sphere.points, atol=1e-3)


@pytest.mark.parametrize(("source", "target"), [("fsLR", "fsaverage5"), ("fsaverage5", "fsLR")])
def test_coordinates_stay_in_place(source: str, target: str) -> None:
    """The anatomy of the two surfaces differs by a few millimetres, never by a lobe."""
    a, b = surface_space(source), surface_space(target)
    points = np.concatenate([a.mid_points("L"), a.mid_points("R")])
    moved = surface_to_surface(source, target) @ points
    truth = np.concatenate([b.mid_points("L"), b.mid_points("R")])
    assert np.median(np.linalg.norm(moved - truth, axis=1)) < 4
