"""Models: sufficient statistics, ridge and banded ridge, encoding models."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from b2m_encoding.models.activation_patterns import encoding_patterns, patterns
    from b2m_encoding.models.bands import all_subsets
    from b2m_encoding.models.cross_validation import cross_val_predict
    from b2m_encoding.models.estimators import BandedRidgeCV, RidgeCV
    from b2m_encoding.models.inverse import InverseMap
    from b2m_encoding.models.model import EncodingModel
    from b2m_encoding.models.responses import ArrayResponses
    from b2m_encoding.models.solver.statistics import SufficientStatistics
    from b2m_encoding.models.subsets import fit_subsets

# Names load on first use: a check of a study file needs the grid of penalties, not torch.
_HOMES = {
    "ArrayResponses": "responses",
    "BandedRidgeCV": "estimators",
    "EncodingModel": "model",
    "InverseMap": "inverse",
    "RidgeCV": "estimators",
    "SufficientStatistics": "solver.statistics",
    "all_subsets": "bands",
    "cross_val_predict": "cross_validation",
    "encoding_patterns": "activation_patterns",
    "fit_subsets": "subsets",
    "patterns": "activation_patterns",
}
__all__ = [
    "ArrayResponses",
    "BandedRidgeCV",
    "EncodingModel",
    "InverseMap",
    "RidgeCV",
    "SufficientStatistics",
    "all_subsets",
    "cross_val_predict",
    "encoding_patterns",
    "fit_subsets",
    "patterns",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
