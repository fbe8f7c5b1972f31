"""Known rates of false positives: what simulated studies of the same design had, or that this is not known."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd

from b2m_encoding.results.report.report_data import ReportData, many, percents

TABLE = "calibration.json"
"""Made from ``benchmarks/results/calibration.json`` by ``benchmarks/calibration_table.py``."""
TOLERATED = 0.065


@dataclass(frozen=True)
class KnownRate:
    """Rate of p < .05 among empty targets.

    Parameters
    ----------
    low, high : float
        Lowest and highest rate of what was simulated, or of the subjects of the study.
    designs : int
        Simulated designs; 0 where the rate was computed from the data of the study.
    """

    low: float
    high: float
    designs: int

    @property
    def share(self) -> str:
        """Rate in words."""
        return percents([self.low, self.high])

    @property
    def source(self) -> str:
        """Origin of the rate in words."""
        if not self.designs:
            return "computed from these data"
        return f"in simulations of {many(self.designs, 'design')} of this kind, with AR(1) noise"


def known_rate(report: ReportData) -> KnownRate | None:
    """Look up the rate of every subject; None where that of one is not known.

    A design is known if it was evaluated and tested alike, and if its held-out runs and samples lie within what was
    simulated. Overlapping windows, and blocks of a chosen length, were not.
    """
    own = report.subjects[report.subjects["test"].notna()]
    # earlier versions wrote a number near .05 for other tests too: a constant, or that of rearranged responses
    computed = np.where(own["test"] == "paper", own["false_positives"].to_numpy(dtype=float), np.nan)
    if len(own) and np.isfinite(computed).all():
        return KnownRate(float(computed.min()), float(computed.max()), 0)
    chosen = report.get("statistics", "test") == "block"
    if not len(own) or chosen or report.get("windows") or report.quality is None:
        return None
    found = [_simulated(report, row, report.quality) for row in own.to_dict("records")]
    rates = [rate for rate in found if rate is not None]
    if len(rates) < len(found):
        return None
    return KnownRate(min(one.low for one in rates), max(one.high for one in rates), max(one.designs for one in rates))


def _simulated(report: ReportData, row: dict[Any, Any], quality: pd.DataFrame) -> KnownRate | None:
    """Rate of the simulated designs that are like that of a subject."""
    table = report.study["evaluation"]
    runs = quality[quality["subject"] == row["subject"]]
    number = int((runs["role"] == "test").sum()) if table["kind"] == "test" else len(runs)
    kind = table["kind"]
    if kind != "test" and table["blocks"]:
        kind, number = f"{kind} in blocks", number * table["blocks"]
    alike = [
        one
        for one in simulated_rates()
        if one["evaluation"] == kind
        and one["test"] in (row["test"], "any")
        and _within(number, one["runs"])
        and _within(row["samples_tested"], one["samples"])
    ]
    if not alike:
        return None
    rates = np.array([one["rate"] for one in alike])
    return KnownRate(float(rates.min()), float(rates.max()), sum(one["designs"] for one in alike))


def _within(value: float, ends: list[float] | None) -> bool:
    return ends is None or ends[0] <= value <= ends[1]


@cache
def simulated_rates() -> tuple[dict[str, Any], ...]:
    """Rows of the table that is part of the package."""
    return tuple(json.loads(files("b2m_encoding.results.report").joinpath(TABLE).read_text(encoding="utf-8")))
