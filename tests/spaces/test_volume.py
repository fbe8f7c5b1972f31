from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from nilearn.datasets import load_mni152_brain_mask
from nilearn.surface import vol_to_surf
from scipy.sparse import csr_array

from b2m_encoding.errors import InputError
from b2m_encoding.spaces import (
    VolumeSpace,
    grayordinate_space,
    load_atlas,
    project,
    resample,
    surface_space,
    volume_to_surface,
)


@pytest.fixture(scope="module")
def volume() -> VolumeSpace:
    image = load_mni152_brain_mask(resolution=3)
    return VolumeSpace(np.asarray(image.dataobj) > 0, image.affine)


def gaussian(volume: VolumeSpace, centre: tuple[float, float, float], width: float) -> np.ndarray:
    points = np.argwhere(volume.mask) @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    return np.exp(-((points - np.array(centre)) ** 2).sum(axis=1) / (2 * width**2))


@pytest.mark.parametrize("name", ["fsaverage5", "fsaverage6", "fsLR"])
@pytest.mark.parametrize(("centre", "hemi"), [((-46, -22, 8), "L"), ((48, -18, 6), "R")])
def test_a_source_in_auditory_cortex_peaks_in_a1(
    volume: VolumeSpace, name: str, centre: tuple[float, float, float], hemi: str
) -> None:
    space = surface_space(name)
    peak = np.nanargmax(project(volume_to_surface(volume, space), gaussian(volume, centre, 4)))
    assert load_atlas("hcp-mmp1", space).mask("A1", hemi)[peak]


def test_agrees_with_nilearn(volume: VolumeSpace, rng: np.random.Generator) -> None:
    """Smooth random maps, sampled between the same surfaces."""
    whole = VolumeSpace(np.ones(volume.mask.shape, dtype=bool), volume.affine)
    values = sum(gaussian(whole, tuple(rng.uniform(-60, 60, 3)), 15) for _ in range(30))
    space = surface_space("fsLR")
    ours = (volume_to_surface(whole, space) @ values)[space.hemisphere("L")]
    meshes = [space.mesh(kind, "L") for kind in ("pial", "white")]
    pial, white = ([mesh.points, mesh.triangles] for mesh in meshes)
    theirs = vol_to_surf(whole.to_image(values), pial, inner_mesh=white, depth=np.linspace(0.1, 0.9, 7))
    assert np.corrcoef(ours, theirs)[0, 1] > 0.9999


def test_missing_voxels_are_left_out_of_the_mean(volume: VolumeSpace) -> None:
    values = np.ones(volume.n_targets)
    values[::9] = np.nan
    projected = project(volume_to_surface(volume, surface_space("fsaverage5")), values)
    assert np.allclose(projected[np.isfinite(projected)], 1)
    assert np.isfinite(projected).mean() > 0.8


def test_thousands_of_maps_are_each_map_alone(volume: VolumeSpace, rng: np.random.Generator) -> None:
    """Maps go through in parts; NaN of one map do not touch another."""
    matrix = volume_to_surface(volume, surface_space("fsaverage5"))[:300]
    maps = rng.standard_normal((volume.n_targets, 1030)).astype(np.float32)
    maps[rng.random(volume.n_targets) < 0.3, 1027] = np.nan
    together = project(matrix, maps)
    for i in (0, 511, 512, 1027, 1029):
        assert np.allclose(project(matrix, maps[:, i]), together[:, i], equal_nan=True, atol=1e-6)
    assert np.isnan(together[:, 1027]).sum() > np.isnan(together[:, 1029]).sum()
    row = int(np.flatnonzero(np.isfinite(together[:, 1027]))[7])
    inside, weights = matrix[[row]].indices, matrix[[row]].data
    known = np.isfinite(maps[inside, 1027])
    assert not known.all()
    expected = np.average(maps[inside, 1027][known], weights=weights[known])
    assert together[row, 1027] == pytest.approx(expected, abs=1e-5)


def test_little_known_is_not_known() -> None:
    matrix = csr_array(np.array([[0.4, 0.6], [0.6, 0.4], [0.0, 0.0]]))
    assert np.allclose(project(matrix, np.array([2.0, np.nan])), [np.nan, 2, np.nan], equal_nan=True)


def test_volumes_reach_grayordinates_and_other_grids(volume: VolumeSpace) -> None:
    """A linear function stays itself wherever it is sampled."""
    space = grayordinate_space()
    values = volume.points @ [1.0, 2, -1]
    moved = resample(values, volume, space)[0]
    truth = nib.affines.apply_affine(space.axis.affine, space.axis.voxel) @ [1.0, 2, -1]
    inside = ~space.cortex & np.isfinite(moved)
    assert inside.sum() > 0.95 * (~space.cortex).sum()
    assert np.median(np.abs(moved[inside] - truth[inside])) < 0.01  # at the edge of the mask it is a mean
    with pytest.raises(InputError, match="different spaces"):
        resample(values, volume, space.subcortex)
    same = VolumeSpace(volume.mask, volume.affine, volume.name)
    assert np.allclose(resample(values, volume, same)[0], values, atol=1e-3)


def test_image_round_trip(volume: VolumeSpace, rng: np.random.Generator) -> None:
    values = rng.standard_normal(volume.n_targets).astype(np.float32)
    image = volume.to_image(values)
    assert np.array_equal(np.asarray(image.dataobj)[volume.mask], values)
    assert np.isnan(np.asarray(image.dataobj)[~volume.mask]).all()


def test_empty_masks_are_refused() -> None:
    with pytest.raises(InputError, match="at least one voxel"):
        VolumeSpace(np.zeros((3, 3, 3), dtype=bool), np.eye(4))
