"""Arrays that stay in their files until they are used, for values larger than what a step needs of them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGE = {"large": True}
"""Metadata of a field of a dataclass whose arrays may stay in their file."""


@dataclass(frozen=True, eq=False)
class StoredArray:
    """An array of a NumPy archive; read as a whole by ``np.asarray``.

    Parameters
    ----------
    archive : Path
    name : str
    shape : tuple of int
    dtype : dtype
    """

    archive: Path
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, archive: Path, name: str) -> StoredArray:
        """Read the header of an array."""
        with zipfile.ZipFile(archive) as entries, entries.open(f"{name}.npy") as stream:
            version = np.lib.format.read_magic(stream)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(stream)
        return cls(archive, name, shape, dtype)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Read the array."""
        with np.load(self.archive, allow_pickle=False) as arrays:
            return np.asarray(arrays[self.name], dtype=dtype)


class SideBySide:
    """Stored arrays joined along their last axis; of slices of it, the part that was read last stays in memory.

    Parameters
    ----------
    parts : sequence of StoredArray
    reduce : callable, optional
        Applied to each part as it is read: it makes ``n_rows`` of its rows, of each column by itself.
    n_rows : int, optional
    """

    def __init__(
        self,
        parts: Sequence[StoredArray],
        reduce: Callable[[NDArray[Any]], NDArray[Any]] | None = None,
        n_rows: int | None = None,
    ) -> None:
        self.parts, self.reduce = parts, reduce
        self.stops = np.cumsum([part.shape[-1] for part in parts]).tolist()
        self.shape = (n_rows or parts[0].shape[0], *parts[0].shape[1:-1], self.stops[-1])
        self.dtype = parts[0].dtype
        self._recent: tuple[int, NDArray[Any]] | None = None

    def __len__(self) -> int:
        """Length of the first axis."""
        return int(self.shape[0])

    @property
    def nbytes(self) -> int:
        """Bytes of the part that stays in memory once it is read: at most those of the largest."""
        return max(int(np.prod(part.shape)) for part in self.parts) * self.dtype.itemsize

    def reduced(self, function: Callable[[NDArray[Any]], NDArray[Any]], n_rows: int) -> SideBySide:
        """The same columns, of which a function makes ``n_rows`` rows as they are read."""
        before = self.reduce
        return SideBySide(self.parts, function if before is None else lambda part: function(before(part)), n_rows)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Read the whole."""
        self._recent, start = None, 0
        whole = np.empty(self.shape, dtype=dtype or self.dtype)
        for part, stop in zip(self.parts, self.stops, strict=True):
            whole[..., start:stop] = self._read(part)
            start = stop
        return whole

    def __getitem__(self, at: Any) -> NDArray[Any]:
        """Read a slice of the last axis, ``[:, start:stop]``, or index the whole array otherwise."""
        if not _is_slice_of_last_axis(at, len(self.shape)):
            return np.asarray(np.asarray(self)[at])
        start, stop, _ = at[-1].indices(self.stops[-1])
        pieces, first = [], 0
        for number, last in enumerate(self.stops):
            if start < last and first < stop:
                pieces.append(self._part(number)[..., max(start - first, 0) : stop - first])
            first = last
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces or [self._part(0)[..., :0]], axis=-1)

    def _part(self, number: int) -> NDArray[Any]:
        if self._recent is None or self._recent[0] != number:
            self._recent = None  # before the next one is read
            self._recent = number, self._read(self.parts[number])
        return self._recent[1]

    def _read(self, part: StoredArray) -> NDArray[Any]:
        values = np.asarray(part)
        return values if self.reduce is None else self.reduce(values)


def _is_slice_of_last_axis(at: Any, n_axes: int) -> bool:
    """Whether an index is a slice of neighbours along the last axis, and all of the others."""
    if not isinstance(at, tuple) or not all(key is ... or isinstance(key, slice) for key in at):
        return False
    complete = len(at) == n_axes or at[0] is ...
    return complete and at[-1] is not ... and at[-1].step is None and all(key in (..., slice(None)) for key in at[:-1])


def side_by_side(parts: Sequence[Any]) -> Any:
    """Join arrays along their last axis; stored ones stay in their files.

    Examples
    --------
    >>> side_by_side([np.zeros((2, 1)), np.ones((2, 2))]).tolist()
    [[0.0, 1.0, 1.0], [0.0, 1.0, 1.0]]
    """
    if all(isinstance(part, StoredArray) for part in parts):
        return SideBySide(parts)
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
