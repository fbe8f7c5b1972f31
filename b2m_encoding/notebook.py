"""Short tables of HTML for objects that a notebook shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

MOST_ROWS = 12


def html_table(header: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str = "") -> str:
    """Make a table of HTML; rows in the middle of a long one are left out.

    Parameters
    ----------
    header : sequence of str
    rows : iterable of sequence
        Cells, shown as text.
    caption : str

    Examples
    --------
    >>> html_table(["run", "samples"], [("a", 4)])
    '<table><tr><th>run</th><th>samples</th></tr><tr><td>a</td><td>4</td></tr></table>'
    """
    every = list(rows)
    if len(every) > MOST_ROWS:
        every = [*every[: MOST_ROWS - 2], [f"... {len(every) - MOST_ROWS + 1} more"], every[-1]]
    lines = [_row(header, "th"), *(_row(cells, "td") for cells in every)]
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{title}{''.join(lines)}</table>"


def _row(cells: Iterable[object], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"
