r"""Stacked ridge: a weighted mean of the ridge models of some sets of feature spaces (Breiman 1996; Lin et al. 2024).

Members of the model of feature spaces S are the models of each of them, of all but one, and of all. In a member, every
feature space has the same prior variance, however many features it has, so that a large one does not crowd out a small
one. The weights :math:`w` of the members of a target are not negative, sum to one, and are the posterior mean given the
squared error of cross-validated predictions :math:`P` of responses :math:`y`,

.. math:: p(w) \exp\left(-\kappa \, \|y - P w\|^2 / 2 \sigma^2\right),

where :math:`\sigma^2` is the mean squared error of the best mixture and :math:`\kappa`, a quarter, the share of
held-out samples that are independent (a Gibbs posterior: Bissiri et al. 2016). The prior :math:`p` is as likely to
choose one member as any other; mixtures of two and of three have three tenths each. A useless feature space therefore
costs next to nothing where samples are many; where they cannot tell, the weights are near a mean of all members.
``P'P`` and ``P'y`` of all members are computed once; every set of feature spaces is answered from some of their rows
and columns.

Breiman 1996, doi 10.1007/BF00117832; Lin, Naselaris, Kay & Wehbe 2024, doi 10.1016/j.neuroimage.2024.120772; Bissiri,
Holmes & Walker 2016, doi 10.1111/rssb.12158.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from b2m_encoding._typing import Bands
from b2m_encoding.models.mixtures import mixture_weights
from b2m_encoding.models.solver.devices import in_chunks
from b2m_encoding.models.solver.filters import shrinkage
from b2m_encoding.models.solver.fit_inputs import FitInputs
from b2m_encoding.models.solver.gram.problem import StatisticsProblem
from b2m_encoding.models.solver.make_problem import balanced_scaling, make_problem
from b2m_encoding.models.solver.options import SearchOptions
from b2m_encoding.models.solver.problems import Blocks, FoldSystem, RidgeProblem
from b2m_encoding.models.solver.ridge import Choice, choose
from b2m_encoding.models.solver.samples.problem import SamplesProblem
from b2m_encoding.models.solver.search import cross_validated_r2
from b2m_encoding.models.solver.settings import Settings
from b2m_encoding.models.solver.weights import StackedWeights, Weights


def member_sets(names: Bands) -> list[Bands]:
    """List the members of a stacked model: each feature space, all but one, and all, which is the last.

    Examples
    --------
    >>> member_sets(("a", "b"))
    [('a',), ('b',), ('a', 'b')]
    >>> len(member_sets(("a", "b", "c"))), len(member_sets(("a", "b", "c", "d")))
    (7, 9)
    """
    all_but_one = [tuple(other for other in names if other != name) for name in reversed(names)]
    sets = [*((name,) for name in names), *(chosen for chosen in all_but_one if chosen), names]
    return list(dict.fromkeys(sets))


@dataclass(frozen=True, eq=False)
class Member:
    """Ridge model of some feature spaces, each with the same prior variance.

    Parameters
    ----------
    problem : RidgeProblem
    scaling : Tensor or None
        Scaling of its feature spaces.
    columns : Tensor of int
        Its columns among those of all feature spaces.
    alphas : Tensor, shape (n_targets,)
    n_targets_batch : int
    predicted : Tensor, shape (n_held_out, n_targets), or None
        Held-out predictions, where there are samples and they are needed.
    """

    problem: RidgeProblem
    scaling: Tensor | None
    columns: Tensor
    alphas: Tensor
    n_targets_batch: int
    predicted: Tensor | None = None

    def penalties(self) -> Tensor:
        """Penalty of each feature space and target, shape (n_bands, n_targets)."""
        n_bands = len(self.problem.preparation.widths)
        scaling = torch.ones(n_bands) if self.scaling is None else self.scaling
        return self.alphas / scaling.to(self.alphas)[:, None]

    @cached_property
    def weights(self) -> Weights:
        """Weights from all samples."""
        return self.problem.solve(self.alphas, self.scaling, batch=self.n_targets_batch)


@dataclass(frozen=True)
class Products:
    """Held-out inner products of the predictions of members, summed over folds.

    Parameters
    ----------
    gram : Tensor of float64, shape (n_targets, n_members, n_members)
    product : Tensor of float64, shape (n_targets, n_members)
        With the responses.
    squares, variation : Tensor of float64, shape (n_targets,)
        Squares of the responses about the training mean, and about the held-out mean.
    count : int
        Held-out samples.
    """

    gram: Tensor
    product: Tensor
    squares: Tensor
    variation: Tensor
    count: int

    def take(self, members: Sequence[int]) -> Products:
        """Products of some members."""
        at = list(members)
        return Products(self.gram[:, at][:, :, at], self.product[:, at], self.squares, self.variation, self.count)

    def weights(self) -> Tensor:
        """Weights of the members, shape (n_members, n_targets)."""
        return mixture_weights(self.gram, self.product, self.squares, self.count).T

    def r2(self, weights: Tensor) -> Tensor:
        """Cross-validated R2 of weighted predictions, shape (n_targets,)."""
        w = weights.T
        quadratic = torch.einsum("ti,tij,tj->t", w, self.gram, w)
        error = self.squares - 2 * (w * self.product).sum(1) + quadratic
        return cross_validated_r2(error, self.variation, self.squares)

    def r(self, weights: Tensor) -> Tensor:
        """Cross-validated correlation of weighted predictions, shape (n_targets,)."""
        w = weights.T
        scale = (torch.einsum("ti,tij,tj->t", w, self.gram, w) * self.squares).clamp_min(0).sqrt()
        return torch.where(scale > 0, (w * self.product).sum(1) / scale, 0.0)


def fit_members(
    inputs: FitInputs,
    folds: Sequence[Blocks],
    widths: Mapping[str, int],
    settings: Settings,
    options: SearchOptions,
    sets: Sequence[Bands],
    *,
    stacked: bool,
    progress: Callable[[str], None],
) -> tuple[dict[Bands, Member], dict[Bands, Choice]]:
    """Choose penalties for the ridge model of every set of feature spaces, one after the other, and solve.

    Parameters
    ----------
    inputs, folds, widths, settings, options
        As in :func:`~b2m_encoding.models.solver.fitting.fit_sets`.
    sets : sequence of tuple of str
    stacked : bool
        Whether held-out predictions are needed.
    progress : callable
        Called with the member that is fitted.
    """
    grid = torch.as_tensor(settings.alphas, device=settings.device)
    members, choices, batch = {}, {}, settings.n_targets_batch
    options = replace(options, keeps=stacked)
    for names in sets:
        progress("model " + "+".join(names))
        problem, scaling, columns = _member_problem(inputs, names, widths, settings)
        choice = choose(problem.cv_scores(folds, grid, options, scaling), grid, options)
        predicted = None
        if stacked and isinstance(problem, SamplesProblem):
            predicted = problem.held_out_predictions(choice.alphas, batch)
        member = Member(problem, scaling, columns, choice.alphas, batch, predicted)
        if isinstance(problem, SamplesProblem):
            _ = member.weights  # while the factors of this member are at hand
            problem.forget()
        members[names], choices[names] = member, choice
    return members, choices


def solve_members(
    inputs: FitInputs, widths: Mapping[str, int], settings: Settings, alphas: Mapping[Bands, Tensor]
) -> list[Member]:
    """Make the ridge models of sets of feature spaces with penalties that are known."""
    return [
        Member(*_member_problem(inputs, names, widths, settings), own, settings.n_targets_batch)
        for names, own in alphas.items()
    ]


def _member_problem(
    inputs: FitInputs, names: Bands, widths: Mapping[str, int], settings: Settings
) -> tuple[RidgeProblem, Tensor | None, Tensor]:
    """Problem of a member, the scaling of its feature spaces, and its columns among all."""
    stops = torch.tensor(list(widths.values())).cumsum(0).tolist()
    columns = {name: torch.arange(stop - widths[name], stop) for name, stop in zip(widths, stops, strict=True)}
    problem = make_problem(inputs.subset(names, widths), {name: widths[name] for name in names}, settings)
    return problem, balanced_scaling(inputs, names, widths, settings), torch.cat([columns[name] for name in names])


def held_out_products(
    members: Sequence[Member], whole: RidgeProblem, folds: Sequence[Blocks], count: int, batch: int
) -> Products:
    """Compute the inner products of held-out predictions of all members, and with the responses.

    Parameters
    ----------
    members : sequence of Member
    whole : RidgeProblem
        The problem of all feature spaces, for held-out samples that all members share.
    folds : sequence of sequences of str
        Held-out blocks of each fold.
    count : int
        Held-out samples.
    batch : int
        Targets at a time.
    """
    if isinstance(whole, SamplesProblem):
        return _products_of_samples(members, whole, folds, count, batch)
    assert isinstance(whole, StatisticsProblem)
    return _products_of_statistics(members, whole, folds, count, batch)


def _products_of_samples(
    members: Sequence[Member], whole: SamplesProblem, folds: Sequence[Blocks], count: int, batch: int
) -> Products:
    n, device = whole.n_targets, whole.device
    predictions = [member.predicted for member in members if member.predicted is not None]
    gram = torch.zeros((n, len(members), len(members)), dtype=torch.float64, device=device)
    product = torch.zeros((n, len(members)), dtype=torch.float64, device=device)
    squares, variation = torch.zeros((2, n), dtype=torch.float64, device=device)

    def add(targets: slice) -> None:
        measured, squares[targets], variation[targets] = whole.held_out_responses(folds, targets)
        stacked = torch.stack([part[:, targets].to(device).T for part in predictions], dim=1)
        gram[targets] = (stacked @ stacked.mT).double()
        product[targets] = (stacked @ measured.T[:, :, None])[..., 0].double()

    in_chunks(n, max(1, batch // len(members)), add, device)
    return Products(gram, product, squares, variation, count)


def _products_of_statistics(
    members: Sequence[Member], whole: StatisticsProblem, folds: Sequence[Blocks], count: int, batch: int
) -> Products:
    n, device = whole.n_targets, whole.device
    gram = torch.zeros((n, len(members), len(members)), dtype=torch.float64, device=device)
    product = torch.zeros((n, len(members)), dtype=torch.float64, device=device)
    squares = torch.zeros(n, dtype=torch.float64, device=device)
    for held_out in folds:
        problems = [(member.problem, member) for member in members]
        systems = [own.fold(held_out, member.scaling) for own, member in problems if isinstance(own, StatisticsProblem)]
        root = whole.held_out_root(held_out)
        maps = [
            root[:, member.columns.to(root.device)] @ system.basis
            for system, member in zip(systems, members, strict=True)
        ]

        def add(targets: slice, systems: Sequence[FoldSystem] = systems, maps: Sequence[Tensor] = maps) -> None:
            predicted, products = [], []
            for system, back, member in zip(systems, maps, members, strict=True):
                train, held, yy = system.load(targets)
                filters = shrinkage(system.values, member.alphas[targets].to(system.values))
                weights = (train @ system.basis) * filters.to(system.basis)
                products.append((weights * (held @ system.basis)).sum(1).double())
                predicted.append(weights @ back.T)
            stacked = torch.stack(predicted, dim=1)
            own, linear = (stacked @ stacked.mT).double(), torch.stack(products, dim=1)
            gram[targets] += own  # at the end, where no memory can run out any more
            product[targets] += linear
            squares[targets] += yy

        batch = in_chunks(n, batch, add, device)
    variation = whole.variation(folds).sum(0).to(device)
    return Products(gram, product, squares, variation, count)


def stack(members: Sequence[Member], weights: Tensor) -> StackedWeights:
    """Weighted sum of the weights of all members: a stacked model is linear in the features.

    Parameters
    ----------
    members : sequence of Member
        The last one has all columns.
    weights : Tensor, shape (n_members, n_targets)
    """
    whole = members[-1]
    place = {column: i for i, column in enumerate(whole.columns.tolist())}
    columns = [torch.tensor([place[column] for column in member.columns.tolist()]) for member in members]
    parts = [member.weights for member in members]
    return StackedWeights(parts, columns, weights, whole.weights.mean_x, whole.weights.mean_y)
