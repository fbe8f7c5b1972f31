from .base import Condition, Exemplar, Generator
from .rank import Ranking, rank_by_responses
from .registry import GENERATORS, load_generator

__all__ = [
    "GENERATORS",
    "Condition",
    "Exemplar",
    "Generator",
    "Ranking",
    "load_generator",
    "rank_by_responses",
]
