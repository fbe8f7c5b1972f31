"""Voxel-wise encoding models for music and the auditory cortex."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from b2m_encoding.data import Responses
    from b2m_encoding.errors import InputError
    from b2m_encoding.features.space import FeatureSpace
    from b2m_encoding.models import EncodingModel
    from b2m_encoding.results.reader import Results
    from b2m_encoding.runs import Runs

__version__ = "0.1.0"

# Names load on first use: `b2m --version` should not wait for torch.
_HOMES = {
    "EncodingModel": "models",
    "FeatureSpace": "features.space",
    "InputError": "errors",
    "Responses": "data",
    "Results": "results.reader",
    "Runs": "runs",
}
__all__ = ["EncodingModel", "FeatureSpace", "InputError", "Responses", "Results", "Runs", "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
