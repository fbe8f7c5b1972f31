"""Region time series in a text table: one file per subject, one column per region."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from b2m_encoding.data.recording import Recording, check_repetition_time
from b2m_encoding.data.responses import Responses
from b2m_encoding.errors import InputError
from b2m_encoding.io.presence import require_file
from b2m_encoding.io.text_tables import check_no_clock, first_fields, is_number, numbers, read_text_table
from b2m_encoding.runs import Runs
from b2m_encoding.spaces.space import RegionSpace

if TYPE_CHECKING:
    import pandas as pd


def read_table(path: str | Path, subject: str, regions: tuple[str, ...], tr: float) -> Recording:
    """Read one run of region responses: a text table with or without a header, see :func:`read_numbers`.

    Parameters
    ----------
    path : Path
    subject : str
    regions : tuple of str
        Names of the columns, in order; empty to take the header's. Where both are there, they must agree.
    tr : float
        Seconds.

    Raises
    ------
    InputError
        If the file is missing, is not a table of numbers, or has other columns than regions.
    """
    path = Path(path)
    import pandas as pd

    check_repetition_time(tr, None)
    table = read_numbers(path, "a response table", regions)
    named = [str(name) for name in table.columns] if not isinstance(table.columns, pd.RangeIndex) else list(regions)
    if not named:
        raise InputError("the regions of a response table have no names", file=path, fix="give regions under [data]")
    if len(table.columns) != len(regions or named) or (regions and named != list(regions)):
        raise InputError(
            "a response table has other columns than there are regions",
            file=path,
            found=f"{len(table.columns)} ({', '.join(named) if named != list(regions) else 'no header'})",
            expected=f"{len(regions)} ({', '.join(regions)})",
        )
    values = table.to_numpy(dtype=float)
    check_no_clock(named, values, path, tr)
    runs = Runs.from_lengths([len(values)], tr)
    return Recording(
        subject,
        Responses.from_array(values, runs, RegionSpace(tuple(named))),
        files={runs.names[0]: path},
        inputs=(path,),
    )


def read_numbers(path: Path, what: str, names: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read a table of numbers as programs export it, with or without a header; ``n/a`` is NaN.

    A first line of ``names`` is a header even where they are numbers (the areas 44 and 45); one that counts the columns
    could be either, and is refused. See :func:`~b2m_encoding.io.text_tables.read_text_table`.

    Raises
    ------
    InputError
        If it is missing, empty, uneven, or holds something that is no number.
    """
    import pandas as pd

    require_file(path, what, folder=False)
    first = first_fields(path, what)
    header = tuple(first) == names or not any(map(is_number, first))
    if not header and len(first) > 1 and first in _counting(len(first)):
        found = "its first line counts the columns: remove it, or give them names"
        raise InputError(f"{what} is not a table of numbers", file=path, found=found)
    table = read_text_table(path, what, names if header else (), header)
    if not table.rows:
        raise InputError(f"{what} is not a table of numbers", file=path, found="it is empty")
    columns = table.header or tuple(str(number + 1) for number in range(len(table.rows[0])))
    fields = zip(columns, zip(*table.rows, strict=True), strict=True)
    body = np.stack([numbers(column, path, name, missing=True) for name, column in fields], axis=1)
    return pd.DataFrame(body, columns=list(table.header) if header else None)


def _counting(n: int) -> list[list[str]]:
    """Headers that only count the columns: 0 1 2, or 1 2 3."""
    return [[str(i) for i in range(start, start + n)] for start in (0, 1)]
