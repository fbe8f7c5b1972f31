"""Magenta RealTime 2, conditioned on decoded MusicCoCa embeddings over time, in a separate Python."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.decoding.generators import magenta_worker
from b2m_encoding.decoding.generators.base import Condition
from b2m_encoding.errors import InputError
from b2m_encoding.features.audio import Wave
from b2m_encoding.features.networks.magenta_process import Worker, find_interpreter
from b2m_encoding.features.weights import Weights

RATE, FRAME_RATE, DIM = 48_000, 25.0, 768
HOME = "magenta-rt-v2"
"""Name of the folder of the weights below ``$MAGENTA_HOME``."""


class MagentaRT:
    """Magenta RealTime 2, the open generator closest to the MusicLM of Brain2Music: joint embedding, tokens, codec.

    Its random keys are fixed, so that a vector always gives the same sound; the seed moves the vector a little.

    Parameters
    ----------
    weights : Weights
    device : str
        Ignored: JAX chooses its device.
    size : str
        ``mrt2_base`` or ``mrt2_small``.
    jitter : float
        Length of the random step that a seed adds, as a share of the length of the vector; 0 for none.
    follow : bool
        Follow the decoded embedding over time; otherwise its mean is held.
    interpreter : path, optional
        Magenta's Python; by default the one that ``$B2M_MAGENTA_PYTHON`` names.
    """

    name = "magenta_rt"
    space: str | None = "musiccoca"
    settings = ("size", "jitter", "follow", "interpreter")

    def __init__(
        self,
        weights: Weights,
        *,
        device: str = "auto",
        size: str = "mrt2_base",
        jitter: float = 0.05,
        follow: bool = True,
        interpreter: str | Path | None = None,
    ) -> None:
        self.licence = weights.entry.licence
        self.size, self.jitter, self.follow = size, jitter, follow
        self._weights = weights
        self._interpreter = find_interpreter("Magenta RealTime", interpreter)

    @cached_property
    def _home(self) -> str:
        """Folder with the weights under the name for which the package looks."""
        folder = TemporaryDirectory(prefix="b2m-magenta-home-")
        weakref.finalize(self, folder.cleanup)
        Path(folder.name, HOME).symlink_to(self._weights.folder.absolute(), target_is_directory=True)
        return folder.name

    @cached_property
    def _worker(self) -> Worker:
        script = magenta_worker.__file__
        environment = {"MAGENTA_HOME": self._home}
        return Worker("Magenta RealTime", self._interpreter, script, self.size, environment)

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Model, revision, hashes, settings, and the version of magenta-rt (which starts its Python)."""
        return {
            "generator": type(self).__name__,
            **self._weights.provenance,
            "size": self.size,
            "jitter": self.jitter,
            "follow": self.follow,
            "packages": {"magenta-rt": self._worker.version},
        }

    def generate(self, condition: Condition, seconds: float, random_state: int) -> tuple[Wave, int]:
        """Follow the series of the condition, or hold its embedding; both channels averaged."""
        series, times = condition.series, condition.times
        if series is None or times is None or not self.follow:
            series, times = condition.embedding[None], np.zeros(1)
        vectors = np.asarray(series, dtype=np.float32)
        if vectors.ndim != 2 or vectors.shape[1] != DIM or not np.isfinite(vectors).all():
            raise InputError("not embeddings of musiccoca", found=vectors.shape, expected=f"(n_steps, {DIM})")
        frames = frames_of(times, seconds)
        vectors = self._moved(vectors[frames > 0], random_state)
        frames = frames[frames > 0]

        def write(path: Path) -> None:
            np.savez(path, vectors=vectors, frames=frames)

        stereo = self._worker.request("question.npz", write, (None, 2))
        wave: Wave = np.asarray(stereo.mean(axis=1), dtype=np.float32)
        return wave[: round(seconds * RATE)], RATE

    def _moved(self, vectors: NDArray[np.float32], random_state: int) -> NDArray[np.float32]:
        """Vectors of a sound, moved by one random step."""
        step = np.random.default_rng(random_state).standard_normal(DIM)
        length = self.jitter * np.sqrt((vectors**2).sum(axis=1, keepdims=True))
        return np.asarray(vectors + length * step / np.linalg.norm(step), dtype=np.float32)


def frames_of(times: NDArray[np.float64], seconds: float) -> NDArray[np.int64]:
    """Number of frames of each vector: those nearer to the middle of its window than to that of any other.

    Steps of 1.5 s are 37.5 frames; rounding their ends keeps them in time.

    Parameters
    ----------
    times : array, shape (n_windows,)
        Middles of the windows, ascending, s.
    seconds : float
        Length of the sound.

    Examples
    --------
    >>> frames_of(np.arange(10) * 1.5 + 0.75, 15.0).tolist()
    [38, 37, 37, 38, 38, 37, 37, 38, 38, 37]
    >>> frames_of(np.array([5.0, 6.5, 8.0, 9.5]), 15.0).tolist()  # windows of 10 s
    [144, 37, 38, 156]
    >>> frames_of(np.zeros(1), 15.0).tolist(), frames_of(np.arange(4) * 1.5 + 0.75, 4.0).tolist()
    ([375], [38, 37, 25, 0])
    """
    total = round(seconds * FRAME_RATE)
    between = (times[1:] + times[:-1]) / 2
    ends = np.minimum(np.append(np.rint(between * FRAME_RATE), total), total).astype(np.int64)
    frames: NDArray[np.int64] = np.diff(ends, prepend=0)
    return frames
