"""Surfaces of single subjects: FreeSurfer's and pycortex', and the fsaverage surfaces that may be absent."""

from __future__ import annotations

import sys
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
from scipy.sparse import random_array
from scipy.spatial import ConvexHull

from b2m_encoding import figures
from b2m_encoding.errors import InputError
from b2m_encoding.spaces import (
    HEMISPHERES,
    Mesh,
    PycortexMapper,
    SurfaceSpace,
    VolumeSpace,
    drawing_surface,
    freesurfer_subject,
    load_atlas,
    pycortex_subject,
    pycortex_volume,
    resample,
    surface_space,
    volume_to_surface,
)
from b2m_encoding.spaces.meshes import FreeSurferFiles, SphereFiles, freesurfer_patch, mean_curvature
from b2m_encoding.spaces.registration import surface_to_surface

CENTRE = np.array([3.0, -7, 11])
"""What FreeSurfer subtracts from every vertex."""
COUNTS = {"L": 2562, "R": 642}
"""The first vertices of fsaverage make coarser icosahedra; real hemispheres differ in size too."""


@pytest.fixture(scope="module")
def order() -> dict[str, np.ndarray]:
    """Rows of fsaverage5 in the order of the subject's vertices, which no standard surface has."""
    rng = np.random.default_rng(3)
    return {hemi: rng.permutation(count) for hemi, count in COUNTS.items()}


@pytest.fixture(scope="module")
def subjects_dir(tmp_path_factory: pytest.TempPathFactory, order: dict[str, np.ndarray]) -> Path:
    """A subject with the anatomy of fsaverage5, coarser and shuffled, as FreeSurfer writes one."""
    folder = tmp_path_factory.mktemp("subjects")
    (folder / "bert" / "surf").mkdir(parents=True)
    (folder / "bert" / "label").mkdir()
    space = surface_space("fsaverage5")
    footer = {"head": [2, 0, 20], "valid": "1  # volume info valid", "filename": "orig.mgz", "volume": [256] * 3}
    footer |= {"voxelsize": [1.0] * 3, "xras": [-1.0, 0, 0], "yras": [0.0, 0, -1], "zras": [0.0, 1, 0]}
    for hemi in HEMISPHERES:
        stem, rows = folder / "bert" / "surf" / f"{hemi.lower()}h", order[hemi]
        sphere = space.mesh("sphere", hemi).points[rows]
        triangles = ConvexHull(sphere).simplices
        for kind in ("white", "pial", "inflated"):
            points = space.mesh(kind, hemi).points[rows] - CENTRE
            nib.freesurfer.write_geometry(f"{stem}.{kind}", points, triangles, volume_info=footer | {"cras": CENTRE})
        nib.freesurfer.write_geometry(f"{stem}.sphere.reg", sphere, triangles)
        nib.freesurfer.write_morph_data(f"{stem}.sulc", space.sulcal_depth(hemi)[rows])
    return folder


@pytest.fixture
def bert(subjects_dir: Path) -> SurfaceSpace:
    return freesurfer_subject("bert", subjects_dir)


def test_vertices_are_in_the_millimetres_of_the_scanner(bert: SurfaceSpace, order: dict[str, np.ndarray]) -> None:
    assert (bert.name, bert.counts) == ("bert", (2562, 642))
    assert bert.hemisphere("R") == slice(2562, 3204)
    fsaverage = surface_space("fsaverage5")
    for hemi in HEMISPHERES:
        assert np.allclose(bert.mid_points(hemi), fsaverage.mid_points(hemi)[order[hemi]], atol=1e-3)
        assert np.allclose(bert.sulcal_depth(hemi), fsaverage.sulcal_depth(hemi)[order[hemi]])
    with pytest.raises(InputError, match="differ in size"):
        _ = bert.n_vertices


def test_a_volume_on_the_subjects_scan_is_sampled_directly(bert: SurfaceSpace) -> None:
    """Trilinear interpolation of a linear function is exact."""
    affine = np.array([[-4.0, 0, 0, 90], [0, 0, 4, -120], [0, -4, 0, 100], [0, 0, 0, 1]])
    volume = VolumeSpace(np.ones((46, 46, 54), dtype=bool), affine, "T1w")
    values = volume.points @ [1.0, 2, -1]
    sampled = resample(values, volume, bert)[0]
    truth = np.concatenate([bert.mid_points(hemi) for hemi in HEMISPHERES]) @ [1.0, 2, -1]
    assert np.allclose(sampled, truth, atol=1e-3)
    with pytest.raises(InputError, match=r"no common space[\s\S]*T1w"):
        volume_to_surface(volume, surface_space("fsaverage5"))


def test_maps_and_labels_move_by_the_registered_sphere(bert: SurfaceSpace, order: dict[str, np.ndarray]) -> None:
    fsaverage = surface_space("fsaverage5")
    expected = np.concatenate([order["L"], order["R"] + fsaverage.n_vertices])
    matrix = surface_to_surface(fsaverage, bert)
    assert np.array_equal(np.asarray(matrix.argmax(axis=1)).ravel(), expected)
    assert matrix.max(axis=1).toarray().min() > 0.999
    labels = load_atlas("hcp-mmp1", bert).labels
    assert (labels == load_atlas("hcp-mmp1", fsaverage).labels[expected]).mean() > 0.97  # through fsLR
    x = np.concatenate([bert.mid_points(hemi)[:, 0] for hemi in HEMISPHERES])
    truth = np.concatenate([fsaverage.mid_points(hemi)[:, 0] for hemi in HEMISPHERES])
    assert np.corrcoef(resample(x, bert, fsaverage)[0], truth)[0, 1] > 0.99


def test_the_subjects_own_annotation_is_preferred(bert: SurfaceSpace, subjects_dir: Path) -> None:
    table = np.array([[25, 5, 25, 0, 0], [10, 20, 30, 0, 0]])
    for hemi, count in COUNTS.items():
        path = subjects_dir / "bert" / "label" / f"{hemi.lower()}h.aparc.annot"
        nib.freesurfer.write_annot(path, np.ones(count, dtype=int), table, ["unknown", "insula"], fill_ctab=True)
    names = "transversetemporal superiortemporal bankssts supramarginal insula parsopercularis parstriangularis"
    with pytest.raises(InputError, match="names an unknown region"):  # one region is not the whole atlas
        load_atlas("desikan-killiany", bert)
    table = np.array([[i, 2 * i, 3 * i, 0, 0] for i in range(8)])
    for hemi, count in COUNTS.items():
        path = subjects_dir / "bert" / "label" / f"{hemi.lower()}h.aparc.annot"
        labels = np.arange(count) % 8
        nib.freesurfer.write_annot(path, labels, table, ["unknown", *names.split()], fill_ctab=True)
    atlas = load_atlas("desikan-killiany", bert)
    assert np.array_equal(atlas.labels, np.concatenate([np.arange(count) % 8 for count in COUNTS.values()]))


def test_flat_patches(bert: SurfaceSpace, subjects_dir: Path, tmp_path: Path, rng: np.random.Generator) -> None:
    whole = bert.mesh("white", "L")
    vertices = np.sort(rng.choice(len(whole.points), 1500, replace=False))
    rows = np.zeros(1500, dtype=[("vertex", ">i4"), ("xyz", ">f4", 3)])
    rows["vertex"] = (vertices + 1) * np.where(np.arange(1500) % 5, 1, -1)  # border vertices are negative
    rows["xyz"] = rng.standard_normal((1500, 3))
    content = np.array([-1, 1500], dtype=">i4").tobytes() + rows.tobytes()
    path = tmp_path / "lh.full.flat.patch.3d"
    path.write_bytes(content)
    flat = freesurfer_patch(path, whole)
    assert np.allclose(flat.points[vertices, :2], rows["xyz"][:, :2])
    inside = np.isin(whole.triangles, vertices).all(axis=1)
    assert np.array_equal(flat.triangles, whole.triangles[inside])
    path.write_bytes(content[:-8])
    with pytest.raises(InputError, match="truncated"):
        freesurfer_patch(path, whole)
    with pytest.raises(InputError, match="no flat patch"):
        bert.mesh("flat", "L")
    assert drawing_surface(bert) == surface_space("fsaverage5")


def test_figures_of_a_subject_without_a_flat_patch(bert: SurfaceSpace, rng: np.random.Generator) -> None:
    """The inflated cortex is that of the subject; the flatmap that of fsaverage5, with the atlas there."""
    scores, atlas = rng.random(bert.n_targets), load_atlas("hcp-mmp1", bert)
    solid = figures.surface(scores, bert, atlas, views=("lateral",))
    assert "on the inflated cortex of bert" in solid.caption
    assert "3,204 of 3,204 vertices of bert were tested" in solid.caption
    assert len(solid.table) == bert.n_targets
    flat = figures.score_map(scores, bert, atlas, view="zoom")
    assert "20,484 vertices of fsaverage5" in flat.caption


def test_damaged_or_absent_subjects(subjects_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="SUBJECTS_DIR"):
        freesurfer_subject("ernie", subjects_dir)
    monkeypatch.setenv("SUBJECTS_DIR", str(subjects_dir))
    assert surface_space("freesurfer:bert") == freesurfer_subject("bert", subjects_dir)
    broken = tmp_path / "broken" / "surf"
    broken.mkdir(parents=True)
    for hemi in "lr":
        (broken / f"{hemi}h.white").write_bytes((subjects_dir / "bert/surf/lh.white").read_bytes()[:500])
    with pytest.raises(InputError, match="cannot be read"):
        freesurfer_subject("broken", tmp_path)
    points, triangles = nib.freesurfer.read_geometry(subjects_dir / "bert/surf/lh.white")
    for damaged in ((points * np.nan, triangles), (points, triangles + len(points))):
        nib.freesurfer.write_geometry(broken / "lh.white", *damaged)
        with pytest.raises(InputError, match=r"a mesh is damaged[\s\S]*lh.white"):
            SurfaceSpace("broken", (2562, 642), FreeSurferFiles(tmp_path / "broken")).mesh("white", "L")


def test_fsaverage6_is_useful_without_its_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NILEARN_DATA", str(tmp_path))
    space = surface_space("fsaverage6")
    assert space.n_targets == 81924
    with pytest.raises(InputError, match=r"pial mesh[\s\S]*fetch_surf_fsaverage"):
        space.mesh("pial", "L")
    sphere = space.mesh("sphere", "L")
    assert len(sphere.triangles) == 2 * 40962 - 4
    normals = np.cross(*(sphere.points[sphere.triangles[:, i]] - sphere.points[sphere.triangles[:, 0]] for i in (1, 2)))
    assert ((normals * sphere.points[sphere.triangles[:, 0]]).sum(axis=1) > 0).all()
    five = surface_space("fsaverage5")
    values = np.concatenate([five.mid_points(hemi)[:, 0] for hemi in HEMISPHERES])
    up = resample(values, five, space)
    for hemi, other in zip(HEMISPHERES, (0, 40962), strict=True):  # the first vertices are those of fsaverage5
        assert np.allclose(up[0, other : other + 10242], values[five.hemisphere(hemi)], atol=0.01)
    assert np.allclose(resample(up, space, five)[0], values, atol=0.01)
    folder = tmp_path / "fsaverage6"
    folder.mkdir()
    (folder / "pial_left.gii.gz").write_bytes(five.files.path("pial", "L").read_bytes())
    with pytest.raises(InputError, match="another number of vertices"):
        surface_space("fsaverage6").mesh("pial", "L")


def test_triangles_of_the_sphere_are_those_of_fsaverage5() -> None:
    """The hull of the first vertices is the surface that nilearn ships."""

    def known(mesh: Mesh) -> set[tuple[int, ...]]:
        return set(map(tuple, np.sort(mesh.triangles, axis=1).tolist()))

    for hemi in HEMISPHERES:
        ours = SphereFiles("fsaverage5", 10242, "").mesh("sphere", hemi)
        assert known(ours) == known(surface_space("fsaverage5").mesh("sphere", hemi))


@pytest.fixture(scope="module")
def filestore(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pycortex subject with the surfaces of fsaverage5 and one aligned volume."""
    store = tmp_path_factory.mktemp("store")
    surfaces, transform = store / "S9" / "surfaces", store / "S9" / "transforms" / "run1"
    surfaces.mkdir(parents=True)
    transform.mkdir(parents=True)
    space = surface_space("fsaverage5")
    for hemi in HEMISPHERES:
        for kind, stem in {"white": "wm", "pial": "pia", "inflated": "inflated", "flat": "flat"}.items():
            mesh = space.mesh(kind, hemi)  # type: ignore[arg-type]
            arrays = [
                nib.gifti.GiftiDataArray(mesh.points.astype("f4"), intent="NIFTI_INTENT_POINTSET"),
                nib.gifti.GiftiDataArray(mesh.triangles.astype("i4"), intent="NIFTI_INTENT_TRIANGLE"),
            ]
            nib.save(nib.gifti.GiftiImage(darrays=arrays), surfaces / f"{stem}_{hemi.lower()}h.gii")
    affine = np.array([[-5.0, 0, 0.5, 85], [0, 5, 0, -115], [0.5, 0, 5, -70], [0, 0, 0, 1]])
    (transform / "matrices.xfm").write_text(f'{{"coord": {np.linalg.inv(affine).tolist()}}}')
    nib.save(nib.Nifti1Image(np.ones((35, 42, 33), dtype=np.uint8), affine), transform / "reference.nii.gz")
    nib.save(nib.Nifti1Image(np.ones((35, 42, 33), dtype=np.uint8), affine), transform / "mask_thick.nii.gz")
    return store


def test_a_pycortex_subject_without_pycortex(filestore: Path) -> None:
    loaded = set(sys.modules)
    space = pycortex_subject("S9", filestore)
    fsaverage = surface_space("fsaverage5")
    assert space.counts == fsaverage.counts
    assert np.allclose(space.mesh("flat", "R").points, fsaverage.mesh("flat", "R").points, atol=1e-3)
    assert drawing_surface(space) == space
    assert "cortex" not in set(sys.modules) - loaded
    with pytest.raises(InputError, match="no registered sphere"):
        surface_to_surface(space, fsaverage)
    with pytest.raises(InputError, match="S9"):
        pycortex_subject("S8", filestore)


def test_curvature_is_computed_where_none_is_stored(filestore: Path) -> None:
    """On the same surface FreeSurfer measured it."""
    depth = pycortex_subject("S9", filestore).sulcal_depth("L")
    assert np.corrcoef(depth, surface_space("fsaverage5").sulcal_depth("L"))[0, 1] > 0.5
    bowl = surface_space("fsaverage5").mesh("sphere", "L")
    assert (mean_curvature(bowl) < 0).all()  # a ball is a gyrus everywhere


def test_an_aligned_volume_has_the_voxel_order_of_pycortex(filestore: Path) -> None:
    volume, space = pycortex_volume("S9", "run1", filestore=filestore), pycortex_subject("S9", filestore)
    stored = nib.load(filestore / "S9/transforms/run1/mask_thick.nii.gz")
    xyz = np.stack(np.meshgrid(*(np.arange(n) for n in stored.shape), indexing="ij"), axis=-1)
    points = nib.affines.apply_affine(stored.affine, xyz)
    linear = (points @ [1.0, 2, -1]).T[stored.get_fdata().T != 0]  # how pycortex flattens a masked volume
    sampled = resample(linear, volume, space)[0]
    truth = np.concatenate([space.mid_points(hemi) for hemi in HEMISPHERES]) @ [1.0, 2, -1]
    assert np.allclose(sampled, truth, atol=2e-3)
    with pytest.raises(InputError, match="run1"):
        pycortex_volume("S9", "run2", filestore=filestore)


def test_mapper_files(tmp_path: Path, rng: np.random.Generator) -> None:
    """The layout of the Gallant lab's shared data; the picture as their plotting function makes it."""
    n_voxels, n_fsaverage = 300, 327684
    flatmap = rng.random((40, 20)) > 0.4
    to_pixels = random_array((int(flatmap.sum()), n_voxels), density=0.01, format="csr", rng=rng)
    to_pixels = (to_pixels.multiply(1 / np.maximum(to_pixels.sum(axis=1), 1e-9)[:, None])).tocsr()
    vertices = np.arange(n_fsaverage) % (2 * n_voxels)
    keep = vertices < n_voxels
    path = tmp_path / "S01_mappers.hdf"
    with h5py.File(path, "w") as file:
        for part in ("data", "indices", "indptr", "shape"):
            file[f"voxel_to_flatmap_{part}"] = getattr(to_pixels, part)
        file["voxel_to_fsaverage_data"] = np.ones(keep.sum())
        file["voxel_to_fsaverage_indices"] = vertices[keep]
        file["voxel_to_fsaverage_indptr"] = np.concatenate([[0], np.cumsum(keep)])
        file["voxel_to_fsaverage_shape"] = (n_fsaverage, n_voxels)
        file["flatmap_mask"] = flatmap
        file["roi_mask_AC"] = np.arange(n_voxels) < 9
    mapper = PycortexMapper.from_file(path)
    assert (mapper.n_targets, mapper.rois["AC"].sum(), mapper.name) == (n_voxels, 9, "S01_mappers")
    values = rng.standard_normal(n_voxels)
    expected = np.full(flatmap.shape, np.nan)
    expected[flatmap] = np.where(to_pixels.sum(axis=1) == 0, np.nan, to_pixels @ values)
    assert np.allclose(mapper.picture(values)[0], expected.T[::-1], equal_nan=True, atol=1e-5)
    on_surface = resample(values, mapper, surface_space("fsaverage"))[0]
    assert np.allclose(on_surface[keep], values[vertices[keep]], atol=1e-6)
    assert np.isnan(on_surface[~keep]).all()
    assert drawing_surface(mapper) == surface_space("fsaverage5")
    with h5py.File(path, "a") as file:
        del file["flatmap_mask"]
        file["flatmap_mask"] = flatmap[:-1]
    with pytest.raises(InputError, match="does not fit its flatmap"):
        PycortexMapper.from_file(path)
    path.write_bytes(b"not HDF5")
    with pytest.raises(InputError, match="not a mapper file"):
        PycortexMapper.from_file(path)
