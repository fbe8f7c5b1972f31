"""Generators of music from decoded embeddings: one protocol, and a registry by name."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from b2m_encoding.decoding.generators.base import Condition, Exemplar, Generator
    from b2m_encoding.decoding.generators.rank import Ranking, rank_by_responses
    from b2m_encoding.decoding.generators.registry import GENERATORS, load_generator

# Names load on first use: each generator brings its own libraries.
_HOMES = {
    "GENERATORS": "registry",
    "Condition": "base",
    "Exemplar": "base",
    "Generator": "base",
    "Ranking": "rank",
    "load_generator": "registry",
    "rank_by_responses": "rank",
}
__all__ = [
    "GENERATORS",
    "Condition",
    "Exemplar",
    "Generator",
    "Ranking",
    "load_generator",
    "rank_by_responses",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
