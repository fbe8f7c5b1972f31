"""Base of all tables of a study file: strict keys, and paths relative to the study."""

from __future__ import annotations

import ast
import inspect
import os
import re
import textwrap
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo, model_validator

from b2m_encoding.errors import InputError

LONGEST_NAME, LONGEST_PATH = 255, 4000
"""Bytes of the name of a file, and of a path, that all systems allow."""


class Config(BaseModel):
    """A table of a study file. Unknown keys are errors; values are fixed once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, table: Any) -> Any:
        """Refuse ``true`` where a number is expected, which Python would read as 1."""
        for name, value in table.items() if isinstance(table, dict) else ():
            truth = any(isinstance(one, bool) for one in (value if isinstance(value, list | tuple) else [value]))
            if truth and name in cls.model_fields and "bool" not in str(cls.model_fields[name].annotation):
                raise InputError("true or false is no value of this key", found=f"{name} = {str(value).lower()}")
        return table

    @classmethod
    def meanings(cls) -> dict[str, str]:
        """What each key means: the text below it in the class that defines it."""
        texts: dict[str, str] = {}
        for kind in reversed(cls.__mro__):
            if issubclass(kind, Config) and kind is not Config:
                [found] = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
                assert isinstance(found, ast.ClassDef)
                for named, text in pairwise(found.body):
                    below = text.value if isinstance(text, ast.Expr) else None
                    if isinstance(named, ast.AnnAssign) and isinstance(below, ast.Constant):
                        texts[ast.unparse(named.target)] = one_line(str(below.value))
        return {name: texts.get(name, "") for name in cls.model_fields}


def one_line(text: str) -> str:
    """A docstring in one line, with code between single backticks.

    Examples
    --------
    >>> one_line("See :func:`~b2m_encoding.study.load_study`,   and ``name``.")
    'See `load_study`, and `name`.'
    """
    return re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", " ".join(text.split())).replace("``", "`")


def check_path(path: Path | str, what: str = "a path") -> None:
    """Raise an error if no file can have a path: a part of it is too long, or it holds a NUL character.

    Examples
    --------
    >>> check_path("bold/run-1.npy")
    >>> check_path("x" * 300)
    Traceback (most recent call last):
    b2m_encoding.errors.InputError: a path is too long
      found:    xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...
      expected: names of at most 255 bytes
    """
    text = os.fsencode(path)
    long = next((part for part in text.split(b"/") if len(part) > LONGEST_NAME), None)
    if b"\0" in text:
        raise InputError(f"{what} holds a NUL character", found=repr(os.fsdecode(text)))
    if long is not None or len(text) > LONGEST_PATH:
        shown = f"{os.fsdecode((long or text)[:40])}..."
        raise InputError(f"{what} is too long", found=shown, expected=f"names of at most {LONGEST_NAME} bytes")


def resolve_path(path: Path, info: ValidationInfo) -> Path:
    """Expand ``~`` and ``${VARIABLE}``; take a relative path from the folder of the study."""
    text = os.path.expanduser(os.path.expandvars(str(path)))
    if "$" in text:
        raise InputError("a path uses an environment variable that is not set", found=str(path))
    folder = (info.context or {}).get("folder", Path.cwd())
    check_path(Path(folder, text))
    return Path(folder, text)


StudyPath = Annotated[Path, AfterValidator(resolve_path)]
