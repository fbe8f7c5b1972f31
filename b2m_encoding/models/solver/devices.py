"""Device, number type and threads of the computations, and fallbacks where memory or LAPACK fails."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import scipy.linalg
import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor

from b2m_encoding.device import resolve_device as resolve_device
from b2m_encoding.errors import InputError

logger = logging.getLogger(__name__)
SMALL = 256
"""Largest number of features and targets of a problem that one thread solves faster than two."""
SMALL_EIGENPROBLEM = 768
"""Largest size of an eigenproblem that is solved in one thread."""
_blas = ThreadpoolController()
Precision = Literal["float32", "float64", "fast"]


def number_type(precision: Precision) -> torch.dtype:
    """Type of the large products."""
    if precision not in ("float32", "float64", "fast"):
        raise InputError("unknown precision", found=precision, expected='"float32", "float64" or "fast"')
    return torch.float64 if precision == "float64" else torch.float32


def tensor(values: Any) -> Tensor:
    """Convert an array, sharing its memory where torch can (not if it is read-only or has negative strides)."""
    if isinstance(values, np.ndarray) and (not values.flags.writeable or min(values.strides, default=0) < 0):
        values = values.copy()
    return torch.as_tensor(values)


@contextmanager
def products(precision: Precision, device: torch.device) -> Iterator[None]:
    """Allow TF32 products inside the block if ``precision`` is "fast" on a GPU; restore the setting afterwards."""
    if precision != "fast" or device.type != "cuda":
        yield
        return
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


@contextmanager
def threads_for(n_features: int, n_targets: int, device: torch.device) -> Iterator[None]:
    """Use one CPU thread inside the block if the problem is small: several would wait for each other."""
    before = torch.get_num_threads()
    if device.type == "cpu" and max(n_features, n_targets) <= SMALL:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def eigh(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (not negative, ascending) and eigenvectors of a positive semidefinite matrix, in float64.

    On a CPU through NumPy, whose LAPACK needs a half to an eighth of the time of that of torch. If the solver does not
    converge, a slower and sturdier one follows.
    """
    matrix = (matrix + matrix.T).div_(2)
    try:
        values, vectors = _numpy_eigh(matrix) if matrix.device.type == "cpu" else torch.linalg.eigh(matrix)
        if not bool(torch.isfinite(values).all()):
            raise RuntimeError("eigenvalues are not finite")
    except (RuntimeError, np.linalg.LinAlgError) as error:
        logger.warning("eigh on %s failed (%s); LAPACK's QR iteration instead", matrix.device.type, error)
        eigenvalues, eigenvectors = scipy.linalg.eigh(matrix.cpu().numpy(), driver="ev")
        values = torch.from_numpy(eigenvalues).to(matrix.device)
        vectors = torch.from_numpy(eigenvectors).to(matrix.device)
    return values.clamp_min(0.0), vectors


def _numpy_eigh(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """NumPy's eigh, in one thread if the matrix is small: threads that wait for work slow those of torch down."""
    with _blas.limit(limits=1 if len(matrix) <= SMALL_EIGENPROBLEM else None, user_api="blas"):
        values, vectors = np.linalg.eigh(matrix.numpy())
    return torch.from_numpy(values), torch.from_numpy(vectors)


def in_chunks(n_targets: int, size: int, work: Callable[[slice], None]) -> int:
    """Call a function on slices of targets; where memory runs out, halve the slice and go on.

    Parameters
    ----------
    n_targets, size : int
        Number of targets, of all and of a slice.
    work : callable
        Called with every slice, and again with parts of one for which memory ran out: it adds to results last.

    Returns
    -------
    int
        Size of a slice that fits in memory.
    """
    start = 0
    while start < n_targets:
        try:
            work(slice(start, min(start + size, n_targets)))
        except torch.cuda.OutOfMemoryError:
            if size == 1:
                raise
            size = max(size // 2, 1)
            torch.cuda.empty_cache()
            logger.warning("out of memory: %d targets at a time from here", size)
            continue
        start += size
    return size
