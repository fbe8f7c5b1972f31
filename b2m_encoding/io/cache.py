"""Cache folder, and resampling matrices in it, addressed by the hash of what they are built from."""

from __future__ import annotations

import hashlib
import os
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import scipy
from numpy.typing import NDArray

from b2m_encoding.io.writing import replacing

VARIABLE = "B2M_CACHE"
VERSION = "1"
"""Part of every key: raise it when a matrix would be built differently."""


def cache_folder() -> Path:
    """Cache folder: ``$B2M_CACHE``, or ``b2m_encoding`` in the cache folder of the operating system."""
    if named := os.environ.get(VARIABLE):
        return Path(named).expanduser()
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "b2m_encoding"


def cached_matrix(
    kind: str, ingredients: tuple[str | NDArray[np.generic], ...], build: Callable[[], scipy.sparse.csr_array]
) -> scipy.sparse.csr_array:
    """Load a matrix from the cache, or build and store it.

    A damaged entry is built again. A folder that cannot be written is no error: the matrix is then built each time.

    Parameters
    ----------
    kind : str
        Start of the file name.
    ingredients : tuple of str or array
        Everything that the matrix depends on; part of the hash.
    build : callable
        Returns the matrix.

    Returns
    -------
    csr_array of float32
    """
    path = cache_folder() / f"{kind}-{_key(ingredients)}.npz"
    matrix = _load(path)
    if matrix is None:
        matrix = scipy.sparse.csr_array(build(), dtype=np.float32)
        matrix.sort_indices()
        _store(matrix, path)
    return matrix


def _key(ingredients: tuple[str | NDArray[np.generic], ...]) -> str:
    digest = hashlib.sha256(VERSION.encode())
    for part in ingredients:
        if isinstance(part, str):
            content, kind = part.encode(), "text"
        else:
            content, kind = np.ascontiguousarray(part).tobytes(), f"{part.dtype.str} {part.shape}"
        digest.update(f"|{kind} {len(content)}|".encode())  # lengths, so that parts cannot run into each other
        digest.update(content)
    return digest.hexdigest()[:32]


def _load(path: Path) -> scipy.sparse.csr_array | None:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            data, indices, indptr = stored["data"], stored["indices"], stored["indptr"]
            matrix = scipy.sparse.csr_array((data, indices, indptr), shape=tuple(stored["shape"].tolist()))
        matrix.check_format(full_check=True)
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None
    return matrix


def _store(matrix: scipy.sparse.csr_array, path: Path) -> None:
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as stream:
            np.savez(
                stream,
                data=matrix.data,
                indices=matrix.indices.astype(np.int32),
                indptr=matrix.indptr.astype(np.int32),
                shape=np.array(matrix.shape, dtype=np.int64),
            )
