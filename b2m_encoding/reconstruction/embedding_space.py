"""The sound space of a decoded feature space, from a study file."""

from __future__ import annotations

from pathlib import Path

from b2m_encoding.decoding.retrieval.embedding_space import AudioEmbeddingSpace
from b2m_encoding.errors import InputError
from b2m_encoding.features.extractors import Acoustic, PretrainedAudio
from b2m_encoding.study import load_study


def decoded_space(path: Path, target: str | None = None) -> AudioEmbeddingSpace:
    """How a study embeds sounds for decoding: its feature space, and the windows that are decoded.

    Parameters
    ----------
    path : Path
        The study file.
    target : str, optional
        A feature space; the first of ``decoding.targets`` by default.

    Raises
    ------
    InputError
        If there is no such feature space, or it does not hear.
    """
    study = load_study(path)
    decoding = study.decoding
    name = target or (decoding.targets[0] if decoding else next(iter(study.features)))
    table = study.features.get(name)
    if not isinstance(table, Acoustic | PretrainedAudio):
        hear = [key for key, one in study.features.items() if isinstance(one, Acoustic | PretrainedAudio)]
        raise InputError(
            "not a feature space that hears", file=path, found=name, expected=", ".join(hear) or "acoustic"
        )
    windows = study.windows or (decoding.windows if decoding else None)
    if windows is None:
        return AudioEmbeddingSpace(table)
    own: dict[str, float] = getattr(decoding, "own_windows", {}) if study.windows is None else {}
    return AudioEmbeddingSpace(table, own.get(name, windows.length), windows.step)
