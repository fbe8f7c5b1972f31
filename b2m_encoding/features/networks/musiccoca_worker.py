"""Runs in the Python of Magenta RealTime: embeds what arrives as files. It knows nothing of b2m_encoding.

Called as ``python musiccoca_worker.py RESOURCES``. Every line of standard input names a file: ``.npy`` holds waves of
at most 10 s at 16 kHz, shape (n_waves, n_samples), ``.json`` a list of texts. The vectors are written beside it as
``NAME.answer.npy``. Answers are lines of standard output that begin with ``b2m``.
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
    """Answer until the input ends."""
    from magenta_rt import audio, musiccoca

    model = musiccoca.MusicCoCa(resource_dir=resources)
    print("b2m ready", importlib.metadata.version("magenta-rt"), flush=True)
    for line in sys.stdin:
        path = Path(line.rstrip("\n"))
        try:
            vectors = [np.asarray(model.embed(one), dtype=np.float32) for one in read(path, audio)]
            np.save(path.with_suffix(".answer.npy"), np.stack(vectors))
            print("b2m done", flush=True)
        except Exception as error:  # whatever goes wrong is told, and the next line is read
            print("b2m failed", " ".join(repr(error).split()), flush=True)


def read(path: Path, audio: Any) -> list[Any]:
    """Texts, or waveforms of Magenta."""
    if path.suffix == ".json":
        return list(json.loads(path.read_text(encoding="utf-8")))
    return [audio.Waveform(wave[:, None], RATE) for wave in np.load(path, allow_pickle=False)]


if __name__ == "__main__":
    main(sys.argv[1])
