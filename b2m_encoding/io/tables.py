"""Tables as tab-separated text whose cells no spreadsheet takes as formulas."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd

FORMULA = ("=", "+", "-", "@")
"""Signs with which a cell begins that spreadsheets take as a formula."""
CONTROL = {number: " " for number in (*range(32), 127)}
"""Control characters, blanks in their place: tabs and line breaks would shift columns."""


def tsv(table: pd.DataFrame, na: str = "n/a", float_format: str | None = "%.6g") -> str:
    r"""Table as tab-separated text, with the names of its columns.

    Texts and names of columns that begin as a formula get an apostrophe in front, as spreadsheets mark text;
    control characters become blanks. Numbers stay.

    Parameters
    ----------
    table : DataFrame
    na : str
        In place of missing values.
    float_format : str, optional

    Examples
    --------
    >>> tsv(pd.DataFrame({"clip": ["=1+1", "a\tb", None, "-2"], "r": [-0.5, 0.25, 1, 2]}))
    "clip\tr\n'=1+1\t-0.5\na b\t0.25\nn/a\t1\n-2\t2\n"
    """
    shown = table.rename(columns=safe_cell)
    for i, dtype in enumerate(table.dtypes):
        column = table.iloc[:, i]
        if isinstance(dtype, np.dtype) and dtype.kind == "f" and float_format is not None:
            # pandas formats value by value through several functions, which takes ten times as long
            values = [na if value != value else float_format % value for value in column.tolist()]
            shown.isetitem(i, pd.Series(values, column.index, dtype=object))
        elif not pd.api.types.is_numeric_dtype(dtype):
            shown.isetitem(i, column.astype(object).map(safe_cell, na_action="ignore"))
    return str(shown.to_csv(sep="\t", index=False, na_rep=na, float_format=float_format))


def safe_cell(value: object) -> object:
    """A text as it may stand in a cell; other values as they are."""
    return _safe_text(value) if isinstance(value, str) else value


@lru_cache(maxsize=10_000)
def _safe_text(value: str) -> str:
    begins_as_formula = value.lstrip().startswith(FORMULA) and not _is_number(value)
    return ("'" if begins_as_formula else "") + value.translate(CONTROL)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
