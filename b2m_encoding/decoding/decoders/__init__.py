"""Decoders: from windows of responses to windows of features. One interface, :class:`Decoder`; a registry by name."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from b2m_encoding.decoding.decoders.alignment import Alignment
    from b2m_encoding.decoding.decoders.base import Decoder
    from b2m_encoding.decoding.decoders.calibration import Calibration
    from b2m_encoding.decoding.decoders.contrastive import ContrastiveDecoder
    from b2m_encoding.decoding.decoders.ensemble import EnsembleDecoder
    from b2m_encoding.decoding.decoders.inverse import InverseDecoder
    from b2m_encoding.decoding.decoders.pooled import PooledDecoder
    from b2m_encoding.decoding.decoders.region import RegionDecoder
    from b2m_encoding.decoding.decoders.registry import DECODERS, DecoderKind, DecoderSettings, build_decoders
    from b2m_encoding.decoding.decoders.ridge import RidgeDecoder

# Names load on first use: a check of a study file needs the names of decoders, not torch.
_HOMES = {
    "DECODERS": "registry",
    "Alignment": "alignment",
    "Calibration": "calibration",
    "ContrastiveDecoder": "contrastive",
    "Decoder": "base",
    "DecoderKind": "registry",
    "DecoderSettings": "registry",
    "EnsembleDecoder": "ensemble",
    "InverseDecoder": "inverse",
    "PooledDecoder": "pooled",
    "RegionDecoder": "region",
    "RidgeDecoder": "ridge",
    "build_decoders": "registry",
}
__all__ = [
    "DECODERS",
    "Alignment",
    "Calibration",
    "ContrastiveDecoder",
    "Decoder",
    "DecoderKind",
    "DecoderSettings",
    "EnsembleDecoder",
    "InverseDecoder",
    "PooledDecoder",
    "RegionDecoder",
    "RidgeDecoder",
    "build_decoders",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
