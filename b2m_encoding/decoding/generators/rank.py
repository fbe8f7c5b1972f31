"""Rank of candidates by the measured responses, never by the stimulus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.errors import InputError


@dataclass(frozen=True, eq=False)
class Ranking:
    """Candidates, best first.

    Parameters
    ----------
    order : array of int, shape (n_candidates,)
    scores : array, shape (n_candidates,)
        Scores, in the order of the candidates.
    """

    order: NDArray[np.intp]
    scores: NDArray[np.float64]


def rank_by_responses(predicted: NDArray[np.floating], measured: NDArray[np.floating]) -> Ranking:
    """Rank candidates by how well the responses that an encoding model predicts from each fit the measured ones.

    Natural images were identified so (Kay et al. 2008, doi 10.1038/nature06713); here candidates are generated.

    Parameters
    ----------
    predicted : array, shape (n_candidates, n_targets) or (n_candidates, n_samples, n_targets)
        Responses predicted from each candidate by an encoding model that was trained without the clip.
    measured : array, shape (n_targets,) or (n_samples, n_targets)
        Responses to the presented clip. Values that are not finite in either are left out.

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
    >>> rank_by_responses(np.array([[1, 2, 0], [3, 1, 2]]), np.array([0.3, 0.1, 0.2])).order.tolist()
    [1, 0]
    """
    if not len(predicted):
        raise InputError("there is no candidate to rank")
    if predicted.shape[1:] != measured.shape:
        raise InputError(
            "predicted and measured responses differ in shape", found=predicted.shape[1:], expected=measured.shape
        )
    scores = np.array([_agreement(responses, measured) for responses in predicted])
    return Ranking(np.argsort(-scores, kind="stable"), scores)


def _agreement(predicted: NDArray[np.floating], measured: NDArray[np.floating]) -> float:
    finite = np.isfinite(predicted) & np.isfinite(measured)
    a, b = (np.asarray(x[finite], dtype=np.float64) for x in (predicted, measured))
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])
