"""Joined folds: why a cross-validated r varies more than its prediction rearranged, and what holds the error rate."""

# %% [markdown]
# In cross-validation every run is predicted by a model of the others, and the predictions are joined. Take responses
# $y$ that have nothing to do with the features. Given the penalty, the joined prediction is linear, $\hat y = Hy$,
# where $H$ is zero inside runs, and its product with the response is a quadratic form,
#
# $$T = y^\top H y = \sum_{i \neq j} y_i^\top H_{ij} y_j .$$
#
# Runs $i$ and $j$ meet twice: $i$ trains for $j$, and $j$ for $i$. For responses of covariance $S$, independent between
# runs, the variance is
#
# $$\mathrm{var}(T) = \mathrm{tr}(HSHS) + \mathrm{tr}(HSH^\top S) .$$
#
# A permutation test that rearranges the *fixed* prediction $\hat y$ takes it for independent of $y$, and sees the
# second term alone. The first one is the product of $S^{1/2} H S^{1/2}$ with its transpose; by Cauchy and Schwarz it is
# at most as large as the second, and as large if $H$ is symmetric, as it is for strong penalties,
# $H_{ij} \propto X_i X_j^\top$. The null distribution of fixed predictions is then too narrow by $\sqrt 2 = 1.41$.

# %%
import numpy as np

from b2m_encoding import EncodingModel, Runs
from b2m_encoding.stats import pearson_r, refitted_null, significance

rng = np.random.default_rng(0)
runs = Runs.from_lengths([80] * 5, tr=1.5)
X = rng.standard_normal((400, 10)).astype(np.float32)
Y = rng.standard_normal((400, 1500)).astype(np.float32)  # unrelated to X


def by_run(values):
    """Standardise every run, so that its mean is no accuracy."""
    parts = [values[rows] - values[rows].mean(axis=0) for rows in runs.slices.values()]
    return np.concatenate([part / np.maximum(part.std(axis=0), 1e-12) for part in parts])


def predict(responses):
    """Predict each run by a model of the others, which chooses its penalty among them."""
    predicted = np.empty_like(responses)
    for name, rows in runs.slices.items():
        others, train = runs.select([other for other in runs.names if other != name])
        model = EncodingModel(delays=None, device="cpu").fit(X[train], responses[train], runs=others)
        predicted[rows] = model.predict(X[rows])
    return by_run(predicted)


Y = by_run(Y)
predicted = predict(Y)

# %% [markdown]
# The prediction, rearranged as if it came from elsewhere: more than twice as many empty targets as there should be.

# %%
fixed = significance(predicted, Y, runs, n_permutations=1000, random_state=0)
print(f"fixed predictions: p < .05 in {np.mean(fixed.p < 0.05):.3f} of empty targets")

# %% [markdown]
# **Refits.** The shape is another as well, because the penalty is chosen: where folds disagree, a large penalty leaves
# a prediction that is negatively related to the response. So responses are rearranged within their runs *before* the
# fit, and the whole fit is repeated. r of each refit is divided by the standard deviation that it has under all
# rearrangements of its fixed prediction, which is known exactly, and these quotients are pooled over targets. They
# must not be sorted by penalty: the penalty is chosen by the same association that is tested.

# %%
null = refitted_null(predict, Y[:, :500], runs, n_refits=5000, random_state=0)
found = significance(predicted, Y, runs, n_permutations=1000, refitted=null, random_state=0)
print(f"null distribution {null.dependence:.2f} times as wide as that of fixed predictions (at most about 1.41)")
print(f"refits: p < .05 in {np.mean(found.p < 0.05):.3f} of empty targets")

# %% [markdown]
# **Intervals.** A bootstrap over held-out blocks has the same blind spot. With signal, $y = f + e$, r has a part that
# is linear in the noise of test samples, which the bootstrap sees, and the product of the noise in training with that
# of the test, which it sees once instead of twice. The stronger the signal, the smaller is this product beside the
# prediction: a study therefore refits responses of known signal and rearranged noise, from no signal to a strong one,
# compares the spread of r with its standard error at each, and widens the intervals of a target by the factor at its r.

# %%
signal = by_run(X @ rng.standard_normal((10, 30)))
for share in (0.0, 0.1, 0.4):
    noise = by_run(rng.standard_normal((400, 30, 40)).reshape(400, -1))
    responses = np.sqrt(share) * np.repeat(signal, 40, axis=1) + np.sqrt(1 - share) * noise
    z = np.arctanh(pearson_r(predict(responses.astype(np.float32)), responses)).reshape(30, 40)
    spread = z.std(axis=1).mean() * np.sqrt(len(responses))
    print(f"share of signal {share:.1f}: r {np.tanh(z.mean()):.2f}, sqrt(n) times its spread {spread:.2f}")

# %% [markdown]
# Two independent series have 1 in the last column. In a study all of this is done where
# `evaluation.kind = "cross-validation"`; `statistics.refits` is the number of refits. Blocks of one run are not
# independent as runs are: the filter of slow drift makes neighbouring blocks negatively related. There, responses are
# not rearranged but get random phases over the whole run, which keep their autocorrelation at all lags (Theiler et al.
# 1992, doi 10.1016/0167-2789(92)90102-S).
