"""From samples to a fitted model: gather statistics, choose the form, search, solve."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from b2m_encoding.errors import InputError
from b2m_encoding.models.inputs import Floats
from b2m_encoding.models.solver.banded import check_scalings, search_banded, simplex_scalings, solve_banded
from b2m_encoding.models.solver.devices import Precision, eigh, tensor, threads_for
from b2m_encoding.models.solver.dual import SamplesSource
from b2m_encoding.models.solver.moments import Center
from b2m_encoding.models.solver.problems import Form, Preparation, Source, StatisticsSource
from b2m_encoding.models.solver.refine import refine, refined_choice, solve_refined
from b2m_encoding.models.solver.ridge import Weights, groups_of_targets, search_adaptive, search_ridge, solve_ridge
from b2m_encoding.models.solver.search import Scoring
from b2m_encoding.models.solver.statistics import SufficientStatistics
from b2m_encoding.models.status import CONSTANT, MISSING, TESTED
from b2m_encoding.runs import Runs

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Settings:
    """Everything a fit needs besides the data; see :class:`~b2m_encoding.models.model.EncodingModel`."""

    alphas: NDArray[np.float64]
    solver: Literal["ridge", "banded"] = "ridge"
    cv: Any = None
    alpha_per: str | ArrayLike = "target"
    scoring: Scoring = "r2"
    search: Literal["grid", "adaptive"] = "grid"
    center: Center = "all"
    standardize: bool = True
    smoothness: float | None = None
    delays: Sequence[float] | None = None
    n_scalings: int = 50
    scalings: ArrayLike | None = None
    refine: int = 0
    form: Form | Literal["auto"] = "auto"
    device: torch.device = CPU
    dtype: torch.dtype = torch.float32
    precision: Precision = "float32"
    n_targets_batch: int = 4096
    random_state: int | np.random.Generator | None = None
    progress_bar: bool = False

    def __post_init__(self) -> None:
        allowed = {
            "solver": ("ridge", "banded"),
            "scoring": ("r2", "r"),
            "search": ("grid", "adaptive"),
            "center": ("all", "block"),
            "form": ("auto", "gram", "prediction", "dual"),
        }
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise InputError(f"unknown {name}", found=getattr(self, name), expected=list(values))
        if self.refine and (self.scoring != "r2" or not isinstance(self.alpha_per, str) or self.alpha_per != "target"):
            raise InputError("refinement maximises R2 of each target", fix='scoring="r2", alpha_per="target"')
        if not len(self.alphas) or not np.isfinite(self.alphas).all() or (self.alphas < 0).any():
            raise InputError("alphas must be finite numbers >= 0", found=self.alphas)


@dataclass(frozen=True)
class Data:
    """What a fit starts from: statistics, samples, or both (samples of used rows only, per block)."""

    statistics: SufficientStatistics | None
    X: dict[str, Tensor] | None
    Y: dict[str, Tensor] | None
    status: NDArray[np.str_] | None = None

    @property
    def n_targets(self) -> int:
        """Number of targets."""
        if self.statistics is not None:
            return self.statistics.n_targets
        assert self.status is not None
        return len(self.status)


@dataclass(frozen=True)
class Fitted:
    """Results of a fit; those of targets not tested are NaN."""

    weights: Weights
    status: NDArray[np.str_]
    alphas: NDArray[np.float64]
    deltas: NDArray[np.float64] | None
    scores: NDArray[np.float64]
    path: NDArray[np.float64]
    form: Form
    notes: list[str]


def choose_form(n_features: int, n_samples: int, n_held_out: int) -> Form:
    """The form with the fewest operations.

    Examples
    --------
    >>> choose_form(128, 4800, 800), choose_form(2048, 4800, 800), choose_form(8192, 1200, 200)
    ('gram', 'prediction', 'dual')
    """
    if n_features > n_samples:
        return "dual"
    return "gram" if n_features <= n_held_out else "prediction"


def pick_form(n_features: int, runs: Runs, settings: Settings) -> Form:
    """The form asked for, or the one with the fewest operations."""
    if settings.form != "auto":
        return settings.form
    n_held_out = min(len(runs.rows(fold)) for fold in runs.folds(settings.cv))
    return choose_form(n_features, len(runs.rows()), n_held_out)


def rows_of_blocks(X: Floats, runs: Runs, settings: Settings) -> dict[str, Tensor]:
    """Used samples of every block."""
    return {block: tensor(X[_contiguous(runs.rows([block]))]).to(settings.dtype) for block in runs.blocks}


def gather(X: Floats, Y: Floats, runs: Runs, bands: dict[str, int], settings: Settings) -> Data:
    """Measure every block; keep its samples where the form will need them."""
    form = pick_form(X.shape[1], runs, settings)
    rows = {block: _contiguous(runs.rows([block])) for block in runs.blocks}
    samples = rows_of_blocks(X, runs, settings)
    if form == "dual":
        return _gather_dual(samples, {block: Y[at] for block, at in rows.items()}, settings)
    statistics = SufficientStatistics(dict(bands), dtype=settings.dtype, device=settings.device)
    for block, at in rows.items():
        statistics.update(block, samples[block] if settings.dtype == torch.float32 else X[at], Y[at])
    if form == "prediction":
        return Data(statistics, samples, {block: tensor(Y[at]) for block, at in rows.items()})
    return Data(statistics, None, None)


def _gather_dual(X: dict[str, Tensor], Y: dict[str, Floats], settings: Settings) -> Data:
    every = list(Y.values())
    lowest, highest = (np.stack([f(part, axis=0) for part in every]) for f in (np.min, np.max))
    missing = ~np.isfinite(lowest.min(0)) | ~np.isfinite(highest.max(0))
    status = np.where(missing, MISSING, np.where(lowest.min(0) == highest.max(0), CONSTANT, TESTED))
    clean = {
        block: tensor(np.where(missing, 0, part) if missing.any() else part).to(settings.dtype)
        for block, part in Y.items()
    }
    return Data(None, X, clean, status)


def _contiguous(rows: NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """Rows as a slice (a view instead of a copy) where they follow each other."""
    if len(rows) and rows[-1] - rows[0] + 1 == len(rows):
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def target_status(statistics: SufficientStatistics) -> NDArray[np.str_]:
    """Status of every target: "tested", "constant" or "missing"."""
    blocks = list(statistics.blocks.values())
    missing = ~torch.stack([torch.isfinite(block.mean_y) for block in blocks]).all(0)
    pool = statistics.pool()
    deviation = (pool.yy / pool.count).sqrt()
    rounding = 4 * torch.finfo(statistics.dtype).eps * pool.mean_y.abs()
    constant = deviation <= rounding
    return np.where(missing.cpu(), MISSING, np.where(constant.cpu(), CONSTANT, TESTED))


def delay_prior(settings: Settings) -> Tensor | None:
    """Root of the prior covariance of the weights over delays, a Gaussian of the distance in seconds."""
    if not settings.smoothness or settings.delays is None or len(settings.delays) < 2:
        return None
    times = torch.tensor(list(settings.delays), dtype=torch.float64)
    covariance = torch.exp(-0.5 * ((times[:, None] - times) / settings.smoothness) ** 2)
    values, vectors = eigh(covariance)
    return vectors * values.sqrt()


def make_source(data: Data, bands: dict[str, int], settings: Settings) -> Source:
    """The source of ridge problems that the data allow."""
    preparation = Preparation(settings.standardize, list(bands.values()), delay_prior(settings))
    if data.statistics is None:
        assert data.X is not None
        assert data.Y is not None
        return SamplesSource(
            data.X, data.Y, preparation, center=settings.center, dtype=settings.dtype, device=settings.device
        )
    form: Form = "gram" if data.X is None else "prediction"
    return StatisticsSource(
        data.statistics,
        preparation,
        center=settings.center,
        form=form,
        rows=data.X,
        responses=data.Y,
        device=settings.device,
    )


def fit(data: Data, runs: Runs, bands: dict[str, int], settings: Settings) -> Fitted:
    """Choose penalties by cross-validation and solve with all samples."""
    with threads_for(sum(bands.values()), data.n_targets, settings.device):
        return _fit(data, runs, bands, settings)


def _fit(data: Data, runs: Runs, bands: dict[str, int], settings: Settings) -> Fitted:
    if data.statistics is not None:
        status = target_status(data.statistics)
    else:
        assert data.status is not None
        status = data.status
    source, folds = make_source(data, bands, settings), runs.folds(settings.cv)
    tested = torch.from_numpy(status == TESTED).to(settings.device)
    groups = groups_of_targets(settings.alpha_per, source.n_targets)
    common: dict[str, Any] = {
        "scoring": settings.scoring,
        "groups": groups,
        "tested": tested,
        "precision": settings.precision,
        "n_targets_batch": settings.n_targets_batch,
    }
    batch = settings.n_targets_batch
    deltas, notes = None, [f"solved in the {source.form} form"]
    if settings.solver == "banded":
        scalings = (
            simplex_scalings(len(bands), settings.n_scalings, settings.random_state)
            if settings.scalings is None
            else check_scalings(settings.scalings, len(bands))
        )
        banded = search_banded(
            source, folds, settings.alphas, scalings, progress=Progress(settings.progress_bar), **common
        )
        if settings.refine:
            banded = refined_choice(banded, *refine(source, folds, banded, settings.refine))
            weights = solve_refined(source, banded.deltas)
        else:
            weights = solve_banded(source, banded, n_targets_batch=batch)
        deltas = _numpy(banded.deltas, tested)
        alphas, scores, path = banded.alphas, banded.scores, banded.path
    else:
        if settings.search == "adaptive":
            choice, agreement = search_adaptive(source, folds, settings.alphas, **common)
            notes.append(f"adaptive search: the penalty of the full grid in {agreement:.1%} of a sample of targets")
        else:
            choice = search_ridge(source, folds, settings.alphas, **common)
        weights = solve_ridge(source, choice.alphas, n_targets_batch=batch)
        alphas, scores, path = choice.alphas, choice.scores, choice.path
    weights.reduced[~tested] = torch.nan
    if not settings.refine:
        notes += edge_note(_numpy(alphas, tested), settings.alphas)
    return Fitted(
        weights,
        status,
        _numpy(alphas, tested),
        deltas,
        _numpy(scores, tested),
        _numpy(path, tested),
        source.form,
        notes,
    )


def _numpy(values: Tensor, tested: Tensor) -> NDArray[np.float64]:
    """Values of tested targets (the last axis), NaN for the others."""
    return np.asarray(torch.where(tested, values, torch.nan).double().cpu().numpy())


def edge_note(chosen: NDArray[np.float64], alphas: NDArray[np.float64], share: float = 0.1) -> list[str]:
    """A note if many targets took the smallest or largest penalty, so that a better one may lie outside."""
    chosen = chosen[np.isfinite(chosen)]
    if len(alphas) < 3 or not len(chosen):
        return []
    low, high = (float(np.mean(chosen == edge)) for edge in (alphas.min(), alphas.max()))
    return [
        f"{part:.0%} of targets took the {name} penalty of the grid, {edge:g}: {advice}"
        for part, name, edge, advice in (
            (low, "smallest", alphas.min(), "try smaller ones"),
            (high, "largest", alphas.max(), "try larger ones, or these targets are not predicted"),
        )
        if part > share
    ]


class Progress:
    """Count steps on standard error."""

    def __init__(self, show: bool, what: str = "scalings") -> None:
        self.show, self.what = show, what

    def __call__(self, steps: Sequence[Tensor]) -> Any:
        """Yield the steps, and say how far it is."""
        for i, step in enumerate(steps):
            yield step
            if self.show:
                print(f"\r{self.what}: {i + 1}/{len(steps)}", end="\n" if i + 1 == len(steps) else "", file=sys.stderr)
