r"""Ridge problems in the eigenbasis of their training part.

Whatever the form (statistics, or samples where there are more features than samples), a fold comes down to

* eigenvalues :math:`l` of the training part,
* for a target, its training covariance :math:`b` and held-out covariance :math:`d` in that basis,
* a quadratic form :math:`H` that turns weights :math:`w` into the held-out sum of squared predictions.

With penalty :math:`a` the weights are :math:`w = b / (l + a)` and the held-out squared error is
:math:`s - 2 d'w + w'Hw`. See ``tutorials/10_gram_form.py`` for the derivation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import torch
from torch import Tensor

from b2m_encoding.models.solver.devices import eigh
from b2m_encoding.models.solver.moments import Center, Pool, Targets, take_targets
from b2m_encoding.models.solver.statistics import SufficientStatistics

Blocks = Sequence[str]
Form = Literal["gram", "prediction", "dual"]
HeldOut = Literal["gram", "root", "samples"]


@dataclass(frozen=True)
class Preparation:
    """Standardisation, delay prior and scaling of feature spaces: one linear map of the columns of X.

    Parameters
    ----------
    standardize : bool
        Divide every feature by its standard deviation in the training part at hand.
    widths : sequence of int
        Columns of each feature space.
    prior : Tensor or None, shape (n_delays, n_delays)
        A root of the prior covariance of the weights over delays (Nunez-Elizalde 2019,
        doi 10.1016/j.neuroimage.2019.04.012); None for independent delays.
    """

    standardize: bool
    widths: Sequence[int]
    prior: Tensor | None = None

    def deviations(self, squares: Tensor, mean: Tensor, count: int) -> Tensor:
        """1 / standard deviation of each column, 0 where it does not vary."""
        if not self.standardize:
            return torch.ones_like(squares)
        sd = (squares / count).clamp_min(0).sqrt()
        return torch.where(sd > 1e-10 * mean.abs(), 1 / sd, 0.0)

    def apply(self, X: Tensor, inverse_sd: Tensor, scaling: Tensor | None) -> Tensor:
        """``X M``, with the map ``M`` of this preparation."""
        X = self._smooth(X * inverse_sd.to(X), transpose=False)
        return X if scaling is None else X * scaling.to(X)

    def back(self, W: Tensor, inverse_sd: Tensor, scaling: Tensor | None) -> Tensor:
        """``M W``: weights of the prepared features as weights of the original ones, shape (n_features, ...)."""
        if scaling is not None:
            W = W * scaling.to(W)[:, None]
        return self._smooth(W.T, transpose=True).T * inverse_sd.to(W)[:, None]

    def _smooth(self, X: Tensor, *, transpose: bool) -> Tensor:
        if self.prior is None:
            return X
        root = (self.prior.T if transpose else self.prior).to(X)
        parts = torch.split(X, list(self.widths), dim=1)
        return torch.cat([(part.reshape(len(part), len(root), -1).mT @ root).mT.flatten(1) for part in parts], dim=1)

    def spread(self, scaling: Tensor | None) -> Tensor | None:
        """Square roots of one scaling per feature space, for each column."""
        if scaling is None:
            return None
        return scaling.double().sqrt().repeat_interleave(torch.tensor(list(self.widths), device=scaling.device))


@dataclass(frozen=True)
class System:
    """One ridge problem in its eigenbasis.

    Parameters
    ----------
    values : Tensor of float64, shape (rank,)
        Eigenvalues of the training part.
    train, held : Tensor, shape (m, rank), (k, rank)
        Turn what ``load`` gives into ``b`` and ``d``.
    quadratic : Tensor
        ``(rank, rank)``: H; or ``(n_held_out, rank)``: a root of it.
    held_out : {"gram", "root", "samples"}
        What ``quadratic`` is: H; a root of it; or a root, where what ``load`` gives are samples, not covariances.
    load : callable
        A slice of targets to their training rows ``(n, m)``, held-out rows ``(n, k)`` and held-out sums of squares.
    norms : Tensor, shape (rank,)
        Square roots of the diagonal of H.
    """

    values: Tensor
    train: Tensor
    held: Tensor
    quadratic: Tensor
    held_out: HeldOut
    load: Callable[[Targets], tuple[Tensor, Tensor, Tensor]]
    norms: Tensor


@dataclass(frozen=True)
class Whole:
    """All training data in its eigenbasis, for the final weights.

    ``load(targets) @ train`` is the covariance ``b`` of each target in the eigenbasis, and ``(b / (l + a)) @ back``
    are its weights for the original features, or for ``rows``, samples that the weights are combinations of.
    """

    values: Tensor
    train: Tensor
    back: Tensor
    load: Callable[[Targets], Tensor]
    mean_x: Tensor
    mean_y: Tensor
    rows: Tensor | None = None


@dataclass(frozen=True)
class PreparedFold:
    """A fold in the prepared features themselves, not in an eigenbasis.

    ``train`` and ``held`` are Gram matrices; ``load`` gives training and held-out covariances ``(n, n_features)`` and
    held-out sums of squares; ``back`` turns weights ``(n, n_features)`` into those of the original features.
    """

    train: Tensor
    held: Tensor
    load: Callable[[Targets], tuple[Tensor, Tensor, Tensor]]
    back: Callable[[Tensor], Tensor]
    mean_x: Tensor
    mean_y: Tensor


class Source(Protocol):
    """What the searches ask of a form."""

    form: Form
    n_targets: int
    n_features: int
    device: torch.device

    def system(self, held: Blocks, scaling: Tensor | None = None, *, own_mean: bool = False) -> System:
        """A fold; with ``own_mean`` the held-out part is centred on its own mean, as correlation needs."""

    def whole(self, scaling: Tensor | None = None) -> Whole:
        """All blocks."""

    def variation(self, held: Blocks) -> Tensor:
        """Held-out sums of squares about the held-out mean."""


class StatisticsSource:
    """Gram and prediction forms, from sufficient statistics.

    Parameters
    ----------
    statistics : SufficientStatistics
    preparation : Preparation
    center : {"all", "block"}
    form : {"gram", "prediction"}
        "prediction" needs ``rows``.
    rows : dict of str to Tensor
        X of every block: a root of the held-out Gram matrix that is cheaper than it, if there are fewer held-out
        samples than features.
    responses : dict of str to Tensor, optional
        Y of every block, where it is in memory: held-out responses are fewer numbers than their covariances.
    device : torch.device
    """

    def __init__(
        self,
        statistics: SufficientStatistics,
        preparation: Preparation,
        *,
        center: Center = "all",
        form: Form = "gram",
        rows: Mapping[str, Tensor] | None = None,
        responses: Mapping[str, Tensor] | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.statistics, self.preparation, self.center = statistics, preparation, center
        self.form, self.rows, self.responses = form, rows, responses
        self.device = device or torch.device("cpu")
        self.n_targets, self.n_features = statistics.n_targets, statistics.n_features

    @cached_property
    def _sum(self) -> Tensor:
        blocks = list(self.statistics.blocks.values())
        total = blocks[0].xy.clone()
        for block in blocks[1:]:
            total += block.xy
        return total

    def _pools(self, held: Blocks, own_mean: bool) -> tuple[Pool, Pool]:
        blocks = self.statistics.blocks
        out = [blocks[name] for name in held]
        inside = [block for name, block in blocks.items() if name not in set(held)]
        train = Pool(inside, self.center, complement=(self._sum, out))
        return train, Pool(out, self.center, about=None if own_mean else train)

    def system(self, held: Blocks, scaling: Tensor | None = None, *, own_mean: bool = False) -> System:
        """See :class:`Source`."""
        dtype, device, prep = self.statistics.dtype, self.device, self.preparation
        train, out = self._pools(held, own_mean)
        spread = prep.spread(scaling)
        inverse_sd = prep.deviations(train.xx.diagonal(), train.mean_x, train.count)

        def prepared(gram: Tensor) -> Tensor:
            half = prep.apply(gram, inverse_sd, spread)
            return prep.apply(half.T, inverse_sd, spread).to(device)

        values, vectors = eigh(prepared(train.xx))
        basis = prep.back(vectors.to(inverse_sd.device), inverse_sd, spread).to(device)
        root = self._root(held, out, train, own_mean)
        if root is None:
            quadratic = vectors.T @ prepared(out.xx) @ vectors
            norms = quadratic.diagonal().clamp_min(0).sqrt()
        else:
            quadratic = root @ basis.to(root.dtype)
            norms = quadratic.double().norm(dim=0)
        narrow, quadratic = basis.to(dtype), quadratic.to(dtype)
        samples = None if root is None else self._held_samples(held, out, train, own_mean)

        def load(targets: Targets) -> tuple[Tensor, Tensor, Tensor]:
            own = out.xy(targets) if samples is None else samples(targets)
            return train.xy(targets).to(device), own.to(device), out.yy[targets].to(device)

        if samples is not None:
            return System(values, narrow, quadratic, quadratic, "samples", load, norms)
        return System(values, narrow, narrow, quadratic, "gram" if root is None else "root", load, norms)

    def prepared(self, held: Blocks) -> PreparedFold:
        """A fold (all samples, if nothing is held out), standardised and with the prior, all in float64."""
        prep, device = self.preparation, self.device
        train, out = self._pools(held, own_mean=False)
        inverse_sd = prep.deviations(train.xx.diagonal(), train.mean_x, train.count)

        def rows(values: Tensor) -> Tensor:
            return prep.apply(values.double(), inverse_sd, None)

        def load(targets: Targets) -> tuple[Tensor, Tensor, Tensor]:
            own = rows(train.xy(targets)).to(device)
            if not held:
                return own, own, train.yy[targets].to(device)
            return own, rows(out.xy(targets)).to(device), out.yy[targets].to(device)

        def back(weights: Tensor) -> Tensor:
            return prep.back(weights.T.to(inverse_sd.device), inverse_sd, None).T.to(device)

        grams = [rows(rows(pool.xx).T).to(device) for pool in ((train, out) if held else (train, train))]
        return PreparedFold(grams[0], grams[1], load, back, train.mean_x, train.mean_y)

    def _held_samples(self, held: Blocks, out: Pool, train: Pool, own_mean: bool) -> Callable[[Targets], Tensor] | None:
        """How to get the held-out responses of some targets, centred as ``out`` is, shape (n_targets, n_samples)."""
        responses = self.responses
        if responses is None:
            return None
        pool = (out if own_mean else train).mean_y
        blocks = self.statistics.blocks
        means = {
            name: blocks[name].mean_y.nan_to_num(0.0, 0.0, 0.0) if self.center == "block" else pool for name in held
        }

        def samples(targets: Targets) -> Tensor:
            parts = [take_targets(responses[name], targets).to(pool) - means[name][targets] for name in held]
            return torch.cat(parts).nan_to_num_(0.0, 0.0, 0.0).to(self.statistics.dtype).T

        return samples

    def _root(self, held: Blocks, out: Pool, train: Pool, own_mean: bool) -> Tensor | None:
        """Held-out features, centred as ``out`` is."""
        if self.form != "prediction" or self.rows is None:
            return None
        if self.center == "block":
            means = [self.statistics.blocks[name].mean_x for name in held]
        else:
            means = [(out if own_mean else train).mean_x] * len(held)
        parts = [self.rows[name].to(mean) - mean for name, mean in zip(held, means, strict=True)]
        return torch.cat(parts).to(self.device, self.statistics.dtype)

    def whole(self, scaling: Tensor | None = None) -> Whole:
        """See :class:`Source`."""
        pool = Pool(list(self.statistics.blocks.values()), self.center, complement=(self._sum, []))
        prep, spread = self.preparation, self.preparation.spread(scaling)
        inverse_sd = prep.deviations(pool.xx.diagonal(), pool.mean_x, pool.count)
        half = prep.apply(pool.xx, inverse_sd, spread)
        values, vectors = eigh(prep.apply(half.T, inverse_sd, spread).to(self.device))
        basis = prep.back(vectors.to(inverse_sd.device), inverse_sd, spread).to(self.device, self.statistics.dtype)
        return Whole(values, basis, basis.T, lambda t: pool.xy(t).to(self.device), pool.mean_x, pool.mean_y)

    def variation(self, held: Blocks) -> Tensor:
        """See :class:`Source`."""
        return Pool([self.statistics.blocks[name] for name in held], self.center).yy
