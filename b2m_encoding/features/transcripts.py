"""Speech transcripts: word onsets of a Praat TextGrid, word rate, and the words before each sample."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from b2m_encoding._typing import Float32, Float64
from b2m_encoding.errors import InputError

SILENCES = {"", "sp", "sil", "<sil>", "<p>"}
_TIER = re.compile(r'class = "IntervalTier"\s+name = "((?:[^"]|"")*)"')
_INTERVAL = re.compile(r'xmin = ([\d.]+)\s+xmax = ([\d.]+)\s+text = "((?:[^"]|"")*)"')


@dataclass(frozen=True)
class Transcript:
    """Words of a recording with their onsets and ends.

    Parameters
    ----------
    text : tuple of str
    onset, end : array, shape (n_words,)
        Seconds from the start of the recording.
    """

    text: tuple[str, ...]
    onset: Float64
    end: Float64


def read_textgrid(path: Path) -> Transcript:
    """Read the word tier of a TextGrid in Praat's long text format; silences are omitted.

    The word tier is called ``word`` or ``words``, or is the only tier.

    Raises
    ------
    InputError
        If the file is missing, has several tiers without a word tier, or contains no word.
    """
    if not path.is_file():
        raise InputError("a transcript is missing", file=path)
    raw = path.read_bytes()
    content = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    tiers = dict(zip(_TIER.findall(content), _TIER.split(content)[2::2], strict=True))
    named = [name for name in tiers if name.lower() in ("word", "words")] or list(tiers)
    if len(named) > 1:
        raise InputError("a transcript has no word tier", file=path, found=list(tiers), expected="word or words")
    intervals = _INTERVAL.findall(tiers[named[0]]) if named else []
    words = [(float(a), float(b), text.strip()) for a, b, text in intervals if text.strip().lower() not in SILENCES]
    if not words:
        raise InputError("a transcript contains no words", file=path, expected="a TextGrid with an interval tier")
    onset, end, text = zip(*words, strict=True)
    return Transcript(text, np.array(onset), np.array(end))


def word_rate(transcript: Transcript, times: Float64, tr: float) -> Float32:
    """Number of word onsets per second in [t, t + tr) for each sample time t, shape (n_samples, 1)."""
    counts = np.searchsorted(transcript.onset, times + tr) - np.searchsorted(transcript.onset, times)
    return (counts / tr).astype(np.float32)[:, None]


def preceding_words(transcript: Transcript, times: Float64, tr: float, n_words: int) -> list[str]:
    """Last ``n_words`` words that end by the end of each sample, joined by spaces ("" before the first word)."""
    ended = np.searchsorted(transcript.end, times + tr, side="right")
    return [" ".join(transcript.text[max(0, n - n_words) : n]) for n in ended.tolist()]
