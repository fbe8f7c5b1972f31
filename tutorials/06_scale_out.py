"""Scale out and resume: stop a run, go on, see why something is done again, and hand the units to a cluster.

A study is a plan of units of work: the features of a subject, the statistics of a run, the fit of a part of the
targets, ... Each is kept beside the results with a record of what it followed from. That is what makes a stopped run go
on, a changed study redo only what follows from the change, and other machines share the work.
"""

# %% A small study of arrays
# Two listeners, three training and two test runs, sixty targets: simulated, and analysed in a second.
import shutil
import subprocess
import sys
from pathlib import Path

from simulated import FOLDER as SIMULATED

from b2m_encoding import load_study, run_study
from b2m_encoding.phantom import simulate_arrays
from b2m_encoding.workflow import explain_study, slurm_cluster, work_folder

FOLDER = SIMULATED / "scale"


def changed(file: Path, old: str, new: str) -> Path:
    """Edit the study file, as you would by hand."""
    file.write_text(file.read_text().replace(old, new))
    return file


def what_is_left(file: Path) -> None:
    """In short what ``b2m run STUDY --explain`` prints."""
    units = explain_study(load_study(file))
    to_do = {name: state.reason for name, state in units.items() if not state.done}
    print(f"{len(units) - len(to_do)} of {len(units)} units are done")
    for name, reason in to_do.items():
        print(f"  to do: {name}, {reason}")


shutil.rmtree(FOLDER, ignore_errors=True)
study = simulate_arrays(FOLDER)

# %% Stop after a step
# ``b2m run STUDY --step score`` does what scores need. A run that is killed stops between two units just so; no
# results folder appears before everything is there.
run_study(load_study(study), study, steps=["score"])
print("results there?", load_study(study).output.exists())
what_is_left(study)

# %% Go on
# The same command: what is done is not done again. The statistics of the runs have served, and are gone.
run_study(load_study(study), study)
what_is_left(study)

# %% Change something
# More permutations: the fits stay. A figure at another resolution: only figures are drawn again.
changed(study, "permutations = 200", "permutations = 500")
what_is_left(study)
run_study(load_study(study), study)
changed(study, "dpi = 150", "dpi = 100")
what_is_left(study)

# %% Other processes, other machines
# ``--cluster local:2`` starts two processes here; ``--cluster tcp://10.0.0.1:8786`` uses a dask scheduler that runs
# already (``dask scheduler`` and, on every machine, ``dask worker tcp://10.0.0.1:8786 --nthreads 1``). All machines
# must see the study, the data and the results under the same paths. ``[model] parts`` cuts the targets of a subject
# into that many units. A unit whose worker is lost is given to another one.
changed(study, "[model]", "[model]\nparts = 2")
command = [Path(sys.executable).with_name("b2m"), "run", study, "--cluster", "local:2"]
subprocess.run(command, check=True)
print("kept in", work_folder(load_study(study)).path)

# %% SLURM
# ``b2m run study.toml --cluster slurm --workers 20 --memory 8`` submits twenty jobs of one process each. What your
# site wants besides is written once, in ``~/.config/dask/jobqueue.yaml``:
#
#     jobqueue:
#       slurm:
#         account: lab
#         queue: normal
#         cores: 2
#         walltime: "04:00:00"
#         job-script-prologue: ["source /home/me/b2m/.venv/bin/activate"]
#
# The command itself runs where jobs can be submitted from, as long as the jobs do: in ``tmux``, or as a small job.
# This is the script that a job gets:
with slurm_cluster("8GB", cores=2, queue="normal", walltime="04:00:00") as cluster:
    print(cluster.job_script())
