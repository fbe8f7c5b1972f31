"""One error type for everything a user can put right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class InputError(ValueError):
    """Something given to the package cannot be used, with what to do about it.

    Parameters
    ----------
    problem : str
        What is wrong, in one sentence.
    file : path, optional
        The file it was found in.
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
        details = {"file": file, "found": found, "expected": expected, "to do": fix}
        lines = [f"  {key + ':':<9} {value}" for key, value in details.items() if value is not None]
        super().__init__("\n".join([problem, *lines]))


class ProblemList(InputError):
    """Every problem of a study at once."""

    def __init__(self, problems: list[InputError]) -> None:
        self.problems = problems
        ValueError.__init__(self, "\n".join(str(problem) for problem in problems))


class Problems:
    """Collects what is wrong, so that everything is told at once.

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
        """Keep what goes wrong inside the block, and go on after it."""
        try:
            yield
        except ProblemList as error:
            self.found.extend(error.problems)
        except InputError as error:
            self.found.append(error)

    def raise_any(self) -> None:
        """Raise what was found: one error as it is, several as a :class:`ProblemList`."""
        if len(self.found) == 1:
            raise self.found[0]
        if self.found:
            raise ProblemList(self.found)
