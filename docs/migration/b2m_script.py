"""Banded ridge regression of two feature spaces, delayed, with a test run: in b2m_encoding."""

import numpy as np

from b2m_encoding import BandedRidgeCV, Delayer

rng = np.random.default_rng(0)
runs = np.repeat(["run-1", "run-2", "run-3", "run-4", "test"], 90)
features = {"acoustic": rng.standard_normal((450, 6)), "text": rng.standard_normal((450, 10))}
responses = 3 * rng.standard_normal((450, 30))
responses[3:, :10] += features["acoustic"][:-3] @ rng.standard_normal((6, 10))
responses[2:, 10:20] += features["text"][:-2] @ rng.standard_normal((10, 10))
train, test = runs != "test", runs == "test"
alphas = np.logspace(0, 4, 9)
gammas = np.array([[0.5, 0.5], [0.9, 0.1], [0.1, 0.9], [0.99, 0.01], [0.01, 0.99]])

delayer = Delayer([1, 2, 3, 4])
X = [delayer.fit_transform(values, runs=runs) for values in features.values()]
model = BandedRidgeCV(alphas, scalings=gammas, scoring="r2")
model.fit([space[train] for space in X], responses[train], groups=runs[train])
predicted = model.predict([space[test] for space in X])
r = model.score_targets([space[test] for space in X], responses[test], scoring="r")

print("median r", np.median(r).round(3), "penalties", np.exp(-model.deltas_[:, 0]).round(1))
