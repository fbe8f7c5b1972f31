"""The Gram and prediction forms: ridge from sufficient statistics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

import torch
from torch import Tensor

from b2m_encoding.models.solver.devices import eigh
from b2m_encoding.models.solver.moments import Center, Pool, Targets, take_targets
from b2m_encoding.models.solver.preparation import Preparation
from b2m_encoding.models.solver.problems import Blocks, FoldSystem, Form, FullSystem, NormalEquations, PreparedFold
from b2m_encoding.models.solver.statistics import SufficientStatistics


class StatisticsProblem:
    """Ridge problem from sufficient statistics, in the Gram or the prediction form.

    Parameters
    ----------
    statistics : SufficientStatistics
    preparation : Preparation
    center : {"all", "block"}
    form : {"gram", "prediction"}
        "prediction" needs ``rows``.
    rows : dict of str to Tensor
        X of every block: a root of the held-out Gram matrix, cheaper than the matrix where there are fewer held-out
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
    def _total_xy(self) -> Tensor:
        blocks = list(self.statistics.blocks.values())
        total = blocks[0].xy.clone()
        for block in blocks[1:]:
            total += block.xy
        return total

    def _pools(self, held_out: Blocks, own_mean: bool) -> tuple[Pool, Pool]:
        blocks = self.statistics.blocks
        outside = [blocks[name] for name in held_out]
        inside = [block for name, block in blocks.items() if name not in set(held_out)]
        train = Pool(inside, self.center, complement=(self._total_xy, outside))
        return train, Pool(outside, self.center, about=None if own_mean else train)

    def fold(self, held_out: Blocks, scaling: Tensor | None = None, *, own_mean: bool = False) -> FoldSystem:
        """See :meth:`RidgeProblem.fold <b2m_encoding.models.solver.problems.RidgeProblem.fold>`."""
        dtype, device, prep = self.statistics.dtype, self.device, self.preparation
        train, validation = self._pools(held_out, own_mean)
        scales = prep.column_scales(scaling)
        inverse_sd = prep.inverse_deviations(train.xx.diagonal(), train.mean_x, train.count)

        def prepared(gram: Tensor) -> Tensor:
            half = prep.apply(gram, inverse_sd, scales)
            return prep.apply(half.T, inverse_sd, scales).to(device)

        values, vectors = eigh(prepared(train.xx))
        basis = prep.back(vectors.to(inverse_sd.device), inverse_sd, scales).to(device)
        root = self._held_out_features(held_out, validation, train, own_mean)
        if root is None:
            quadratic = vectors.T @ prepared(validation.xx) @ vectors
            norms = quadratic.diagonal().clamp_min(0).sqrt()
        else:
            quadratic = root @ basis.to(root.dtype)
            norms = quadratic.double().norm(dim=0)
        narrow, quadratic = basis.to(dtype), quadratic.to(dtype)
        samples = None if root is None else self._held_out_responses(held_out, validation, train, own_mean)

        def load(targets: Targets) -> tuple[Tensor, Tensor, Tensor]:
            held_out_rows = validation.xy(targets) if samples is None else samples(targets)
            return train.xy(targets).to(device), held_out_rows.to(device), validation.yy[targets].to(device)

        if samples is not None:
            return FoldSystem(values, narrow, quadratic, quadratic, "samples", load, norms)
        return FoldSystem(values, narrow, narrow, quadratic, "gram" if root is None else "root", load, norms)

    def prepared_fold(self, held_out: Blocks) -> PreparedFold:
        """Standardise a fold (all samples, if nothing is held out) and apply the prior, all in float64."""
        prep, device = self.preparation, self.device
        train, validation = self._pools(held_out, own_mean=False)
        inverse_sd = prep.inverse_deviations(train.xx.diagonal(), train.mean_x, train.count)

        def rows(values: Tensor) -> Tensor:
            return prep.apply(values.double(), inverse_sd, None)

        def load(targets: Targets) -> tuple[Tensor, Tensor, Tensor]:
            covariance = rows(train.xy(targets)).to(device)
            if not held_out:
                return covariance, covariance, train.yy[targets].to(device)
            return covariance, rows(validation.xy(targets)).to(device), validation.yy[targets].to(device)

        def back(weights: Tensor) -> Tensor:
            return prep.back(weights.T.to(inverse_sd.device), inverse_sd, None).T.to(device)

        grams = [rows(rows(pool.xx).T).to(device) for pool in ((train, validation) if held_out else (train, train))]
        return PreparedFold(grams[0], grams[1], load, back, train.mean_x, train.mean_y)

    def _held_out_responses(
        self, held_out: Blocks, validation: Pool, train: Pool, own_mean: bool
    ) -> Callable[[Targets], Tensor] | None:
        """Loader of held-out responses, centred as ``validation`` is, shape (n_targets, n_samples), or None."""
        responses = self.responses
        if responses is None:
            return None
        pool_mean = (validation if own_mean else train).mean_y
        blocks = self.statistics.blocks
        means = {
            name: blocks[name].mean_y.nan_to_num(0.0, 0.0, 0.0) if self.center == "block" else pool_mean
            for name in held_out
        }

        def samples(targets: Targets) -> Tensor:
            parts = [take_targets(responses[name], targets).to(pool_mean) - means[name][targets] for name in held_out]
            return torch.cat(parts).nan_to_num_(0.0, 0.0, 0.0).to(self.statistics.dtype).T

        return samples

    def _held_out_features(self, held_out: Blocks, validation: Pool, train: Pool, own_mean: bool) -> Tensor | None:
        """Held-out features, centred as ``validation`` is; None where the form does not use them."""
        if self.form != "prediction" or self.rows is None:
            return None
        if self.center == "block":
            means = [self.statistics.blocks[name].mean_x for name in held_out]
        else:
            means = [(validation if own_mean else train).mean_x] * len(held_out)
        parts = [self.rows[name].to(mean) - mean for name, mean in zip(held_out, means, strict=True)]
        return torch.cat(parts).to(self.device, self.statistics.dtype)

    def held_out_root(self, held_out: Blocks) -> Tensor:
        """See :meth:`RidgeProblem.held_out_root <b2m_encoding.models.solver.problems.RidgeProblem.held_out_root>`."""
        train, validation = self._pools(held_out, own_mean=False)
        rows = self._held_out_features(held_out, validation, train, own_mean=False)
        if rows is not None:
            return rows
        scale = validation.xx.diagonal().clamp_min(0).sqrt()
        inverse = torch.where(scale > 0, 1 / scale, 0.0)
        values, vectors = eigh((inverse[:, None] * validation.xx * inverse).to(self.device))
        return ((vectors * values.sqrt()).T * scale.to(self.device)).to(self.statistics.dtype)

    def full(self, scaling: Tensor | None = None) -> FullSystem:
        """See :meth:`RidgeProblem.full <b2m_encoding.models.solver.problems.RidgeProblem.full>`."""
        pool = self._all
        prep, scales = self.preparation, self.preparation.column_scales(scaling)
        inverse_sd = prep.inverse_deviations(pool.xx.diagonal(), pool.mean_x, pool.count)
        half = prep.apply(pool.xx, inverse_sd, scales)
        values, vectors = eigh(prep.apply(half.T, inverse_sd, scales).to(self.device))
        basis = prep.back(vectors.to(inverse_sd.device), inverse_sd, scales).to(self.device, self.statistics.dtype)
        return FullSystem(values, basis, basis.T, lambda t: pool.xy(t).to(self.device), pool.mean_x, pool.mean_y)

    @cached_property
    def _all(self) -> Pool:
        return Pool(list(self.statistics.blocks.values()), self.center, complement=(self._total_xy, []))

    def squares(self) -> Tensor:
        """See :meth:`RidgeProblem.squares <b2m_encoding.models.solver.problems.RidgeProblem.squares>`."""
        return self._all.xx.diagonal().cpu()

    def normal_equations(self, weights: Tensor, targets: Tensor) -> NormalEquations:
        """See :meth:`~b2m_encoding.models.solver.problems.RidgeProblem.normal_equations`."""
        pool, at = self._all, targets.to(self._all.yy.device)
        gradient = pool.xy(at).double().cpu() - weights @ pool.xx.cpu()
        return NormalEquations(gradient, self.squares(), pool.mean_x.cpu(), pool.yy[at].cpu(), pool.count)

    def variation(self, held_out: Blocks) -> Tensor:
        """See :meth:`RidgeProblem.variation <b2m_encoding.models.solver.problems.RidgeProblem.variation>`."""
        return Pool([self.statistics.blocks[name] for name in held_out], self.center).yy
