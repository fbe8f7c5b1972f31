"""The Gram form: ridge from sufficient statistics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import torch
from torch import Tensor

from b2m_encoding.models.solver.devices import SMALL_EIGENPROBLEM, eigh, for_each, in_chunks
from b2m_encoding.models.solver.filters import shrinkage
from b2m_encoding.models.solver.gram.fold_scorer import FoldScorer, fold_scorer
from b2m_encoding.models.solver.gram.scores import AT_A_TIME, GramScores, screening_pays
from b2m_encoding.models.solver.moments import Center, Pool, Targets
from b2m_encoding.models.solver.options import SearchOptions
from b2m_encoding.models.solver.preparation import Preparation
from b2m_encoding.models.solver.problems import Blocks, FoldSystem, Form, NormalEquations, PreparedFold
from b2m_encoding.models.solver.screening import N_CHECKED, Agreement, some_of, targets_at_a_time
from b2m_encoding.models.solver.search import cross_validated_r2, fold_factors
from b2m_encoding.models.solver.statistics import SufficientStatistics
from b2m_encoding.models.solver.weights import Weights


class StatisticsProblem:
    """Ridge problem from sufficient statistics.

    Parameters
    ----------
    statistics : SufficientStatistics
    preparation : Preparation
    center : {"all", "block", "none"}
    device : torch.device
    """

    form: Form = "gram"

    def __init__(
        self,
        statistics: SufficientStatistics,
        preparation: Preparation,
        *,
        center: Center = "all",
        device: torch.device | None = None,
    ) -> None:
        self.statistics, self.preparation, self.center = statistics, preparation, center
        self.device = device or torch.device("cpu")
        self.notes: list[str] = []
        self._agreement = Agreement()
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
        if own_mean and self.center == "none":
            return train, Pool(outside, "all")
        return train, Pool(outside, self.center, about=None if own_mean else train)

    def fold(self, held_out: Blocks, scaling: Tensor | None = None, *, own_mean: bool = False) -> FoldSystem:
        """Factorise the training part of a fold.

        Parameters
        ----------
        held_out : sequence of str
            Blocks that are held out; all others train.
        scaling : Tensor, shape (n_bands,), optional
            Scaling of each feature space.
        own_mean : bool
            Centre the held-out part on its own mean, as a correlation needs, not on that of the training part.
        """
        dtype, device, prep = self.statistics.dtype, self.device, self.preparation
        train, validation = self._pools(held_out, own_mean)
        scales, inverse_sd = prep.column_scales(scaling), self._inverse_deviations

        def prepared(gram: Tensor) -> Tensor:
            half = prep.apply(gram, inverse_sd, scales)
            return prep.apply(half.T, inverse_sd, scales).to(device)

        values, vectors = eigh(prepared(train.xx))
        basis = prep.back(vectors.to(inverse_sd.device), inverse_sd, scales).to(device, dtype)
        quadratic = vectors.T @ prepared(validation.xx) @ vectors
        norms = quadratic.diagonal().clamp_min(0).sqrt()

        def load(targets: Targets) -> tuple[Tensor, Tensor, Tensor]:
            return train.xy(targets).to(device), validation.xy(targets).to(device), validation.yy[targets].to(device)

        return FoldSystem(values, basis, quadratic, load, norms)

    def cv_scores(
        self,
        folds: Sequence[Blocks],
        alphas: Tensor,
        options: SearchOptions,
        scaling: Tensor | None = None,
        known: Tensor | None = None,
    ) -> Tensor:
        """See :meth:`~b2m_encoding.models.solver.problems.RidgeProblem.cv_scores`."""
        if options.screens and screening_pays(self.n_features, len(alphas), len(folds), self.n_targets):
            return self._screened_scores(folds, alphas, options, scaling, known)
        n, scoring, batch = self.n_targets, options.scoring, options.n_targets_batch
        score = torch.zeros((len(alphas), n), dtype=torch.float64, device=self.device)
        null = torch.zeros(n, dtype=torch.float64, device=self.device)
        factors = self.fold_factors(folds) if scoring == "r2" else None
        for i, system in enumerate(self._systems(folds, scaling, own_mean=scoring == "r")):
            scorer = fold_scorer(system, alphas, options.precision)

            def add(targets: slice, scorer: FoldScorer = scorer, i: int = i) -> None:
                linear, quadratic, squares = scorer(targets)
                if scoring == "r":
                    scale = (quadratic.double() * squares[:, None]).sqrt()
                    own = torch.where(scale > 0, linear / scale, 0.0).T / len(folds)
                else:
                    own = (squares[:, None] - (2 * linear - quadratic)).T
                    own = own if factors is None else own * factors[i, targets]
                score[:, targets] += own  # at the end, where no memory can run out any more
                null[targets] += squares

            batch = in_chunks(n, batch, add, self.device)
        if scoring == "r":
            return score
        return cross_validated_r2(score, self.variation(folds).sum(0).to(self.device), null)

    def _screened_scores(
        self,
        folds: Sequence[Blocks],
        alphas: Tensor,
        options: SearchOptions,
        scaling: Tensor | None,
        known: Tensor | None,
    ) -> Tensor:
        """Scores of the penalties that can be the best, and NaN for the others."""
        systems = self._systems(folds, scaling, own_mean=False)
        self._agreement = Agreement() if known is None else self._agreement
        found = GramScores.of([fold_scorer(one, alphas, options.precision) for one in systems], self._agreement)
        variation = self.variation(folds).sum(0).to(self.device)
        path = torch.empty((len(alphas), self.n_targets), dtype=torch.float64, device=self.device)
        checked = some_of(options.tested.to(self.device), N_CHECKED)
        other = torch.full_like(variation, -torch.inf) if known is None else known

        def work(targets: slice) -> None:
            path[:, targets] = found.scores(targets, variation[targets], checked[targets], other[targets])

        size = min(options.n_targets_batch, AT_A_TIME, targets_at_a_time(len(alphas)))
        in_chunks(self.n_targets, size, work, self.device)
        self.notes = found.agreement.note(len(alphas))
        return path

    def _systems(self, folds: Sequence[Blocks], scaling: Tensor | None, *, own_mean: bool) -> Iterator[FoldSystem]:
        """Factorised folds: one in memory at a time, or one per thread where a thread is as fast as several."""
        at_a_time = torch.get_num_threads() if self.n_features <= SMALL_EIGENPROBLEM else 1
        _ = self._total_xy, self._inverse_deviations  # once, before the threads
        for start in range(0, len(folds), at_a_time):
            some = folds[start : start + at_a_time]
            yield from for_each(some, lambda held_out: self.fold(held_out, scaling, own_mean=own_mean), self.device)

    def fold_factors(self, folds: Sequence[Blocks]) -> Tensor:
        """Factors of the squared errors of every fold, shape (n_folds, n_targets)."""
        null = torch.stack([self._pools(held_out, own_mean=False)[1].yy for held_out in folds])
        return fold_factors(self.variation(folds), null).to(self.device)

    def prepared_fold(self, held_out: Blocks) -> PreparedFold:
        """Standardise a fold (all samples, if nothing is held out) and apply the prior, all in float64."""
        prep, device = self.preparation, self.device
        train, validation = self._pools(held_out, own_mean=False)
        inverse_sd = self._inverse_deviations

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

    def held_out_root(self, held_out: Blocks) -> Tensor:
        """Rows with the products of the held-out features about the training mean, shape (n_features, n_features)."""
        _, validation = self._pools(held_out, own_mean=False)
        scale = validation.xx.diagonal().clamp_min(0).sqrt()
        inverse = torch.where(scale > 0, 1 / scale, 0.0)
        values, vectors = eigh((inverse[:, None] * validation.xx * inverse).to(self.device))
        return ((vectors * values.sqrt()).T * scale.to(self.device)).to(self.statistics.dtype)

    def solve(
        self, alphas: Tensor, scaling: Tensor | None = None, targets: Tensor | None = None, batch: int = 4096
    ) -> Weights:
        """See :meth:`~b2m_encoding.models.solver.problems.RidgeProblem.solve`."""
        pool, prep, scales = self._all, self.preparation, self.preparation.column_scales(scaling)
        half = prep.apply(pool.xx, self._inverse_deviations, scales)
        values, vectors = eigh(prep.apply(half.T, self._inverse_deviations, scales).to(self.device))
        basis = prep.back(vectors.to(pool.xx.device), self._inverse_deviations, scales)
        basis = basis.to(self.device, self.statistics.dtype)
        index = torch.arange(self.n_targets) if targets is None else targets
        weights = torch.empty((len(index), self.n_features), dtype=basis.dtype, device=self.device)
        own = alphas.to(values)

        def work(part: slice) -> None:
            rows = part if targets is None else index[part]
            filtered = (pool.xy(rows).to(self.device) @ basis) * shrinkage(values, own[part]).to(basis)
            weights[part] = filtered @ basis.T

        in_chunks(len(index), batch, work, self.device)
        return Weights(weights, None, pool.mean_x, pool.mean_y)

    def forget(self) -> None:
        """See :meth:`~b2m_encoding.models.solver.problems.RidgeProblem.forget`."""
        for name in ("_total_xy", "_all"):
            self.__dict__.pop(name, None)

    @cached_property
    def _all(self) -> Pool:
        return Pool(list(self.statistics.blocks.values()), self.center, complement=(self._total_xy, []))

    @cached_property
    def _inverse_deviations(self) -> Tensor:
        """Inverses of the standard deviations of all samples, which every fold shares."""
        pool = self._all
        return self.preparation.inverse_deviations(pool.xx.diagonal(), pool.mean_x, pool.count)

    def squares(self) -> Tensor:
        """See :meth:`RidgeProblem.squares <b2m_encoding.models.solver.problems.RidgeProblem.squares>`."""
        return self._all.xx.diagonal().cpu()

    def normal_equations(self, weights: Tensor, targets: Tensor) -> NormalEquations:
        """See :meth:`~b2m_encoding.models.solver.problems.RidgeProblem.normal_equations`."""
        pool, at = self._all, targets.to(self._all.yy.device)
        gradient = pool.xy(at).double().cpu() - weights @ pool.xx.cpu()
        return NormalEquations(gradient, self.squares(), pool.mean_x.cpu(), pool.yy[at].cpu(), pool.count)

    def variation(self, folds: Sequence[Blocks]) -> Tensor:
        """Held-out sums of squares of every fold about the held-out mean, shape (n_folds, n_targets)."""
        center: Center = "all" if self.center == "none" else self.center
        return torch.stack([Pool([self.statistics.blocks[name] for name in fold], center).yy for fold in folds])
