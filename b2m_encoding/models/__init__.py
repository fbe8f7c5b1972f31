"""Models: sufficient statistics, ridge and banded ridge, encoding models."""

from b2m_encoding.models.cross_validation import cross_val_predict
from b2m_encoding.models.estimators import BandedRidgeCV, RidgeCV
from b2m_encoding.models.inverse import InverseMap
from b2m_encoding.models.model import EncodingModel
from b2m_encoding.models.patterns import encoding_patterns, patterns
from b2m_encoding.models.solver.statistics import SufficientStatistics

__all__ = [
    "BandedRidgeCV",
    "EncodingModel",
    "InverseMap",
    "RidgeCV",
    "SufficientStatistics",
    "cross_val_predict",
    "encoding_patterns",
    "patterns",
]
