"""Results folders made by hand, as a study would leave them: every option of a study without running one."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from b2m_encoding.results.bundle import ResultsWriter
from b2m_encoding.results.reader import Results
from b2m_encoding.results.schema import TABLES
from b2m_encoding.results.schema import tables as schema
from b2m_encoding.spaces import RegionSpace
from b2m_encoding.study import Study
from b2m_encoding.workflow.write_maps import write_study

STUDY = """
name = "A study"
output = "results"
note = "simulated data"
[data]
reader = "bids"
root = "bids"
tasks = ["music"]
discard = 15.0
[features.sound]
extractor = "acoustic"
stimuli = "stimuli"
[features.text]
extractor = "caption"
captions = "captions.csv"
[evaluation]
kind = "test"
"""
SPACE = RegionSpace(("A1", "Belt <b>", "STS"))
SUBJECTS = ("01", "02")
CHECKS = ("time-only model", "fold gap", "alpha at edge", "stimulus overlap (clip names)",
          "stimulus overlap (hash of the sound file)", "features fitted to test samples")  # fmt: skip
REGION = {"hemisphere": "L", "region": "core", "feature_space": "joint", "score": 0.4, "targets": 26,
          "significant": 0.5}  # fmt: skip

Bundle = Callable[..., Results]


def subject_row(subject: str, **changes: Any) -> dict[str, Any]:
    row = {"subject": subject, "space": "fsaverage5", "targets": 20484, "tested": 20410, "constant": 37, "missing": 37,
           "predicted": 623, "best_r": 0.812, "median_r": 0.41, "samples_trained": 800, "samples_tested": 200,
           "test": "clip", "permutations": 10000, "arrangements": 3628800, "family_wise": 50, "widening": 1.0,
           "repeats": 3, "ceiling": 0.64, "interval_blocks": 20, "interval_block": 10, "flip_blocks": 18,
           "flip_block": 11}  # fmt: skip
    return row | changes


def run_row(subject: str, run: int, **changes: Any) -> dict[str, Any]:
    role = "test" if run == 4 else "training"
    row = {"subject": subject, "run": f"task-music_run-{run}", "role": role, "volumes": 410, "tr": 1.5,
           "seconds": 615.0, "discarded": 10, "censored": 0, "share_censored": 0.0, "tsnr": 91.25}  # fmt: skip
    return row | changes


def write_picture(folder: Path, stem: str, caption: str) -> None:
    Image.fromarray(np.full((60, 90, 3), 200, dtype=np.uint8)).save(folder / f"{stem}.png")
    (folder / f"{stem}.txt").write_text(caption, encoding="utf-8")


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """Write a results folder; ``study`` is TOML that follows the usual one, ``caption`` that of every figure."""

    def write(
        study: str = STUDY,
        *,
        caption: str = "A caption.",
        subjects: dict[str, Any] | None = None,
        runs: dict[str, Any] | None = None,
        features: dict[str, Any] | None = None,
        tables: dict[str, pd.DataFrame] | None = None,
        json: dict[str, Any] | None = None,
    ) -> Results:
        file = tmp_path / "study.toml"
        file.write_text(study, encoding="utf-8")
        table = Study.model_validate(tomllib.loads(study), context={"folder": tmp_path})
        with ResultsWriter(tmp_path / "results", table.name, SUBJECTS) as writer:
            write_study(writer, file, table)
            rows = [subject_row(one, **(subjects or {})) for one in SUBJECTS]
            writer.write_table(schema.SUBJECTS, rows)
            volumes = [run_row(one, run, **(runs or {})) for one in SUBJECTS for run in (1, 2, 3, 4)]
            writer.write_table(schema.QUALITY, volumes)
            checks = [{"subject": one, "name": name, "status": "pass", "value": 0.01, "meaning": name}
                      for one in SUBJECTS for name in CHECKS]  # fmt: skip
            writer.write_table(schema.AUDIT, pd.DataFrame(checks))
            writer.write_table(schema.REGIONS, pd.DataFrame([REGION | {"subject": one} for one in SUBJECTS]))
            for name, content in (tables or {}).items():
                writer.write_table(next(one for one in TABLES if one.file == name), content)
            made = {name: {"n_features": 57} for name in table.features} | (features or {})
            steps = ["leave out 40 of 1640 samples", "regress out a line and cosines slower than 128 s"]
            record = {"versions": {"b2m-encoding": "0.1.0", "numpy": "2.4.6", "torch": "2.13.0"}, "seed": 7,
                      "inputs": {"study.toml": "abc"}, "features": made,
                      "cleaning": dict.fromkeys(SUBJECTS, steps)}  # fmt: skip
            for name, content in {"provenance.json": record, **(json or {})}.items():
                writer.write_json(name, content)
            for subject in SUBJECTS:
                writer.write_map(subject, "joint", "r", np.array([0.5, np.nan, 0.1]), SPACE, {})
                write_picture(writer.file("figures", "x").parent, f"sub-{subject}_accuracy", caption)
            write_picture(writer.file("figures", "x").parent, "regions", caption)
        return Results.open(tmp_path / "results")

    return write
