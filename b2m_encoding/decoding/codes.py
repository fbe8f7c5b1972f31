"""Unit vectors as bytes, with a bound on what the rounding may do to a cosine: bytes multiply four times faster."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import numpy as np
import scipy.fft
import torch
from numpy.typing import NDArray
from torch import Tensor

LARGEST = 127
"""Of a code."""
BLOCK = 16
"""Rows on one grid."""
Real = TypeVar("Real", np.float32, np.float64)


@dataclass(frozen=True, eq=False)
class Codes:
    """Vectors as ``scale * codes``, up to a rest.

    Parameters
    ----------
    codes : tensor of int8, shape (n_vectors, n_dimensions)
    scale : tensor, shape (n_grids, 1)
    rest : tensor, shape (n_grids, 1)
        Length of the longest rest on a grid.
    longest : float
        Length of the longest vector, and a little more.

    Examples
    --------
    >>> codes = Codes.of(torch.tensor([[3.0, 4.0]]), block=1)
    >>> codes.codes.tolist(), round(codes.longest, 1)
    ([[95, 127]], 5.0)
    """

    codes: Tensor
    scale: Tensor
    rest: Tensor
    longest: float

    @classmethod
    def of(cls, vectors: Tensor, block: int = BLOCK) -> Codes:
        """Round vectors, shape (n_vectors, n_dimensions), as many of them on one grid; they are written over."""
        grids = vectors.view(-1, block, vectors.shape[1])
        low, high = torch.aminmax(grids.flatten(1), dim=1)
        scale = torch.maximum(high, -low) / LARGEST
        scale[scale == 0] = 1
        longest = float(torch.linalg.vector_norm(vectors, dim=1).max())
        whole = grids.div_(scale[:, None, None]).round()
        rest = torch.linalg.vector_norm(grids.sub_(whole), dim=2).amax(dim=1) * scale
        codes = whole.to(torch.int8).view(vectors.shape)
        return cls(codes, scale[:, None], rest[:, None], longest + float(rest.max()))

    @classmethod
    def joined(cls, parts: list[Codes]) -> Codes:
        """Of several lots of vectors."""
        codes, scale, rest = (torch.cat([getattr(one, name) for one in parts]) for name in ("codes", "scale", "rest"))
        return cls(codes, scale, rest, max(one.longest for one in parts))


def turn(vectors: NDArray[Real]) -> NDArray[Real]:
    """Rotate vectors so that their length is spread over all dimensions: else the largest one would decide the grid.

    Random signs, then a cosine transform, as in Ailon and Chazelle 2009, doi 10.1137/060673096. Cosines stay.
    """
    signs = np.random.default_rng(0).choice(np.array([-1, 1], dtype=vectors.dtype), vectors.shape[1])
    found: NDArray[Real] = scipy.fft.dct(vectors * signs, norm="ortho", workers=torch.get_num_threads())
    return found


@cache
def multiplies_bytes() -> bool:
    """Whether this processor multiplies bytes fast and right (VNNI); others saturate, or are faster with floats."""
    if not getattr(torch.cpu, "_is_vnni_supported", lambda: False)():
        return False
    a = torch.full((64, 256), LARGEST, dtype=torch.int8)
    products = [torch._int_mm(x, y.T.contiguous()) for x, y in ((a, a), (a, -a), (-a, -a))]
    return all(bool((one.abs() == 256 * LARGEST**2).all()) for one in products)
