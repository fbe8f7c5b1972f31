"""Encoding model of the decoded windows, stored to rank sounds by the responses to a clip."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Floating, Integers
from b2m_encoding.errors import InputError
from b2m_encoding.io.archives import read_archive
from b2m_encoding.io.writing import replacing
from b2m_encoding.results.schema.files import RERANKING_MODEL, entity


@dataclass(frozen=True, eq=False)
class RerankingModel:
    """Weights of the targets with the best scores in training, and the responses of these targets to the test clips.

    Responses are in standard deviations of the training windows, less their mean.

    Parameters
    ----------
    targets : array of int, shape (n_chosen,)
        Numbers of the targets, chosen by cross-validation in training.
    r : array, shape (n_chosen,)
        Cross-validated score in training.
    mean : array, shape (n_dimensions,)
        Mean of the features in training.
    weights : array, shape (n_dimensions, n_chosen)
        Weights of features in the units of the feature space.
    clips : array of str, shape (n_clips,)
        Test clips.
    measured : array, shape (n_clips, n_chosen)
        Responses to the test clips, windows of a clip and its repeats averaged.
    trained : array of str, shape (n_trained,)
        Training clips.

    Examples
    --------
    >>> model = RerankingModel(np.arange(2), np.ones(2), np.ones(1), np.array([[1.0, -2.0]]),
    ...                     np.array(["a"]), np.array([[1.0, -1.5]]), np.array(["b"]))
    >>> model.predict(np.array([[3.0]])).tolist()
    [[2.0, -4.0]]
    """

    targets: Integers
    r: Floating
    mean: Floating
    weights: Floating
    clips: NDArray[np.str_]
    measured: Floating
    trained: NDArray[np.str_]

    def predict(self, embeddings: Floating) -> Floating:
        """Predict responses to sounds.

        Parameters
        ----------
        embeddings : array, shape (n_sounds, n_dimensions)
            In the units of the feature space, windows of a sound averaged.

        Returns
        -------
        array, shape (n_sounds, n_chosen)
        """
        predicted: Floating = (embeddings - self.mean) @ self.weights
        return predicted

    def of(self, clip: str) -> Floating:
        """Measured responses to a test clip, shape (n_chosen,)."""
        responses: Floating = self.measured[self.clips.tolist().index(clip)]
        return responses

    def save(self, folder: str | Path, subject: str, target: str) -> Path:
        """Write into a results folder, all or nothing; returns the file."""
        folder = Path(folder)
        path = _path(folder, subject, target)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            np.savez(file, allow_pickle=False, **vars(self))
        return path


def read_reranking_model(folder: Path, subject: str, target: str) -> RerankingModel:
    """Read the file of :meth:`RerankingModel.save`.

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
