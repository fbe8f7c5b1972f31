"""Checkpoints of TensorFlow (TensorBundle) read without TensorFlow: an index in the table format of LevelDB, and data.

Every block of the index and every tensor carries a CRC-32C, which is checked. Nothing in the format is code.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.io.protobuf import fields, varints

MAGIC, FOOTER, TRAILER = 0xDB4775248B80FB57, 48, 5
DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8"}
"""Types of tensors that are read, by their numbers in TensorFlow."""


def read_tensor_bundle(
    index: bytes, data: bytes, file: Path, wanted: Callable[[str], bool] = lambda name: True
) -> dict[str, NDArray[Any]]:
    """Read the tensors of a checkpoint with one data file.

    Parameters
    ----------
    index, data : bytes
        Content of ``.index`` and of ``.data-00000-of-00001``.
    file : Path
        File that both come from, for errors.
    wanted : callable
        Test of names; other tensors are neither read nor checked.

    Returns
    -------
    dict of str to array
        Copies, in the order of the index.

    Raises
    ------
    InputError
        If a part is missing, a checksum is wrong, or a tensor is of a kind that is not read: of another type,
        compressed, sliced, or big-endian.
    """
    try:
        return {name: _tensor(name, entry, data) for name, entry in _entries(index) if wanted(name)}
    except (ValueError, TypeError, IndexError, struct.error) as error:
        raise InputError(
            "a checkpoint is damaged, or not of the kind that is read",
            file=file,
            found=str(error) or type(error).__name__,
            expected="a TensorFlow checkpoint (TensorBundle), whole",
        ) from error


@dataclass(frozen=True)
class _Entry:
    """Description of one tensor in the index."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    size: int
    crc: int


def _tensor(name: str, entry: _Entry, data: bytes) -> NDArray[Any]:
    content = data[entry.start : entry.start + entry.size]
    expected = int(np.prod(entry.shape, dtype=object)) * np.dtype(entry.dtype).itemsize
    if entry.size != expected:
        raise ValueError(f"{name}: {entry.size} bytes for shape {entry.shape}")
    if len(content) != entry.size:
        raise ValueError(f"{name} ends after {len(content)} of {entry.size} bytes")
    if _masked_crc(content) != entry.crc:
        raise ValueError(f"{name}: wrong checksum")
    return np.frombuffer(content, dtype=entry.dtype).reshape(entry.shape).copy()


def _entries(index: bytes) -> Iterator[tuple[str, _Entry]]:
    """Names and descriptions of all tensors; the entry without a name describes the checkpoint."""
    footer = index[-FOOTER:]
    if len(footer) < FOOTER or struct.unpack("<Q", footer[-8:])[0] != MAGIC:
        raise ValueError("an index without its footer")
    _, at = _handle(footer, 0)
    (start, size), _ = _handle(footer, at)
    for _, value in _block(index, start, size):
        (block_start, block_size), _ = _handle(value, 0)
        for key, description in _block(index, block_start, block_size):
            if key:
                yield key.decode(), _entry(key.decode(), description)
            else:
                _check_header(description)


def _check_header(message: bytes) -> None:
    found = fields(message)
    if found.get(1, [1]) != [1] or found.get(2, [0]) != [0]:
        raise ValueError(f"{found.get(1, [1])[0]} data files, byte order {found.get(2, [0])[0]}")


def _entry(name: str, message: bytes) -> _Entry:
    found = fields(message)
    dtype = found.get(1, [0])[0]
    if dtype not in DTYPES or found.get(3, [0]) != [0] or 7 in found:
        raise ValueError(f"{name}: type {dtype}, data file {found.get(3, [0])[0]}{', sliced' if 7 in found else ''}")
    dimensions = [fields(size).get(1, [0])[0] for size in fields(found.get(2, [b""])[0]).get(2, [])]
    start, size, crc = (found.get(number, [0])[0] for number in (4, 5, 6))
    return _Entry(DTYPES[dtype], tuple(dimensions), start, size, crc)


def _block(index: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block, whose keys share prefixes with those before."""
    whole = index[start : start + size + TRAILER]
    if len(whole) != size + TRAILER or size < 4:
        raise ValueError("an index cut short")
    if whole[size] != 0:
        raise ValueError(f"an index block with compression {whole[size]}")
    if _masked_crc(whole[: size + 1]) != struct.unpack("<I", whole[size + 1 :])[0]:
        raise ValueError("wrong checksum of an index block")
    end = size - 4 - 4 * struct.unpack("<I", whole[size - 4 : size])[0]
    at, key = 0, b""
    while at < end:
        (shared, own, length), at = varints(whole, at, 3)
        key = key[:shared] + whole[at : at + own]
        at += own
        yield key, whole[at : at + length]
        at += length


def _handle(content: bytes, at: int) -> tuple[list[int], int]:
    """Start and size of a block."""
    return varints(content, at, 2)


def _masked_crc(content: bytes) -> int:
    """CRC-32C as LevelDB stores it: rotated by 15 bits, with a constant added."""
    crc: int = google_crc32c.value(content)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
