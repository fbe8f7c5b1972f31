"""Worker in the Python of Magenta RealTime: music from embeddings over time. It does not import b2m_encoding.

Called as ``python magenta_worker.py SIZE``. Every line of standard input names a ``.npz`` file: ``vectors``, shape
(n_steps, 768), and ``frames``, shape (n_steps,), for how many frames of 40 ms each of them holds. The sound is written
beside it as ``NAME.answer.npy``, shape (n_samples, 2), 48 kHz. Answers are lines of standard output that begin with
``b2m``.
"""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path
from typing import Any

import numpy as np


def main(size: str) -> None:
    """Answer until the input ends."""
    here = Path(__file__).resolve().parent
    sys.path[:] = [folder for folder in sys.path if Path(folder).resolve() != here]  # its neighbours are not to import
    from magenta_rt.config import MUSICCOCA
    from magenta_rt.jax import system

    model = system.MagentaRT2System(size=size)
    print("b2m ready", importlib.metadata.version("magenta-rt"), flush=True)
    for line in sys.stdin:
        path = Path(line.rstrip("\n"))
        try:
            np.save(path.with_suffix(".answer.npy"), play(model, MUSICCOCA.key, path))
            print("b2m done", flush=True)
        except Exception as error:  # any error is reported, and the next line is read
            print("b2m failed", " ".join(repr(error).split()), flush=True)


def play(model: Any, key: str, path: Path) -> Any:
    """Sound of a file of vectors; every vector continues from the state after the one before it."""
    with np.load(path, allow_pickle=False) as question:
        vectors, frames = question["vectors"].astype("float32"), question["frames"]
    state, parts = None, []
    for vector, n_frames in zip(vectors, frames.tolist()):  # noqa: B905 - any Python that Magenta runs in
        wave, state = model.generate(conditioning={key: vector}, frames=int(n_frames), state=state)
        parts.append(np.asarray(wave.samples, dtype=np.float32))
    return np.concatenate(parts)


if __name__ == "__main__":
    main(sys.argv[1])
