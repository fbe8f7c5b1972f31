"""The study file as it may be shared: without folders of a machine, and so without names of users and projects."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from b2m_encoding.io.parsing import load_toml
from b2m_encoding.io.paths import is_below, portable_path
from b2m_encoding.study import Study

HEADER = "# Paths that lead out of the folder of the study are given by their name and a hash.\n"
TEXTS = ("name", "note")
"""Keys whose values are no paths, whatever they look like."""
ABSOLUTE = re.compile(r"""(?<![\w.:/~}-])(?:~[\w.-]*/|/[^\s/"',;]+/|[A-Za-z]:\\)[^\s"',;]*""")
"""An absolute path in a comment."""


def portable_source(study: Study, source: bytes, folder: Path) -> bytes:
    """Content of a study file with portable paths; the same bytes where no path leads out of its folder.

    Comments and layout stay. Absolute paths below the folder become relative ones; others become name and hash, as
    :func:`~b2m_encoding.io.portable_path` gives them, in comments too.

    Parameters
    ----------
    study : Study
        Tells which texts are paths; its own paths may have been changed since it was read.
    source : bytes
    folder : Path
        Folder of the study file.
    """
    text = source.decode("utf-8-sig")
    tree = _parsed(text)
    changes = dict(_changes(tree, study.model_dump(by_alias=True), folder))
    expected = _changed(tree, changes)
    for old, new in changes.items():
        for written in (json.dumps(old, ensure_ascii=False), f'"{old}"', f"'{old}'"):
            text = text.replace(written, json.dumps(new, ensure_ascii=False))
    text = "".join(_comment_changed(line, folder) for line in text.splitlines(keepends=True))
    if not changes and text.encode() == source.removeprefix(b"\xef\xbb\xbf"):
        return source
    if _parsed(text) != expected:  # a path is written in another way, or a comment sign stands in a text
        text = "".join(f"{json.dumps(key)} = {_inline(value)}\n" for key, value in expected.items())
    return f"{HEADER}{text}".encode()


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        return load_toml(text.replace("\r\n", "\n").replace("\r", "\n"))
    except ValueError:
        return None


def _changes(written: Any, read: Any, folder: Path) -> Iterator[tuple[str, str]]:
    """Texts that are paths out of the folder or absolute, and what they become."""
    if isinstance(written, dict):
        for key, value in written.items():
            if key not in TEXTS:
                yield from _changes(value, read.get(key) if isinstance(read, dict) else None, folder)
    elif isinstance(written, list):
        others = list(read) if isinstance(read, list | tuple) and len(read) == len(written) else [None] * len(written)
        for value, other in zip(written, others, strict=True):
            yield from _changes(value, other, folder)
    elif isinstance(written, str):
        is_path = isinstance(read, Path) or (isinstance(read, str) and os.path.isabs(read))
        path = Path(folder, os.path.expanduser(os.path.expandvars(written)))
        if os.path.isabs(written) or (is_path and not is_below(path, folder)):
            yield written, portable_path(path, folder)


def _changed(written: Any, changes: dict[str, str]) -> Any:
    if isinstance(written, dict):
        return {key: _changed(value, changes) for key, value in written.items()}
    if isinstance(written, list):
        return [_changed(value, changes) for value in written]
    return changes.get(written, written) if isinstance(written, str) else written


def _comment_changed(line: str, folder: Path) -> str:
    before, sign, comment = line.partition("#")
    portable = ABSOLUTE.sub(lambda found: portable_path(Path(os.path.expanduser(found[0])), folder), comment)
    return before + sign + portable


def _inline(value: Any) -> str:
    """A value as TOML in one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_inline(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    if isinstance(value, str | bool):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value)  # numbers (inf and nan too), dates
