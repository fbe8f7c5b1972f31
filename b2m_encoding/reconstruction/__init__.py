"""Reconstruction of presented music: candidates, evaluation, listening page."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from b2m_encoding.reconstruction.embedding_space import decoded_space
    from b2m_encoding.reconstruction.request import ReconstructionRequest
    from b2m_encoding.reconstruction.run import reconstruct

# Names load on first use: the gallery needs the names of tables and methods, not torch.
_HOMES = {"ReconstructionRequest": "request", "decoded_space": "embedding_space", "reconstruct": "run"}
__all__ = ["ReconstructionRequest", "decoded_space", "reconstruct"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
