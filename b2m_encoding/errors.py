"""The error of everything that a user can correct, and notices of what is no error."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from operator import index
from pathlib import Path

logger = logging.getLogger(__name__)


class InputError(ValueError):
    """An input that cannot be used: file, value, expected value and what to do about it.

    Parameters
    ----------
    problem : str
        What is wrong, in one sentence.
    file : path, optional
        File of the problem.
    found, expected : object, optional
        The offending value, and what would have been accepted.
    fix : str, optional
        What to do next.

    Examples
    --------
    >>> print(InputError("unknown key", file="study.toml", found="dealys", expected="delays"))
    unknown key
      file:     study.toml
      found:    dealys
      expected: delays
    """

    def __init__(
        self,
        problem: str,
        *,
        file: str | Path | None = None,
        found: object = None,
        expected: object = None,
        fix: str | None = None,
    ) -> None:
        self.problem, self.file, self.found = problem, file, found
        self.expected, self.fix = expected, fix
        details = {"file": file and _plain(str(file)), "found": found, "expected": expected, "to do": fix}
        lines = [f"  {key + ':':<9} {value}" for key, value in details.items() if value is not None]
        text = "\n".join([problem, *lines])
        super().__init__(text.encode("utf-8", "backslashreplace").decode())  # names of files need not be UTF-8


def _plain(path: str) -> str:
    """A path without detours: ``study/../bids`` is ``bids``."""
    return os.path.normpath(path) if f"{os.sep}..{os.sep}" in path and " ... " not in path else path


def whole_number(value: object, name: str, least: int) -> int:
    """Return a parameter that is a whole number, and at least so large.

    Raises
    ------
    InputError
        If it is something else.

    Examples
    --------
    >>> whole_number(0, "n_permutations", 1)
    Traceback (most recent call last):
    b2m_encoding.errors.InputError: n_permutations must be a whole number
      found:    0
      expected: at least 1
    """
    try:
        number = index(value)  # type: ignore[arg-type]
    except TypeError:
        number = least - 1
    if number < least or isinstance(value, bool):
        raise InputError(f"{name} must be a whole number", found=repr(value), expected=f"at least {least}")
    return number


class ProblemList(InputError):
    """All problems of a study in one error."""

    def __init__(self, problems: list[InputError]) -> None:
        self.problems = problems
        ValueError.__init__(self, "\n".join(str(problem) for problem in merged(problems)))


def merged(problems: Sequence[InputError]) -> list[InputError]:
    """Problems with one cause as one: those that differ in nothing but their file name the first, and their number.

    Examples
    --------
    >>> [one] = merged([InputError("damaged", file=name, fix="copy it again") for name in ("a", "b", "c")])
    >>> print(one)
    damaged (in 3 files)
      file:     a ... c
      to do:    copy it again
    """
    groups: dict[tuple[str, ...], list[InputError]] = {}
    for one in problems:
        groups.setdefault(tuple(map(str, (one.problem, one.found, one.expected, one.fix))), []).append(one)
    return [_as_one(own) for own in groups.values()]


def _as_one(problems: list[InputError]) -> InputError:
    first, files = problems[0], list(dict.fromkeys(str(one.file) for one in problems))
    if len(files) < 2 or first.file is None:
        return first
    return InputError(
        f"{first.problem} (in {len(files)} files)",
        file=f"{files[0]} ... {files[-1]}",
        found=first.found,
        expected=first.expected,
        fix=first.fix,
    )


class Problems:
    """Collect errors, so that all of them are reported at once.

    Examples
    --------
    >>> problems = Problems()
    >>> for name in ("a", "b"):
    ...     with problems.collect():
    ...         raise InputError(f"{name} is missing")
    >>> [error.problem for error in problems.found]
    ['a is missing', 'b is missing']
    """

    def __init__(self) -> None:
        self.found: list[InputError] = []

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Collect an :class:`InputError` of the block, and continue after it."""
        try:
            yield
        except ProblemList as error:
            self.found.extend(error.problems)
        except InputError as error:
            self.found.append(error)

    def raise_any(self) -> None:
        """Raise the collected errors: one as it is, several as a :class:`ProblemList`."""
        if len(self.found) == 1:
            raise self.found[0]
        if self.found:
            raise ProblemList(self.found)


@lru_cache(maxsize=10_000)
def notice(text: str) -> None:
    """Log, once, what is no error but should be known: data that are left out, a doubt."""
    logger.warning(text)
