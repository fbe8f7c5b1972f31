"""A first map in ten lines: from responses and sounds to a flatmap of prediction accuracy.

The listener is simulated (``simulated.py``), so that everything is here and the answer is known. Run it:
``python tutorials/01_first_map.py``, or cell by cell in an editor that knows ``# %%``.
"""

# %% Where the data are
import numpy as np
from simulated import FOLDER, listening_study

from b2m_encoding import EncodingModel, build_spaces, figures, load_atlas, load_study, stimulus_timeline

study = load_study(listening_study())

# %% The ten lines
# Responses are read and cleaned run by run; the acoustics of the clips are laid under the volumes; a ridge regression
# with four delays learns from the training runs and is judged on a run of other clips.
recording = study.data.read("01", study.cleaning.build())
responses, runs = recording.responses.load(), recording.responses.runs
acoustic = build_spaces({"acoustic": study.features["acoustic"]}, stimulus_timeline(recording))["acoustic"].values
training, seen = runs.select([name for name in runs.names if "Training" in name])
test, unseen = runs.select([name for name in runs.names if "Test" in name])
model = EncodingModel(delays=[3.0, 4.5, 6.0, 7.5]).fit(acoustic[seen], responses[seen], runs=training)
r = model.score(acoustic[unseen], responses[unseen], runs=test)
surface = recording.responses.space
figure = figures.score_map(r, surface, load_atlas("hcp-mmp1", surface), title="sub-01", note="simulated data")
[picture, *_] = figure.save(FOLDER / "first_map", formats=("png",))

# %% What it shows
# A score of NaN is *not tested*: the vertex is constant or has missing values. The simulation drove core and belt by
# the sound. Whether r differs from chance is another question: the next tutorials test it.
print(figure.caption)
print(f"written to {picture}")
atlas = load_atlas("hcp-mmp1", surface)
medians = {name: float(np.nanmedian(r[atlas.mask(name)])) for name in ("core", "inferior_frontal")}
print({name: round(median, 2) for name, median in medians.items()})
