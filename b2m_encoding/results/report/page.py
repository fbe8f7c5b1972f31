"""Write the report: one self-contained HTML page of the study, and one of every subject."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from b2m_encoding import __version__
from b2m_encoding.io.writing import write_all
from b2m_encoding.results.reader import Results
from b2m_encoding.results.report.content import Link, Page
from b2m_encoding.results.report.report_data import ReportData
from b2m_encoding.results.report.sections import study_sections, subject_sections
from b2m_encoding.results.schema.files import REPORT, SUBJECT_PAGE


def write_report(results: Results, out: str | Path | None = None) -> list[Path]:
    """Write the report of a results folder: all content is read from there, nothing is computed.

    Parameters
    ----------
    results : Results
    out : Path, optional
        Folder to write into; the results folder by default, where links to other pages lead.

    Returns
    -------
    list of Path
        ``report.html``, then ``sub-01.html`` and so on. Text from files is escaped; a page runs no script and
        loads nothing from the network.

    Raises
    ------
    InputError
        If the results lack settings or the table of subjects, or the folder cannot be written.
    """
    out = None if out is None else Path(out)
    folder = out or results.path
    whole = ReportData(results)
    title, note = str(whole.study["name"]), results.note
    labels = [str(subject) for subject in whole.subjects["subject"]]
    links = [Link(REPORT, "Study"), *(Link(quote(SUBJECT_PAGE.format(subject=one)), f"sub-{one}") for one in labels)]
    pages = {REPORT: Page(title, "Encoding report", note, study_sections(whole), links)}
    for subject in labels:
        sections = subject_sections(replace(whole, subject=subject))
        pages[SUBJECT_PAGE.format(subject=subject)] = Page(title, f"sub-{subject}", note, sections, links)
    return write_all({folder / name: render(page) for name, page in pages.items()}, "the report cannot be written")


def render(page: Page) -> str:
    """Render the HTML of a page."""
    style = files("b2m_encoding.results.report").joinpath("templates", "style.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    return _template().render(
        page=page, style=Markup(style), style_hash=Markup(f"'sha256-{digest}'"), version=__version__
    )


@cache
def _template() -> Template:
    """The template of a page, compiled once."""
    environment = Environment(
        loader=PackageLoader("b2m_encoding.results.report", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("page.html.j2")
