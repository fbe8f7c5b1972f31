"""Arrays of GIfTI files by their intents, labels by number and name, volumes whose header says nothing."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.gifti import GiftiDataArray, GiftiImage, GiftiMetaData

from b2m_encoding.data.surface import open_gifti
from b2m_encoding.data.volume import open_volumes, read_mask
from b2m_encoding.errors import InputError
from b2m_encoding.spaces import load_atlas, surface_space
from b2m_encoding.spaces.files import load_image
from b2m_encoding.spaces.labels import read_annot, read_volume
from b2m_encoding.spaces.volume import VolumeSpace

T, V = 5, 10242
SERIES = {hemi: np.random.default_rng(i).standard_normal((T, V)).astype(np.float32) for i, hemi in enumerate("LR")}
SHUFFLED = np.random.default_rng(2).permutation(V).astype(np.int32)


def array(values: np.ndarray, intent: str, **options: object) -> GiftiDataArray:
    kind = {"f": "FLOAT32", "i": "INT32"}[values.dtype.kind]
    return GiftiDataArray(values, intent=f"NIFTI_INTENT_{intent}", datatype=f"NIFTI_TYPE_{kind}", **options)


def series(values: np.ndarray, intent: str = "TIME_SERIES") -> list[GiftiDataArray]:
    return [array(row, intent) for row in values]


NODES = array(np.arange(V, dtype=np.int32), "NODE_INDEX")
KINDS = {
    "nodes first": lambda y: [NODES, *series(y)],
    "nodes last": lambda y: [*series(y, "NONE"), NODES],
    "nodes in another order": lambda y: [array(SHUFFLED, "NODE_INDEX"), *series(y[:, SHUFFLED])],
    "with a shape": lambda y: [array(np.ones(V, np.float32), "SHAPE"), *series(y)],
    "with a surface": lambda y: [array(np.zeros((V, 3), np.float32), "POINTSET"), *series(y)],
    "with labels": lambda y: [array(np.zeros(V, np.int32), "LABEL"), *series(y, "NORMAL")],
    "no intent": lambda y: series(y, "NONE"),
    "one array, vertices first": lambda y: [array(np.asfortranarray(y.T), "TIME_SERIES", ordering="F")],
    "one array, volumes first": lambda y: [array(y, "TIME_SERIES")],
    "columns": lambda y: series(y[:, :, None]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_series_are_the_arrays_of_a_series(kind: str, tmp_path: Path) -> None:
    for hemi, values in SERIES.items():
        nib.save(GiftiImage(darrays=KINDS[kind](values)), tmp_path / f"hemi-{hemi}.func.gii")
    found = open_gifti(tmp_path / "hemi-L.func.gii", tmp_path / "hemi-R.func.gii", surface_space("fsaverage5"))
    assert found.n_samples == T
    assert np.array_equal(found.read(), np.concatenate(list(SERIES.values()), axis=1))


def test_vertices_that_a_list_of_nodes_leaves_out_are_missing(tmp_path: Path) -> None:
    some = np.sort(SHUFFLED[:500])
    for hemi, values in SERIES.items():
        parts = [array(some, "NODE_INDEX"), *series(values[:, some])]
        nib.save(GiftiImage(darrays=parts), tmp_path / f"hemi-{hemi}.func.gii")
    files = tmp_path / "hemi-L.func.gii", tmp_path / "hemi-R.func.gii"
    found = open_gifti(*files, surface_space("fsaverage5")).read()
    assert found.shape == (T, 2 * V)
    assert np.isfinite(found).sum() == T * 2 * 500
    assert np.array_equal(found[:, some], SERIES["L"][:, some])
    wrong = [array(np.r_[some[:-1], V].astype(np.int32), "NODE_INDEX"), *series(SERIES["L"][:, some])]
    nib.save(GiftiImage(darrays=wrong), files[0])
    with pytest.raises(InputError, match="no vertices of its surface"):
        open_gifti(*files, surface_space("fsaverage5")).read()


def test_long_metadata_and_trailing_bytes(tmp_path: Path) -> None:
    meta = GiftiMetaData({"Provenance": "wb_command " * 40_000, "TimeStep": "1500"})
    for hemi, values in SERIES.items():
        path = tmp_path / f"hemi-{hemi}.func.gii"
        nib.save(GiftiImage(meta=meta, darrays=series(values)), path)
        path.write_bytes(path.read_bytes() + b"\n" * 300 + b"\0" * 50_000)
    found = open_gifti(tmp_path / "hemi-L.func.gii", tmp_path / "hemi-R.func.gii", surface_space("fsaverage5"))
    assert (found.n_samples, found.tr) == (T, 1.5)
    assert np.array_equal(found.read()[:, :V], SERIES["L"])


NAMES = {1: "Area 44", 2: "Area 45", 3: "Heschl's Gyrus, left"}
TABLES = {
    "index and name": "index\tname\n" + "".join(f"{k}\t{v}\n" for k, v in NAMES.items()),
    "id and label, commas": "id,label\n" + "".join(f'{k},"{v}"\n' for k, v in NAMES.items()),
    "tabs": "".join(f"{k}\t{v}\n" for k, v in NAMES.items()),
    "blanks": "# made by x\n" + "".join(f"{k} {v}\n" for k, v in NAMES.items()),
    "with colours": "".join(f"{k} {v} 120 {k} 0 255\n" for k, v in NAMES.items()),
    "ITK-SNAP": "".join(f'{k}  {k} 20 30  1 1 1  "{v}"\n' for k, v in NAMES.items()),
}


@pytest.mark.parametrize("kind", TABLES)
def test_names_of_labels_are_whole(kind: str, tmp_path: Path) -> None:
    data = np.zeros((6, 6, 6), np.int16)
    for key in NAMES:
        data[2 * key - 2 : 2 * key] = key
    nib.save(nib.Nifti1Image(data, np.diag([2.0, 2, 2, 1])), tmp_path / "a.nii.gz")
    (tmp_path / "a.txt").write_text(TABLES[kind])
    atlas = load_atlas(str(tmp_path / "a.nii.gz"), VolumeSpace(data > 0, np.diag([2.0, 2, 2, 1]), "MNI152NLin6Asym"))
    assert {name: int(atlas.mask(name).sum()) for name in atlas.regions} == dict.fromkeys(NAMES.values(), 72)


def test_labels_of_one_name_are_told_apart_by_their_numbers(tmp_path: Path) -> None:
    data = np.arange(8, dtype=np.int16).reshape(2, 2, 2)
    nib.save(nib.Nifti1Image(data, np.eye(4)), tmp_path / "a.nii")
    (tmp_path / "a.tsv").write_text("index\tname\n1\tGyrus\n2\tGyrus\n3\tPole\n")
    assert read_volume(tmp_path / "a.nii", None, "MNI152NLin6Asym").names == {1: "Gyrus (1)", 2: "Gyrus (2)", 3: "Pole"}
    (tmp_path / "a.tsv").write_text("index\tname\n1\tGyrus\n1\tPole\n")
    with pytest.raises(InputError, match="twice"):
        read_volume(tmp_path / "a.nii", None, "MNI152NLin6Asym")


def test_labels_that_share_a_colour_are_refused(tmp_path: Path) -> None:
    colours = np.array([[10, 20, 30, 0, 0], [10, 20, 30, 0, 0], [1, 2, 3, 0, 0]])
    colours[:, 4] = colours[:, 0] + 256 * colours[:, 1] + 65536 * colours[:, 2]
    for hemi in "lr":
        nib.freesurfer.write_annot(tmp_path / f"{hemi}h.annot", np.arange(V) % 3, colours, ["a", "b", "c"])
    with pytest.raises(InputError, match=r"share a colour(?s:.)*a, b"):
        read_annot({"L": tmp_path / "lh.annot", "R": tmp_path / "rh.annot"}, surface_space("fsaverage5"))


@pytest.mark.parametrize("codes", [(0, 0), (9, 0), (0, -1)])
def test_a_header_without_a_place_is_no_place(codes: tuple[int, int], tmp_path: Path) -> None:
    affine = np.diag([2.0, 2, 2, 1])
    nib.save(nib.Nifti1Image(np.ones((4, 4, 4, 3), np.int16), affine), tmp_path / "bold.nii")
    nib.save(nib.Nifti1Image(np.ones((4, 4, 4), np.uint8), affine), tmp_path / "mask.nii")
    space = read_mask(tmp_path / "mask.nii", "MNI152NLin6Asym")
    assert open_volumes(tmp_path / "bold.nii", space).n_samples == 3
    content = bytearray((tmp_path / "bold.nii").read_bytes())
    content[252:256] = np.array(codes, "<i2").tobytes()
    (tmp_path / "bold.nii").write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"not even which side is left|cannot be read"):
        open_volumes(tmp_path / "bold.nii", space)


@pytest.mark.parametrize("name", ["a.func.gii", "a.shape.gii.gz", "A.GII"])
def test_values_in_another_file_are_refused(name: str, tmp_path: Path) -> None:
    """They are no input that is hashed, and might lie anywhere."""
    xml = GiftiImage(darrays=series(np.zeros((1, 4), np.float32))).to_xml()
    assert xml.count(b'ExternalFileName=""') == 1
    xml = xml.replace(b'ExternalFileName=""', b'ExternalFileName="a.dat"')
    (tmp_path / name).write_bytes(gzip.compress(xml) if name.endswith("gz") else xml)
    np.zeros(4, np.float32).tofile(tmp_path / "a.dat")
    with pytest.raises(InputError, match="values of a GIfTI file lie in another file") as error:
        load_image(tmp_path / name)
    assert error.value.found == "a.dat"
    if not name.endswith("gz"):
        with pytest.raises(InputError, match="lie in another file"):
            open_gifti(tmp_path / name, tmp_path / name, surface_space("fsaverage5"))
