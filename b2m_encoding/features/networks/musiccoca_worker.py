"""Script for the Python of Magenta RealTime that embeds files with MusicCoCa; independent of b2m_encoding.

Called as ``python musiccoca_worker.py RESOURCES``. Each line of standard input is the path of a file: ``.npy`` contains
waves of at most 10 s at 16 kHz, shape (n_waves, n_samples), ``.json`` a list of texts. The embeddings are written
beside it as ``NAME.answer.npy``. Status lines of standard output begin with ``b2m``.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

RATE = 16000


def main(resources: str) -> None:
    """Process requests until the input ends."""
    from magenta_rt import audio, musiccoca

    model = musiccoca.MusicCoCa(resource_dir=resources)
    print("b2m ready", importlib.metadata.version("magenta-rt"), flush=True)
    for line in sys.stdin:
        path = Path(line.rstrip("\n"))
        try:
            vectors = [np.asarray(model.embed(item), dtype=np.float32) for item in read(path, audio)]
            np.save(path.with_suffix(".answer.npy"), np.stack(vectors))
            print("b2m done", flush=True)
        except Exception as error:  # any error is reported, and the next line is read
            print("b2m failed", " ".join(repr(error).split()), flush=True)


def read(path: Path, audio: Any) -> list[Any]:
    """Read texts, or waves as waveforms of Magenta."""
    if path.suffix == ".json":
        return list(json.loads(path.read_text(encoding="utf-8")))
    return [audio.Waveform(wave[:, None], RATE) for wave in np.load(path, allow_pickle=False)]


if __name__ == "__main__":
    main(sys.argv[1])
