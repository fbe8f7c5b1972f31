"""MusicCoCa of Magenta RealTime 2, in a Python of its own: waves and texts go there as files, vectors come back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import numpy as np

from b2m_encoding.errors import InputError
from b2m_encoding.features.networks import musiccoca_worker
from b2m_encoding.features.networks.base import Floats
from b2m_encoding.features.networks.network import check_waves, no_layers
from b2m_encoding.features.weights import Weights

VARIABLE = "B2M_MAGENTA_PYTHON"
"""Environment variable that names Magenta's Python."""
RESOURCES = "resources/musiccoca"
INSTALL = (
    f"python -m venv magenta && magenta/bin/pip install magenta-rt==2.0.3 && export {VARIABLE}=$PWD/magenta/bin/python"
)


class MusicCoCa:
    """Windows of 10 s and texts to 768 dimensions, not normalised; on the CPU.

    Its packages (JAX, LiteRT) do not go together with ours, so it runs in another Python, which is started with the
    first batch and ends with this object. A shorter window is padded with zeros, as MusicCoCa does.

    Parameters
    ----------
    interpreter : path, optional
        Magenta's Python; by default the one that ``$B2M_MAGENTA_PYTHON`` names, or this one if it has magenta-rt.
    """

    rate = musiccoca_worker.RATE
    window = 10.0
    frame_rate = None
    layers: tuple[int, ...] = ()
    dim = 768

    def __init__(
        self,
        weights: Weights,
        *,
        layers: Sequence[int] = (),
        device: str = "auto",
        shuffled_seed: int | None = None,
        interpreter: str | Path | None = None,
    ) -> None:
        no_layers(layers, "musiccoca")
        if shuffled_seed is not None:
            raise InputError("the weights of musiccoca cannot be shuffled", expected="another network for this control")
        if device not in ("auto", "cpu"):
            raise InputError("musiccoca runs on the CPU", found=device, expected='device = "cpu"')
        self.name = weights.entry.name
        self._weights = weights
        resources = weights.path(f"{RESOURCES}/music_encoder.tflite").parent
        self._worker = Worker(find_interpreter(interpreter), resources)

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Model, revision, hashes, window, and the version of magenta-rt (which starts its Python)."""
        return {
            "network": "MusicCoCa",
            **self._weights.provenance,
            "shuffled_seed": None,
            "dtype": "float32",
            "rate": self.rate,
            "window": self.window,
            "padding": "zeros",
            "packages": {"magenta-rt": self._worker.version},
        }

    def embed(self, batch: Floats) -> Floats:
        """Embed windows, shape (n_waves, dim)."""
        waves = check_waves(batch, self.rate, self.window)
        return self._worker.ask("waves.npy", lambda path: np.save(path, waves), (len(waves), self.dim))

    def embed_text(self, texts: Sequence[str]) -> Floats:
        """Embed texts, shape (n_texts, dim)."""
        if not texts:
            return np.zeros((0, self.dim), dtype=np.float32)
        content = json.dumps(list(texts))
        return self._worker.ask("texts.json", lambda path: path.write_text(content, "utf-8"), (len(texts), self.dim))


class Worker:
    """A process that answers files with files."""

    def __init__(self, interpreter: Path, resources: Path) -> None:
        self._command = [str(interpreter), musiccoca_worker.__file__, str(resources)]
        self._process: subprocess.Popen[str] | None = None
        self._folder: Path | None = None
        self._version = ""

    @property
    def version(self) -> str:
        """Version of magenta-rt."""
        self._start()
        return self._version

    def ask(self, name: str, write: Any, shape: tuple[int, ...]) -> Floats:
        """Write a question, wait for the answer, and check its shape."""
        process, folder = self._start()
        path = folder / name
        write(path)
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # if it has ended, _answer tells why
            process.stdin.write(f"{path}\n")
            process.stdin.flush()
        self._answer(process)
        answer: Floats = np.load(path.with_suffix(".answer.npy"), allow_pickle=False)
        if answer.shape != shape or not np.isfinite(answer).all():
            raise InputError("MusicCoCa gave an unexpected answer", found=answer.shape, expected=shape)
        return answer

    def _start(self) -> tuple[subprocess.Popen[str], Path]:
        if self._process is None or self._folder is None:
            folder = TemporaryDirectory(prefix="b2m-musiccoca-")
            self._folder = Path(folder.name)
            errors = (self._folder / "errors.txt").open("w")
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8"
            )
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
                raise InputError("MusicCoCa failed", found=rest)
        assert self._folder is not None
        said = (self._folder / "errors.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        self._process = None
        raise InputError("MusicCoCa ended", found=said[-1] if said else "no word", file=self._command[0], fix=INSTALL)


def find_interpreter(named: str | Path | None) -> Path:
    """Magenta's Python, or an error that says how to make one."""
    path = named or os.environ.get(VARIABLE)
    if path is None and find_spec("magenta_rt") is not None:
        path = sys.executable
    if path is None:
        raise InputError("MusicCoCa needs a Python with magenta-rt", fix=INSTALL)
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
