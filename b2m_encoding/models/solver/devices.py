"""Device, number type and threads of the computations, and fallbacks where memory or LAPACK fails."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import Any, Literal, TypeVar

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
TARGETS_OF_A_THREAD = 1024
"""Targets of a slice, where every CPU thread has slices of its own: few, so that all end at about the same time."""
_blas = ThreadpoolController()
_worker = threading.local()
Item = TypeVar("Item")
Found = TypeVar("Found")
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


def gram(X: Tensor) -> Tensor:
    """Compute ``X'X`` in the type of X; on a CPU by the routine of BLAS for symmetric products: half the operations."""
    if X.device.type != "cpu":
        return X.T @ X
    values = X.numpy()
    return torch.from_numpy(values.T @ values)


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
    alone = getattr(_worker, "alone", False)  # then BLAS has one thread already, and its limit is not ours to restore
    small = len(matrix) <= SMALL_EIGENPROBLEM
    with nullcontext() if alone else _blas.limit(limits=1 if small else None, user_api="blas"):
        values, vectors = np.linalg.eigh(matrix.numpy())
    return torch.from_numpy(values), torch.from_numpy(vectors)


def for_each(items: Sequence[Item], work: Callable[[Item], Found], device: torch.device) -> list[Found]:
    """Call a function on every item; on a CPU one item per thread at a time.

    Products of moderate size are faster so: threads that share one of them wait for each other at its end. The number
    of threads is that of torch; inside each of them torch and BLAS have one. Results are in the order of the items.

    Examples
    --------
    >>> for_each([1, 2, 3], lambda number: number**2, torch.device("cpu"))
    [1, 4, 9]
    """
    threads = min(torch.get_num_threads(), len(items))
    if device.type != "cpu" or threads <= 1:
        return [work(item) for item in items]
    before = torch.get_num_threads()
    try:
        with _blas.limit(limits=1, user_api="blas"), ThreadPoolExecutor(threads, initializer=_work_alone) as pool:
            futures = [pool.submit(work, item) for item in items]
            try:
                return [future.result() for future in futures]
            finally:
                pool.shutdown(cancel_futures=True)
    finally:
        torch.set_num_threads(before)


def _work_alone() -> None:
    torch.set_num_threads(1)
    _worker.alone = True


def in_chunks(n_targets: int, size: int, work: Callable[[slice], None], device: torch.device) -> int:
    """Call a function on slices of targets: a slice per thread of a CPU; on a GPU smaller ones where memory runs out.

    Parameters
    ----------
    n_targets, size : int
        Number of targets, of all and of the largest slice.
    work : callable
        Called with every slice, and again with parts of one for which memory ran out: it adds to results last.
    device : torch.device
        Where it computes.

    Returns
    -------
    int
        Size of a slice that fits in memory.
    """
    if device.type == "cpu" and torch.get_num_threads() > 1:
        own = min(size, TARGETS_OF_A_THREAD)
        for_each([slice(start, min(start + own, n_targets)) for start in range(0, n_targets, own)], work, device)
        return size
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
