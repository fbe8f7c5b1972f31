"""The simulated study: its files are laid out as published, its truth is what its files hold."""

import hashlib
import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import soundfile

from b2m_encoding.errors import InputError
from b2m_encoding.features.acoustic import acoustic_names
from b2m_encoding.features.captions import read_captions
from b2m_encoding.phantom import PAPER, PhantomPaths, Size, load_truth, simulate_study
from b2m_encoding.phantom.design import draw_design
from b2m_encoding.phantom.tracks import GENRES
from b2m_encoding.spaces import load_atlas, surface_space

TINY = Size(n_training_runs=1, n_test_runs=1, n_blocks=1, n_repeats=2)


def tiny(out: Path, **options: object) -> PhantomPaths:
    return simulate_study(out, size=TINY, **{"seed": 3, "n_subjects": 1, **options})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> PhantomPaths:
    return tiny(tmp_path_factory.mktemp("phantom") / "study")


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> PhantomPaths:
    return tiny(tmp_path_factory.mktemp("phantom") / "null", null=True)


def events(study: PhantomPaths) -> dict[str, list[list[str]]]:
    files = sorted((study.bids / "sub-01" / "func").glob("*_events.tsv"))
    return {path.name: [line.split("\t") for line in path.read_text().splitlines()[1:]] for path in files}


def read_bold(study: PhantomPaths, task: str = "Training", hemi: str = "L") -> np.ndarray:
    path = study.derivatives / f"sub-01/func/sub-01_task-{task}_run-01_hemi-{hemi}_space-fsaverage5_bold.func.gii"
    return np.array([array.data for array in nib.load(path).darrays])


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_events_look_as_published(study: PhantomPaths) -> None:
    func = study.bids / "sub-01" / "func"
    raw = (func / "sub-01_task-Training_run-01_events.tsv").read_bytes()
    lines = raw.split(b"\r\n")
    assert lines[0] == b"onset\tduration\tgenre\ttrack\tstart\tend"
    assert raw.count(b"\n") == raw.count(b"\r\n") == len(lines) - 1 == 11
    assert all(re.fullmatch(rb"\d+\t15\t'[a-z]+'\t\d+\t[\d.]+\t[\d.]+", line) for line in lines[1:])
    sidecar = json.loads((func / "sub-01_task-Test_run-01_bold.json").read_text())
    assert sidecar["RepetitionTime"] == 1.5
    assert sidecar["TaskName"] == "Test"
    for folder in (study.bids, study.derivatives):
        assert "SIMULATED" in json.loads((folder / "dataset_description.json").read_text())["Name"]
    assert "simulated" in (study.truth / "README").read_text().lower()


def test_order_of_clips(study: PhantomPaths) -> None:
    training, test = (
        events(study)["sub-01_task-Training_run-01_events.tsv"],
        events(study)["sub-01_task-Test_run-01_events.tsv"],
    )
    assert [row[0] for row in training] == [str(15 * i) for i in range(11)]
    assert len({row[2] for row in training[1:]}) == len({row[2] for row in test[1:11]}) == 10
    assert training[0][2:] == training[-1][2:]
    assert test[0][2:] == test[-1][2:]
    assert [row[2:] for row in test[1:11]] == [row[2:] for row in test[11:21]]
    assert not {(row[2], row[3]) for row in training} & {(row[2], row[3]) for row in test}


def test_every_event_has_its_sound_and_caption(study: PhantomPaths) -> None:
    rows = [row for table in events(study).values() for row in table]
    names = {f"{row[2].strip(chr(39))}.{int(row[3]):05d}" for row in rows}
    captions = read_captions(study.captions, wanted=[f"{name}_15s" for name in names])
    assert study.captions.read_bytes().startswith(b"\xef\xbb\xbfID,DescEN\r\n")
    assert len(set(captions.values())) == len(captions) == 20
    assert {path.stem for path in study.genres.rglob("*.wav")} == names
    for row in rows:
        genre = row[2].strip("'")
        info = soundfile.info(study.genres / genre / f"{genre}.{int(row[3]):05d}.wav")
        assert (info.samplerate, info.channels, info.subtype) == (22050, 1, "PCM_16")
        assert float(row[5]) == pytest.approx(float(row[4]) + 15)
        assert 0 <= float(row[4]) < float(row[5]) <= info.duration


def test_bold_has_its_length_scale_and_broken_vertices(study: PhantomPaths) -> None:
    truth = load_truth(study.out).subjects["01"]
    for task, n_volumes in (("Training", 110), ("Test", 210)):
        bold = np.concatenate([read_bold(study, task, hemi) for hemi in "LR"], axis=1)
        assert bold.shape == (n_volumes, 20484)
        np.testing.assert_array_equal(np.isnan(bold).all(axis=0), truth.missing)
        np.testing.assert_array_equal(np.isnan(bold).any(axis=0), truth.missing)
        np.testing.assert_array_equal(np.ptp(bold, axis=0) == 0, truth.constant)
        assert np.nanmedian(bold) == pytest.approx(1000, rel=0.05)
        assert np.nanmedian(bold.std(axis=0) / bold.mean(axis=0)) == pytest.approx(0.014, rel=0.5)
    path = study.derivatives / "sub-01/func/sub-01_task-Test_run-01_hemi-R_space-fsaverage5_bold.func.gii"
    assert float(nib.load(path).darrays[0].meta["TimeStep"]) == 1500


def test_truth_is_placed_on_the_atlas(study: PhantomPaths) -> None:
    truth = load_truth(study.truth)
    subject = truth.subjects["01"]
    atlas = load_atlas("hcp-mmp1", surface_space(truth.space))
    for region, drive in {"A1": "acoustic", "A4": "text", "STSvp": "text", "STV": "both", "V1": "none"}.items():
        assert np.mean(subject.drive[atlas.mask(region)] == drive) > 0.7
    for broken in (subject.constant, subject.missing):
        assert 20 < broken.sum() < 60
        assert 0.2 < np.mean(subject.drive[broken] != "none") < 0.8
    assert np.all((subject.snr > 0) == (subject.drive != "none"))
    weights = subject.region_weights["acoustic"]
    assert weights.shape == (len(truth.regions), len(acoustic_names()))
    assert weights[truth.regions.index("A1")].any()
    assert not weights[truth.regions.index("STSvp")][:5].all()


def test_driven_vertices_follow_the_noiseless_response(study: PhantomPaths, silent: PhantomPaths) -> None:
    """With and without drive the noise is the same, so that their difference is the driven response."""
    truth = load_truth(study.out).subjects["01"]
    driven = (truth.drive != "none") & truth.testable
    runs = []
    for task in ("Training", "Test"):
        loud, quiet = (
            np.concatenate([read_bold(paths, task, hemi) for hemi in "LR"], axis=1) for paths in (study, silent)
        )
        runs.append((loud - quiet)[:, truth.testable] / loud.mean(axis=0)[truth.testable] * 100)
    response = np.concatenate(runs)
    np.testing.assert_array_equal(np.any(response != 0, axis=0), driven[truth.testable])
    np.testing.assert_allclose(response.std(axis=0), truth.snr[truth.testable], atol=0.03)
    assert np.abs(response[0]).max() < 0.3 * np.abs(response).max()


def test_null_has_no_drive(silent: PhantomPaths) -> None:
    truth = load_truth(silent.out)
    assert truth.null
    subject = truth.subjects["01"]
    assert set(subject.drive) == {"none"}
    assert not subject.snr.any()
    assert not subject.region_weights["text"].any()
    assert subject.constant.any()
    assert subject.missing.any()


def test_same_seed_same_bytes(study: PhantomPaths, silent: PhantomPaths, tmp_path: Path) -> None:
    steps: list[float] = []
    again = tiny(tmp_path / "again", progress=lambda _message, share: steps.append(share))
    assert hashes(again.out) == hashes(study.out)
    assert steps == sorted(steps)
    assert steps[-1] == 1
    assert hashes(silent.out / "stimuli") == hashes(study.out / "stimuli")


def test_unusable_requests(study: PhantomPaths, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not empty"):
        tiny(study.out)
    with pytest.raises(InputError, match="needs a subject"):
        tiny(tmp_path / "none", n_subjects=0)
    with pytest.raises(InputError, match="no truth"):
        load_truth(tmp_path)


def test_the_design_of_the_paper() -> None:
    """540 clips, 54 of each genre, in 18 runs of 41; each test run has ten clips four times."""
    runs = draw_design(PAPER, np.random.default_rng(0))
    training, test = ([run for run in runs if run.task == task] for task in ("Training", "Test"))
    assert (len(training), len(test), {len(run.clips) for run in runs}) == (12, 6, {41})
    trained, tested = ({clip for run in part for clip in run.clips} for part in (training, test))
    assert (len(trained), len(tested), trained & tested) == (480, 60, set())
    counts = {genre: sum(clip.genre == genre for clip in trained | tested) for genre in GENRES}
    assert counts == dict.fromkeys(GENRES, 54)
    for run in test:
        assert run.clips[0] == run.clips[40]
        assert run.clips[1:11] == run.clips[11:21] == run.clips[21:31] == run.clips[31:41]
    for before, run in zip(training[-1:] + training, training, strict=False):
        assert run.clips[0] == before.clips[40]
        assert all({clip.genre for clip in run.clips[i : i + 10]} == {*GENRES} for i in range(1, 41, 10))


def test_a_study_of_fewer_targets(tmp_path: Path) -> None:
    study = tiny(tmp_path / "few", n_targets=100)
    [known] = load_truth(study.out).subjects.values()
    bold = np.concatenate([read_bold(study, hemi=hemi) for hemi in "LR"], axis=1)
    recorded = np.isfinite(bold).all(axis=0) & (np.ptp(bold, axis=0) > 0)
    assert np.array_equal(recorded, known.testable)
    assert recorded.sum() == 100
    assert (known.drive[recorded] != "none").sum() == 60
    with pytest.raises(InputError, match="needs a target"):
        tiny(tmp_path / "none", n_targets=0)
