"""Workers of a cluster do the same as this process; a lost one is made up for.

What fits need of the features alone is computed once in a run: for all subjects and workers, and over a kill.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

import numpy as np
import psutil
import pytest

from b2m_encoding.analysis.study_results import StudyResults
from b2m_encoding.errors import InputError
from b2m_encoding.phantom import simulate_arrays
from b2m_encoding.results.reader import Results
from b2m_encoding.study import Study, load_study
from b2m_encoding.workflow.engine.cluster import ClusterSpec, slurm_cluster
from b2m_encoding.workflow.run import run_study, work_folder

from ...conftest import without_figures

# dask closes its sockets when it is collected; a second scheduler takes another port than the first
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings(r"ignore:\s*Port \d+ is already in use:UserWarning"),
]


@pytest.fixture(scope="module")
def two_processes() -> Iterator[ClusterSpec]:
    """A scheduler with two workers, for several runs: to start one takes longer than what it computes here."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as made:
        yield ClusterSpec(made.scheduler_address)


@pytest.fixture
def wide_study(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Two listeners to the same sounds, with more columns than a run has samples."""
    study = without_figures(simulate_arrays(tmp_path / "study", n_targets=12))
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
            with suppress(FileNotFoundError):  # the folder, too, comes and goes
                for path in self.folder.glob("*.safetensors"):
                    changed = path.stat().st_mtime_ns  # before a name is noted: the file may be gone by now
                    self.seen.setdefault(path.name, set()).add(changed)


def test_two_workers_share_factors(wide_study: Path, two_processes: ClusterSpec) -> None:
    study = load_study(wide_study)
    with Watch(work_folder(study).factors) as watch:
        run_study(study, wide_study, cluster=two_processes)
    assert len(watch.seen) >= 2 * 3  # eigenbasis and folds of every member
    assert {len(times) for times in watch.seen.values()} == {1}
    assert not work_folder(study).factors.exists()
    assert Results.open(wide_study.parent / "results").subjects == ("01", "02")


def test_a_killed_run_leaves_factors_for_the_next(wide_study: Path) -> None:
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


def in_parts(file: Path) -> Study:
    study = load_study(file)
    return study.model_copy(update={"model": study.model.model_copy(update={"parts": 3})})


def equal(found: StudyResults | None, expected: StudyResults | None) -> None:
    assert found is not None
    assert expected is not None
    for subject, own in expected.encodings.items():
        for model, r in own.r.items():
            np.testing.assert_allclose(found.encodings[subject].r[model], r, atol=1e-6)
        np.testing.assert_allclose(found.encodings[subject].p, own.p, atol=2 / 200)


def test_two_processes_give_what_one_gives_even_if_one_is_killed(tmp_path: Path, two_processes: ClusterSpec) -> None:
    here, there = (without_figures(simulate_arrays(tmp_path / name)) for name in ("here", "there"))
    expected = run_study(in_parts(here), here)
    victims: list[int] = []

    def kill_one() -> None:
        """Kill the process that writes the first fit."""
        work = work_folder(load_study(there)).path
        while not list(work.glob("fit/*/record.json")):
            time.sleep(0.01)
        workers = [one for one in psutil.Process().children(recursive=True) if "spawn_main" in " ".join(one.cmdline())]
        victims.append(workers[-1].pid)
        workers[-1].kill()

    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    found = run_study(in_parts(there), there, cluster=two_processes)
    killer.join(timeout=10)
    assert victims
    equal(found, expected)
    assert Results.open(there.parent / "results").subjects == ("01", "02")


@pytest.mark.parametrize("cluster", ["local:0", "slurm:2", "nonsense"])
def test_unknown_places_are_told(tmp_path: Path, cluster: str) -> None:
    study = simulate_arrays(tmp_path / "study", n_subjects=1)
    with pytest.raises(InputError, match="unknown cluster"):
        run_study(load_study(study), study, cluster=ClusterSpec(cluster))


def test_a_slurm_job_asks_for_what_is_given() -> None:
    with slurm_cluster("8GB", cores=2, walltime="02:00:00", queue="long") as cluster:
        script = cluster.job_script()
    for line in ("#SBATCH --cpus-per-task=2", "#SBATCH --mem=8G", "#SBATCH -t 02:00:00", "#SBATCH -p long"):
        assert line in script
    with pytest.raises(InputError, match="needs cores and memory"):
        slurm_cluster()
