"""Numbers of a reconstruction: how well its sounds identify what was heard, and how far they lie from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.decoding.identification import identification_accuracy

CHANCE = 0.5


def judge_sets(
    subject: str, vectors: Mapping[str, NDArray[np.floating]], true: NDArray[np.floating]
) -> list[dict[str, Any]]:
    """Identification accuracy of the sounds of every method.

    Parameters
    ----------
    subject : str
    vectors : mapping of method to array, shape (n_clips, n_dimensions)
        Embeddings of its sounds.
    true : array, shape (n_clips, n_dimensions)
        Of what was heard.
    """
    rows = []
    for method, own in vectors.items():
        if len(true) > 1:
            value = float(identification_accuracy(own, true).mean())
            rows.append(
                {"subject": subject, "method": method, "measure": "identification", "value": value, "chance": CHANCE}
            )
    return rows
