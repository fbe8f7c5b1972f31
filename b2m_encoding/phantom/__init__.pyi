from .array_study import simulate_arrays
from .design import PAPER, Size
from .simulate import PhantomPaths, simulate_study
from .truth import SubjectTruth, Truth, load_truth

__all__ = [
    "PAPER",
    "PhantomPaths",
    "Size",
    "SubjectTruth",
    "Truth",
    "load_truth",
    "simulate_arrays",
    "simulate_study",
]
