"""Scaling out: the same study in this process, by one worker of a cluster and by two.

    python benchmarks/scale.py [--quick]

A simulated study of arrays, one subject, its targets cut into parts. Workers are processes of a dask cluster on this
machine with one thread each, and so is the run without a cluster. Starting the workers is told apart (``start_s``): on
a cluster that runs already it costs nothing. Results must agree to 1e-6.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from harness import Row, arguments, environment, finish

from b2m_encoding.analysis.study_results import StudyResults
from b2m_encoding.phantom import simulate_arrays
from b2m_encoding.study import load_study
from b2m_encoding.workflow.engine.cluster import ClusterSpec
from b2m_encoding.workflow.run import run_study


def run(file: Path, n_parts: int, place: ClusterSpec | None) -> tuple[StudyResults, float, float]:
    """Results, seconds in all, and seconds before the first unit began."""
    study = load_study(file)
    study = study.model_copy(update={"model": study.model.model_copy(update={"parts": n_parts})})
    begun: list[float] = []
    start = time.perf_counter()
    found = run_study(study, file, cluster=place, progress=lambda *_: begun.append(time.perf_counter()))
    stop = time.perf_counter()
    assert found is not None
    for path in file.parent.glob("*results*"):
        shutil.rmtree(path)
    return found, stop - start, begun[0] - start


def main() -> None:
    options = arguments(__doc__ or "")
    n_targets = 4000 if options.quick else 40_000
    with tempfile.TemporaryDirectory() as name:
        file = simulate_arrays(Path(name) / "study", n_subjects=2, n_samples=300, n_targets=n_targets)
        rows: list[Row] = []
        expected, alone, _ = run(file, 4, None)
        rows.append(Row("here", ours="b2m run", ours_s=alone))
        agreed = True
        for n_workers in (1, 2):
            found, seconds, start = run(file, 4, ClusterSpec(f"local:{n_workers}"))
            difference = max(
                float(np.nanmax(np.abs(found.encodings[s].r["joint"] - own.r["joint"])))
                for s, own in expected.encodings.items()
            )
            agreed &= difference < 1e-6
            seen = {"difference": difference, "start_s": start}
            rows.append(
                Row(f"{n_workers} workers", f"--cluster local:{n_workers}", "here", seconds - start, alone,
                    alone / (seconds - start), seen)
            )  # fmt: skip
    finish("scale", rows, environment(), agreed=agreed, quick=options.quick)


if __name__ == "__main__":
    main()
