"""Simulated Music Genre study with known truth, for demonstrations and tests."""

from b2m_encoding.phantom.array_study import simulate_arrays
from b2m_encoding.phantom.design import Size
from b2m_encoding.phantom.simulate import PhantomPaths, simulate_study
from b2m_encoding.phantom.truth import SubjectTruth, Truth, load_truth

__all__ = ["PhantomPaths", "Size", "SubjectTruth", "Truth", "load_truth", "simulate_arrays", "simulate_study"]
