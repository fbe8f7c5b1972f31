"""Every space writes its own kind of image, and what is read back is what was there."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nilearn.surface import SurfaceImage

from b2m_encoding.errors import InputError
from b2m_encoding.spaces import (
    VolumeSpace,
    grayordinate_space,
    image_suffix,
    read_maps,
    surface_space,
    write_maps,
)
from b2m_encoding.spaces.images import ImageSpace
from b2m_encoding.spaces.meshes import gifti_mesh

NAMES = ("r", "q", "alpha")


def a_volume() -> VolumeSpace:
    mask = np.random.default_rng(1).random((7, 6, 5)) > 0.5
    affine = np.array([[-2.0, 0.1, 0, 10], [0, 2, 0, -20], [0, 0, 2.5, 5], [0, 0, 0, 1]])
    return VolumeSpace(mask, affine)


SPACES = {
    "volume": a_volume,
    "fsaverage5": lambda: surface_space("fsaverage5"),
    "fsaverage6": lambda: surface_space("fsaverage6"),
    "fsLR": lambda: surface_space("fsLR"),
    "cifti": grayordinate_space,
}


@pytest.mark.parametrize("kind", SPACES)
@pytest.mark.parametrize("tr", [None, 1.5])
def test_maps_come_back_as_they_were(kind: str, tr: float | None, tmp_path: Path, rng: np.random.Generator) -> None:
    space: ImageSpace = SPACES[kind]()
    values = rng.standard_normal((3, space.n_targets)).astype(np.float32)
    values[0, 3] = np.nan
    path = f"{tmp_path}/sub-01_hemi-{{hemi}}_stat-r{image_suffix(space, tr=tr)}"
    files = write_maps(space, path, values, names=() if tr else NAMES, tr=tr)
    assert np.array_equal(read_maps(space, path), values, equal_nan=True)
    assert sorted(tmp_path.iterdir()) == sorted(files)  # nothing half-written is left
    if tr:
        assert stated_repetition_time(files[0]) == pytest.approx(tr)


def stated_repetition_time(path: Path) -> float:
    """As another program finds it."""
    image = nib.load(path)
    if isinstance(image, nib.gifti.GiftiImage):
        return float(image.darrays[0].meta["TimeStep"]) / 1000
    if isinstance(image, nib.Cifti2Image):
        return float(image.header.get_axis(0).step)
    return float(image.header.get_zooms()[3])


def test_an_image_read_and_written_is_the_masked_original(tmp_path: Path, rng: np.random.Generator) -> None:
    """From any lab's image to responses and back."""
    space = a_volume()
    original = rng.standard_normal((*space.mask.shape, 4)).astype(np.float32)
    nib.save(nib.Nifti1Image(original, space.affine), tmp_path / "bold.nii.gz")
    responses = read_maps(space, tmp_path / "bold.nii.gz")
    back = np.asarray(space.to_image(responses).dataobj)
    assert np.array_equal(back[space.mask], original[space.mask])
    assert np.isnan(back[~space.mask]).all()


def test_names_reach_the_files(tmp_path: Path) -> None:
    cifti, surface = grayordinate_space(), surface_space("fsaverage5")
    (file,) = write_maps(cifti, tmp_path / "a.dscalar.nii", np.zeros((3, cifti.n_targets)), names=NAMES)
    assert tuple(nib.load(file).header.get_axis(0).name) == NAMES
    files = write_maps(surface, tmp_path / "{hemi}.func.gii", np.zeros((3, surface.n_targets)), names=NAMES)
    image = nib.load(files[1])
    assert [array.meta["Name"] for array in image.darrays] == list(NAMES)
    assert image.meta["AnatomicalStructurePrimary"] == "CortexRight"


@pytest.mark.parametrize("shape", [(), (3,)])
def test_surface_images_of_nilearn(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    space = surface_space("fsaverage5")
    values = rng.standard_normal((*shape, space.n_targets)).astype(np.float32)
    image = space.to_surface_image(values, "inflated")
    assert isinstance(image, SurfaceImage)
    assert np.array_equal(image.mesh.parts["right"].coordinates, space.mesh("inflated", "R").points)
    assert np.array_equal(image.data.parts["right"], values[..., space.hemisphere("R")].T)
    assert np.array_equal(space.from_surface_image(image), np.atleast_2d(values))
    with pytest.raises(InputError, match="not an image of fsLR"):
        surface_space("fsLR").from_surface_image(image)


def test_wrong_images_are_refused(tmp_path: Path) -> None:
    volume, surface, cifti = a_volume(), surface_space("fsaverage5"), grayordinate_space()
    with pytest.raises(InputError, match="do not fit"):
        write_maps(volume, tmp_path / "a.nii.gz", np.zeros(3))
    with pytest.raises(InputError, match=r"func\.gii"):
        write_maps(surface, tmp_path / "{hemi}.nii.gz", np.zeros(surface.n_targets))
    with pytest.raises(InputError, match="one image per hemisphere"):
        write_maps(surface, tmp_path / "a.func.gii", np.zeros(surface.n_targets))
    with pytest.raises(InputError, match="names differ in number"):
        write_maps(cifti, tmp_path / "a.dscalar.nii", np.zeros(cifti.n_targets), names=NAMES)
    assert not list(tmp_path.iterdir())
    moved = VolumeSpace(volume.mask, volume.affine + np.eye(4, k=3), volume.name)
    write_maps(volume, tmp_path / "b.nii.gz", np.zeros(volume.n_targets))
    with pytest.raises(InputError, match="another grid"):
        read_maps(moved, tmp_path / "b.nii.gz")
    with pytest.raises(InputError, match=r"missing[\s\S]*c\.nii\.gz"):
        read_maps(volume, tmp_path / "c.nii.gz")
    write_maps(surface, tmp_path / "{hemi}.func.gii", np.zeros(surface.n_targets))
    with pytest.raises(InputError, match="not a map of fsLR"):
        read_maps(surface_space("fsLR"), tmp_path / "{hemi}.func.gii")
    (tmp_path / "L.func.gii").write_bytes((tmp_path / "L.func.gii").read_bytes()[:-200])
    with pytest.raises(InputError, match="cannot be read"):
        read_maps(surface, tmp_path / "{hemi}.func.gii")


def test_hemispheres_that_are_swapped_are_refused(tmp_path: Path) -> None:
    space = surface_space("fsaverage5")
    path = f"{tmp_path}/{{hemi}}.func.gii"
    left, right = write_maps(space, path, np.zeros(space.n_targets))
    left.rename(tmp_path / "kept.gii")
    right.rename(left)
    (tmp_path / "kept.gii").rename(right)
    with pytest.raises(InputError, match=r"other hemisphere[\s\S]*CortexRight"):
        read_maps(space, path)
    for file in (left, right):  # a file that does not say is taken for what its name says
        image = nib.load(file)
        image.meta.clear()
        nib.save(image, file)
    assert not read_maps(space, path).any()


def test_images_of_another_kind_are_told(tmp_path: Path) -> None:
    volume, surface = a_volume(), surface_space("fsaverage5")
    files = write_maps(surface, tmp_path / "{hemi}.func.gii", np.zeros(surface.n_targets))
    with pytest.raises(InputError, match=r"not a volume[\s\S]*GiftiImage"):
        VolumeSpace.from_file(files[0])
    (image,) = write_maps(volume, tmp_path / "a.nii.gz", np.zeros(volume.n_targets))
    with pytest.raises(InputError, match=r"not a GIfTI file[\s\S]*Nifti1Image"):
        surface.from_images(dict.fromkeys("LR", nib.load(image)))
    mesh = surface.files.path("pial", "L")
    with pytest.raises(InputError, match="holds no values"):
        surface.from_images(dict.fromkeys("LR", nib.load(mesh)))
    with pytest.raises(InputError, match="not a mesh"):
        gifti_mesh(files[0])
