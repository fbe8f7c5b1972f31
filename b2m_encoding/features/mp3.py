"""Sound files that do not state their length: MP3, whose frames are counted, and streams of FLAC, read to their end."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from b2m_encoding.errors import InputError

if TYPE_CHECKING:
    import soundfile

KBITS = {
    1: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Bit rates of layer III by version, kbit/s, from index 1."""
RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
"""Sampling rates by version bits, Hz."""
UNKNOWN = 2**48
"""Samples from which on a stated length means that it is not known."""
ROOM = 200
"""Bytes of a frame that holds the header of a stream, at least."""


@dataclass(frozen=True)
class Frame:
    """One frame of a stream of MPEG layer III.

    Parameters
    ----------
    place, size : int
        Bytes.
    head : bytes
        Its first four bytes.
    """

    place: int
    size: int
    head: bytes

    @property
    def version(self) -> int:
        """Version of MPEG: 1, or 2 (with 2.5)."""
        return 1 if (self.head[1] >> 3) & 3 == 3 else 2

    @property
    def n_samples(self) -> int:
        """Samples of a frame."""
        return 1152 if self.version == 1 else 576

    @property
    def kind(self) -> tuple[int, int]:
        """What all frames of a stream share: version with layer, and sampling rate."""
        return self.head[1] & 0xFE, self.head[2] & 0x0C

    @property
    def side(self) -> int:
        """Bytes of side information before the data."""
        mono = self.head[3] >> 6 == 3
        return (17 if mono else 32) if self.version == 1 else (9 if mono else 17)


@contextmanager
def open_sound(path: Path) -> Iterator[soundfile.SoundFile]:
    """Open a sound file; whatever its format, its length is the true one."""
    import soundfile

    with soundfile.SoundFile(path) as file:
        source = with_length(path, int(file.frames)) if file.format == "MP3" else path
        if file.frames >= UNKNOWN:  # a stream of FLAC
            source = _read_through(file)
        if source is path:
            yield file
            return
    with soundfile.SoundFile(source) as file:
        yield file


def _read_through(file: soundfile.SoundFile) -> io.BytesIO:
    """All of a stream that does not state its length, as a file that does."""
    import soundfile

    blocks, ended = [], False
    while not ended:
        block = np.full((1 << 16, file.channels), np.nan, dtype=np.float32)
        try:
            file.buffer_read_into(block, dtype="float32")
        except soundfile.LibsndfileError as error:
            if "seek" not in error.error_string:  # beyond the end, after the last samples were read
                raise
        ended = bool(np.isnan(block).any())
        blocks.append(block[: int(np.isnan(block[:, 0]).argmax()) if ended else len(block)])
    content = io.BytesIO()
    soundfile.write(content, np.concatenate(blocks), file.samplerate, format="WAV", subtype="FLOAT")
    content.seek(0)
    return content


def with_length(path: Path, estimated: int) -> Path | io.BytesIO:
    """An MP3 file as it is, or, where its estimated length is wrong, in memory with a header that states its length.

    Parameters
    ----------
    path : Path
    estimated : int
        Samples, as the decoder has it.

    Raises
    ------
    InputError
        If the file ends before the length that it states.
    """
    content = path.read_bytes()
    first = next(_frames(content), None)
    if first is None:
        return path
    if (stated := _stated_bytes(content, first)) is not None:
        if (there := len(content) - first.place) < stated - first.size:
            raise InputError(
                "audio file is truncated", file=path, found=f"{there} bytes of sound", expected=stated,
                fix="fetch the file again",
            )  # fmt: skip
        return path
    n_frames = sum(1 for _ in _frames(content))
    if abs(n_frames * first.n_samples - estimated) < 2 * first.n_samples:
        return path
    body = content[first.place :]
    return io.BytesIO(_header(first, n_frames, len(body)) + body)


def _frames(content: bytes) -> Iterator[Frame]:
    """Frames of a stream; tags before, after and between them are skipped."""
    place = _after_tags(content)
    kind: tuple[int, int] | None = None
    while (place := content.find(b"\xff", place)) >= 0:
        frame = _frame(content, place)
        follows = frame and (kind == frame.kind or _frame(content, place + frame.size) is not None)
        if frame is None or not follows or kind not in (None, frame.kind):
            place += 1
            continue
        kind, place = frame.kind, place + frame.size
        yield frame


def _after_tags(content: bytes) -> int:
    """Where the sound begins after ID3 tags."""
    place = 0
    while content[place : place + 3] == b"ID3" and len(content) > place + 10:
        sizes = content[place + 6 : place + 10]
        place += 10 + sum((byte & 0x7F) << shift for byte, shift in zip(sizes, (21, 14, 7, 0), strict=True))
    return place


def _frame(content: bytes, place: int) -> Frame | None:
    """The frame that begins at a place, if one does."""
    head = content[place : place + 4]
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:  # layer III
        return None
    version, index, rate = (head[1] >> 3) & 3, head[2] >> 4, (head[2] >> 2) & 3
    if version == 1 or index in (0, 15) or rate == 3:
        return None
    of = 1 if version == 3 else 2
    size = (144 if of == 1 else 72) * 1000 * KBITS[of][index - 1] // RATES[version][rate] + ((head[2] >> 1) & 1)
    return Frame(place, size, head) if place + size <= len(content) else None


def _stated_bytes(content: bytes, first: Frame) -> int | None:
    """Bytes of a stream by the header in its first frame (Xing, Info, VBRI), 0 if it leaves them out; None without."""
    data = content[first.place : first.place + first.size]
    if data[36:40] == b"VBRI":
        return int.from_bytes(data[46:50])
    for start in (4 + first.side, 6 + first.side):
        if data[start : start + 4] in (b"Xing", b"Info"):
            flags = int.from_bytes(data[start + 4 : start + 8])
            place = start + 8 + 4 * (flags & 1)
            return int.from_bytes(data[place : place + 4]) if flags & 2 else 0
    return None


def _header(first: Frame, n_frames: int, n_bytes: int) -> bytes:
    """A frame without sound that states the length of the stream."""
    head = bytearray(first.head)
    head[1] |= 1  # no checksum
    head[2] &= 0x0D
    for index in range(1, 15):
        head[2] = (index << 4) | (head[2] & 0x0F)
        frame = _frame(bytes(head) + bytes(8000), 0)
        if frame is not None and frame.size >= ROOM:
            break
    assert frame is not None
    stated = b"Xing" + struct.pack(">III", 3, n_frames, n_bytes + frame.size)
    return (bytes(head) + bytes(first.side) + stated).ljust(frame.size, b"\0")
