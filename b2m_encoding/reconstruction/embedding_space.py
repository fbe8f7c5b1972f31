"""Audio embedding space of a decoded feature space, from a study file."""

from __future__ import annotations

from pathlib import Path

from b2m_encoding.decoding.retrieval.embedding_space import AudioEmbeddingSpace
from b2m_encoding.errors import InputError
from b2m_encoding.features.extractors import Acoustic, PretrainedAudio
from b2m_encoding.study import load_study


def decoded_space(path: str | Path, target: str | None = None) -> AudioEmbeddingSpace:
    """Audio embedding space of a study: a decoded feature space with its windows.

    Parameters
    ----------
    path : Path
        Study file.
    target : str, optional
        Name of a feature space; the first of ``decoding.targets`` by default.

    Raises
    ------
    InputError
        If there is no such feature space, or it does not embed audio.
    """
    path = Path(path)
    study = load_study(path)
    decoding = study.decoding
    name = target or (decoding.targets[0] if decoding else next(iter(study.features)))
    table = study.features.get(name)
    if not isinstance(table, Acoustic | PretrainedAudio):
        audio = [key for key, table in study.features.items() if isinstance(table, Acoustic | PretrainedAudio)]
        raise InputError("not an audio feature space", file=path, found=name, expected=", ".join(audio) or "acoustic")
    windows = study.decoded_windows(name) if decoding else study.windows and study.windows.of(name)
    return AudioEmbeddingSpace(table) if windows is None else AudioEmbeddingSpace(table, windows.length, windows.step)
