"""Region time series in a text table: one file per subject, one column per region."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.data.recording import Recording
from b2m_encoding.data.responses import Responses
from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs
from b2m_encoding.spaces.space import RegionSpace


def read_table(path: Path, subject: str, regions: tuple[str, ...], tr: float) -> Recording:
    """Read one run of region responses (white space or commas between numbers, no header).

    Raises
    ------
    InputError
        If the file is missing, is not a table of numbers, or has another number of columns than regions.
    """
    values = _numbers(path)
    if values.shape[1] != len(regions):
        raise InputError(
            "a response table has another number of columns than there are regions",
            file=path,
            found=values.shape[1],
            expected=f"{len(regions)} ({', '.join(regions)})",
        )
    runs = Runs.from_lengths([len(values)], tr)
    return Recording(
        subject, Responses.from_array(values, runs, RegionSpace(regions)), files={runs.names[0]: path}, inputs=(path,)
    )


def _numbers(path: Path) -> NDArray[np.float64]:
    if not path.is_file():
        raise InputError("a response table is missing", file=path)
    try:
        text = path.read_text(encoding="utf-8-sig").replace(",", " ")
        values = np.array([[float(field) for field in line.split()] for line in text.splitlines() if line.strip()])
    except (UnicodeDecodeError, ValueError) as error:
        raise InputError("a response table is not a table of numbers", file=path, found=error) from error
    if values.ndim != 2:
        raise InputError("a response table is empty", file=path)
    return values
