"""Models: sufficient statistics, ridge and banded ridge, encoding models."""

from b2m_encoding.models.estimators import BandedRidgeCV, RidgeCV
from b2m_encoding.models.model import EncodingModel
from b2m_encoding.models.statistics import SufficientStatistics

__all__ = ["BandedRidgeCV", "EncodingModel", "RidgeCV", "SufficientStatistics"]
