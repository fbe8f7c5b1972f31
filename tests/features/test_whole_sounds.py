"""Sounds that were cut short or have a hole are refused, whatever their format; streams and tags are not."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from b2m_encoding.errors import InputError
from b2m_encoding.features.audio import decode_audio

from .test_sounds_as_they_come import RATE, piece, wav


def pages(content: bytes) -> list[bytes]:
    """Pages of an Ogg file."""
    found = []
    while content:
        size = 27 + content[26] + sum(content[27 : 27 + content[26]])
        found.append(content[:size])
        content = content[size:]
    return found


def ogg(path: Path, subtype: str = "VORBIS") -> list[bytes]:
    rate = 48_000 if subtype == "OPUS" else RATE
    soundfile.write(path, np.repeat(piece(0, 20.0), rate // RATE), rate, format="OGG", subtype=subtype)
    return pages(path.read_bytes())


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_pages_of_ogg_that_lack(subtype: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.ogg"
    whole = ogg(path, subtype)
    middle = len(whole) // 2
    flipped = bytearray(whole[middle])
    flipped[200] ^= 1
    assert middle > 3
    fine = {
        "whole": b"".join(whole),
        "tag": b"".join(whole) + b"TAG".ljust(128),
        "two in one file": b"".join(whole * 2),
        "padded": b"".join(whole) + bytes(512),
    }
    for content in fine.values():
        path.write_bytes(content)
        assert len(decode_audio(path, 0.0, 5.0)[0])
    assert not caplog.messages
    wrong = {
        "part .* is missing": [*whole[:middle], *whole[middle + 1 :]],
        "a part": [*whole[:middle], bytes(flipped), *whole[middle + 1 :]],
        "is missing": [*whole[:middle], bytes(len(whole[middle])), *whole[middle + 1 :]],
        "truncated": [*whole[:middle], whole[middle][:-20]],
        "is truncated": [*whole[:-1], whole[-1][:-1]],
    }
    for message, parts in wrong.items():
        path.write_bytes(b"".join(parts))
        with pytest.raises(InputError, match=message):
            decode_audio(path, 0.0, 1.0)


def test_an_ogg_file_cut_out_of_a_stream_is_doubted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.ogg"
    whole = ogg(path)
    for parts, mark in ((whole[:-2], "no end mark"), ([*whole[:2], *whole[5:]], "no beginning mark")):
        path.write_bytes(b"".join(parts))
        assert len(decode_audio(path, 0.0, 1.0)[0]) == RATE
        assert mark in caplog.messages[-1]
        assert str(path) in caplog.messages[-1]


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("kind", ["WAV", "WAVEX", "RF64", "W64", "AIFF", "AU"])
def test_files_shorter_than_they_state(kind: str, subtype: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    soundfile.write(path, np.c_[piece(0), piece(1)], RATE, format=kind, subtype=subtype)
    content, expected = path.read_bytes(), decode_audio(path)[0]
    path.write_bytes(content + b"TAG".ljust(128))
    np.testing.assert_array_equal(decode_audio(path)[0][: len(expected)], expected)
    for n_bytes in (len(content) // 2, len(content) - 400):
        path.write_bytes(content[:n_bytes])
        with pytest.raises(InputError, match=r"truncated(?s:.)*as its header states"):
            decode_audio(path, 0.0, 1.0)


@pytest.mark.parametrize("stated", [4 * RATE, 2 * RATE])
def test_a_header_that_is_longer_than_the_log_of_the_decoder(stated: int, tmp_path: Path) -> None:
    """Recorders write long texts before the sound."""
    content = wav(stated)
    entries = b"".join(struct.pack("<4sI", b"ICMT", 200) + b"scene".ljust(200) for _ in range(100))
    texts = struct.pack("<4sI4s", b"LIST", len(entries) + 4, b"INFO") + entries
    (tmp_path / "a.wav").write_bytes(content[:36] + texts + content[36:])
    if stated > 2 * RATE:
        with pytest.raises(InputError, match="truncated"):
            decode_audio(tmp_path / "a.wav", 0.0, 0.5)
    else:
        assert len(decode_audio(tmp_path / "a.wav")[0]) == RATE
