"""Decoded embeddings of the test clips of a subject: kept with the results, for retrieval and reconstruction."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.results.bundle import entity
from b2m_encoding.spaces.files import check_archive
from b2m_encoding.spaces.writing import replacing


@dataclass(frozen=True, eq=False)
class Decoded:
    """What one decoder made of the responses to the test clips.

    Parameters
    ----------
    target : str
        The feature space that was decoded.
    decoder : str
        ``regions``, ``ridge``, ``inverse`` ...
    clips : array of str, shape (n_clips,)
    predicted, true : array of float32, shape (n_clips, n_dimensions)
        In the units of the feature space, windows of a clip and repeats merged.
    """

    target: str
    decoder: str
    clips: NDArray[np.str_]
    predicted: NDArray[np.float32]
    true: NDArray[np.float32]

    def save(self, folder: Path, subject: str) -> Path:
        """Write into a results folder, whole or not at all."""
        path = _path(folder, subject, self.target, self.decoder)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            np.savez(file, clips=self.clips.astype(np.str_), predicted=self.predicted, true=self.true)
        return path


def read_decoded(folder: Path, subject: str, target: str, decoder: str = "regions") -> Decoded:
    """Read what :meth:`Decoded.save` wrote.

    Raises
    ------
    InputError
        If there is no such file, or it is damaged.
    """
    path = _path(folder, subject, target, decoder)
    if not path.is_file():
        here = sorted(one.name for one in path.parent.glob("*_decoded.npz"))
        raise InputError("nothing was decoded", file=path, expected=", ".join(here) or "a study with [decoding]")
    check_archive(path)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return Decoded(target, decoder, arrays["clips"], arrays["predicted"], arrays["true"])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise InputError("damaged file", file=path, found=error, fix="run the study again") from error


def _path(folder: Path, subject: str, target: str, decoder: str) -> Path:
    return folder / f"sub-{subject}" / f"sub-{subject}_desc-{entity(target)}_decoder-{entity(decoder)}_decoded.npz"
