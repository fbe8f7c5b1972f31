"""The best of several candidates by the responses, never by the stimulus."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.features.audio import Wave

Predict = Callable[[Wave, int], NDArray[np.floating]]


@dataclass(frozen=True, eq=False)
class Ranking:
    """Candidates, best first.

    Parameters
    ----------
    order : array of int, shape (n_candidates,)
    scores : array, shape (n_candidates,)
        In the order of the candidates.
    """

    order: NDArray[np.intp]
    scores: NDArray[np.float64]


def rank_by_responses(
    candidates: Sequence[tuple[Wave, int]], predict: Predict, measured: NDArray[np.floating]
) -> Ranking:
    """Rank candidates by how well an encoding model predicts the measured responses from each of them.

    Parameters
    ----------
    candidates : sequence of (wave, rate)
    predict : callable
        From a wave and its rate to predicted responses: its features through an encoding model that never met the clip.
    measured : array, shape (n_targets,) or (n_samples, n_targets)
        Responses to the clip that was heard. Predictions have the same shape; targets that are not finite in either are
        left out.

    Returns
    -------
    Ranking
        Scores are Pearson r over all samples and targets; equal ones keep their order.

    Raises
    ------
    InputError
        If there is no candidate, or shapes differ.

    Examples
    --------
    >>> predict = lambda wave, rate: wave[:3]
    >>> waves = [(np.array(one, dtype=np.float32), 1) for one in ([1, 2, 0], [3, 1, 2])]
    >>> rank_by_responses(waves, predict, np.array([0.3, 0.1, 0.2])).order.tolist()
    [1, 0]
    """
    if not candidates:
        raise InputError("there is no candidate to rank")
    scores = np.array([_agreement(predict(wave, rate), measured) for wave, rate in candidates])
    return Ranking(np.argsort(-scores, kind="stable"), scores)


def rank_by_embedding(embeddings: NDArray[np.floating], decoded: NDArray[np.floating]) -> Ranking:
    """Rank candidates by the cosine of their embeddings and the decoded one, which follows from responses alone.

    Parameters
    ----------
    embeddings : array, shape (n_candidates, n_dimensions)
    decoded : array, shape (n_dimensions,)
    """
    norms = np.linalg.norm(embeddings, axis=1) * np.linalg.norm(decoded)
    products = np.asarray(embeddings, dtype=np.float64) @ decoded
    scores = np.divide(products, norms, out=np.zeros(len(embeddings)), where=norms > 0)
    return Ranking(np.argsort(-scores, kind="stable"), scores)


def _agreement(predicted: NDArray[np.floating], measured: NDArray[np.floating]) -> float:
    if predicted.shape != measured.shape:
        raise InputError(
            "predicted and measured responses differ in shape", found=predicted.shape, expected=measured.shape
        )
    known = np.isfinite(predicted) & np.isfinite(measured)
    a, b = (np.asarray(x[known], dtype=np.float64) for x in (predicted, measured))
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])
