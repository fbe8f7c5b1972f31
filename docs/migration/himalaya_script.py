"""Banded ridge regression of two feature spaces, delayed, with a test run: in himalaya."""

import numpy as np
from himalaya.ridge import GroupRidgeCV
from himalaya.scoring import correlation_score, r2_score
from sklearn.model_selection import LeaveOneGroupOut

rng = np.random.default_rng(0)
runs = np.repeat(["run-1", "run-2", "run-3", "run-4", "test"], 90)
features = {"acoustic": rng.standard_normal((450, 6)), "text": rng.standard_normal((450, 10))}
responses = 3 * rng.standard_normal((450, 30))
responses[3:, :10] += features["acoustic"][:-3] @ rng.standard_normal((6, 10))
responses[2:, 10:20] += features["text"][:-2] @ rng.standard_normal((10, 10))
train, test = runs != "test", runs == "test"
alphas = np.logspace(0, 4, 9)
gammas = np.array([[0.5, 0.5], [0.9, 0.1], [0.1, 0.9], [0.99, 0.01], [0.01, 0.99]])


def delayed(values, delay):
    """Features some samples earlier, run by run."""
    return np.vstack([np.pad(values[runs == run], ((delay, 0), (0, 0)))[:-delay] for run in np.unique(runs)])


X = [np.hstack([delayed(values, delay) for delay in (1, 2, 3, 4)]) for values in features.values()]
splits = list(LeaveOneGroupOut().split(X[0][train], groups=runs[train]))
parameters = {"n_iter": gammas, "alphas": alphas, "score_func": r2_score, "progress_bar": False}
model = GroupRidgeCV("input", solver_params=parameters, fit_intercept=True, cv=splits)
model.fit([space[train] for space in X], responses[train])
predicted = model.predict([space[test] for space in X])
r = correlation_score(responses[test], predicted)

print("median r", np.median(r).round(3), "penalties", np.exp(-model.deltas_[:, 0]).round(1))
