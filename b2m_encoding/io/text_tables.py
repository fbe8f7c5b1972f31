"""Tables of text as programs export them: any separator, quotes, comments, index columns, encodings; never a guess."""

from __future__ import annotations

import csv
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.errors import InputError, notice

MISSING_NAMES = ("", "n/a", "N/A", "nan", "NaN", "#N/A", "<NA>")
"""Fields without a name: NA, None and null may be names."""
MISSING_NUMBERS = (*MISSING_NAMES, "NA", "na", "None", "none", "null", "NULL", "Nan", "NAN", "-nan", ".")
"""Fields without a number."""
LONGEST_RECORD = 100
"""Lines over which a quoted field may extend."""
CLOCKS = re.compile(
    r"((time|t|onset|sec|second|timestamp)s?[\s_.]*[\[(]?((m?s)|secs?|seconds?)?[\])]?)?", re.IGNORECASE
)
"""Names of columns of times, with their unit or without; empty where pandas wrote an index."""
COUNTERS = re.compile(r"(vol(ume)?|tr|frame|scan|index|sample|row)s?|unnamed.*", re.IGNORECASE)
"""Names of columns of numbers of rows."""
CLOCK_ROWS = 5
"""Rows from which on equal steps are no coincidence."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?(\d+,\d*|,\d+)([eE][+-]?\d+)?", re.ASCII)
_WORD = re.compile(r'"[^"]*"|\S+')


@dataclass(frozen=True)
class TextTable:
    """Names of the columns and the rows of a table, all text, without blanks and quotes around the fields.

    Parameters
    ----------
    header : tuple of str
        Empty where the table has none.
    rows : tuple of tuple of str
        As many fields each as there are columns.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, name: str) -> list[str]:
        """Fields of a column."""
        place = self.header.index(name)
        return [row[place] for row in self.rows]


def decoded(path: Path, what: str = "a table", *, names: bool = True) -> str:
    """Text of a file: UTF-8, UTF-16 and UTF-32 with a mark, UTF-16 without one where that is plain, or Windows-1252.

    What is not UTF-8 is logged, because no file states its encoding.

    Parameters
    ----------
    path : Path
    what : str
        What the file is, for messages.
    names : bool
        Whether letters beyond ASCII can be those of names that are looked up.

    Raises
    ------
    InputError
        If it is no text.
    """
    text, encoding = _decoded(path.read_bytes())
    if "\0" in text:
        raise InputError(f"{what} is no text", file=path, found="a byte that is zero")
    if encoding and names:
        odd = next((line.strip() for line in text.split("\n") if not line.isascii()), "")
        notice(f"{path}: {what} is not UTF-8 and read as {encoding}: {odd[:60]!r}. If that is wrong, save it as UTF-8")
    text = text.replace("\r\n", "\n")
    return text.replace("\r", " " if "\n" in text else "\n")  # old Macintosh ends of lines, if there are no others


def _decoded(raw: bytes) -> tuple[str, str]:
    """Text, and the encoding where it is a guess."""
    for marks, encoding in (((BOM_UTF32_LE, BOM_UTF32_BE), "utf-32"), ((BOM_UTF16_LE, BOM_UTF16_BE), "utf-16")):
        if raw.startswith(marks):
            return raw.decode(encoding, "replace"), ""
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):  # plain text: every other byte is zero
        zeros, others = raw[first::2], raw[1 - first :: 2]
        if len(raw) > 3 and len(raw) % 2 == 0 and zeros.count(0) > 0.9 * len(zeros) and not others.count(0):
            return raw.decode(encoding), ""
    for encoding, guess in (("utf-8-sig", ""), ("cp1252", "Windows-1252"), ("latin-1", "Latin-1")):
        with suppress(UnicodeDecodeError):
            return raw.decode(encoding), guess
    raise AssertionError("every byte is a letter of Latin-1")


def read_text_table(path: Path, what: str = "a table", names: Sequence[str] = (), header: bool = True) -> TextTable:
    """Read a table whose fields stand between tabs, semicolons, commas or blanks.

    Lines that begin with ``#`` are comments; one that holds ``names`` is the header. A first column without a name, or
    one that the header does not count, numbers the rows and is left out.

    Parameters
    ----------
    path : Path
    what : str
        What the file is, for messages.
    names : sequence of str
        Columns that are expected.
    header : bool
        Whether the first line holds the names of the columns.

    Raises
    ------
    InputError
        If it is no text, has a column twice, or a row has another number of fields than the header.
    """
    lines = [line for line in decoded(path, what).split("\n") if line.strip()]
    lines = _without_comments(lines, names)
    separator = _separator(lines, names, header)
    rows = [_WORD.findall(line) for line in lines] if separator is None else _records(lines, separator, path, what)
    return _arranged(rows, path, what, header)


def without_unit(name: str) -> str:
    """Name of a column in small letters without the unit of its times, seconds.

    Examples
    --------
    >>> [without_unit(name) for name in ("Onset (s)", "onset_sec", "start_time", "duration[s]", "words", "onset_ms")]
    ['onset', 'onset', 'start', 'duration', 'words', 'onset_ms']
    """
    return re.sub(r"[\s_.]*(?:[\s_.]|[\[(])(?:s|secs?|seconds?|time)[\])]?$", "", name.strip().lower())


def first_fields(path: Path, what: str = "a table") -> list[str]:
    """Fields of the first line that is no comment, as :func:`read_text_table` reads it; none if there is no such line.

    Raises
    ------
    InputError
        If it is no text.
    """
    lines = _without_comments([line for line in decoded(path, what).split("\n") if line.strip()], ())
    if not lines:
        return []
    separator = _separator(lines, (), header=False)
    row = _WORD.findall(lines[0]) if separator is None else _records(lines, separator, path, what)[0]
    return [_clean(field) for field in row]


def is_number(field: str) -> bool:
    """Whether a field holds a number, or a word for a missing one; a field without anything is neither.

    Examples
    --------
    >>> [is_number(field) for field in ("1.5", "-2e3", "0,5", "n/a", "", "A1", "-inf")]
    [True, True, True, True, False, False, False]
    """
    text = field.strip()
    missing = bool(text) and text in MISSING_NUMBERS
    return missing or bool(_NUMBER.fullmatch(text) or _DECIMAL_COMMA.fullmatch(text))


def _without_comments(lines: list[str], names: Sequence[str]) -> list[str]:
    """Lines without comments; a comment that names the expected columns is the header."""
    kept: list[str] = []
    for line in lines:
        if not line.lstrip().startswith("#"):
            kept.append(line)
        elif not kept and names and set(names) <= {_clean(part) for part in re.split(r"[\t,; ]+", line.lstrip(" #"))}:
            kept.append(line.lstrip(" #"))
    return kept


def _separator(lines: list[str], names: Sequence[str], header: bool) -> str | None:
    """The separator of the first line under which it holds the names; else the first one that it holds at all."""
    first = lines[0] if lines else ""
    if header and names:
        for separator in ("\t", ";", ",", *([] if "\t" in first.strip() else [None])):
            if set(names) <= {_clean(part) for part in first.split(separator)}:
                return separator
    return next((separator for separator in ("\t", ";", ",") if separator in first), None)


def _records(lines: list[str], separator: str, path: Path, what: str) -> list[list[str]]:
    """Fields of every record; a quoted field may hold separators and ends of lines."""
    rows: list[list[str]] = []
    start = 0
    while start < len(lines):
        fields, n_lines = _record(lines[start:], separator, len(rows[0]) if rows else None)
        if fields is None:  # the quote would swallow the lines that follow
            line = lines[start]
            found = line if len(line) < 80 else f"{line[:77]}..."
            raise InputError(f"a quote in {what} is not closed", file=path, found=found, fix="close it, or remove it")
        rows.append(fields)
        start += n_lines
    return rows


def _record(lines: list[str], separator: str, width: int | None) -> tuple[list[str] | None, int]:
    """Fields of the first record, and its lines: several if a quote ends in a later one and the width is right."""
    for n_lines in range(1, min(len(lines), LONGEST_RECORD) + 1):
        text = "\n".join(lines[:n_lines])
        try:
            fields = next(csv.reader([text], delimiter=separator, skipinitialspace=separator != "\t", strict=True), [])
        except csv.Error as error:
            if "unexpected end" in str(error):
                continue
            if n_lines == 1 and separator != "\t":
                return next(csv.reader([text], delimiter=separator, skipinitialspace=True), []), 1
            break
        if n_lines == 1 or width is None or len(fields) == width:
            return fields, n_lines
    return (lines[0].split("\t"), 1) if separator == "\t" else (None, 1)  # quotes are no rule where tabs separate


def _clean(field: str) -> str:
    return field.strip().strip("'\"").strip()


def _arranged(rows: list[list[str]], path: Path, what: str, header: bool) -> TextTable:
    """Names and rows of equal length, without empty columns at the end and columns that number rows."""
    named = [row[0] for row in rows[1:] if any(field.strip() for field in row)]
    cleaned = [[_clean(field) for field in row] for row in rows]
    names, body = (cleaned[0], cleaned[1:]) if header and cleaned else ([], cleaned)
    body = [row for row in body if any(row)]
    width = len(names) if header else max((len(row) for row in body), default=0)
    if header and body and all(len(row) == width + 1 for row in body):
        if not any(row[-1] for row in body):  # a separator at the end
            body = [row[:-1] for row in body]
        elif _name_rows(named):  # as R writes them
            body = [row[1:] for row in body]
    while names and not names[-1] and all(len(row) < len(names) or not row[len(names) - 1] for row in body):
        body, names = [row[: len(names) - 1] for row in body], names[:-1]
    if len(names) > 1 and not names[0] and all(row and row[0].lstrip("-").isdigit() for row in body):
        names, body = names[1:], [row[1:] for row in body]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{what} has two columns of one name", file=path, found=", ".join(map(repr, twice)))
    width = len(names) if header else len(body[0]) if body else 0
    for number, row in enumerate(body, start=1):
        if len(row) != width:
            raise InputError(
                f"row {number} of {what} has another number of fields than the {'header' if header else 'first'}",
                file=path,
                found=len(row),
                expected=width,
            )
    return TextTable(tuple(names), tuple(map(tuple, body)))


def _name_rows(fields: Sequence[str]) -> bool:
    """Whether fields without a header are names of rows: text, in quotes, or numbers from 1 on."""
    text = all(field.strip()[:1] in "\"'" or not _NUMBER.fullmatch(field.strip()) for field in fields)
    return text or (len(fields) > 1 and [field.strip() for field in fields] == [str(i + 1) for i in range(len(fields))])


def numbers(fields: Sequence[str], path: Path | None, name: str, *, missing: bool = False) -> NDArray[np.float64]:
    """Numbers of a column; a decimal comma is one where no field of the column has a decimal point.

    Parameters
    ----------
    fields : sequence of str
    path : Path
    name : str
        Of the column, for messages.
    missing : bool
        Whether fields without a number (n/a) become NaN.

    Raises
    ------
    InputError
        With the first field that is no finite number.
    """
    commas = not any("." in field for field in fields)
    out = np.full(len(fields), np.nan)
    for i, field in enumerate(fields):
        text = field.strip()
        if missing and text in MISSING_NUMBERS:
            continue
        if commas and _DECIMAL_COMMA.fullmatch(text):
            text = text.replace(",", ".")
        if not _NUMBER.fullmatch(text) or not np.isfinite(float(text)):
            raise InputError(
                f"column {name} holds something that is not a number",
                file=path,
                found=f"{field!r} in row {i + 1}",
                expected="a number such as 12.5" + (", or n/a" if missing else ""),
            )
        out[i] = float(text)
    return out


def check_no_clock(names: Sequence[str], values: NDArray[np.float64], path: Path, step: float | None = None) -> None:
    """Raise if the first column of a table of measurements holds times, or numbers of rows: it is no measurement.

    That is a column of such a name which rises by the sampling step, or counts its rows. Any other first column that
    rises in equal steps is logged where it has no name, or that of a time.

    Parameters
    ----------
    names : sequence of str
        Of the columns; empty where the table has no header.
    values : array, shape (n_rows, n_columns)
    path : Path
    step : float, optional
        Time from row to row, s.
    """
    if len(values) < CLOCK_ROWS:
        return
    steps = np.diff(values, axis=0)
    even = (np.abs(steps - steps[0]) <= 1e-3 * np.abs(steps[0])).all(axis=0) & (steps[0] != 0)
    name, rise = names[0].strip() if names else "", float(steps[0, 0])
    counter, clock = bool(COUNTERS.fullmatch(name)), bool(names and CLOCKS.fullmatch(name))
    if not even[0] or even.all() or rise < 0 or not (counter or clock or not names):
        return
    found = f"{name or 'values'} from {values[0, 0]:g} to {values[-1, 0]:g} in steps of {rise:g}"
    sampled = step is not None and any(abs(rise - one) < 0.01 * one for one in (step, 1000 * step))
    if (clock and sampled) or (counter and rise == 1 and values[0, 0] in (0, 1)):
        raise InputError(
            "the first column of a table holds times, or numbers of rows",
            file=path,
            found=found,
            expected="measurements only",
            fix="remove the column, or give it another name if it is a measurement",
        )
    notice(f"{path}: the first column rises in equal steps ({found}); remove it if it holds times or numbers of rows")


def plain_label(text: str) -> str:
    """A label without what does not tell labels apart: blanks around it, zeros after a point, the encoding of accents.

    Examples
    --------
    >>> [plain_label(text) for text in ("1", "1.0", "1 ", "1.50", "01", "v1.0")]
    ['1', '1', '1', '1.5', '01', 'v1.0']
    """
    label = normalize("NFC", text).strip()
    if re.fullmatch(r"[+-]?\d+\.\d*", label):
        label = label.rstrip("0").rstrip(".")
    return label
