"""Studies of other laboratories, from ``b2m init`` to a report: sounds named by events, stories, arrays of MATLAB."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import soundfile
from scipy.io import savemat

from b2m_encoding.results import Results
from b2m_encoding.spaces import surface_space, write_maps

from ..conftest import SMALL_FIGURES

Command = Callable[..., tuple[int, str]]
TR, VOLUMES, GRID = 2.0, 48, (4, 4, 3)
RATE = 8000
PIECES = ("birds/crow.wav", "birds/lark.flac", "engines/car.mp3", "engines/tram.WAV")


def tone(hertz: float, seconds: float) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    return 0.1 * np.sin(2 * np.pi * hertz * time) * (1 + 0.5 * np.sin(2 * np.pi * 0.4 * time))


def write_bold(folder: Path, stem: str, rng: np.random.Generator, kind: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "surface":
        space = surface_space("fsaverage5")
        values = np.full((VOLUMES, space.n_targets), 100.0, dtype=np.float32)
        values[:, ::400] += rng.standard_normal((VOLUMES, len(values[0, ::400]))).astype(np.float32)
        write_maps(space, folder / f"{stem}_hemi-{{hemi}}_space-fsaverage5_bold.func.gii", values, tr=TR)
        return
    place = "_space-MNI152NLin2009cAsym_res-2" if kind == "volume" else ""
    image = nib.Nifti1Image(rng.integers(900, 1100, (*GRID, VOLUMES)).astype(np.int16), np.diag([2.0, 2, 2, 1]))
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((2, 2, 2, TR))
    nib.save(image, folder / f"{stem}{place}{'_desc-preproc' if place else ''}_bold.nii.gz")
    if place:
        mask = nib.Nifti1Image(np.ones(GRID, np.uint8), np.diag([2.0, 2, 2, 1]))
        nib.save(mask, folder / f"{stem}{place}_desc-brain_mask.nii.gz")


def data_set(root: Path, events: Callable[[int], str], kinds: tuple[str, ...], n_runs: int = 3) -> Path:
    rng = np.random.default_rng(0)
    raw, derived = root / "sub-01/func", root / "derivatives/fmriprep/sub-01/func"
    raw.mkdir(parents=True)
    (root / "dataset_description.json").write_text(json.dumps({"Name": "Simulated", "BIDSVersion": "1.9.0"}))
    for run in range(1, n_runs + 1):
        stem = f"sub-01_task-listen_run-{run}"
        (raw / f"{stem}_bold.json").write_text(json.dumps({"RepetitionTime": TR}))
        (raw / f"{stem}_events.tsv").write_text(events(run))
        for kind in kinds:
            write_bold(raw if kind == "raw" else derived, stem, rng, kind)
    return root


def finish(study: Path, b2m: Command, changes: dict[str, str]) -> Path:
    """Change lines of a study, at most three, and run it to its report, with small figures."""
    text = study.read_text()
    assert len(changes) <= 3
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    study.write_text(f"{text}\n{SMALL_FIGURES}")
    code, printed = b2m("run", study)
    assert code == 0, printed
    output = study.parent / tomllib.loads(text)["output"]
    assert (output / "report.html").stat().st_size > 10_000
    return output


def write_pieces(folder: Path) -> None:
    for i, name in enumerate(PIECES):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = path.suffix[1:].upper()
        soundfile.write(path, tone(300 + 150 * i, 6.5), RATE, format=kind)


@pytest.mark.parametrize("kinds", [pytest.param(("surface", "volume"), marks=pytest.mark.slow), ("volume",)])
def test_sounds_that_events_name(kinds: tuple[str, ...], tmp_path: Path, b2m: Command) -> None:
    def events(run: int) -> str:
        order = [(i + run) % 4 for i in range(8)]
        rows = [
            f"{6 + 10 * i}\t6\t{PIECES[k]}\t{('bird', 'engine')[k // 2]}\tthe sound of {PIECES[k]}"
            for i, k in enumerate(order)
        ]
        return "\n".join(["onset\tduration\tstim_file\tsource\tdescription", *rows])

    root = data_set(tmp_path / "data", events, kinds)
    write_pieces(root / "stimuli")
    code, printed = b2m("init", "bids", root)
    assert code == 0, printed
    assert "b2m check finds no problems" in printed
    for name in ("study.toml: the study", "captions_description.tsv: texts of the sounds"):
        assert name in printed
    text = (root / "study.toml").read_text()
    study = tomllib.loads(text)
    assert study["data"]["clips"] == {"group": "source"}
    assert set(study["features"]) == {"acoustic", "description"}
    assert ('# space = "MNI152NLin2009cAsym:res-2"' in text) == (len(kinds) > 1)
    output = finish(
        root / "study.toml",
        b2m,
        {"[statistics]": "[statistics]\npermutations = 100\nbootstraps = 100\nrefits = 1000\naudit = false"},
    )
    results = Results.open(output)
    clips = results.table("clips.tsv")
    assert clips["clip"].tolist() == ["birds/crow", "birds/lark", "engines/car", "engines/tram"]
    assert clips["stimulus"].tolist() == list(PIECES)
    assert clips["group"].tolist() == ["bird", "bird", "engine", "engine"]
    assert set(clips["grouped_by"]) == {"source"}


def test_a_story_in_each_run_with_a_table_of_words(tmp_path: Path, b2m: Command) -> None:
    root = data_set(tmp_path / "data", lambda run: f"onset\tduration\tstim_file\n4\t84\tstory {run}.wav", ("volume",))
    (root / "stimuli").mkdir()
    rng = np.random.default_rng(1)
    for run in (1, 2, 3):
        soundfile.write(root / f"stimuli/story {run}.wav", tone(200 + 50 * run, 84), RATE)
        onsets = np.sort(rng.uniform(0, 83, 150))
        words = "\n".join(f"{onset:.3f};word{i}" for i, onset in enumerate(onsets))
        (root / f"stimuli/story {run}.csv").write_text(f"onset;word\n{words}")
    code, printed = b2m("init", "bids", root)
    assert (code, "b2m check finds no problems" in printed) == (0, True), printed
    study = tomllib.loads((root / "study.toml").read_text())
    assert study["features"]["word_rate"]["transcript"] == "stimuli/{clip}.csv"
    finish(
        root / "study.toml", b2m, {"[statistics]": "[statistics]\npermutations = 100\nbootstraps = 100\nrefits = 1000"}
    )


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_arrays_of_matlab(version: str, tmp_path: Path, b2m: Command) -> None:
    rng = np.random.default_rng(0)
    arrays = {f"bold_run{i}": rng.standard_normal((60, 90)) for i in (1, 2, 3)}
    arrays |= {f"feat_run{i}": rng.standard_normal((60, 4)) for i in (1, 2, 3)}
    if version == "5":
        savemat(tmp_path / "data.mat", {**arrays, "TR": 2.0})
    else:
        with h5py.File(tmp_path / "data.mat", "w", userblock_size=512) as file:
            for name, values in {**arrays, "TR": np.array([[2.0]])}.items():
                file[name] = values.T
        content = (tmp_path / "data.mat").read_bytes()
        (tmp_path / "data.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(512) + content[512:])
    code, printed = b2m("init", "arrays", tmp_path)
    assert (code, "b2m check finds no problems" in printed) == (0, True), printed
    study = tomllib.loads((tmp_path / "study.toml").read_text())
    assert study["data"]["files"] == {f"run{i}": f"data.mat::bold_run{i}" for i in (1, 2, 3)}
    assert (study["data"]["tr"], study["data"]["transposed"]) == (2.0, False)
    assert study["features"] == {"features": {"extractor": "array", "files": "data.mat::feat_{run}"}}
    finish(
        tmp_path / "study.toml",
        b2m,
        {"[statistics]": "[statistics]\npermutations = 100\nbootstraps = 100\nrefits = 1000"},
    )


def test_raw_volumes_with_masks_that_are_made(tmp_path: Path, b2m: Command) -> None:
    root = data_set(tmp_path / "data", lambda run: "onset\tduration\ttrial_type\n4\t6\ta\n20\t6\tb", ())
    rng = np.random.default_rng(0)
    inside = np.zeros((12, 12, 10), dtype=bool)
    inside[2:-2, 2:-2, 2:-2] = True
    for run in (1, 2, 3):
        values = np.where(inside[..., None], 1000, 10) + rng.integers(0, 20, (*inside.shape, VOLUMES))
        image = nib.Nifti1Image(values.astype(np.int16), np.diag([4.0, 4, 4, 1]))
        image.header.set_zooms((4, 4, 4, TR))
        nib.save(image, root / f"sub-01/func/sub-01_task-listen_run-{run}_bold.nii.gz")
    assert b2m("init", "bids", root)[0] == 2
    code, printed = b2m("init", "bids", root, "--mask")
    assert (code, "b2m check finds no problems" in printed) == (0, True), printed
    mask = np.asarray(nib.load(root / "masks/sub-01.nii.gz").dataobj) > 0
    assert (mask & inside).sum() > 0.5 * inside.sum()
    assert not (mask & ~inside).any()
    assert pd.notna(mask.sum())
