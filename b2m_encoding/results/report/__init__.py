"""The report: HTML pages made from a finished results folder alone."""

from b2m_encoding.results.report.page import write_report
from b2m_encoding.results.schema.files import REPORT

__all__ = ["REPORT", "write_report"]
