"""The report: one self-contained HTML page."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


@dataclass(frozen=True)
class ReportFigure:
    """A picture of the report."""

    title: str
    caption: str
    png: Path

    @property
    def image(self) -> str:
        """The picture in base64."""
        return base64.b64encode(self.png.read_bytes()).decode("ascii")


@dataclass(frozen=True)
class ReportSection:
    """Lines and a table under a heading; all rows have the same keys."""

    title: str
    lines: Sequence[str]
    rows: Sequence[Mapping[str, Any]] = ()


def write_report(
    path: Path,
    name: str,
    note: str | None,
    rows: Sequence[Mapping[str, Any]],
    figures: Sequence[ReportFigure],
    record: Mapping[str, Any],
    sections: Sequence[ReportSection] = (),
) -> None:
    """Write the page; all text from files is escaped.

    Parameters
    ----------
    path : Path
    name : str
        Of the study.
    note : str or None
        Shown on top (simulated data).
    rows : sequence of mapping
        The table of subjects; all rows have the same keys.
    figures : sequence of ReportFigure
    record : mapping
        Provenance.
    sections : sequence of ReportSection
        Statistics, between the figures and the provenance.
    """
    environment = Environment(
        loader=PackageLoader("b2m_encoding.results", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    shown = {key: value for key, value in record.items() if key != "inputs"}
    shown["inputs"] = f"{len(record['inputs'])} files, hashes in provenance.json"
    page = environment.get_template("report.html.j2").render(
        name=name,
        note=note,
        rows=rows,
        columns=list(rows[0]) if rows else [],
        figures=figures,
        record=shown,
        sections=sections,
    )
    path.write_text(page, encoding="utf-8")
