"""One error type for everything a user can put right."""

from __future__ import annotations

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
