"""The Gram form: why ridge regression over folds, penalties and feature spaces needs the data only once."""

# %% [markdown]
# Every voxel of an encoding model is a ridge regression (Hoerl & Kennard 1970, doi 10.1080/00401706.1970.10488634)
#
# $$\hat w = \arg\min_w \|y - Xw\|^2 + a \|w\|^2 = (X'X + aI)^{-1} X'y .$$
#
# The time series enter only through the Gram matrix $G = X'X$ and the covariance $c = X'y$. Both are sums over samples,
# so they are sums over runs: $G = \sum_f G_f$, $c = \sum_f c_f$. The training part of a fold is what is left when a
# run is taken away, $G - G_f$ and $c - c_f$. Nothing is read again.

# %%
import numpy as np
import torch
from sklearn.linear_model import Ridge

from b2m_encoding import EncodingModel, Runs
from b2m_encoding.models import SufficientStatistics

rng = np.random.default_rng(0)
runs = Runs.from_lengths([100] * 6, tr=1.5)
X = rng.standard_normal((600, 20)) + 10
Y = X @ rng.standard_normal((20, 50)) * 0.3 + rng.standard_normal((600, 50)) + 1000

statistics = SufficientStatistics({"mulan": 20}, dtype=torch.float64)
for block in runs.blocks:
    rows = runs.rows([block])
    statistics.update(block, X[rows], Y[rows])

# %% [markdown]
# **Intercepts.** Every block keeps its count, its means and its products *about its own means*. Sums of squares about
# another centre $m$ follow from the block's mean $m_b$ and count $n_b$,
#
# $$\sum_{i \in b} (x_i - m)(x_i - m)' = G_b + n_b (m_b - m)(m_b - m)' ,$$
#
# so that each fold is centred on the mean of its own training part. Raw BOLD, with a mean of 10,000 and a standard
# deviation of 50, loses no digits in float32, because nothing large is ever squared. Dropping the second term centres
# every run on itself (`center="block"`).

# %%
held_out, training = runs.blocks[0], runs.blocks[1:]
train = statistics.without([held_out]).pool()
inside, outside = runs.rows(training), runs.rows([held_out])
x, y = X[inside] - X[inside].mean(0), Y[inside] - Y[inside].mean(0)
assert np.allclose(train.xx, x.T @ x)
assert np.allclose(train.xy(slice(None)), y.T @ x)

# %% [markdown]
# **Scores without predictions.** Take the eigenbasis of the training part, $G - G_f = Q \,\mathrm{diag}(l)\, Q'$. For
# penalty $a$ the weights in that basis are $w_r = b_r / (l_r + a)$ with $b = Q'(c - c_f)$. The squared error in the
# run that was left out is
#
# $$\|y_f - X_f Q w\|^2 = s_f - 2\, d'w + w'Hw, \qquad d = Q'c_f, \quad H = Q'G_fQ, \quad s_f = y_f'y_f .$$

# %%
mean_x, mean_y = X[inside].mean(0), Y[inside].mean(0)
values, Q = np.linalg.eigh(x.T @ x)
x_out, y_out = X[outside] - mean_x, Y[outside] - mean_y
b, d, H, s = Q.T @ x.T @ y, Q.T @ x_out.T @ y_out, Q.T @ x_out.T @ x_out @ Q, (y_out**2).sum(0)
for a in (0.1, 10.0, 1000.0):
    w = b / (values[:, None] + a)
    error = s - 2 * (d * w).sum(0) + (w * (H @ w)).sum(0)
    predicted = Ridge(a).fit(X[inside], Y[inside]).predict(X[outside])
    assert np.allclose(error, ((Y[outside] - predicted) ** 2).sum(0))

# %% [markdown]
# **Cost.** With $p$ features, $n_f$ held-out samples, and for each target, fold and penalty:
#
# | form | operations | taken where |
# |---|---|---|
# | Gram | $2p^2$, of which $H = H'$ saves up to half | $p \le n_f$ |
# | prediction, from the samples in the eigenbasis of all of them | $2 n_f p$ | $n_f < p \le n$ |
# | dual, the same with the eigenbasis of their kernel | $2 n_f n$ | $p > n$ |
#
# None but the first pass of the Gram form depends on the number of samples. All three give the same numbers.

# %%
fits = {
    form: EncodingModel(None, form=form, precision="float64").fit(X, Y, runs=runs)
    for form in ("gram", "prediction", "dual")
}
for fit in fits.values():
    assert np.allclose(fit.cv_path_, fits["gram"].cv_path_)
    assert np.array_equal(fit.best_alphas_, fits["gram"].best_alphas_)

# %% [markdown]
# **One eigenproblem for all folds.** Where $p > n_f$ an eigenproblem for every fold would cost more than all targets.
# The last two forms need one in all. Let $U$ and $l$ be the eigenvectors and eigenvalues of the kernel of all samples,
# centred, and $S = U \,\mathrm{diag}(l / (l + a))\, U' + 1/n$ the smoother of the ridge fit with an intercept. The fit
# without a block $b$ is the fit to all samples in which the responses of $b$ are replaced by their predictions $\hat
# y_b$: they add no error, and so do not move the minimum. Hence $\hat y_b = (Sy)_b + S_{bb} (\hat y_b - y_b)$, and the
# held-out residual is $e_b = (I - S)_{bb}^{-1} ((I - S) y)_b$: leave-one-out $e_i / (1 - h_i)$ for blocks. It needs
# one scale of the features for all folds, that of all samples. What depends on features alone is kept on disk for
# other targets, subjects and processes (`factors=`).

# %%
a, n = 10.0, len(X)
x, y = X - X.mean(0), Y - Y.mean(0)
smoother = x @ np.linalg.solve(x.T @ x + a * np.eye(x.shape[1]), x.T) + 1 / n
rest = np.eye(n) - smoother
left_out = np.linalg.solve(rest[np.ix_(outside, outside)], (rest @ y)[outside])
assert np.allclose(left_out, Y[outside] - Ridge(a).fit(X[inside], Y[inside]).predict(X[outside]))

# %% [markdown]
# **Most penalties need no exact score.** The squared length of these residuals is estimated from its projections on a
# few random directions, made once for all targets. All penalties share the directions, so that the estimate of a
# difference is far better than that of either; its standard error follows from the projections. Penalties within three
# standard errors of the best are scored exactly, and `notes_` say how often a sample of targets gets the penalty of
# the full grid.

# %% [markdown]
# **Twenty penalties for the price of a few.** The filters $1/(l + a)$ of a grid of penalties are smooth functions of
# $l$, and so nearly dependent. Write them as combinations of $k$ others, $1/(l + a) \approx \sum_j v_{aj} u_j(l)$.
# The expensive product is then made $k$ times, and the quadratic term of every penalty is a combination of the $k^2$
# inner products. An error $e(l)$ of the filter changes the held-out predictions by at most
# $\|h \sqrt{l}\, e\|_2 \,\|y\|$, where $h_r$ is the norm of column $r$ of $X_fQ$ (Cauchy and Schwarz, with
# $\sum_r b_r^2 / l_r \le \|y\|^2$). That norm is kept below 3e-7 in float32: far below a difference that could matter,
# and below the rounding of float32 products. The same bound says which directions can be left out.

# %%
grid = np.logspace(-1, 7, 20)
weighted = np.sqrt(np.diag(H) * values) / (values + grid[:, None])
mix, strength, shapes = np.linalg.svd(weighted, full_matrices=False)
error_if_cut = np.sqrt(((mix * strength) ** 2)[:, ::-1].cumsum(1)[:, ::-1]).max(0)
k = int((error_if_cut > 3e-7).sum())
print(f"{len(grid)} penalties, {k} products")
assert k < len(grid)
assert np.linalg.norm(weighted - (mix[:, :k] * strength[:k]) @ shapes[:k], axis=1).max() <= 3e-7

# %% [markdown]
# **Banded ridge** (Nunez-Elizalde et al. 2019, doi 10.1016/j.neuroimage.2019.04.012; Dupre la Tour et al. 2022,
# doi 10.1016/j.neuroimage.2022.119728) gives every feature space a penalty of its own. Scaling the columns of a feature
# space by $\sqrt{\gamma_k}$ multiplies its part of $G$ and $c$, so any scaling, and any subset of feature spaces, is
# answered from the same statistics. The gradient of the held-out error by the log penalties is available as well
# (`refine=`).

# %%
spaces = {"mulan": X[:, :10], "text": X[:, 10:]}
banded = EncodingModel(None, solver="banded", n_scalings=10, random_state=0).fit(spaces, Y, runs=runs)
plain = EncodingModel(None, solver="ridge").fit(spaces, Y, runs=runs)
assert banded.cv_scores_.mean() > plain.cv_scores_.mean() - 1e-3  # the grids of penalties differ by the scaling

# %% [markdown]
# **Stacked ridge** (Breiman 1996, doi 10.1007/BF00117832; Lin et al. 2024, doi 10.1016/j.neuroimage.2024.120772) is the
# default for several feature spaces. Its members are the models of each feature space, of all but one and of all. Their
# held-out predictions $p_m$ need not be computed for every set of feature spaces anew: with weights $w_m$ of a fold,
# $p_m'p_n = w_m'H w_n$ and $p_m'y = w_m'd$ follow from the statistics above. Non-negative weights $s$ that sum to one
# then minimise $\|y - \sum s_m p_m\|^2$ plus a pull towards the member of all. The result is linear in the features.

# %%
stacked = EncodingModel(None).fit(spaces, Y, runs=runs)
shares = stacked.stack_.weights
assert stacked.stack_.members == [("mulan",), ("text",), ("mulan", "text")]
assert np.allclose(shares.sum(axis=0), 1)
assert (shares >= 0).all()
assert stacked.cv_scores_.mean() > plain.cv_scores_.mean() - 1e-3
