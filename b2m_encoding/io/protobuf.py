"""Protocol buffers without their descriptions: fields by number, for the few messages that are read."""

from __future__ import annotations

from typing import Any

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types."""


def fields(message: bytes) -> dict[int, list[Any]]:
    """Fields of a message by number: integers as int, texts, arrays and messages as bytes.

    Raises
    ------
    ValueError, IndexError
        If the message ends too early, or has a wire type that is not used any more.

    Examples
    --------
    >>> fields(bytes.fromhex("089601 12026869"))
    {1: [150], 2: [b'hi']}
    """
    found: dict[int, list[Any]] = {}
    at = 0
    while at < len(message):
        (tag,), at = varints(message, at, 1)
        kind = tag & 7
        value: int | bytes
        if kind == VARINT:
            (value,), at = varints(message, at, 1)
        elif kind in (BYTES, FIXED32, FIXED64):
            length = {FIXED32: 4, FIXED64: 8}.get(kind, 0)
            if kind == BYTES:
                (length,), at = varints(message, at, 1)
            content = message[at : at + length]
            if len(content) < length:
                raise ValueError("a message ends too early")
            at += length
            value = content if kind == BYTES else int.from_bytes(content, "little")
        else:
            raise ValueError(f"a field of wire type {kind}")
        found.setdefault(tag >> 3, []).append(value)
    return found


def varints(content: bytes, at: int, count: int) -> tuple[list[int], int]:
    """Integers of variable length from a position on, and the position behind them."""
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
                raise ValueError("a number of more than 64 bits")
        values.append(value)
    return values, at
