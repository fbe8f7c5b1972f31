"""Your BIDS data set: a study file from the folder, a check of everything, a run, a report.

In the terminal this is ``b2m init bids FOLDER``, ``b2m check FOLDER/study.toml``, ``b2m run FOLDER/study.toml``. Here
the folder is that of a simulated study (``simulated.py``); put the path of your own in its place.
"""

# %% Look at the folder
# ``b2m init`` reads what is there: subjects, tasks, spaces, events, confounds. What it cannot know is left for you to
# fill in, and every key is explained where it stands.
from pathlib import Path
from tempfile import TemporaryDirectory

from simulated import FOLDER, analysed_study, listening_study

from b2m_encoding import Results, check_study, load_study
from b2m_encoding.workflow import left_to_do, write_template

listening_study()
with TemporaryDirectory() as folder:
    [written] = write_template("bids", FOLDER / "study" / "bids", Path(folder))
    print(written.read_text(encoding="utf-8"))
    to_do = left_to_do(written)
print("to fill in:", *(to_do or ["nothing, it can run as it is"]), sep="\n- ")

# %% Check the study
# The study with its features named. A check opens every file and computes nothing; it tells every problem at once.
recordings = check_study(load_study(listening_study()))
for subject, recording in recordings.items():
    runs = recording.responses.runs
    print(f"sub-{subject}: {len(runs.names)} runs, {len(runs)} volumes, {recording.responses.n_targets} targets")
    print(*recording.responses.steps, sep="\n  ")

# %% Run it
# Results appear complete or not at all. They open again as arrays, tables and images.
results = Results.open(analysed_study())
print(f"report: {results.path / 'report.html'}")
picture = results.path / "figures" / "sub-01_accuracy.png"  # one of its figures
for subject in results.subjects:
    r, q = (results.map(subject, "joint", stat) for stat in ("r", "q"))
    print(f"sub-{subject}: {int((q < 0.05).sum())} vertices predicted, best r {max(r[q == q]):.2f}")

# %% Before you believe it
# The audit looks for ways in which the test could have reached the training; the runs tell how good the data are.
audit, quality = results.table("audit.tsv"), results.table("quality.tsv")
print(audit[["subject", "name", "status", "value"]].to_string(index=False))
print(quality[["subject", "run", "role", "volumes", "censored", "tsnr"]].to_string(index=False))
assert "fail" not in set(audit["status"])
