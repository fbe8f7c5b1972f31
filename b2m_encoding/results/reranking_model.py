"""An encoding model of the windows that were decoded, kept to ask whether a sound fits the responses to a clip."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.io.archives import read_archive
from b2m_encoding.io.writing import replacing
from b2m_encoding.results.schema.files import RERANKING_MODEL, entity

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class RerankingModel:
    """Weights of the targets that training windows predict best, and the responses of these targets to the test clips.

    Responses are in standard deviations of the training windows, less their mean.

    Parameters
    ----------
    targets : array of int, shape (n_chosen,)
        Of the subject; chosen by cross-validation in training.
    r : array, shape (n_chosen,)
        Cross-validated score in training.
    mean : array, shape (n_dimensions,)
        Of the features in training.
    weights : array, shape (n_dimensions, n_chosen)
        Of features in their own units.
    clips : array of str, shape (n_clips,)
        Of the test.
    measured : array, shape (n_clips, n_chosen)
        Responses, windows of a clip and its repeats averaged.
    trained : array of str, shape (n_trained,)
        Clips of the training.

    Examples
    --------
    >>> one = RerankingModel(np.arange(2), np.ones(2), np.ones(1), np.array([[1.0, -2.0]]),
    ...                     np.array(["a"]), np.array([[1.0, -1.5]]), np.array(["b"]))
    >>> one.predict(np.array([[3.0]])).tolist()
    [[2.0, -4.0]]
    """

    targets: NDArray[np.int64]
    r: Floats
    mean: Floats
    weights: Floats
    clips: NDArray[np.str_]
    measured: Floats
    trained: NDArray[np.str_]

    def predict(self, embeddings: Floats) -> Floats:
        """Responses to sounds, shape (n_sounds, n_chosen).

        Parameters
        ----------
        embeddings : array, shape (n_sounds, n_dimensions)
            In the units of the feature space, windows of a sound averaged.
        """
        found: Floats = (embeddings - self.mean) @ self.weights
        return found

    def of(self, clip: str) -> Floats:
        """Measured responses to a test clip, shape (n_chosen,)."""
        found: Floats = self.measured[self.clips.tolist().index(clip)]
        return found

    def save(self, folder: Path, subject: str, target: str) -> Path:
        """Write into a results folder, whole or not at all."""
        path = _path(folder, subject, target)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            np.savez(file, allow_pickle=False, **vars(self))
        return path


def read_reranking_model(folder: Path, subject: str, target: str) -> RerankingModel:
    """Read what :meth:`RerankingModel.save` wrote.

    Raises
    ------
    InputError
        If there is no such file (results of an earlier version have none), or it is damaged.
    """
    path, fix = _path(folder, subject, target), "b2m decode the study again"
    if not path.is_file():
        raise InputError("the encoding model of the decoded windows is missing", file=path, fix=fix)
    return RerankingModel(**read_archive(path, "an encoding model", RerankingModel.__dataclass_fields__, fix=fix))


def _path(folder: Path, subject: str, target: str) -> Path:
    return folder / f"sub-{subject}" / RERANKING_MODEL.format(subject=subject, target=entity(target))
