from .reading import load_study
from .study import Study
from .tables import (
    AlphaTable,
    CleaningTable,
    DecodingTable,
    EvaluationTable,
    MapsTable,
    ModelTable,
    ResultsTable,
    StatisticsTable,
    WindowsTable,
)

__all__ = [
    "AlphaTable",
    "CleaningTable",
    "DecodingTable",
    "EvaluationTable",
    "MapsTable",
    "ModelTable",
    "ResultsTable",
    "StatisticsTable",
    "Study",
    "WindowsTable",
    "load_study",
]
