"""A first map in ten lines: from responses and sounds to a flatmap of prediction accuracy.

The listener is simulated (``simulated.py``), so that everything is here and the answer is known. Run it:
``python tutorials/01_first_map.py``, or cell by cell in an editor that knows ``# %%``.
"""

# %% Where the data are
# Responses of one listener are read and cleaned, and the acoustics of the clips are laid under the volumes: two arrays.
from simulated import FOLDER, listening_study

from b2m_encoding import EncodingModel, build_spaces, evaluate, load_atlas, load_study, stimulus_timeline

study = load_study(listening_study())
recording = study.data.read("01", study.cleaning.build())
responses, runs = recording.responses.load(), recording.responses.runs
features = build_spaces({"acoustic": study.features["acoustic"]}, stimulus_timeline(recording))["acoustic"].values

# %% The ten lines
# A ridge regression with four delays learns from the training runs, and is tested on runs of other clips. Any model
# with ``fit`` and ``predict`` can stand in its place.
model = EncodingModel(delays=[3.0, 4.5, 6.0, 7.5])
result = evaluate(model, features, responses, runs, test="task-Test*", average_repeats=True)
figure = result.plot("fsaverage5", view="overview", title="sub-01", note="simulated data")
[picture, *_] = figure.save(FOLDER / "first_map", formats=("png",))

# %% What it shows
# A score of NaN is *not tested*: the vertex is constant or has missing values. Vertices whose r does not differ from
# chance (q < .05) show the cortex. The simulation drove core and belt by the sound.
print(result)
print(figure.caption)
print(f"written to {picture}")
atlas = load_atlas("hcp-mmp1", "fsaverage5")
means = {name: float(result.r[atlas.mask(name) & result.tested].mean()) for name in ("core", "inferior_frontal")}
for name, mean in means.items():
    print(f"mean r in {name.replace('_', ' ')} cortex: {mean:.2f}")
