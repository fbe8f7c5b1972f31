"""Worker process in the Python of Magenta RealTime, with requests and responses as files."""

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

from b2m_encoding._typing import Float32
from b2m_encoding.errors import InputError
from b2m_encoding.io.writing import reported_as_input_error

VARIABLE = "B2M_MAGENTA_PYTHON"
"""Environment variable with the path of the Python that has magenta-rt."""
INSTALL = (
    f"python -m venv magenta && magenta/bin/pip install magenta-rt==2.0.3 && export {VARIABLE}=$PWD/magenta/bin/python"
)


class Worker:
    """Process of another Python that computes one file from another; it starts with the first request.

    Parameters
    ----------
    name : str
        Name in messages.
    interpreter : Path
    script : str
        Script that prints ``b2m ready VERSION``, then for each line of its input, the path of a request, ``b2m done``
        when ``REQUEST.answer.npy`` is written, or ``b2m failed REASON``.
    argument : str or Path
        Argument of the script.
    environment : mapping, optional
        Environment variables beside those of this process.
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

    def request(self, name: str, write: Any, shape: tuple[int | None, ...]) -> Float32:
        """Write a request, wait for the response, and read it.

        Parameters
        ----------
        name : str
            File name of the request.
        write : callable
            Writes the request to a path.
        shape : tuple of int or None
            Expected shape; None for any length.

        Raises
        ------
        InputError
            If the script fails, the process ends, or the response has another shape or is not finite.
        """
        process, folder = self._start()
        path = folder / name
        with reported_as_input_error(f"a request to {self._name} cannot be written", folder):
            write(path)
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # of a process that has ended, _read_status raises
            process.stdin.write(f"{path}\n")
            process.stdin.flush()
        self._read_status(process)
        response: Float32 = np.load(path.with_suffix(".answer.npy"), allow_pickle=False)
        same = len(response.shape) == len(shape) and all(
            b in (a, None) for a, b in zip(response.shape, shape, strict=True)
        )
        if not same or not np.isfinite(response).all():
            raise InputError(f"{self._name} returned an unexpected array", found=response.shape, expected=shape)
        return response

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
            self._version = self._read_status(self._process)
        return self._process, self._folder

    def _read_status(self, process: subprocess.Popen[str]) -> str:
        """Read the next status line and return its argument; other output is ignored."""
        assert process.stdout is not None
        for line in process.stdout:
            word, _, rest = line.strip().removeprefix("b2m ").partition(" ")
            if line.startswith("b2m ") and word in ("ready", "done"):
                return rest
            if line.startswith("b2m failed"):
                raise InputError(f"{self._name} failed", found=rest)
        assert self._folder is not None
        messages = (self._folder / "errors.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        self._process = None
        raise InputError(
            f"the process of {self._name} ended",
            found=messages[-1] if messages else "no message",
            file=self._command[0],
            fix=INSTALL,
        )


def find_interpreter(name: str, named: str | Path | None = None) -> Path:
    """Find the Python that has magenta-rt: the given one, that of ``$B2M_MAGENTA_PYTHON``, or this one.

    Raises
    ------
    InputError
        If there is none, with the command that creates it, or it cannot be run.
    """
    path = named or os.environ.get(VARIABLE)
    if path is None and find_spec("magenta_rt") is not None:
        path = sys.executable
    if path is None:
        raise InputError(f"{name} needs a Python with magenta-rt", fix=INSTALL)
    if not os.access(path, os.X_OK):
        raise InputError("the Python of Magenta cannot be run", file=path, expected=f"path of a Python in {VARIABLE}")
    return Path(path)


def _end(process: subprocess.Popen[str], errors: IO[str], folder: TemporaryDirectory[str]) -> None:
    """Close the input of the process, which ends it, and remove its files."""
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
