"""Plain arrays, region tables and nilearn objects: what was stored is what comes back; pickles are refused."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.sparse import csr_array

from b2m_encoding.data import Cleaning
from b2m_encoding.data.arrays import list_variables, read_arrays
from b2m_encoding.data.confounds import read_censoring, read_confound_tables
from b2m_encoding.data.images import responses_from_masker, responses_from_surface_images
from b2m_encoding.data.sources.files import ArraySource
from b2m_encoding.data.sources.table import TableSource
from b2m_encoding.data.table import read_table
from b2m_encoding.errors import InputError, ProblemList
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import PycortexMapper, RegionSpace, SurfaceSpace, Unplaced, VolumeSpace, surface_space
from b2m_encoding.workflow.templates.arrays import find_arrays

TR = 1.5


def store(path: Path, values: np.ndarray) -> Path:
    """Write an array in the format of its name; the path is as a study has it."""
    if path.suffix == ".npy":
        np.save(path, values)
        return path
    if path.suffix == ".h5":
        h5py = pytest.importorskip("h5py", reason="h5py is in the extra arrays")
        with h5py.File(path, "w") as file:
            file["responses/bold"] = values
        return Path(f"{path}::responses/bold")
    zarr = pytest.importorskip("zarr", reason="zarr is in the extra arrays")
    group = zarr.open_group(str(path), mode="w")
    group.create_array("bold", data=values)
    return Path(f"{path}::bold")


@pytest.mark.parametrize("suffix", [".npy", ".h5", pytest.param(".zarr", marks=pytest.mark.filterwarnings("default"))])
@pytest.mark.parametrize("transposed", [False, True])
def test_arrays_come_back(suffix: str, transposed: bool, tmp_path: Path, rng: np.random.Generator) -> None:
    values = {f"run-0{i}": rng.standard_normal((10 + i, 4)).astype(np.float32) for i in (1, 2)}
    files = {name: store(tmp_path / f"{name}{suffix}", v.T if transposed else v) for name, v in values.items()}
    source = ArraySource.model_validate(
        {"reader": "array", "files": files, "tr": TR, "transposed": transposed, "discard": 3.0}
    )
    recording = source.read("01", Cleaning("none", zscore=False))
    assert isinstance(recording.responses.space, Unplaced)
    assert recording.responses.runs.used.sum() == 23 - 4
    assert [path.name for path in recording.inputs] == [f"run-01{suffix}", f"run-02{suffix}"]
    for name, expected in values.items():
        assert np.allclose(recording.responses.load_run(name), expected - expected[2:].mean(axis=0), atol=1e-6)


def test_arrays_in_the_voxels_of_a_mapper_become_pictures(tmp_path: Path, rng: np.random.Generator) -> None:
    """Responses as the Gallant lab shares them: no coordinates, a matrix from voxels to the pixels of a flatmap."""
    flatmap = np.array([[True, False], [True, True]])
    mapper = PycortexMapper(csr_array(np.array([[1.0, 0], [0, 1], [0.5, 0.5]])), flatmap)
    values = rng.standard_normal((6, 2)).astype(np.float32)
    recording = read_arrays({"a": store(tmp_path / "a.npy", values)}, "01", tr=TR, space=mapper)
    assert recording.responses.space is mapper
    picture = mapper.picture(recording.responses.load())
    assert np.allclose(picture[:, 0], np.stack([np.full(6, np.nan), values.mean(axis=1)], 1), equal_nan=True)
    assert np.allclose(picture[:, 1], values)
    with pytest.raises(InputError, match="no responses on mapper"):
        read_arrays({"a": store(tmp_path / "b.npy", values[:, :1])}, "01", tr=TR, space=mapper)


def test_a_damaged_store_is_one_error(tmp_path: Path) -> None:
    """What zarr and numpy raise for damage is not written down; it must not reach the user as it is."""
    file = Path(str(store(tmp_path / "a.zarr", np.ones((9, 3), np.float32))))
    (chunk,) = (path for path in (tmp_path / "a.zarr/bold/c").rglob("*") if path.is_file())
    chunk.write_bytes(b"\0" * 40)
    with pytest.raises(InputError, match="damaged or truncated"):
        read_arrays({"a": file}, "01", tr=TR).responses.load()
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00\x10\x00{'descr': (((\n   ")
    with pytest.raises(InputError, match="array cannot be read"):
        read_arrays({"a": tmp_path / "a.npy"}, "01", tr=TR)


@pytest.mark.parametrize("name", ["a.zarr/zarr.json", "a.zarr/.zgroup", "a.npz", "a.mat", "a.h5"])
@pytest.mark.parametrize(
    "content", ["{}", "[]", '{"zarr_format": 3, "node_type": 4}', '{"node_type": "array"}', "x" * 200]
)
def test_arrays_of_a_damaged_file_are_listed_or_it_is_named(tmp_path: Path, name: str, content: str) -> None:
    for package in ("zarr", "h5py"):
        pytest.importorskip(package, reason=f"{package} is in the extra arrays")
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    file = tmp_path / Path(name).parts[0]
    try:
        assert list_variables(file) == []
    except InputError as error:
        assert error.file == file  # noqa: PT017
    assert find_arrays(tmp_path) is None


def test_pickles_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[{"a": 1}]], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="array cannot be read"):
        read_arrays({"run-01": tmp_path / "a.npy"}, "01", tr=TR)
    h5py = pytest.importorskip("h5py", reason="h5py is in the extra arrays")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=np.array([["a"]], dtype=object), dtype=h5py.string_dtype())
    for name in ("x", "y", ""):
        with pytest.raises(InputError, match="array"):
            read_arrays({"run-01": tmp_path / f"a.h5::{name}"}, "01", tr=TR)


def test_unusable_arrays_are_told_together(tmp_path: Path) -> None:
    np.save(tmp_path / "flat.npy", np.zeros(5))
    np.save(tmp_path / "a.npy", np.zeros((5, 3)))
    (tmp_path / "short.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-20])
    (tmp_path / "x.dat").write_bytes(b"MATLAB")
    names = {"1": "flat.npy", "2": "short.npy", "3": "gone.npy", "4": "x.dat", "5": "a.npy"}
    with pytest.raises(ProblemList) as error:
        read_arrays({run: tmp_path / name for run, name in names.items()}, "01", tr=TR)
    problems = [problem.problem for problem in error.value.problems]
    assert problems == [
        "expected a two-dimensional array of numbers",
        "an array cannot be read",
        "an array is missing",
        "unknown kind of array",
    ]
    np.save(tmp_path / "b.npy", np.zeros((5, 0)))
    with pytest.raises(InputError, match=r"an array is empty[\s\S]*\(5, 0\)"):
        read_arrays({"1": tmp_path / "b.npy"}, "01", tr=TR)
    np.save(tmp_path / "b.npy", np.zeros((5, 4)))
    with pytest.raises(InputError, match="differ in their number of targets"):
        read_arrays({"1": tmp_path / "a.npy", "2": tmp_path / "b.npy"}, "01", tr=TR)
    with pytest.raises(InputError, match="no responses on fsaverage5"):
        read_arrays({"1": tmp_path / "a.npy"}, "01", tr=TR, space="fsaverage5")


@pytest.mark.parametrize("header", [True, False])
def test_region_tables_with_and_without_names(header: bool, tmp_path: Path) -> None:
    rows = ["1.0\t2.0", "n/a\t4.0", "5.0\t6.0"]
    (tmp_path / "t.tsv").write_text("\n".join((["A1\tbelt"] if header else []) + rows) + "\n")
    recording = read_table(tmp_path / "t.tsv", "01", () if header else ("A1", "belt"), TR)
    assert recording.responses.space == RegionSpace(("A1", "belt"))
    assert np.array_equal(recording.responses.load(), [[1, 2], [np.nan, 4], [5, 6]], equal_nan=True)
    with pytest.raises(InputError, match="other columns"):
        read_table(tmp_path / "t.tsv", "01", ("belt", "A1", "A5"), TR)


@pytest.mark.parametrize(
    "text",
    [
        "A1\tbelt\n1.5\t2\nn/a\t4\n",
        "A1;belt\r\n1,5;2\r\nNA;4\r\n",
        '"A1","belt"\n"1.5","2"\n"NaN","4"\n',
        ",A1,belt\n0,1.5,2\n1,,4\n",
        '"A1" "belt"\n"1" 1.5 2\n"2" NA 4\n',
        "# made by hand\n A1   belt \n\n 1.5   2\n null  4.0e0\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_of_numbers_as_programs_export_it(text: str, encoding: str, tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_bytes(text.encode(encoding))
    recording = read_table(tmp_path / "t.tsv", "01", (), TR)
    assert recording.responses.space == RegionSpace(("A1", "belt"))
    assert np.array_equal(recording.responses.load(), [[1.5, 2], [np.nan, 4]], equal_nan=True)


@pytest.mark.parametrize(
    "text", ["1 2\n3\n", "A1\tA1\n1\t2\n", "A1\tbelt\n1\tx\n", "A1\tbelt\n", "", "a\0b", "A1\n1e999\n"]
)
def test_what_is_no_table_of_numbers(text: str, tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text(text)
    with pytest.raises(InputError):
        read_table(tmp_path / "t.tsv", "01", (), TR)


def test_confounds_and_censoring_of_ones_own(tmp_path: Path) -> None:
    runs = Runs.from_lengths({"a": 3}, TR)
    (tmp_path / "c.tsv").write_text("x\tdx\n1\tn/a\n2\t1\n4\t2\n")
    table = read_confound_tables({"a": tmp_path / "c.tsv"}, runs)["a"]
    assert table["dx"].tolist() == [1.5, 1, 2]
    (tmp_path / "motion.txt").write_text("  0.1 -0.2\n 0.3  0.4\n 0 0\n")  # as SPM writes it
    assert read_confound_tables({"a": tmp_path / "motion.txt"}, runs)["a"].shape == (3, 2)
    (tmp_path / "bad.txt").write_text("0\n1\n0\n")
    assert read_censoring({"a": tmp_path / "bad.txt"}, runs)["a"].tolist() == [True, False, True]
    (tmp_path / "short.txt").write_text("0\n1\n")
    with pytest.raises(InputError, match="another number of rows"):
        read_censoring({"a": tmp_path / "short.txt"}, runs)
    with pytest.raises(InputError, match="does not exist"):
        read_confound_tables({"b": tmp_path / "c.tsv"}, runs)
    (tmp_path / "gap.tsv").write_text("x\n1\nn/a\n4\n")
    with pytest.raises(InputError, match="not numbers"):
        read_confound_tables({"a": tmp_path / "gap.tsv"}, runs)


def test_surface_images_come_back(rng: np.random.Generator) -> None:
    space = surface_space("fsaverage5")
    values = {name: rng.standard_normal((6, space.n_targets)).astype(np.float32) for name in ("a", "b")}
    images = {name: space.to_surface_image(v) for name, v in values.items()}
    responses = responses_from_surface_images(images, TR)
    assert responses.space == space
    for name, expected in values.items():
        assert np.array_equal(responses.load_run(name), expected)
        again = space.to_surface_image(responses.load_run(name))
        for side in ("left", "right"):
            assert np.array_equal(again.data.parts[side], images[name].data.parts[side])


def test_surface_images_that_do_not_fit() -> None:
    space = surface_space("fsaverage5")
    image, small = space.to_surface_image(np.zeros((3, space.n_targets))), surface_space("fsLR")
    with pytest.raises(InputError, match="run b is not on fsLR"):
        responses_from_surface_images({"b": image}, TR, small)
    with pytest.raises(InputError, match="1500 s"):
        responses_from_surface_images({"b": image}, 1500.0)
    with pytest.raises(InputError, match="no images"):
        responses_from_surface_images({}, TR)
    one_volume = space.to_surface_image(np.zeros(space.n_targets))
    assert responses_from_surface_images({"a": one_volume}, TR).load().shape == (1, space.n_targets)


def volumes(rng: np.random.Generator, n_samples: int = 8) -> tuple[nib.Nifti1Image, nib.Nifti1Image]:
    mask = rng.random((5, 6, 4)) < 0.4
    data = rng.standard_normal((5, 6, 4, n_samples)).astype(np.float32)
    affine = np.diag([2.0, 2, 2, 1])
    return nib.Nifti1Image(data, affine), nib.Nifti1Image(mask.astype(np.uint8), affine)


def test_maskers_of_voxels_regions_and_surfaces(rng: np.random.Generator) -> None:
    from nilearn.maskers import NiftiLabelsMasker, NiftiMasker, SurfaceMasker

    image, mask = volumes(rng)
    inside = np.asarray(mask.dataobj) > 0
    masker = NiftiMasker(mask_img=mask, standardize=None).fit()
    responses = responses_from_masker(masker, {"a": image}, TR, "MNI152NLin6Asym")
    assert isinstance(responses.space, VolumeSpace)
    assert np.allclose(responses.load(), image.get_fdata()[inside].T, atol=1e-6)

    labels = np.zeros(inside.shape, dtype=np.int16)
    labels[:2], labels[3:] = 1, 2
    masker = NiftiLabelsMasker(nib.Nifti1Image(labels, image.affine), standardize=None).fit()
    responses = responses_from_masker(masker, {"a": image}, TR)
    assert isinstance(responses.space, RegionSpace)
    expected = np.stack([image.get_fdata()[labels == k].mean(axis=0) for k in (1, 2)], axis=1)
    assert np.allclose(responses.load(), expected, atol=1e-5)

    space = surface_space("fsaverage5")
    values = rng.standard_normal((5, space.n_targets)).astype(np.float32)
    kept = rng.random(space.n_targets) < 0.5
    masker = SurfaceMasker(mask_img=space.to_surface_image(kept.astype(np.float32)), standardize=None).fit()
    responses = responses_from_masker(masker, {"a": space.to_surface_image(values)}, TR)
    assert isinstance(responses.space, SurfaceSpace)
    assert np.array_equal(responses.load(), np.where(kept, values, np.nan), equal_nan=True)


def test_a_masker_that_is_not_fitted() -> None:
    from nilearn.maskers import NiftiMasker

    with pytest.raises(InputError, match="not fitted"):
        responses_from_masker(NiftiMasker(), {}, TR)


def test_regions_may_have_numbers_for_names(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("44\t45\n0.1\t0.2\n0.3\t0.4\n")
    assert len(read_table(path, "01", ("44", "45"), TR).responses.runs) == 2
    path.write_text("0\t1\n0.1\t0.2\n0.3\t0.4\n")
    with pytest.raises(InputError, match="counts the columns"):
        read_table(path, "01", ("44", "45"), TR)


def array_source(**options: object) -> ArraySource:
    return ArraySource.model_validate({"reader": "array", "tr": TR, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"files": {"a": "a.npy"}}, "every subject would get the same files"),
        (
            {"files": {"a": "{subject}/a.npy"}, "confounds": {"a": "c.tsv"}},
            "every subject would get the same confounds",
        ),
        ({"files": {"a": "{subject}/a.npy"}, "censor": {"a": "c.txt"}}, "every subject would get the same censor"),
        ({"files": {"a": "{subject}/a.npy", "b": "{subject}/a.npy"}}, "files of two runs are one file"),
        ({"files": {"a": "{subject}/a.npy"}, "subjects": ()}, "no subject is named"),
    ],
)
def test_every_subject_and_run_has_a_file_of_its_own(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        array_source(**{"subjects": ("01", "02"), **options}).list_subjects()


def test_events_may_be_shared_by_subjects() -> None:
    source = array_source(subjects=("01", "02"), files={"a": "{subject}.npy"}, events={"a": "events.tsv"})
    assert source.list_subjects() == ("01", "02")
    with pytest.raises(ValueError, match="a subject is named twice: 01"):
        array_source(subjects=("01", "01"), files={"a": "{subject}.npy"})


@pytest.mark.parametrize("pattern", ["{subject}/t.tsv", "sub-{subject}/sub-{subject}_t.tsv", "t_{subject}.tsv"])
def test_the_label_of_a_table_may_stand_anywhere(pattern: str, tmp_path: Path) -> None:
    for label in ("01", "02"):
        path = tmp_path / pattern.replace("{subject}", label)
        path.parent.mkdir(exist_ok=True)
        path.write_text("A1\tbelt\n1\t2\n3\t4\n")
    source = TableSource.model_validate({"reader": "table", "files": tmp_path / pattern, "tr": TR})
    assert source.list_subjects() == ("01", "02")
    assert source.read("02", Cleaning("none", zscore=False)).files["run-01"].read_text().startswith("A1")


def test_a_repetition_time_in_milliseconds_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((5, 3)))
    (tmp_path / "t.tsv").write_text("A1\tbelt\n1\t2\n")
    with pytest.raises(InputError, match=r"1500 s \(milliseconds"):
        read_arrays({"a": tmp_path / "a.npy"}, "01", tr=1500.0)
    with pytest.raises(InputError, match=r"1500 s \(milliseconds"):
        read_table(tmp_path / "t.tsv", "01", (), 1500.0)


@pytest.mark.parametrize("kind", ["copy by a link", "another way to it", "of two subjects"])
def test_one_file_under_two_names_is_found(kind: str, tmp_path: Path) -> None:
    """The same responses in training and test, or of two subjects, would be a leak that nothing else shows."""
    for name in ("01_a", "01_b", "02_a", "02_b"):
        np.save(tmp_path / f"{name}.npy", np.zeros((5, 3)))
    files = {"a": str(tmp_path / "{subject}_a.npy"), "b": str(tmp_path / "{subject}_b.npy")}
    if kind == "another way to it":
        files["b"] = str(tmp_path / f"../{tmp_path.name}/{{subject}}_a.npy")
    else:
        twin = tmp_path / ("01_b.npy" if kind == "copy by a link" else "02_a.npy")
        twin.unlink()
        twin.symlink_to("01_a.npy")
    with pytest.raises(InputError, match=r"one file(?s:.)*a of 01"):
        array_source(subjects=("01", "02"), files=files).list_subjects()
    held = str(tmp_path / "all.npz")  # several arrays of one file are several
    assert array_source(files={"a": f"{held}::a", "b": f"{held}::b"}).list_subjects() == ("01",)


def test_digits_of_arrays_far_from_zero_are_kept(tmp_path: Path, rng: np.random.Generator) -> None:
    values = rng.standard_normal((40, 3))
    for name, offset in {"near": 0.0, "far": 1.7e9}.items():
        np.save(tmp_path / f"{name}.npy", values + offset)
    recording = read_arrays({name: tmp_path / f"{name}.npy" for name in ("near", "far")}, "01", tr=TR)
    cleaned = recording.prepared(Cleaning("linear")).responses
    assert np.allclose(cleaned.load_run("far"), cleaned.load_run("near"), atol=1e-4)
    assert recording.responses.read_run("near").dtype == np.float32
