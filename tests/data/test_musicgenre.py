"""The Music Genre data set: the published events pass, every deviation is told, and the authors' arrays are placed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from b2m_encoding.data import Cleaning, Responses, average_repeats
from b2m_encoding.data.musicgenre import VOLUMES, check_design, run_names
from b2m_encoding.data.recording import Recording
from b2m_encoding.data.sources.musicgenre import MusicGenreSource, ZenodoSource
from b2m_encoding.errors import InputError, ProblemList
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import Unplaced
from b2m_encoding.stats.ceilings import find_repeats

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
HEADER = "onset\tduration\tgenre\ttrack\tstart\tend"


def clips_of_runs() -> dict[str, list[tuple[str, int]]]:
    """A simulated order of clips with the structure of the published one."""
    runs: dict[str, list[tuple[str, int]]] = {}
    for i, name in enumerate(run_names()):
        n_lists = 4 if "Training" in name else 1
        own = [(genre, 4 * i + part) for part in range(n_lists) for genre in GENRES]
        runs[name] = own if n_lists == 4 else own * 4
    training = [name for name in runs if "Training" in name]
    last = {name: runs[name][-1] for name in runs}
    first = {name: last[training[i - 1]] for i, name in enumerate(training)}
    return {name: [first.get(name, last[name]), *own] for name, own in runs.items()}


def write_events(root: Path, clips: dict[str, list[tuple[str, int]]]) -> dict[str, Path]:
    """Event tables with the quirks of the published ones."""
    folder = root / "sub-001" / "func"
    folder.mkdir(parents=True)
    files = {}
    for name, own in clips.items():
        rows = [f"{15 * i}\t15\t{'' if i == 38 else chr(39)}{g}'\t{t}\t1.5\t16.5" for i, (g, t) in enumerate(own)]
        files[name] = folder / f"sub-001_{name}_events.tsv"
        files[name].write_bytes("\r\n".join([HEADER, *rows]).encode())
    return files


def recording_of(files: dict[str, Path]) -> Recording:
    runs = Runs.from_lengths(dict.fromkeys(files, VOLUMES), 1.5)
    responses = Responses.from_array(np.zeros((len(runs), 1)), runs, Unplaced(1))
    return Recording("001", responses, files=files).with_events(files)


def test_the_design_passes_with_its_quirks(tmp_path: Path) -> None:
    recording = recording_of(write_events(tmp_path, clips_of_runs()))
    check_design(recording)
    runs = recording.responses.runs.discard(15.0)
    assert runs.used.sum() == 18 * 400
    training = [name for name in runs.names if "Training" in name]
    assert len({clip for name in training for clip in runs.clip[runs.slices[name]][10:]}) == 480
    position = np.arange(float(VOLUMES))[:, None]
    averaged, kept = average_repeats(position, runs.select(["task-Test_run-01"])[0])
    assert averaged[:, 0].tolist() == [10 + i + 150 for i in range(100)]  # the mean of rows i + 0, 100, 200, 300
    assert kept.clip.tolist() == np.repeat([f"{genre}.00048" for genre in GENRES], 10).tolist()


def drop_run(clips: dict[str, list[tuple[str, int]]]) -> None:
    del clips["task-Test_run-03"]


def short_run(clips: dict[str, list[tuple[str, int]]]) -> None:
    clips["task-Training_run-02"].pop()


def other_genre(clips: dict[str, list[tuple[str, int]]]) -> None:
    clips["task-Training_run-02"][5] = ("polka", 1)


def other_order(clips: dict[str, list[tuple[str, int]]]) -> None:
    own = clips["task-Test_run-02"]
    own[12], own[13] = own[13], own[12]


def other_beginning(clips: dict[str, list[tuple[str, int]]]) -> None:
    clips["task-Training_run-05"][0] = ("jazz", 99)


def heard_twice(clips: dict[str, list[tuple[str, int]]]) -> None:
    clips["task-Training_run-02"][7] = clips["task-Training_run-01"][7]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (drop_run, "runs of the data set are missing"),
        (short_run, "events are not those"),
        (other_genre, "unknown genre"),
        (other_order, "order of clips"),
        (other_beginning, "begins with another clip"),
        (heard_twice, "a clip is presented in"),
    ],
)
def test_deviations_are_told(damage, message: str, tmp_path: Path) -> None:
    clips = clips_of_runs()
    damage(clips)
    with pytest.raises(InputError, match=message):
        check_design(recording_of(write_events(tmp_path, clips)))


def test_some_runs_will_do_if_asked(tmp_path: Path) -> None:
    clips = clips_of_runs()
    drop_run(clips)
    check_design(recording_of(write_events(tmp_path, clips)), partial=True)


def test_another_number_of_volumes(tmp_path: Path) -> None:
    files = write_events(tmp_path, clips_of_runs())
    runs = Runs.from_lengths({**dict.fromkeys(files, VOLUMES), "task-Test_run-06": 412}, 1.5)
    recording = Recording("001", Responses.from_array(np.zeros((len(runs), 1)), runs, Unplaced(1)), files=files)
    with pytest.raises(InputError, match="another length than published"):
        check_design(recording.with_events(files))


def volumes_of(root: Path, files: dict[str, Path], rng: np.random.Generator) -> MusicGenreSource:
    """Uncompressed volumes and sidecars beside the events, as published but for their size."""
    func = root / "sub-001" / "func"
    for name in files:
        data = rng.integers(400, 1600, (2, 2, 2, VOLUMES)).astype(np.int16)
        image = nib.Nifti1Image(data, np.diag([2.0, 2, 2, 1]))
        image.header.set_zooms((2, 2, 2, 1.5))
        nib.save(image, func / f"sub-001_{name}_bold.nii")
        (func / f"sub-001_{name}_bold.json").write_text('{"RepetitionTime": 1.5}')
    mask = np.arange(8).reshape(2, 2, 2) < 6
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), image.affine), root / "mask.nii.gz")
    options = {"reader": "musicgenre", "root": root, "mask": root / "mask.nii.gz", "space": "scanner"}
    return MusicGenreSource.model_validate(options)


def check_volumes(source: MusicGenreSource, n_clips: int) -> None:
    """All runs are there, the first clip of each is not used, and the list of a test run was heard four times."""
    assert source.list_subjects() == ("001",)
    responses = source.read("001", Cleaning("median", 240.0)).responses
    runs = responses.runs
    assert runs.names == run_names()
    assert len(runs) == 18 * VOLUMES
    assert runs.used.sum() == 18 * 400
    assert len(set(runs.clip[runs.used].tolist())) == n_clips
    assert "subtract a running median of 240 s (161 samples)" in responses.steps
    for name in run_names()[12:]:
        own = runs.select([name])[0]
        averaged, kept = average_repeats(responses.load_run(name), own)
        assert averaged.shape == (100, 6)
        assert len(kept.presentations) == 10
        assert find_repeats(own).shape == (4, 100)


def test_volumes_in_the_published_layout(tmp_path: Path, rng: np.random.Generator) -> None:
    source = volumes_of(tmp_path, write_events(tmp_path, clips_of_runs()), rng)
    check_volumes(source, 12 * 40 + 6 * 10)
    next(tmp_path.glob("sub-001/func/*Test_run-03_bold.nii")).unlink()
    with pytest.raises(InputError, match=r"runs of the data set are missing[\s\S]*task-Test_run-03"):
        source.read("001", Cleaning())
    partial = source.model_copy(update={"partial": True})
    assert len(partial.read("001", Cleaning()).responses.runs.names) == 17


@pytest.mark.realdata
def test_volumes_with_the_published_events(shared_data: Path, tmp_path: Path, rng: np.random.Generator) -> None:
    (tmp_path / "sub-001/func").mkdir(parents=True)
    files = {}
    for name in run_names():
        files[name] = tmp_path / "sub-001/func" / f"sub-001_{name}_events.tsv"
        files[name].write_bytes((shared_data / "ds003720/sub-001/func" / files[name].name).read_bytes())
    check_volumes(volumes_of(tmp_path, files, rng), 540)


@pytest.fixture
def zenodo(tmp_path: Path, rng: np.random.Generator) -> ZenodoSource:
    np.save(tmp_path / "sub-002_Resp_Training.npy", rng.standard_normal((7, 4800)).astype(np.float32))
    np.save(tmp_path / "sub-002_Resp_Test_Mean.npy", rng.standard_normal((7, 600)).astype(np.float32))
    write_events(tmp_path / "bids", clips_of_runs())
    return ZenodoSource(reader="zenodo", folder=tmp_path, events=tmp_path / "bids")


def test_the_authors_arrays_follow_the_events(zenodo: ZenodoSource) -> None:
    assert zenodo.list_subjects() == ("002",)
    responses = zenodo.read("002", Cleaning("none", zscore=False)).responses
    runs = responses.runs
    assert runs.used.sum() == 5400
    assert isinstance(responses.space, Unplaced)
    arrays = {
        "Training": np.load(zenodo.folder / "sub-002_Resp_Training.npy"),
        "Test": np.load(zenodo.folder / "sub-002_Resp_Test_Mean.npy"),
    }
    for task, width in (("Training", 400), ("Test", 100)):
        for i, name in enumerate(name for name in runs.names if task in name):
            own = arrays[task][:, i * width : (i + 1) * width].T
            assert np.allclose(responses.load_run(name)[10:], own - own.mean(axis=0), atol=1e-5)
            clips = clips_of_runs()[name][: 1 + width // 10]
            assert runs.clip[runs.slices[name]].tolist() == np.repeat([f"{g}.{t:05d}" for g, t in clips], 10).tolist()


STUDY = """
name = "Arrays without places"
output = "results"
note = "simulated data"
[data]
reader = "zenodo"
folder = "."
events = "bids"
[cleaning]
detrend = "none"
[features.text]
extractor = "caption"
captions = "captions.csv"
[model]
delays = [3.0, 4.5]
[evaluation]
kind = "test"
[statistics]
permutations = 100
[decoding]
targets = ["text"]
"""


def test_models_and_decoding_need_no_places_and_maps_say_so(
    zenodo: ZenodoSource, b2m: Callable[..., tuple[int, str]]
) -> None:
    rng = np.random.default_rng(0)
    folder, words = zenodo.folder, ["drum", "flute", "calm", "fast", "voice", "bass", "slow", "loud"]
    clips = sorted({f"{g}.{t:05d}" for own in clips_of_runs().values() for g, t in own})
    captions = [f'{clip}_15s,"{" ".join(rng.choice(words, 3))}"' for clip in clips]
    (folder / "captions.csv").write_text("\n".join(["ID,DescEN", *captions]))
    (folder / "study.toml").write_text(STUDY)
    code, printed = b2m("check", folder / "study.toml")
    assert code == 0, printed
    assert "18 runs, 5580 samples of 1.5 s, 7 targets on unplaced" in printed
    assert "no maps: the responses have no known location" in printed
    code, printed = b2m("run", folder / "study.toml")
    assert code == 0, printed
    assert "no maps" in (folder / "results/report.html").read_text()
    assert len(pd.read_csv(folder / "results/identification.tsv", sep="\t")) == 60


def test_other_arrays_are_refused(zenodo: ZenodoSource) -> None:
    np.save(zenodo.folder / "sub-002_Resp_Test_Mean.npy", np.zeros((8, 600)))
    with pytest.raises(InputError, match="not the published array"):
        zenodo.read("002", Cleaning())


@pytest.mark.realdata
def test_the_published_events_are_the_design(shared_data: Path) -> None:
    folder = shared_data / "ds003720/sub-001/func"
    files = {name: folder / f"sub-001_{name}_events.tsv" for name in run_names()}
    recording = recording_of(files)
    check_design(recording)
    clips = set(recording.responses.runs.discard(15.0).clip.tolist())
    assert len(clips) == 540
    swapped = recording_of({**files, "task-Training_run-03": files["task-Training_run-04"]})
    with pytest.raises(ProblemList, match="begins with another clip"):
        check_design(swapped)
