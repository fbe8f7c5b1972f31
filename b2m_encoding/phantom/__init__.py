"""A simulated Music Genre study with known truth."""

from b2m_encoding.phantom.design import Size
from b2m_encoding.phantom.study import PhantomPaths, simulate_study
from b2m_encoding.phantom.truth import SubjectTruth, Truth, load_truth

__all__ = ["PhantomPaths", "Size", "SubjectTruth", "Truth", "load_truth", "simulate_study"]
