"""Sound files that are not whole: cut short against the length that they state, or with a hole; most are read on."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Literal

from b2m_encoding.errors import InputError, notice

STREAMS = (2**31, 2**32, 0x7F000000 + 2**16)
"""Limits just below which programs state the length of a stream that they do not know, bytes."""
CHUNKED = (b"RIFF", b"RIFX", b"RF64", b"FORM", b"riff")
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
"""Bytes whose bits are in the other order: Ogg's checksum is that of zlib with the bits reversed."""
AGAIN = "fetch the file again; if it was presented as it is, write it anew (ffmpeg -i)"
FIRST, LAST = 2, 4
"""Flags of the first and the last page of a stream of Ogg."""


def check_whole(path: Path) -> None:
    """Raise if a sound file was cut short or lacks a part, although its decoder would read on.

    Raises
    ------
    InputError
        If a file of chunks (WAV, RF64, W64, AIFF) or an AU file states more sound than it has, unless it is a stream,
        which states no length; or if a page of an Ogg file (Vorbis, Opus) is missing, damaged or incomplete.
    """
    state = path.stat()
    if shortage := _shortage(path, state.st_mtime_ns, state.st_size):
        problem, found, expected = shortage
        raise InputError(problem, file=path, found=found, expected=expected, fix=AGAIN)


@lru_cache(maxsize=10_000)
def _shortage(path: Path, _time: int, size: int) -> tuple[str, str, str] | None:
    """What a file lacks: problem, found and expected."""
    with path.open("rb") as stream:
        head = stream.read(4)
        if head == b"OggS":
            return _ogg_shortage(path, path.read_bytes())
        if (stated := _stated(stream, head, size)) is None:
            return None
    place, n_bytes = stated
    if n_bytes <= size - place or any(limit - 2**16 < n_bytes <= limit for limit in STREAMS):
        return None
    return "audio file is truncated", f"{size - place:,} bytes of sound", f"{n_bytes:,}, as its header states"


def _stated(stream: BinaryIO, head: bytes, size: int) -> tuple[int, int] | None:
    """Where the sound begins, and how many bytes of it are stated; None for other formats."""
    if head == b".snd":
        place, n_bytes = (int.from_bytes(stream.read(4)) for _ in range(2))
        return place, n_bytes
    if head not in CHUNKED:
        return None
    wide = 0
    for name, place, n_bytes in _chunks(stream, head, size):
        if name == b"ds64":
            stream.seek(place + 8)
            wide = int.from_bytes(stream.read(8), "little")
        elif name in (b"data", b"SSND"):
            return place, wide if wide and n_bytes == 2**32 - 1 else n_bytes
    return None


def _chunks(stream: BinaryIO, head: bytes, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, place and stated bytes of each chunk of a file."""
    order: Literal["big", "little"] = "big" if head in (b"FORM", b"RIFX") else "little"
    name_bytes, size_bytes, place, align = (16, 8, 40, 8) if head == b"riff" else (4, 4, 12, 2)
    while place + name_bytes + size_bytes <= size:
        stream.seek(place)
        name, n_bytes = stream.read(name_bytes)[:4], int.from_bytes(stream.read(size_bytes), order)
        place += name_bytes + size_bytes
        if head == b"riff":  # W64 counts the header of a chunk too
            n_bytes -= name_bytes + size_bytes
        if n_bytes < 0:
            return
        yield name, place, n_bytes
        place += -(-n_bytes // align) * align


def _ogg_shortage(path: Path, content: bytes) -> tuple[str, str, str] | None:
    """What lacks of an Ogg file: decoders jump over missing and damaged pages, so that what follows comes too early."""
    numbers: dict[bytes, int] = {}
    begun: set[bytes] = set()  # streams with sound: one that was recorded on its way begins with any number
    place, whole, ended, cut_out = 0, 0, True, False
    while place >= 0:
        if (end := _page_end(content, place)) is None:
            place = content.find(b"OggS", place + 1)
            continue
        stream, flags = content[place + 14 : place + 18], content[place + 5]
        number, expected = int.from_bytes(content[place + 18 : place + 22], "little"), numbers.get(stream, -1) + 1
        gap = number != expected and not flags & FIRST
        if gap and stream in begun:
            return "a part of an audio file is missing", f"page {number}", f"page {expected}"
        numbers[stream] = number
        if content[place + 6 : place + 14].strip(b"\0"):  # a position in the sound
            begun.add(stream)
        ended, cut_out = bool(flags & LAST), cut_out or gap
        whole = place = end
    if b"OggS" in content[whole:]:
        return "audio file is truncated", "an incomplete or damaged page at its end", "whole pages"
    if cut_out or not ended:
        notice(f"{path}: the sound has no {'beginning' if cut_out else 'end'} mark, as if a part of it were missing; "
               "fetch the file again unless it was cut from a longer stream")  # fmt: skip
    return None


def _page_end(content: bytes, place: int) -> int | None:
    """End of the page of Ogg at a place; None if there is none, or a damaged one."""
    n_segments = content[place + 26] if len(content) > place + 26 else 0
    body = place + 27 + n_segments
    end = body + sum(content[place + 27 : body])
    if content[place : place + 4] != b"OggS" or end > len(content):
        return None
    page = bytearray(content[place:end])
    stated, page[22:26] = bytes(page[22:26]), bytes(4)
    found = zlib.crc32(page.translate(REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return end if int(f"{found:032b}"[::-1], 2) == int.from_bytes(stated, "little") else None
