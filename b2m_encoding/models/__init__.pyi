from .activation_patterns import encoding_patterns, patterns
from .cross_validation import cross_val_predict
from .delayer import Delayer
from .estimators import BandedRidgeCV, Ridge, RidgeCV
from .inverse import InverseMap
from .model import EncodingModel
from .responses import ArrayResponses
from .solver.statistics import SufficientStatistics
from .subsets import fit_subsets

__all__ = [
    "ArrayResponses",
    "BandedRidgeCV",
    "Delayer",
    "EncodingModel",
    "InverseMap",
    "Ridge",
    "RidgeCV",
    "SufficientStatistics",
    "cross_val_predict",
    "encoding_patterns",
    "fit_subsets",
    "patterns",
]
