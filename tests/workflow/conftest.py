"""A small BIDS data set as fMRIPrep leaves it, simulated, volumes only."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from b2m_encoding.phantom import simulate_arrays
from b2m_encoding.spaces import surface_space

GRID = (4, 4, 3)
VOLUMES = 40
PLACE = "space-MNI152NLin2009cAsym"
EVENTS = tuple(f"{onset}\t3\t{('speech', 'music')[i % 2]}" for i, onset in enumerate(range(4, 70, 9)))


def write_image(data: np.ndarray, path: Path, tr: float) -> None:
    image = nib.Nifti1Image(data, np.diag([2.0, 2, 2, 1]))
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((2, 2, 2, *([tr] if data.ndim == 4 else [])))
    nib.save(image, path)


def write_data_set(
    root: Path,
    subjects: Sequence[str] = ("01", "02"),
    n_runs: int = 3,
    task: str = "listening",
    events: Sequence[str] | None = EVENTS,
    column: str = "trial_type",
    tr: float = 2.0,
) -> Path:
    """Write the runs of a task; a second call adds another task."""
    rng = np.random.default_rng(0)
    root.mkdir(parents=True, exist_ok=True)
    (root / "dataset_description.json").write_text(json.dumps({"Name": "Simulated", "BIDSVersion": "1.8.0"}))
    for subject in subjects:
        raw, derived = root / f"sub-{subject}/func", root / f"derivatives/fmriprep/sub-{subject}/func"
        raw.mkdir(parents=True, exist_ok=True)
        derived.mkdir(parents=True, exist_ok=True)
        for run in range(1, n_runs + 1):
            stem = f"sub-{subject}_task-{task}_run-{run}"
            (raw / f"{stem}_bold.json").write_text(json.dumps({"RepetitionTime": tr}))
            if events is not None:
                (raw / f"{stem}_events.tsv").write_text("\n".join([f"onset\tduration\t{column}", *events]))
            bold = rng.integers(900, 1100, (*GRID, VOLUMES)).astype(np.int16)
            write_image(bold, derived / f"{stem}_{PLACE}_desc-preproc_bold.nii.gz", tr)
            write_image(np.ones(GRID, dtype=np.uint8), derived / f"{stem}_{PLACE}_desc-brain_mask.nii.gz", tr)
    return root


@pytest.fixture
def data_set() -> Callable[..., Path]:
    return write_data_set


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_data_set(tmp_path / "data")


def replace(path: Path, new: bytes) -> None:
    """Put another file in the place of one, as an editor or rsync does."""
    other = path.with_name("other")
    other.write_bytes(new)
    os.replace(other, path)


@pytest.fixture
def surface_study(tmp_path: Path) -> Path:
    """Responses on a surface, with an atlas of the user."""
    space = surface_space("fsaverage5")
    file = simulate_arrays(tmp_path / "study", n_subjects=1, n_targets=30, n_samples=60)
    folder = file.parent
    for path in (folder / "responses").iterdir():
        values = np.zeros((60, space.n_targets), dtype=np.float32)
        values[:, :30] = np.load(path)
        np.save(path, values)
    write_labels(folder, 15)
    maps = '[maps]\natlas = "hemi-{hemi}.label.gii"\nregions = ["first", "second"]\nzoom = "first"\n'
    file.write_text(file.read_text().replace("tr = 1.5", 'tr = 1.5\nspace = "fsaverage5"') + maps)
    return file


def write_labels(folder: Path, n_first: int) -> None:
    table = nib.gifti.GiftiLabelTable()
    for key, name in enumerate(("???", "first", "second")):
        label = nib.gifti.GiftiLabel(key, 0.1 * key, 0.5, 0.5, 1)
        label.label = name
        table.labels.append(label)
    for hemi in "LR":
        labels = np.zeros(surface_space("fsaverage5").counts[0], dtype=np.int32)
        labels[:30] = np.where(np.arange(30) < n_first, 1, 2)
        array = nib.gifti.GiftiDataArray(labels, intent="NIFTI_INTENT_LABEL")
        path = folder / f"hemi-{hemi}.label.gii"
        replace(path, nib.gifti.GiftiImage(darrays=[array], labeltable=table).to_bytes())
