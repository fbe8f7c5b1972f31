"""Options of a search of penalties that are the same for every solver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from b2m_encoding.models.solver.devices import Precision

Scoring = Literal["r2", "r2_pooled", "r"]
"""Mean of the R2 of every fold, as scikit-learn and himalaya have it; R2 over all held-out samples; mean of r."""


@dataclass(frozen=True, eq=False)
class SearchOptions:
    """Options of a search of penalties that are the same for every solver.

    Parameters
    ----------
    scoring : {"r2", "r2_pooled", "r"}
    groups : array of int, shape (n_targets,), or None
        Group whose penalty each target shares; None where each target has its own.
    tested : Tensor of bool, shape (n_targets,)
        Targets that count in the score of their group.
    precision : {"float32", "float64", "fast"}
    n_targets_batch : int
    screens : bool
        Penalties that cannot be the best of a target may be left out.
    keeps : bool
        Held-out residuals of the best penalty are kept for the predictions that follow, where that saves computing.
    """

    scoring: Scoring
    groups: NDArray[np.intp] | None
    tested: Tensor
    precision: Precision
    n_targets_batch: int
    screens: bool = False
    keeps: bool = False
