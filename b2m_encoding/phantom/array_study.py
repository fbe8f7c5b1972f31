"""Small simulated study of response and feature arrays, analysed within seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

STUDY = """\
name = "Small simulated study"
output = "results"
note = "simulated data"

[data]
reader = "array"
tr = 1.5
subjects = {subjects}
files = {{ {files} }}

[features.sound]
extractor = "array"
files = "features/sound_{{run}}.npy"

[features.words]
extractor = "array"
files = "features/words_{{run}}.npy"

[model]
delays = [1.5, 3.0]

[evaluation]
kind = "test"
test_runs = "test*"

[statistics]
permutations = 200
bootstraps = 100

[figures]
dpi = 150
formats = ["png"]
report = ["accuracy", "distribution"]
"""
RUNS = ("train-1", "train-2", "train-3", "test-1", "test-2")


def simulate_arrays(
    folder: str | Path, *, n_subjects: int = 2, n_samples: int = 80, n_targets: int = 60, random_state: int = 0
) -> Path:
    """Simulate a study of arrays: a third of the targets is driven by each of two feature spaces, a third by none.

    Parameters
    ----------
    folder : Path
        Folder to create.
    n_subjects, n_samples, n_targets : int
        Numbers of subjects, of samples per run (three training and two test runs), and of targets.
    random_state : int

    Returns
    -------
    Path
        Study file.
    """
    folder = Path(folder)
    rng = np.random.default_rng(random_state)
    for name in ("features", "responses"):
        (folder / name).mkdir(parents=True)
    subjects = [f"{i + 1:02d}" for i in range(n_subjects)]
    weights = {name: rng.standard_normal((width, n_targets)) for name, width in (("sound", 4), ("words", 3))}
    weights["sound"][:, n_targets // 3 :] = 0
    weights["words"][:, np.r_[: n_targets // 3, 2 * n_targets // 3 : n_targets]] = 0
    for run in RUNS:
        drive = np.zeros((n_samples, n_targets))
        for name, space_weights in weights.items():
            features = rng.standard_normal((n_samples, len(space_weights))).astype(np.float32)
            np.save(folder / f"features/{name}_{run}.npy", features)
            drive[2:] += features[:-2] @ space_weights  # delayed by two samples, the longer of the delays
        for subject in subjects:
            noise = 2 * rng.standard_normal((n_samples, n_targets))
            np.save(folder / f"responses/{subject}_{run}.npy", (drive + noise).astype(np.float32))
    files = ", ".join(f'{run} = "responses/{{subject}}_{run}.npy"' for run in RUNS)
    study = folder / "study.toml"
    study.write_text(STUDY.format(subjects=str(subjects).replace("'", '"'), files=files), encoding="utf-8")
    return study
