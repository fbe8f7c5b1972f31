"""Settings of a fit: parameters of an estimator, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from b2m_encoding._typing import Float64
from b2m_encoding.errors import InputError, whole_number
from b2m_encoding.models.delay_prior import DelayPrior
from b2m_encoding.models.sizes import SizeSettings
from b2m_encoding.models.solver.devices import number_type, resolve_device
from b2m_encoding.models.solver.moments import Center
from b2m_encoding.models.solver.options import Scoring

Solver = Literal["stacked", "ridge", "banded"]
ALLOWED = {
    "solver": ("stacked", "ridge", "banded"),
    "delay_prior": ("hrf", "flat"),
    "scoring": ("r2", "r2_pooled", "r"),
    "center": ("all", "block", "none"),
    "form": ("auto", "gram", "prediction", "dual"),
}


def numbers(values: Any, name: str) -> Float64:
    """Convert a parameter to an array of numbers.

    Raises
    ------
    InputError
        If it holds something else.
    """
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be numbers", found=repr(values)) from error


@dataclass(frozen=True, eq=False, kw_only=True)
class Settings(SizeSettings):
    """Everything a fit needs besides the data; see :class:`~b2m_encoding.models.model.EncodingModel`.

    Raises
    ------
    InputError
        If a value is unknown, or two of them exclude each other.
    """

    solver: Solver
    scoring: Scoring
    center: Center
    standardize: bool
    delay_prior: DelayPrior
    smoothness: float | None
    delays: Sequence[float] | None
    n_scalings: int
    scalings: ArrayLike | None
    device: torch.device
    screening: bool
    factors: Path | None
    n_targets_batch: int
    random_state: int | np.random.Generator | None
    progress_bar: bool

    @classmethod
    def of(cls, model: BaseEstimator, **changes: Any) -> Settings:
        """Read the settings from the parameters of an estimator, some of them changed."""
        values = {**model.get_params(deep=False), **changes}
        if not values.get("fit_intercept", True):
            if values["center"] == "block":
                raise InputError("means of blocks are removed only with an intercept", fix='center="all"')
            values["center"] = "none"
        values["device"] = resolve_device(values["device"])
        values["factors"] = Path(values["factors"]) if values["factors"] else None
        values["alphas"] = np.atleast_1d(numbers(values["alphas"], "alphas"))
        return cls(**{field.name: values[field.name] for field in fields(cls)})

    def __post_init__(self) -> None:
        number_type(self.precision)
        for name, values in ALLOWED.items():
            if getattr(self, name) not in values:
                raise InputError(f"unknown {name}", found=getattr(self, name), expected=list(values))
        if self.refine and (self.scoring == "r" or self.shares_penalties):
            raise InputError("refinement maximises R2 of each target", fix='scoring="r2", alpha_per="target"')
        for name, least in (("n_targets_batch", 1), ("n_scalings", 1), ("refine", 0)):
            whole_number(getattr(self, name), name, least)
        if self.smoothness is not None and not 0 <= numbers(self.smoothness, "smoothness") < np.inf:
            raise InputError("smoothness must not be negative", found=self.smoothness, expected="seconds, or None")
        if self.alphas.ndim != 1:
            raise InputError("alphas must be one list of numbers", found=self.alphas.shape, expected="(n_alphas,)")
        if not len(self.alphas) or not np.isfinite(self.alphas).all() or (self.alphas < 0).any():
            raise InputError("alphas must be finite numbers >= 0", found=self.alphas)

    @property
    def dtype(self) -> torch.dtype:
        """Type of the large products."""
        return number_type(self.precision)
