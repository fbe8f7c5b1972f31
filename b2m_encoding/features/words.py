"""Speech transcripts: word onsets of a Praat TextGrid, word rate, and the words heard so far."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.errors import InputError

SILENCES = {"", "sp", "sil", "<sil>", "<p>"}
_TIER = re.compile(r'class = "IntervalTier"\s+name = "((?:[^"]|"")*)"')
_INTERVAL = re.compile(r'xmin = ([\d.]+)\s+xmax = ([\d.]+)\s+text = "((?:[^"]|"")*)"')


@dataclass(frozen=True)
class Words:
    """Words with their onsets and ends, in seconds of the recording."""

    text: tuple[str, ...]
    onset: NDArray[np.float64]
    end: NDArray[np.float64]


def read_textgrid(path: Path) -> Words:
    """Read the word tier of a TextGrid in Praat's long text format; silences are left out.

    The tier is the one called ``word`` or ``words``, or the only one there is.

    Raises
    ------
    InputError
        If the file is missing, has several tiers and none for words, or holds no word.
    """
    if not path.is_file():
        raise InputError("a transcript is missing", file=path)
    raw = path.read_bytes()
    content = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    tiers = dict(zip(_TIER.findall(content), _TIER.split(content)[2::2], strict=True))
    named = [name for name in tiers if name.lower() in ("word", "words")] or list(tiers)
    if len(named) > 1:
        raise InputError("a transcript has no tier for words", file=path, found=list(tiers), expected="word or words")
    found = _INTERVAL.findall(tiers[named[0]]) if named else []
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
