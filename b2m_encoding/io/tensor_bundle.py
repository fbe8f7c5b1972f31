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

MAGIC, FOOTER, TRAILER = 0xDB4775248B80FB57, 48, 5
DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8"}
"""Types of tensors that are read, by their numbers in TensorFlow."""
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types of protocol buffers."""


class _Damaged(ValueError):
    """Content that does not follow the format, or fails its checksum."""


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
        raise _Damaged(f"{name}: {entry.size} bytes for shape {entry.shape}")
    if len(content) != entry.size:
        raise _Damaged(f"{name} ends after {len(content)} of {entry.size} bytes")
    if _masked_crc(content) != entry.crc:
        raise _Damaged(f"{name}: wrong checksum")
    return np.frombuffer(content, dtype=entry.dtype).reshape(entry.shape).copy()


def _entries(index: bytes) -> Iterator[tuple[str, _Entry]]:
    """Names and descriptions of all tensors; the entry without a name describes the checkpoint."""
    footer = index[-FOOTER:]
    if len(footer) < FOOTER or struct.unpack("<Q", footer[-8:])[0] != MAGIC:
        raise _Damaged("an index without its footer")
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
    fields = _fields(message)
    if fields.get(1, [1]) != [1] or fields.get(2, [0]) != [0]:
        raise _Damaged(f"{fields.get(1, [1])[0]} data files, byte order {fields.get(2, [0])[0]}")


def _entry(name: str, message: bytes) -> _Entry:
    fields = _fields(message)
    dtype = fields.get(1, [0])[0]
    if dtype not in DTYPES or fields.get(3, [0]) != [0] or 7 in fields:
        raise _Damaged(f"{name}: type {dtype}, data file {fields.get(3, [0])[0]}{', sliced' if 7 in fields else ''}")
    dimensions = [_fields(size).get(1, [0])[0] for size in _fields(fields.get(2, [b""])[0]).get(2, [])]
    start, size, crc = (fields.get(number, [0])[0] for number in (4, 5, 6))
    return _Entry(DTYPES[dtype], tuple(dimensions), start, size, crc)


def _block(index: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block, whose keys share prefixes with those before."""
    whole = index[start : start + size + TRAILER]
    if len(whole) != size + TRAILER or size < 4:
        raise _Damaged("an index cut short")
    if whole[size] != 0:
        raise _Damaged(f"an index block with compression {whole[size]}")
    if _masked_crc(whole[: size + 1]) != struct.unpack("<I", whole[size + 1 :])[0]:
        raise _Damaged("wrong checksum of an index block")
    end = size - 4 - 4 * struct.unpack("<I", whole[size - 4 : size])[0]
    at, key = 0, b""
    while at < end:
        (shared, own, length), at = _varints(whole, at, 3)
        key = key[:shared] + whole[at : at + own]
        at += own
        yield key, whole[at : at + length]
        at += length


def _fields(message: bytes) -> dict[int, list[Any]]:
    """Fields of a protocol buffer by number."""
    fields: dict[int, list[Any]] = {}
    at = 0
    while at < len(message):
        (tag,), at = _varints(message, at, 1)
        kind, value = tag & 7, None
        if kind == VARINT:
            (value,), at = _varints(message, at, 1)
        elif kind == BYTES:
            (length,), at = _varints(message, at, 1)
            value, at = message[at : at + length], at + length
        elif kind in (FIXED32, FIXED64):
            length = 4 if kind == FIXED32 else 8
            value, at = int.from_bytes(message[at : at + length], "little"), at + length
        else:
            raise _Damaged(f"a field of wire type {kind}")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _handle(content: bytes, at: int) -> tuple[list[int], int]:
    """Start and size of a block."""
    return _varints(content, at, 2)


def _varints(content: bytes, at: int, count: int) -> tuple[list[int], int]:
    """Integers of variable length, and the position behind them."""
    values = []
    for _ in range(count):
        value = shift = 0
        while True:
            byte = content[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            if shift > 63:
                raise _Damaged("a number of more than 64 bits")
        values.append(value)
    return values, at


def _masked_crc(content: bytes) -> int:
    """CRC-32C as LevelDB stores it: rotated by 15 bits, with a constant added."""
    crc = google_crc32c.value(content)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
