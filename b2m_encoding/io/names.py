"""Labels that become names of files: one check of them, one safe form of any text, one check of paths; and lists."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from b2m_encoding.errors import InputError

LONGEST = 120
"""Bytes of a label: the system allows 255 for a name of a file, which holds more than the label."""
LONGEST_NAME = 150
"""Characters of a name that is made from a text."""
SIGNS = " _-.+,()&#'"
NOT_FIRST = " -.+'"
"""Signs with which no label begins: hidden files, options, and cells that spreadsheets take as formulas."""
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names of devices on some systems."""


def check_label(kind: str, name: str, *, longest: int = LONGEST) -> str:
    """Return a label that may become part of a file name and a cell of a table.

    Parameters
    ----------
    kind : str
        What the label names, such as ``"run"``.
    name : str
        Letters of any alphabet, digits, blanks and some signs.
    longest : int
        Bytes, in UTF-8.

    Raises
    ------
    InputError
        If it is empty or too long, holds ``/``, a control character or another sign that is not allowed, or begins as
        a formula does.

    Examples
    --------
    >>> check_label("run", "ses-02_task-Test_run-01"), check_label("run", "Lauf 1 (früh)")
    ('ses-02_task-Test_run-01', 'Lauf 1 (früh)')
    >>> check_label("run", "x/../../victim")
    Traceback (most recent call last):
    b2m_encoding.errors.InputError: the name of a run cannot become part of the name of a file
      found:    'x/../../victim'
      expected: letters, digits, blanks and _-.+,()&#', a letter or digit first, at most 120 bytes
    """
    allowed = all(sign in SIGNS or unicodedata.category(sign)[0] in "LMN" for sign in name)
    plain = allowed and name != "" and name.strip() == name and name[:1] not in tuple(NOT_FIRST) and name[-1:] != "."
    if not plain or len(name.encode()) > longest or RESERVED.fullmatch(name):
        raise InputError(
            f"the name of a {kind} cannot become part of the name of a file",
            found=printable(name),
            expected=f"letters, digits, blanks and {SIGNS.strip()}, a letter or digit first, at most {longest} bytes",
        )
    return name


def safe_name(text: str) -> str:
    """Name of a file made from any text: of ASCII letters, digits, points and dashes, and different for each text.

    Texts that are such names already stay as they are; all others, and those that look as if they had been changed,
    end with a hash of the text.

    Examples
    --------
    >>> safe_name("blues.00017"), safe_name("a/b"), safe_name("..")
    ('blues.00017', 'a_b-c14cddc0', 'name-5ec1f7e7')
    """
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", text).lstrip(".-_")[:LONGEST_NAME] or "name"
    same = plain == text and not RESERVED.fullmatch(text) and text[-1] != "."
    if same and not re.search(r"-[0-9a-f]{8}$", text):
        return text
    return f"{plain}-{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:8]}"


def inside(folder: Path, *parts: str) -> Path:
    """Path below a folder.

    Raises
    ------
    InputError
        If it leads out of the folder, by ``..``, a root or a link.

    Examples
    --------
    >>> inside(Path("results"), "sub-01", "a.tsv").as_posix()
    'results/sub-01/a.tsv'
    """
    path, root = folder.joinpath(*parts), os.path.realpath(folder)
    target = root if any("\0" in part for part in parts) else os.path.realpath(path)
    if not target.startswith(os.path.join(root, "")):
        raise InputError("a name leads out of its folder", file=folder, found=printable("/".join(parts)))
    return path


def first_of(names: Sequence[str], n: int) -> str:
    """List the first few names, and how many more there are.

    Examples
    --------
    >>> first_of(["a", "b", "c"], 2), first_of(["a", "b"], 2)
    ('a, b and 1 more', 'a, b')
    """
    return ", ".join(names[:n]) + (f" and {len(names) - n:,} more" if len(names) > n else "")


def in_words(name: object) -> str:
    """Name of a region, a set or a quantity as people write it.

    Examples
    --------
    >>> in_words("inferior_frontal"), in_words("A1")
    ('inferior frontal', 'A1')
    """
    return str(name).replace("_", " ")


def printable(name: str) -> str:
    """A label for a message: quoted, shortened, with what cannot be printed escaped."""
    shown = name if len(name) <= 60 else f"{name[:57]}..."
    return repr(shown).encode("utf-8", "backslashreplace").decode()
