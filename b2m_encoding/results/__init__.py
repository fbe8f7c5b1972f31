"""Results of a study: the folder, its contract (:mod:`~b2m_encoding.results.schema`), its reader and the report."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from b2m_encoding.results.clip_responses import ClipResponses
    from b2m_encoding.results.decoded import Decoded, DecodedWindows
    from b2m_encoding.results.reader import Results
    from b2m_encoding.results.report import write_report
    from b2m_encoding.results.reranking_model import RerankingModel

__all__ = ["ClipResponses", "Decoded", "DecodedWindows", "RerankingModel", "Results", "write_report"]

# Names load on first use: a module of this package shall not import the others.
_MODULE_OF = {
    "ClipResponses": "clip_responses",
    "Decoded": "decoded",
    "DecodedWindows": "decoded",
    "RerankingModel": "reranking_model",
    "Results": "reader",
    "write_report": "report",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
