"""Component preference: which feature space predicts a target best, and by how much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.errors import InputError


@dataclass(frozen=True, eq=False)
class Preference:
    """Preferred feature space of each target.

    Parameters
    ----------
    names : tuple of str
    index : array of int, shape (n_targets,)
        Position in ``names`` of the best predictor, -1 where no target was tested or nothing predicts.
    margin : array, shape (n_targets,)
        Its score minus that of the second best; NaN where there is no preference.
    """

    names: tuple[str, ...]
    index: NDArray[np.int64]
    margin: NDArray[np.float64]


def preferred(scores: Mapping[str, NDArray[np.float64]], significant: NDArray[np.bool_]) -> Preference:
    """Compare the scores of models fitted on one feature space each.

    Parameters
    ----------
    scores : mapping of str to array, shape (n_targets,)
        Prediction accuracy of each feature space alone.
    significant : array of bool, shape (n_targets,)
        Targets that any model predicts; the others get no preference.

    Examples
    --------
    >>> scores = {"mulan": np.array([0.3, 0.1, 0.0]), "text": np.array([0.1, 0.25, 0.0])}
    >>> preferred(scores, np.array([True, True, False])).index
    array([ 0,  1, -1])
    """
    if len(scores) < 2:
        raise InputError("a preference needs at least two feature spaces", found=list(scores))
    table = np.stack(list(scores.values()))
    valid = significant & np.isfinite(table).all(axis=0)
    ordered = np.sort(np.where(valid, table, 0.0), axis=0)
    index = np.where(valid, np.where(valid, table, 0.0).argmax(axis=0), -1)
    return Preference(tuple(scores), index, np.where(valid, ordered[-1] - ordered[-2], np.nan))
