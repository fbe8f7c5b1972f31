"""Decoded embeddings of the test clips of a subject, stored with the results for retrieval and reconstruction."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.io.archives import read_archive
from b2m_encoding.io.writing import replacing
from b2m_encoding.results.schema.files import DECODED, entity


@dataclass(frozen=True, eq=False)
class DecodedWindows:
    """Embeddings decoded from the responses to each window of the test clips.

    Parameters
    ----------
    vectors : array of float32, shape (n_windows, n_dimensions)
        In the units of the feature space.
    clip : array of str, shape (n_windows,)
        Clip of each window.
    start : array, shape (n_windows,)
        Seconds from the beginning of the clip to that of the window.
    """

    vectors: NDArray[np.float32]
    clip: NDArray[np.str_]
    start: NDArray[np.float64]

    def of(self, clip: str) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Windows of a clip; the same window of several runs is averaged.

        Parameters
        ----------
        clip : str

        Returns
        -------
        starts : array, shape (n_windows,)
            Seconds from the beginning of the clip.
        vectors : array of float32, shape (n_windows, n_dimensions)

        Examples
        --------
        >>> vectors = np.array([[1.0], [5.0], [3.0]], dtype=np.float32)
        >>> windows = DecodedWindows(vectors, np.array(["a", "a", "a"]), np.array([0.0, 1.5, 0.0]))
        >>> windows.of("a")[0].tolist(), windows.of("a")[1].tolist()
        ([0.0, 1.5], [[2.0], [5.0]])
        """
        inside = self.clip == clip
        starts, place = np.unique(self.start[inside].round(6), return_inverse=True)
        return starts, np.stack([self.vectors[inside][place == i].mean(axis=0) for i in range(len(starts))])


@dataclass(frozen=True, eq=False)
class Decoded:
    """Embeddings that one decoder predicted from the responses to the test clips.

    Parameters
    ----------
    target : str
        Name of the decoded feature space.
    decoder : str
        ``regions``, ``ridge``, ``inverse`` ...
    clips : array of str, shape (n_clips,)
    predicted, true : array of float32, shape (n_clips, n_dimensions)
        Decoded and true embeddings, in the units of the feature space, windows of a clip and repeats merged.
    windows : DecodedWindows
        Embeddings before windows were merged.
    """

    target: str
    decoder: str
    clips: NDArray[np.str_]
    predicted: NDArray[np.float32]
    true: NDArray[np.float32]
    windows: DecodedWindows

    def save(self, folder: str | Path, subject: str) -> Path:
        """Write into a results folder, all or nothing; returns the file."""
        folder = Path(folder)
        path = _path(folder, subject, self.target, self.decoder)
        path.parent.mkdir(parents=True, exist_ok=True)
        clips = {"clips": self.clips.astype(np.str_), "predicted": self.predicted, "true": self.true}
        windows = {f"window_{name}": values for name, values in asdict(self.windows).items()}
        with replacing(path) as file:
            np.savez(file, allow_pickle=False, **clips, **windows)
        return path


def read_decoded(folder: Path, subject: str, target: str, decoder: str = "regions") -> Decoded:
    """Read the file of :meth:`Decoded.save`.

    Raises
    ------
    InputError
        If there is no such file, or it is damaged.
    """
    path = _path(folder, subject, target, decoder)
    if not path.is_file():
        here = sorted(file.name for file in path.parent.glob("*_decoded.npz"))
        raise InputError("nothing was decoded", file=path, expected=", ".join(here) or "a study with [decoding]")
    parts = DecodedWindows.__dataclass_fields__
    names = ("clips", "predicted", "true", *(f"window_{name}" for name in parts))
    arrays = read_archive(path, "decoded embeddings", names, fix="run the study again")
    windows = DecodedWindows(**{name: arrays.pop(f"window_{name}") for name in parts})
    return Decoded(target, decoder, **arrays, windows=windows)


def _path(folder: Path, subject: str, target: str, decoder: str) -> Path:
    name = DECODED.format(subject=subject, target=entity(target), decoder=entity(decoder))
    return folder / f"sub-{subject}" / name
