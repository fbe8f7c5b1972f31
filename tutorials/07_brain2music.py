"""Brain2Music, analysis by analysis: what the paper did, where its numbers are here, and what differs.

The paper (Denk et al. 2023, arXiv 2307.11078) analysed the Music Genre data set (OpenNeuro ds003720). Set ``DS003720``
to a folder with a ``study.toml`` that ``b2m init musicgenre`` wrote (``paper.toml`` beside it is the one to run);
without it the same analyses run on the simulated listeners, whose numbers mean nothing beyond that.
"""

# %% The settings of the paper
# Windows of clips are the samples, not volumes; responses come 4.5 s later; a running median of 240 s is subtracted;
# repeats of a clip are averaged; one penalty per voxel. The simulated responses are those of auditory cortex as plain
# arrays, one per run: like the arrays that the authors published, they have no places, so there are tables and no maps.
import os
from pathlib import Path

import numpy as np
from simulated import auditory_study

from b2m_encoding import Results, load_study, run_study
from b2m_encoding.gallery import FigureRequest, draw_kind

PAPER = """
[cleaning]
detrend = "median"
cutoff = 240.0
[features.genre]            # the control of the paper: a model that knows the genre alone
extractor = "labels"
column = "genre"
[windows]
length = 10.0
step = 1.5
lag = 4.5
[statistics]
generalise = ["group"]      # Fig. 7a: genres that no decoder has met
partition = false
[decoding]
targets = ["acoustic"]
"""

real = os.environ.get("DS003720")
file = Path(real) / "paper.toml" if real else auditory_study("brain2music", PAPER)
study = load_study(file)
run_study(study, file, subjects=() if real else ("01",))
results = Results.open(study.output)
subject = results.subjects[0]

# %% Which embedding predicts which voxels (their section 5.1, Fig. 5)
# Pearson r of each feature space alone; the paper calls a voxel significant by a null of independent samples, which
# calls too many significant (the audit tells how many). Here clips change places.
predicted = results.map(subject, "joint", "q") < 0.05
print(f"{predicted.sum()} targets are predicted by the joint model")
for name in (*results.feature_spaces, "joint"):
    r = results.map(subject, name, "r")
    print(f"{name:<9} mean r {np.nanmean(r):.3f}, best {np.nanmax(r):.2f}")

# %% One embedding against another, voxel by voxel (Fig. 7b)
names = ("acoustic", "text") if "acoustic" in results.feature_spaces else results.feature_spaces[:2]
request = FigureRequest(subjects=(subject,), models=names, mark=0.4)
[scatter, *_] = draw_kind(results.path, "scatter", request, {"formats": ("png",)}, study.output.parent / "paper")
print(scatter.with_suffix(".txt").read_text(encoding="utf-8"))

# %% Is it more than the genre? (their control)
# The joint model with and without each genre in training.
if results.has("generalisation.tsv"):
    left = results.table("generalisation.tsv")
    print(left[["subject", "left_out", "r_with", "r_without"]].round(3).to_string(index=False))

# %% Which clip was heard (section 4.2, Fig. 4) and genres never met (Fig. 7a)
for found in results.json("identification.json")["subjects"]:
    if "identification_accuracy" in found:
        unheard = found.get("identification_accuracy_unheard_group", float("nan"))
        print(f"sub-{found['subject']}, {found['feature_space']}: {found['identification_accuracy']:.2f}")
        print(f"  genre never met: {unheard:.2f}; chance 0.5")

# %% What differs from the paper
# - fMRIPrep's surfaces and a standard atlas instead of each subject's own; for those: ``space = "fsnative"``.
# - MuLan is not public. ``muq_mulan`` is the nearest open network; ``mulan_precomputed`` reads MuLan's own embeddings.
# - Significance by permutation within runs, corrected over vertices.
# - Retrieval and generation of music follow from the decoded embeddings: ``b2m corpus build`` and ``b2m reconstruct``.
print(f"report: {results.path / 'report.html'}")
