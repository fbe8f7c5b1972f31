"""The report: HTML pages made of a finished results folder, and of nothing else."""

from b2m_encoding.results.report.page import REPORT, write_report

__all__ = ["REPORT", "write_report"]
