"""TOML files, read with errors that name the file."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from pathlib import Path
from typing import Any

from b2m_encoding.errors import InputError
from b2m_encoding.io.parsing import load_toml

_LINE = re.compile(r"\(at line (\d+)")
STUDY_FILE = "the study file", "b2m init bids FOLDER (or arrays, musicgenre) writes one to edit"
"""Name of a study file in messages, and what to do if it is missing."""


def read_toml(path: Path, what: str, fix: str | None = None) -> dict[str, Any]:
    """Read a TOML file.

    Parameters
    ----------
    path : Path
    what : str
        Name of the file in messages: "the study file".
    fix : str, optional
        What to do if it is missing.

    Raises
    ------
    InputError
        If the file is missing or not valid TOML.
    """
    return parse_toml(read_bytes(path, what, fix), path, what)


def read_bytes(path: Path, what: str, fix: str | None = None) -> bytes:
    """Read a file without the byte-order mark of some editors, or raise an error that names it if it is missing."""
    if path.is_dir():
        raise InputError(f"{what} is a folder", file=path, fix=f"name a file in it, such as {path / 'study.toml'}")
    if not path.is_file():
        raise InputError(f"{what} is missing", file=path, fix=fix)
    return path.read_bytes().removeprefix(BOM_UTF8)


def parse_toml(content: bytes, path: Path, what: str) -> dict[str, Any]:
    """Parse the content of a TOML file; errors name the file."""
    try:
        text = content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{what} is not valid TOML", file=path, found=error, fix="save it as UTF-8") from error
    try:
        return load_toml(text)
    except ValueError as error:
        place = _LINE.search(str(error))
        line = text.split("\n")[int(place[1]) - 1].strip() if place else ""
        raise InputError(
            f"{what} is not valid TOML",
            file=path,
            found=f"{error}: {line}" if line else error,
            expected='key = value; a decimal point in numbers; text in straight quotes, "a/b"; tables as [model]',
        ) from error
