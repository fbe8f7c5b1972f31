"""Form and size of a fit, counted from shapes: nothing is loaded, and torch is not needed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from b2m_encoding._typing import Float64
from b2m_encoding.runs import Runs

if TYPE_CHECKING:
    from b2m_encoding.models.solver.devices import Precision
    from b2m_encoding.models.solver.problems import Form


@dataclass(frozen=True, eq=False, kw_only=True)
class SizeSettings:
    """Settings of a fit that its form and size follow from; see :class:`~b2m_encoding.models.model.EncodingModel`."""

    alphas: Float64
    cv: Any
    alpha_per: str | ArrayLike
    refine: int
    form: Form | Literal["auto"] = "auto"
    precision: Precision = "float32"

    @property
    def shares_penalties(self) -> bool:
        """Whether targets share penalties, so that they must be fitted together."""
        return not (isinstance(self.alpha_per, str) and self.alpha_per == "target")

    @property
    def itemsize(self) -> int:
        """Bytes of a number of the large products."""
        return 8 if self.precision == "float64" else 4


def choose_form(n_features: int, n_samples: int, n_held_out: int) -> Form:
    """Choose the form with the fewest operations.

    Examples
    --------
    >>> choose_form(128, 4800, 800), choose_form(2048, 4800, 800), choose_form(8192, 1200, 200)
    ('gram', 'prediction', 'dual')
    """
    if n_features > n_samples:
        return "dual"
    return "gram" if n_features <= n_held_out else "prediction"


def pick_form(n_features: int, runs: Runs, settings: SizeSettings) -> Form:
    """Return the form of the settings, or with "auto" the one with the fewest operations."""
    if settings.form != "auto":
        return settings.form
    n_held_out = min(len(runs.rows(fold)) for fold in runs.folds(settings.cv))
    if settings.refine and n_features <= len(runs.rows()):
        return "gram"  # which alone has the gradient
    return choose_form(n_features, len(runs.rows()), n_held_out)


def bytes_of_samples(n_columns: int, n_samples: int, settings: SizeSettings, n_members: int = 1) -> int:
    """Bytes per target of a fit to samples: responses, centred, in the basis, and what every member predicts and is."""
    rank = min(n_columns, n_samples)
    per_member = rank + (n_samples if n_members > 1 else 0)
    return settings.itemsize * (3 * n_samples + rank + n_members * per_member)


def bytes_of_factors(n_columns: int, runs: Runs, settings: SizeSettings) -> int:
    """Bytes of what a fit to samples needs of the features alone: eigenbasis, maps to weights, held-out factors."""
    n, size = len(runs), settings.itemsize
    rank = min(n_columns, n)
    held_out = sum(len(runs.rows(fold)) ** 2 for fold in runs.folds(settings.cv))
    return rank * n * (8 + size) + size * (rank * n_columns + len(settings.alphas) * held_out)


def target_slices(
    n_targets: int, runs: Runs, n_columns: int, settings: SizeSettings, memory: float, n_members: int = 1
) -> list[slice]:
    """Cut the targets into slices whose statistics, or samples and models, fit in memory.

    Parameters
    ----------
    n_targets : int
    runs : Runs
        Of the samples that are fitted to.
    n_columns : int
        Columns of the design matrix.
    settings : SizeSettings
    memory : float
        Bytes.
    n_members : int
        Members of a stacked model.
    """
    if pick_form(n_columns, runs, settings) == "gram":
        bytes_per_target = 2 * (len(runs.blocks) + 3) * n_columns * settings.itemsize
    else:
        bytes_per_target = bytes_of_samples(n_columns, len(runs), settings, n_members)
        memory = max(memory - bytes_of_factors(n_columns, runs, settings), memory / 4)
    bytes_per_target += 64 * len(settings.alphas)
    n = max(1, int(memory / bytes_per_target))
    return equal_slices(n_targets, -(-n_targets // n))


def equal_slices(n_targets: int, number: int) -> list[slice]:
    """Cut the targets into slices of nearly equal length, none of them empty.

    Examples
    --------
    >>> equal_slices(5, 2)
    [slice(0, 2, None), slice(2, 5, None)]
    """
    edges = np.linspace(0, n_targets, number + 1).round().astype(int).tolist()
    return [slice(start, stop) for start, stop in pairwise(edges) if start < stop]
