"""Workers of a cluster do the same as this process; a lost one is made up for."""

from __future__ import annotations

import threading
import time
from pathlib import Path

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

# dask closes its sockets when it is collected
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning")]


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


def test_two_processes_give_what_one_gives_even_if_one_is_killed(tmp_path: Path) -> None:
    here, there = (simulate_arrays(tmp_path / name) for name in ("here", "there"))
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
    found = run_study(in_parts(there), there, cluster=ClusterSpec("local:2"))
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
