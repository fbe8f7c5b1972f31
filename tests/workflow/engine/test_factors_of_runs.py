"""What fits need of the features alone is computed once in a run: for all subjects and workers, and over a kill."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Self

import numpy as np
import pytest

from b2m_encoding.phantom import simulate_arrays
from b2m_encoding.results.reader import Results
from b2m_encoding.study import load_study
from b2m_encoding.workflow.engine.cluster import ClusterSpec
from b2m_encoding.workflow.run import run_study, work_folder

# dask closes its sockets when it is collected
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture
def wide_study(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Two listeners to the same sounds, with more columns than a run has samples."""
    study = simulate_arrays(tmp_path / "study", n_targets=12)
    for path in (tmp_path / "study/features").glob("sound_*.npy"):
        values = np.load(path)
        np.save(path, np.hstack([values, rng.standard_normal((len(values), 60)).astype(np.float32)]))
    return study


class Watch(threading.Thread):
    """Times of change of every file of factors that is ever in a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder, self.ended = folder, threading.Event()
        self.seen: dict[str, set[int]] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.join()

    def run(self) -> None:
        while not self.ended.wait(0.001):
            for path in self.folder.glob("*.safetensors"):
                try:
                    written = path.stat().st_mtime_ns
                except FileNotFoundError:
                    continue
                self.seen.setdefault(path.name, set()).add(written)


@pytest.mark.slow
def test_two_workers_share_them(wide_study: Path) -> None:
    study = load_study(wide_study)
    with Watch(work_folder(study).factors) as watch:
        run_study(study, wide_study, cluster=ClusterSpec("local:2"))
    assert len(watch.seen) >= 2 * 3  # eigenbasis and folds of every member
    assert {len(times) for times in watch.seen.values()} == {1}
    assert not work_folder(study).factors.exists()
    assert Results.open(wide_study.parent / "results").subjects == ("01", "02")


def test_a_killed_run_leaves_them_for_the_next(wide_study: Path) -> None:
    study = load_study(wide_study)
    folder = work_folder(study).factors
    code = "import sys, pathlib; from b2m_encoding import load_study, run_study; p = pathlib.Path(sys.argv[1])"
    first = subprocess.Popen([sys.executable, "-c", f"{code}; run_study(load_study(p), p)", str(wide_study)])
    while len(list(folder.glob("*.safetensors"))) < 2:
        assert first.poll() is None
        time.sleep(0.001)
    first.kill()
    first.wait()
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.safetensors")}
    with Watch(folder) as watch:
        run_study(study, wide_study)
    assert before.items() <= {name: min(times) for name, times in watch.seen.items()}.items()
    assert {len(times) for times in watch.seen.values()} == {1}
