"""Speech transcripts: word onsets of a Praat TextGrid, word rate, and the words heard so far."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.errors import InputError

SILENCES = {"", "sp", "sil", "<sil>", "<p>"}
_INTERVAL = re.compile(r'xmin = ([\d.]+)\s+xmax = ([\d.]+)\s+text = "((?:[^"]|"")*)"')


@dataclass(frozen=True)
class Words:
    """Words with their onsets and ends, in seconds of the recording."""

    text: tuple[str, ...]
    onset: NDArray[np.float64]
    end: NDArray[np.float64]


def read_textgrid(path: Path) -> Words:
    """Read the word tier of a TextGrid in Praat's long text format; silences are left out.

    Raises
    ------
    InputError
        If the file is missing or holds no interval.
    """
    if not path.is_file():
        raise InputError("a transcript is missing", file=path)
    found = _INTERVAL.findall(path.read_text(encoding="utf-8-sig"))
    words = [(float(a), float(b), text.strip()) for a, b, text in found if text.strip().lower() not in SILENCES]
    if not words:
        raise InputError("a transcript holds no words", file=path, expected="a TextGrid with an interval tier")
    onset, end, text = zip(*words, strict=True)
    return Words(text, np.array(onset), np.array(end))


def word_rate(words: Words, times: NDArray[np.float64], tr: float) -> NDArray[np.float32]:
    """Word onsets per second in [t, t + tr) for each sample time, shape (n_samples, 1)."""
    counts = np.searchsorted(words.onset, times + tr) - np.searchsorted(words.onset, times)
    return (counts / tr).astype(np.float32)[:, None]


def context(words: Words, times: NDArray[np.float64], tr: float, n_words: int) -> list[str]:
    """The last words heard by the end of each sample, joined by spaces ("" before the first)."""
    heard = np.searchsorted(words.end, times + tr, side="right")
    return [" ".join(words.text[max(0, n - n_words) : n]) for n in heard.tolist()]
