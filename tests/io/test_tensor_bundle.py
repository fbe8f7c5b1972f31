"""Checkpoints of TensorFlow, written here by the description of the format, read back, and damaged."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import google_crc32c
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2m_encoding.errors import InputError
from b2m_encoding.io.tensor_bundle import read_tensor_bundle

MAGIC = bytes.fromhex("57fb808b247547db")


def varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out, number = out + bytes([number & 0x7F | 0x80]), number >> 7
    return out + bytes([number])


def masked(content: bytes) -> bytes:
    crc = google_crc32c.value(content)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def block(rows: list[tuple[bytes, bytes]], compression: int = 0) -> bytes:
    """Rows with shared prefixes, one restart point, and the trailer of compression and checksum."""
    out, before = b"", b""
    for key, value in rows:
        shared = next(
            (i for i, (a, b) in enumerate(zip(before, key, strict=False)) if a != b), min(len(before), len(key))
        )
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    out += struct.pack("<II", 0, 1) + bytes([compression])
    return out + masked(out)


def description(array: np.ndarray, start: int, content: bytes, dtype: int = 1, extra: bytes = b"") -> bytes:
    sizes = b"".join(b"\x12" + varint(len(d)) + d for d in (b"\x08" + varint(n) for n in array.shape))
    shape = b"\x12" + varint(len(sizes)) + sizes
    place = (b"\x20" + varint(start) if start else b"") + b"\x28" + varint(len(content))
    return b"\x08" + varint(dtype) + shape + place + b"\x35" + masked(content) + extra


def bundle(
    tensors: dict[str, np.ndarray], header: bytes = b"\x08\x01\x1a\x02\x08\x01", compression: int = 0, **other: object
) -> tuple[bytes, bytes]:
    """Index and data of a checkpoint."""
    rows, data = [(b"", header)], b""
    for name, array in sorted(tensors.items()):
        rows.append((name.encode(), description(array, len(data), array.tobytes(), **other)))  # type: ignore[arg-type]
        data += array.tobytes()
    half = len(rows) // 2 + 1
    blocks = [block(part, compression) for part in (rows[:half], rows[half:]) if part]
    places, at = [], 0
    for content, part in zip(blocks, (rows[:half], rows[half:]), strict=False):
        places.append((part[-1][0], varint(at) + varint(len(content) - 5)))
        at += len(content)
    index_of_blocks, empty = block(places), block([])
    footer = varint(at) + varint(len(empty) - 5) + varint(at + len(empty)) + varint(len(index_of_blocks) - 5)
    return b"".join([*blocks, empty, index_of_blocks, footer.ljust(40, b"\0"), MAGIC]), data


TENSORS = {
    "conv/kernel": np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4),
    "conv/bias": np.array([1.5, -2], np.float32),
    "conv/kernel/Adam": np.zeros(5, np.float32),
    "step": np.array(7, np.float32),
}
FILE = Path("a.whl/model")


def test_tensors_come_back_and_others_are_left_out() -> None:
    found = read_tensor_bundle(*bundle(TENSORS), FILE, lambda name: not name.endswith("Adam"))
    assert list(found) == ["conv/bias", "conv/kernel", "step"]
    for name, array in found.items():
        assert np.array_equal(array, TENSORS[name])
        assert array.dtype == np.float32
        assert array.shape == TENSORS[name].shape


INDEX, DATA = bundle(TENSORS)


@given(st.data())
def test_any_changed_byte_of_a_tensor_or_a_block_is_found(data: st.DataObject) -> None:
    """A flipped bit, a part cut off: one clear error, or (in bytes that mean nothing) the same tensors."""
    index, content = bytearray(INDEX), bytearray(DATA)
    target = data.draw(st.sampled_from([index, content]))
    at = data.draw(st.integers(0, len(target) - 1))
    if data.draw(st.booleans()):
        target[at] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del target[at:]
    found, told = {}, ""
    try:
        found = read_tensor_bundle(bytes(index), bytes(content), FILE)
    except InputError as error:
        told = str(error)
    if told:
        assert re.search("(?s)a checkpoint is damaged.*a.whl/model", told)
    else:
        assert target is index
        assert all(np.array_equal(found[name], TENSORS[name]) for name in TENSORS)


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ({"compression": 1}, "compression 1"),
        ({"dtype": 14}, "conv/bias: type 14"),
        ({"dtype": 2}, "8 bytes for shape"),
        ({"extra": b"\x3a\x00"}, "sliced"),
        ({"extra": b"\x18\x01"}, "data file 1"),
        ({"header": b"\x08\x02"}, "2 data files"),
        ({"header": b"\x08\x01\x10\x01"}, "byte order 1"),
        ({"extra": b"\x0f"}, "wire type 7"),
    ],
)
def test_kinds_that_are_not_read(kind: dict[str, object], found: str) -> None:
    with pytest.raises(InputError, match=found):
        read_tensor_bundle(*bundle(TENSORS, **kind), FILE)  # type: ignore[arg-type]


@pytest.mark.parametrize(("index", "found"), [(b"", "without its footer"), (b"\0" * 100, "without its footer")])
def test_what_is_no_index(index: bytes, found: str) -> None:
    with pytest.raises(InputError, match=found):
        read_tensor_bundle(index, b"", FILE)
