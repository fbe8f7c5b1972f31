"""The demonstration: simulate a study, analyse it as any other, and compare what was found with the truth."""

from __future__ import annotations

import json
import resource
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from b2m_encoding._typing import Progress
from b2m_encoding.errors import InputError
from b2m_encoding.io.hashes import sha256
from b2m_encoding.io.writing import write_whole
from b2m_encoding.phantom import load_truth, simulate_study
from b2m_encoding.results.bundle import read_map
from b2m_encoding.results.schema import CHANCE, JOINT, maps
from b2m_encoding.results.schema.files import IDENTIFICATION_SUMMARY
from b2m_encoding.spaces import surface_space
from b2m_encoding.study import load_study
from b2m_encoding.workflow.run import run_study
from b2m_encoding.workflow.templates import template

MARKER = "demo.json"
STUDY = "study.toml"


def run_demo(
    out: Path,
    *,
    seed: int = 0,
    null: bool = False,
    n_subjects: int = 2,
    progress: Progress = lambda what, done, total: None,
) -> dict[str, Any]:
    """Simulate a study, analyse it and compare the results with the truth; return the content of ``summary.json``.

    Parameters
    ----------
    out : Path
        A new folder, or one of an earlier demonstration, which is replaced.
    seed : int
    null : bool
        Simulate responses without any drive.
    n_subjects : int
    """
    start = time.perf_counter()
    _prepare(out, seed)
    simulate_study(out / "study", seed=seed, null=null, n_subjects=n_subjects)
    run_study(load_study(out / STUDY), out / STUDY, progress=progress)
    summary = {"simulated": True, "null": null, "seed": seed, **compare_with_truth(out)}
    summary["wall_s"] = time.perf_counter() - start
    summary["peak_mb"] = _peak_mb()
    write_whole(out / "summary.json", json.dumps(summary, indent=2) + "\n")
    return summary


def _peak_mb() -> float:
    """Largest resident memory of this process; the system's own count where it has one, for the other is inherited."""
    status = Path("/proc/self/status")
    if status.is_file():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def compare_with_truth(out: Path) -> dict[str, Any]:
    """Compare the written results with the saved truth, pooled over subjects."""
    results, space = out / "results", surface_space("fsaverage5")
    study = load_study(out / STUDY)
    names = list(study.features)
    truth = load_truth(out / "study" / "truth")
    r, q, index, drive, alone = [], [], [], [], []
    for subject, known in truth.subjects.items():
        r.append(read_map(results, subject, JOINT, maps.R.stat, space))
        q.append(read_map(results, subject, JOINT, maps.Q.stat, space))
        index.append(read_map(results, subject, maps.PREFERENCE, maps.PREFERRED.stat, space))
        drive.append(known.drive)
        alone.append(np.stack([read_map(results, subject, name, maps.R.stat, space) for name in names]))
    r_all, q_all, index_all, drive_all = map(np.concatenate, (r, q, index, drive))
    alone_all = np.concatenate(alone, axis=1)
    tested = np.isfinite(r_all)
    driven = tested & (drive_all != "none")
    undriven = tested & (drive_all == "none")
    one_drive = tested & np.isin(drive_all, names)
    best = np.array(names)[np.argmax(alone_all[:, one_drive], axis=0)]
    right = best == drive_all[one_drive]
    identification = json.loads((results / IDENTIFICATION_SUMMARY).read_text(encoding="utf-8"))["subjects"]
    primary = [row for row in identification if row["feature_space"] == study.decoding.targets[0]]  # type: ignore[union-attr]
    return {
        "subjects": len(r),
        "targets_tested": int(tested.sum()),
        "targets_not_tested": int((~tested).sum()),
        "median_r_driven": _median(r_all[driven]),
        "median_r_undriven": _median(r_all[undriven]),
        "significant_driven": _mean(q_all[driven] < study.statistics.q),
        "false_positive_rate": _mean(q_all[undriven] < study.statistics.q),
        "preference_accuracy": _mean(right),
        "preference_accuracy_where_significant": _mean(right[index_all[one_drive] >= 0]),
        "preference_share_in_both": _mean(index_all[tested & (drive_all == "both") & (index_all != -2)] >= 0),
        "preference_share_in_one": _mean(index_all[one_drive & (index_all != -2)] >= 0),
        "identification_accuracy": _mean([row["identification_accuracy"] for row in primary]),
        "identification_chance_95": np.mean([row["chance_interval_95"] for row in primary], axis=0).tolist(),
        "chance": CHANCE,
    }


def _median(values: Any) -> float | None:
    return float(np.median(values)) if len(values) else None


def _mean(values: Any) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _prepare(out: Path, seed: int) -> None:
    """Make the folder, replacing an earlier demonstration and nothing else."""
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / MARKER).is_file())):
        raise InputError("the demo folder holds something else", file=out, expected="a new folder")
    if (out / STUDY).is_file() and sha256(out / STUDY) != json.loads((out / MARKER).read_text("utf-8"))["study"]:
        raise InputError(
            "the study file of this demo has been edited", file=out / STUDY, fix="b2m run it, or demo another folder"
        )
    try:
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        study = out / STUDY
        study.write_text(template("demo").replace("@SEED@", str(seed)), encoding="utf-8")
        marker = {"simulated": True, "study": sha256(study)}
        (out / MARKER).write_text(json.dumps(marker) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError("cannot write the demo folder", file=out, found=error.strerror) from error
