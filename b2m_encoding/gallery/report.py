"""The report of a results folder, with the interactive page beside it."""

from __future__ import annotations

from pathlib import Path

from b2m_encoding.gallery.explorer import write_page
from b2m_encoding.results.manifest import note_written
from b2m_encoding.results.place import results_kept
from b2m_encoding.results.reader import Results
from b2m_encoding.results.report import write_report
from b2m_encoding.results.schema.files import VIEW
from b2m_encoding.spaces import drawing_surface


def write_pages(results: Results) -> list[Path]:
    """Write ``report.html`` and a page per subject; ``view.html`` too, where it is missing and maps can be drawn.

    Parameters
    ----------
    results : Results
        Finished: everything is read from its folder.

    Returns
    -------
    list of Path
        The pages of the report, that of the study first.

    Raises
    ------
    InputError
        If another process works on the results.
    """
    with results_kept(results.path, results.path):
        drawn = any(drawing_surface(results.space(subject)) is not None for subject in results.subjects)
        view = [write_page(results.path, results.path / VIEW)] if drawn and not results.has(VIEW) else []
        pages = write_report(results)
        note_written(results.path, [*pages, *view])
    return pages
