"""Several decoders as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.decoding.decoders.base import Decoder, Floats
from b2m_encoding.runs import Runs


class EnsembleDecoder(Decoder):
    """Mean of what several decoders say, each of length one: some shrink more than others.

    Parameters
    ----------
    members : sequence of Decoder
        Where they are fitted already, there is nothing left to fit.
    """

    def __init__(self, members: Sequence[Decoder]) -> None:
        self.members = members

    def fit(self, responses: Floats, embedding: Floats, runs: Runs) -> Self:
        """Fit every member."""
        for member in self.members:
            member.fit(responses, embedding, runs)
        return self

    def predict(self, responses: Floats, runs: Runs) -> NDArray[np.float64]:
        """Mean direction of the members, each row of every member of length one."""
        return mean_direction([member.predict(responses, runs) for member in self.members])

    def cross_val_predict(self, responses: Floats, embedding: Floats, runs: Runs) -> NDArray[np.float64]:
        """Mean direction of the members' cross-validated predictions."""
        return mean_direction([member.cross_val_predict(responses, embedding, runs) for member in self.members])


def mean_direction(parts: Sequence[Floats]) -> NDArray[np.float64]:
    """Mean of rows of length one; a row of zeros counts as zero."""
    norms = [np.linalg.norm(part, axis=1, keepdims=True) for part in parts]
    units = [np.divide(p, n, out=np.zeros_like(p), where=n > 0) for p, n in zip(parts, norms, strict=True)]
    return np.asarray(np.mean(units, axis=0), dtype=np.float64)
