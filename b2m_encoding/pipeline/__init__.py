"""The pipeline: the steps of a study in order, from recordings to a results folder."""

from b2m_encoding.pipeline.check import check_study
from b2m_encoding.pipeline.run import run_study

__all__ = ["check_study", "run_study"]
