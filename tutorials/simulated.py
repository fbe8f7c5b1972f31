"""The small simulated study that the tutorials share: made once, in ``tutorials/out/listening``.

Two listeners to fifty clips of synthesised music; core and belt of auditory cortex follow the sound, association areas
the caption, PSL and STV both. ``B2M_TUTORIALS`` names another folder.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from b2m_encoding import load_atlas, load_study, run_study, simulate_study
from b2m_encoding.phantom import Size

TUTORIALS = Path(__file__).parent
FOLDER = Path(os.environ.get("B2M_TUTORIALS", TUTORIALS / "out" / "listening"))
SIZE = Size(n_training_runs=3, n_test_runs=2, n_blocks=1, n_repeats=2)
STUDY = """\
name = "Fifty clips, two listeners"
output = "results"
note = "simulated data"

[data]
reader = "bids"
root = "study/bids"
derivatives = "study/bids/derivatives/phantom"
tasks = ["Training", "Test"]
discard = 15.0

[features.acoustic]
extractor = "acoustic"
stimuli = "study/stimuli/genres"
fade = 2.0

[features.text]
extractor = "caption"
captions = "study/stimuli/captions.csv"

[evaluation]
kind = "test"
average_repeats = true

[figures]
formats = ["png"]
dpi = 150

[statistics]
bootstraps = 300
"""
ARRAYS = """\
name = "Auditory cortex of two listeners"
output = "{name}"
note = "simulated data"

[data]
reader = "array"
subjects = ["01", "02"]
tr = 1.5
discard = 15.0
clips = {{ group = "genre" }}
files = {{ {files} }}
events = {{ {events} }}

[features.acoustic]
extractor = "acoustic"
stimuli = "study/stimuli/genres"
fade = 2.0

[features.text]
extractor = "caption"
captions = "study/stimuli/captions.csv"

[evaluation]
kind = "test"
average_repeats = true

[figures]
formats = ["png"]
dpi = 150
"""


def listening_study() -> Path:
    """The study file; the data are simulated if they are not there."""
    if not (FOLDER / "study.toml").is_file():
        simulate_study(FOLDER / "study", seed=1, n_subjects=2, size=SIZE)
        (FOLDER / "study.toml").write_text(STUDY, encoding="utf-8")
    return FOLDER / "study.toml"


def analysed_study() -> Path:
    """The results folder of the study; it is analysed if it has not been."""
    file = listening_study()
    if not (FOLDER / "results" / "report.html").is_file():
        run_study(load_study(file), file)
    return FOLDER / "results"


def auditory_study(name: str, more: str) -> Path:
    """A study of the responses of auditory cortex alone, as one array per run; ``more`` are further tables of it.

    Like the arrays that the authors of ds003720 published, they have no places: there are tables, and no maps.
    """
    study = load_study(listening_study())
    for subject in study.data.list_subjects():
        recording = study.data.read(subject, study.cleaning.build())
        auditory = load_atlas("hcp-mmp1", recording.responses.space).mask("auditory_zoom")
        for run in recording.responses.runs.names:
            path = FOLDER / "arrays" / f"sub-{subject}_{run}.npy"
            if not path.is_file():
                path.parent.mkdir(exist_ok=True)
                np.save(path, recording.responses.read_run(run)[:, auditory])
    runs = recording.event_files
    files = ", ".join(f'"{run}" = "arrays/sub-{{subject}}_{run}.npy"' for run in runs)
    events = ", ".join(f'"{run}" = "{str(path).replace("sub-02", "sub-{subject}")}"' for run, path in runs.items())
    text = ARRAYS.format(name=name, files=files, events=events) + more
    (FOLDER / f"{name}.toml").write_text(text, encoding="utf-8")
    return FOLDER / f"{name}.toml"
