from .array_study import simulate_arrays
from .design import Size
from .simulate import PhantomPaths, simulate_study
from .truth import SubjectTruth, Truth, load_truth

__all__ = [
    "PhantomPaths",
    "Size",
    "SubjectTruth",
    "Truth",
    "load_truth",
    "simulate_arrays",
    "simulate_study",
]
