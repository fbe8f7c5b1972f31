"""Any model with fit and predict, tested and drawn by the statistics of this package; here ridge of scikit-learn."""

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from b2m_encoding import Runs, evaluate, load_atlas

rng = np.random.default_rng(0)
runs = Runs.from_lengths({f"run-{i}": 120 for i in range(1, 6)}, tr=1.5)
features = rng.standard_normal((600, 8))
responses = rng.standard_normal((600, 20484)).astype(np.float32)  # simulated: fsaverage5
auditory = load_atlas("hcp-mmp1", "fsaverage5").mask("auditory_zoom")
responses[:, auditory] += features @ rng.standard_normal((8, auditory.sum())) / 4

model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 4, 9), alpha_per_target=True))
result = evaluate(model, features, responses, runs, test="run-5", n_permutations=1000)
print(result)
print(result.to_frame("fsaverage5").query("q < .05").groupby("hemisphere")["r"].agg(["size", "median"]).round(2))
figure = result.plot("fsaverage5", view="zoom", note="simulated data")
