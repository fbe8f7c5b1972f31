"""The Python of Magenta RealTime as a process beside this one: questions go there as files, answers come back."""

from __future__ import annotations

import os
import subprocess
import sys
import weakref
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import numpy as np

from b2m_encoding.errors import InputError
from b2m_encoding.features.networks.base import Floats

VARIABLE = "B2M_MAGENTA_PYTHON"
"""Environment variable that names Magenta's Python."""
INSTALL = (
    f"python -m venv magenta && magenta/bin/pip install magenta-rt==2.0.3 && export {VARIABLE}=$PWD/magenta/bin/python"
)


class Worker:
    """A process of Magenta's Python that answers files with files; it starts with the first question.

    Parameters
    ----------
    name : str
        For messages.
    interpreter : Path
    script : str
        What runs there. It prints ``b2m ready VERSION``; to each line, the path of a question, ``b2m done`` once
        ``QUESTION.answer.npy`` is written, or ``b2m failed REASON``.
    argument : str or Path
        Of the script.
    environment : mapping, optional
        Variables beside those of this process.
    """

    def __init__(
        self,
        name: str,
        interpreter: Path,
        script: str,
        argument: str | Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._name, self._environment = name, environment
        self._command = [str(interpreter), script, str(argument)]
        self._process: subprocess.Popen[str] | None = None
        self._folder: Path | None = None
        self._version = ""

    @property
    def version(self) -> str:
        """Version of magenta-rt."""
        self._start()
        return self._version

    def ask(self, name: str, write: Any, shape: tuple[int | None, ...]) -> Floats:
        """Write a question, wait for the answer, and check its shape; None stands for any length."""
        process, folder = self._start()
        path = folder / name
        write(path)
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # if it has ended, _answer tells why
            process.stdin.write(f"{path}\n")
            process.stdin.flush()
        self._answer(process)
        answer: Floats = np.load(path.with_suffix(".answer.npy"), allow_pickle=False)
        fits = len(answer.shape) == len(shape) and all(b in (a, None) for a, b in zip(answer.shape, shape, strict=True))
        if not fits or not np.isfinite(answer).all():
            raise InputError(f"{self._name} gave an unexpected answer", found=answer.shape, expected=shape)
        return answer

    def _start(self) -> tuple[subprocess.Popen[str], Path]:
        if self._process is None or self._folder is None:
            folder = TemporaryDirectory(prefix="b2m-magenta-")
            self._folder = Path(folder.name)
            errors = (self._folder / "errors.txt").open("w")
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
                encoding="utf-8", env={**os.environ, **(self._environment or {})},
            )  # fmt: skip
            weakref.finalize(self, _end, self._process, errors, folder)
            self._version = self._answer(self._process)
        return self._process, self._folder

    def _answer(self, process: subprocess.Popen[str]) -> str:
        """Read the rest of the next answer; what else the process prints is passed over."""
        assert process.stdout is not None
        for line in process.stdout:
            word, _, rest = line.strip().removeprefix("b2m ").partition(" ")
            if line.startswith("b2m ") and word in ("ready", "done"):
                return rest
            if line.startswith("b2m failed"):
                raise InputError(f"{self._name} failed", found=rest)
        assert self._folder is not None
        said = (self._folder / "errors.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        self._process = None
        raise InputError(
            f"{self._name} ended", found=said[-1] if said else "no word", file=self._command[0], fix=INSTALL
        )


def find_interpreter(name: str, named: str | Path | None = None) -> Path:
    """Magenta's Python, or an error that says how to make one."""
    path = named or os.environ.get(VARIABLE)
    if path is None and find_spec("magenta_rt") is not None:
        path = sys.executable
    if path is None:
        raise InputError(f"{name} needs a Python with magenta-rt", fix=INSTALL)
    if not os.access(path, os.X_OK):
        raise InputError("Magenta's Python cannot be run", file=path, expected=f"a Python, named by {VARIABLE}")
    return Path(path)


def _end(process: subprocess.Popen[str], errors: IO[str], folder: TemporaryDirectory[str]) -> None:
    """Close its input, which ends it; then remove the files."""
    for stream in (process.stdin, process.stdout):
        with suppress(OSError):
            if stream is not None:
                stream.close()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    errors.close()
    folder.cleanup()
