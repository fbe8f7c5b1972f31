"""Every format of responses, masks, features and events that is advertised is run, from files to a results folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
import zarr

from b2m_encoding.errors import InputError
from b2m_encoding.phantom import simulate_arrays
from b2m_encoding.results.reader import Results
from b2m_encoding.spaces import grayordinate_space, surface_space, write_maps
from b2m_encoding.study import load_study
from b2m_encoding.workflow.run import explain_study, run_study

from ..conftest import without_figures

N_TARGETS, N_SAMPLES, TR = 12, 60, 1.5
TIMES = range(2, 80, 6)
EVENTS = "onset\tduration\ttrial_type\n" + "".join(f"{time}\t3\t{'ab'[time % 4 // 2]}\n" for time in TIMES)
Write = Callable[[Path, np.ndarray], str]


def study_of(folder: Path) -> Path:
    study = simulate_arrays(folder / "study", n_subjects=1, n_targets=N_TARGETS, n_samples=N_SAMPLES)
    study.write_text(study.read_text().replace("[statistics]", "[statistics]\naudit = false\npartition = false"))
    return without_figures(study)


def run(study: Path) -> Results:
    """Run a study, after an explanation that writes nothing; a second run has nothing to do."""
    if not (study.parent / "results").exists():
        assert not any(state.done for state in explain_study(load_study(study)).values())
        assert not list(study.parent.glob(".results*"))
    run_study(load_study(study), study)
    assert all(state.done for state in explain_study(load_study(study)).values())
    return Results.open(study.parent / "results")


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Prediction accuracy from npy files."""
    return run(study_of(tmp_path_factory.mktemp("npy"))).map("01", "joint", "r")


def write_npy(path: Path, values: np.ndarray) -> str:
    np.save(path.with_suffix(".npy"), values)
    return f"{path.name}.npy"


def hdf5(suffix: str, **options: object) -> Write:
    def write(path: Path, values: np.ndarray) -> str:
        with h5py.File(path.with_suffix(suffix), "w") as file:
            file.create_dataset("run/bold", data=values, **options)
        return f"{path.name}{suffix}::run/bold"

    return write


def zarr_array(version: int, key: str = "", **options: object) -> Write:
    def write(path: Path, values: np.ndarray) -> str:
        store = str(path.with_suffix(".zarr"))
        zarr.create_array(store, name=key or None, data=values, zarr_format=version, **options)  # type: ignore[arg-type]
        return f"{path.name}.zarr" + (f"::{key}" if key else "")

    return write


ARRAYS: dict[str, Write] = {
    ".npy": write_npy,
    ".h5": hdf5(".h5"),
    ".hdf5 in compressed chunks": hdf5(".hdf5", chunks=(16, 5), compression="gzip"),
    ".hdf": hdf5(".hdf"),
    ".zarr 2": zarr_array(2, chunks=(16, 5)),
    ".zarr 3": zarr_array(3, chunks=(16, 5)),
    ".zarr 2 in a group": zarr_array(2, "bold"),
    ".zarr 3 in a group, sharded": zarr_array(3, "a/bold", chunks=(10, 4), shards=(20, 12)),
}


def rewritten(study: Path, write: Write, change: Callable[[np.ndarray], np.ndarray] = lambda values: values) -> None:
    """Write the responses of a study in another format."""
    text = study.read_text()
    for path in sorted((study.parent / "responses").glob("*.npy")):
        values = change(np.load(path))
        path.unlink()
        name = write(path.with_suffix(""), values)
        text = text.replace(f"{{subject}}{path.name[2:]}", name.replace("01_", "{subject}_", 1))
    study.write_text(text)


@pytest.mark.parametrize("kind", list(ARRAYS))
def test_arrays_of_responses(kind: str, tmp_path: Path, expected: np.ndarray) -> None:
    study = study_of(tmp_path)
    rewritten(study, ARRAYS[kind])
    results = run(study)
    np.testing.assert_array_equal(results.map("01", "joint", "r"), expected)
    inputs = results.provenance["inputs"]
    assert len([name for name in inputs if name.startswith("responses/01_train")]) == 3
    assert all(len(digest) == 64 for digest in inputs.values())


def test_transposed_arrays(tmp_path: Path, expected: np.ndarray) -> None:
    study = study_of(tmp_path)
    rewritten(study, zarr_array(3), np.transpose)
    study.write_text(study.read_text().replace("tr = 1.5", "tr = 1.5\ntransposed = true"))
    np.testing.assert_array_equal(run(study).map("01", "joint", "r"), expected)


def test_another_chunk_of_a_zarr_folder_is_another_input(tmp_path: Path) -> None:
    study = study_of(tmp_path)
    rewritten(study, zarr_array(3, chunks=(16, 5)))
    before = run(study)
    r, digest = before.map("01", "joint", "r"), before.provenance["inputs"]["responses/01_train-1.zarr"]
    array = zarr.open_array(str(study.parent / "responses/01_train-1.zarr"), mode="r+")
    array[:] = np.asarray(array)[::-1]
    reasons = {name: state.reason for name, state in explain_study(load_study(study)).items() if not state.done}
    assert "file 01_train-1.zarr changed" in reasons["fit/sub-01_targets-0-12"]
    after = run(study)
    assert after.provenance["inputs"]["responses/01_train-1.zarr"] != digest
    assert not np.array_equal(after.map("01", "joint", "r"), r)


@pytest.mark.parametrize("version", [2, 3])
def test_a_missing_chunk_is_damage(version: int, tmp_path: Path) -> None:
    study = study_of(tmp_path)
    rewritten(study, zarr_array(version, chunks=(16, 5)))
    chunk = "1.1" if version == 2 else "c/1/1"
    (study.parent / "responses/01_train-2.zarr" / chunk).unlink()
    with pytest.raises(InputError, match=r"chunks of an array are missing[\s\S]*01_train-2\.zarr[\s\S]*11 of 12"):
        run_study(load_study(study), study)
    assert not (study.parent / "results").exists()


def test_a_chunk_of_hdf5_that_was_never_written_is_damage(tmp_path: Path) -> None:
    study = study_of(tmp_path)
    rewritten(study, ARRAYS[".h5"])
    path = study.parent / "responses/01_train-2.h5"
    for chunks, found in (((16, 5), "3 of 12"), (None, "0 of 1")):
        with h5py.File(path, "w") as file:
            data = file.create_dataset("run/bold", shape=(N_SAMPLES, N_TARGETS), dtype="f4", chunks=chunks)
            if chunks:
                data[:16] = 1.0
        with pytest.raises(InputError, match=f"chunks of an array are missing[\\s\\S]*{found}"):
            run_study(load_study(study), study)


@pytest.mark.parametrize("kind", ["external link", "link through a group", "virtual", "external storage"])
def test_values_in_another_hdf5_file_are_refused(kind: str, tmp_path: Path) -> None:
    """The hash of an input is that of the file which the study names."""
    study = study_of(tmp_path)
    rewritten(study, ARRAYS[".h5"])
    folder = study.parent / "responses"
    (folder / "01_train-2.h5").rename(folder / "other.h5")
    with h5py.File(folder / "01_train-2.h5", "w") as file:
        if kind == "external link":
            file["run/bold"] = h5py.ExternalLink("other.h5", "run/bold")
        elif kind == "link through a group":
            file["run"] = h5py.ExternalLink("other.h5", "run")
        elif kind == "virtual":
            layout = h5py.VirtualLayout((N_SAMPLES, N_TARGETS), "f4")
            layout[:] = h5py.VirtualSource("other.h5", "run/bold", (N_SAMPLES, N_TARGETS))
            file.create_virtual_dataset("run/bold", layout)
        else:
            external = [(str(folder / "raw.bin"), 0, N_SAMPLES * N_TARGETS * 4)]
            data = file.create_dataset("run/bold", (N_SAMPLES, N_TARGETS), "f4", external=external)
            data[:] = np.ones((N_SAMPLES, N_TARGETS))
    with pytest.raises(InputError, match=r"values of an array lie in another file[\s\S]*01_train-2\.h5::run/bold"):
        run_study(load_study(study), study)


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".txt"])
@pytest.mark.parametrize("header", [True, False])
def test_tables_of_regions(suffix: str, header: bool, tmp_path: Path) -> None:
    study = study_of(tmp_path)
    folder = study.parent
    names = [f"area{i}" for i in range(N_TARGETS)]
    parts = [np.load(path) for path in sorted((folder / "responses").glob("01_*.npy"))]
    separator = {".tsv": "\t", ".csv": ",", ".txt": "  "}[suffix]
    rows = [names] if header else []
    rows += [[f"{value:.6f}" for value in row] for row in np.concatenate(parts)]
    (folder / f"01{suffix}").write_text("\n".join(separator.join(map(str, row)) for row in rows) + "\n")
    features = np.concatenate([np.load(path) for path in sorted((folder / "features").glob("sound_*.npy"))])
    np.save(folder / "features/all_run-01.npy", features)
    study.write_text(
        f'name = "Table"\noutput = "results"\n[data]\nreader = "table"\nfiles = "{{subject}}{suffix}"\ntr = 1.5\n'
        f'subjects = ["01"]\nregions = {json.dumps(names)}\n[features.sound]\nextractor = "array"\n'
        'files = "features/all_{run}.npy"\n[model]\ndelays = [1.5, 3.0]\nblocks = 3\n'
        '[evaluation]\nkind = "cross-validation"\nblocks = 5\ngap = 3.0\n[statistics]\npermutations = 200\n'
        "refits = 1000\n"
        "bootstraps = 100\n[figures]\nreport = []\n"
    )
    assert run(study).map("01", "joint", "r").shape == (N_TARGETS,)


def volume_study(tmp_path: Path, image: str, mask: str) -> Path:
    study = study_of(tmp_path)
    affine = np.diag([2.0, 2, 2, 1])

    def write(path: Path, values: np.ndarray) -> str:
        made = nib.Nifti1Image(values.T.reshape(3, 2, 2, -1).astype(np.float32), affine)
        made.header.set_zooms((2, 2, 2, TR))
        made.header.set_xyzt_units("mm", "sec")
        nib.save(made, path.with_name(path.name + image))
        return path.name + image

    rewritten(study, write)
    nib.save(nib.Nifti1Image(np.ones((3, 2, 2), np.uint8), affine), study.parent / f"mask{mask}")
    text = (
        study.read_text()
        .replace('reader = "array"', 'reader = "volume"')
        .replace("files = { train", "images = { train")
    )
    study.write_text(text.replace("tr = 1.5", f'tr = 1.5\nspace = "native"\nmask = "mask{mask}"'))
    return study


@pytest.mark.parametrize(("image", "mask"), [(".nii", ".nii"), (".nii.gz", ".nii.gz"), (".nii.gz", ".nii")])
def test_volumes_with_a_mask(image: str, mask: str, tmp_path: Path, expected: np.ndarray) -> None:
    results = run(volume_study(tmp_path, image, mask))
    found = results.map("01", "joint", "r")
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert f"mask{mask}" in results.provenance["inputs"]


def with_events(study: Path, name: str, content: bytes, options: str = "") -> None:
    (study.parent / name).write_bytes(content)
    runs = ("train-1", "train-2", "train-3", "test-1", "test-2")
    events = ", ".join(f'{run} = "{name}"' for run in runs)
    table = '[features.events]\nextractor = "conditions"\ngroups = { a = ["a"], b = ["b"] }\n'
    study.write_text(
        study.read_text().replace("[features.sound]", f"events = {{ {events} }}\n{options}{table}[features.sound]")
    )


BARE = "\n".join(line.replace("\t", "  ") for line in EVENTS.splitlines()[1:])
COLUMNS = 'event_columns = ["onset", "duration", "trial_type"]\n'
EVENT_FILES: Mapping[str, tuple[str, bytes, str]] = {
    "tab-separated": ("events.tsv", EVENTS.encode(), ""),
    "with a byte-order mark and CRLF": ("events.tsv", b"\xef\xbb\xbf" + EVENTS.replace("\n", "\r\n").encode(), ""),
    "UTF-16": ("events.tsv", EVENTS.encode("utf-16"), ""),
    "without a header": ("events.txt", BARE.encode(), COLUMNS),
}


@pytest.mark.parametrize("kind", list(EVENT_FILES))
def test_event_tables(kind: str, tmp_path: Path) -> None:
    study = study_of(tmp_path)
    with_events(study, *EVENT_FILES[kind])
    results = run(study)
    assert results.feature_spaces == ("events", "sound", "words")
    assert EVENT_FILES[kind][0] in results.provenance["inputs"]


CLIP_EVENTS = "onset\tduration\tgenre\ttrack\tstart\n" + "".join(
    f"{15 * i}\t15\trock\t{i + 1}\t0\n" for i in range(N_SAMPLES * 3 // 2 // 15)
)


def clip_files(folder: Path, kind: str) -> str:
    """Write embeddings of every clip, one row of four numbers each."""
    rng = np.random.default_rng(0)
    clips = {f"rock.{i + 1:05d}": rng.standard_normal(4).astype(np.float32) for i in range(6)}
    if kind == "one npz":
        np.savez(folder / "clips.npz", **clips)
        return 'files = "clips.npz"'
    if kind == "one npy with ids":
        np.save(folder / "clips.npy", np.stack(list(clips.values())))
        (folder / "ids.txt").write_text("\n".join(clips) + "\n")
        return 'files = "clips.npy"\nids = "ids.txt"'
    (folder / "clips").mkdir()
    for name, values in clips.items():
        if kind == "npy per clip":
            np.save(folder / f"clips/{name}.npy", values)
        else:
            np.savez(folder / f"clips/{name}.npz", values)
    return f'files = "clips/{{clip}}.{kind.partition(" ")[0]}"'


@pytest.mark.parametrize("kind", ["npy per clip", "npz per clip", "one npz", "one npy with ids"])
def test_embeddings_of_clips(kind: str, tmp_path: Path) -> None:
    study = study_of(tmp_path)
    table = f'[features.clips]\nextractor = "mulan_precomputed"\ndim = 4\n{clip_files(study.parent, kind)}\n'
    (study.parent / "events.tsv").write_text(CLIP_EVENTS)
    events = ", ".join(f'{run} = "events.tsv"' for run in ("train-1", "train-2", "train-3", "test-1", "test-2"))
    study.write_text(study.read_text().replace("[features.sound]", f"events = {{ {events} }}\n{table}[features.sound]"))
    study.write_text(study.read_text().replace("[statistics]", "[statistics]\nblock = 9.0"))
    results = run(study)
    assert "clips" in results.feature_spaces
    assert [name for name in results.provenance["inputs"] if name.startswith("clips")]


def preprocessed(tmp_path: Path, write: Callable[[Path, np.ndarray], None]) -> Path:
    """A BIDS data set whose responses are written by a function of file stem and values of a dozen targets."""
    study = study_of(tmp_path)
    root = study.parent / "bids"
    func = root / "derivatives/fmriprep/sub-01/func"
    for folder in (func, root / "sub-01/func"):
        folder.mkdir(parents=True)
    (root / "dataset_description.json").write_text(json.dumps({"Name": "simulated", "BIDSVersion": "1.8.0"}))
    (root / "task-test_bold.json").write_text(json.dumps({"RepetitionTime": TR}))
    names = {"train-1": 1, "train-2": 2, "train-3": 3, "test-1": 4, "test-2": 5}
    for name, number in names.items():
        write(func / f"sub-01_task-test_run-{number:02d}", np.load(study.parent / f"responses/01_{name}.npy"))
        for path in (study.parent / "features").glob(f"*_{name}.npy"):
            path.rename(path.with_name(path.name.replace(name, f"task-test_run-{number:02d}")))
    return study


def bids_study(study: Path, space: str) -> None:
    text = study.read_text()
    data = (
        f'[data]\nreader = "bids"\nroot = "bids"\nderivatives = "bids/derivatives/fmriprep"\ntasks = ["test"]\n'
        f'space = "{space}"\n'
    )
    start, end = text.index("[data]"), text.index("[features.sound]")
    text = text[:start] + data + text[end:]
    study.write_text(text.replace('"test*"', '"*run-0[45]"'))


@pytest.mark.slow
def test_gifti_of_both_hemispheres(tmp_path: Path, expected: np.ndarray) -> None:
    space = surface_space("fsaverage5")

    def write(stem: Path, values: np.ndarray) -> None:
        whole = np.zeros((len(values), space.n_targets), dtype=np.float32)
        whole[:, :N_TARGETS] = values
        write_maps(space, stem.with_name(f"{stem.name}_hemi-{{hemi}}_space-fsaverage5_bold.func.gii"), whole)

    study = preprocessed(tmp_path, write)
    bids_study(study, "fsaverage5")
    found = run(study).map("01", "joint", "r")
    assert np.isnan(found[N_TARGETS:]).all()
    np.testing.assert_allclose(found[:N_TARGETS], expected, atol=1e-6)


@pytest.mark.slow
def test_cifti_series(tmp_path: Path, expected: np.ndarray) -> None:
    axis = grayordinate_space().axis[:N_TARGETS]

    def write(stem: Path, values: np.ndarray) -> None:
        series = nib.cifti2.SeriesAxis(0, TR, len(values))
        image = nib.Cifti2Image(values.astype(np.float32), header=(series, axis))
        nib.save(image, stem.with_name(f"{stem.name}_space-fsLR_den-91k_bold.dtseries.nii"))

    study = preprocessed(tmp_path, write)
    bids_study(study, "fsLR:den-91k")
    np.testing.assert_allclose(run(study).map("01", "joint", "r"), expected, atol=1e-6)
