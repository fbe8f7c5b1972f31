from .alignment import Alignment
from .base import Decoder
from .calibration import Calibration
from .contrastive import ContrastiveDecoder
from .ensemble import EnsembleDecoder
from .inverse import InverseDecoder
from .pooled import PooledDecoder
from .region import RegionDecoder
from .registry import DECODERS, DecoderKind, DecoderSettings, build_decoders
from .ridge import RidgeDecoder

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
