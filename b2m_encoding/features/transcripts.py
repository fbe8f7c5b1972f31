"""Speech transcripts: words of a file with their times, word rate, and the words before each sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from b2m_encoding._typing import Float32, Float64
from b2m_encoding.errors import InputError, notice
from b2m_encoding.features.transcript_files import Row, json_rows, subtitle_rows, textgrid_rows
from b2m_encoding.io.presence import require_file
from b2m_encoding.io.text_tables import numbers, read_text_table, without_unit

SILENCES = {"", "sp", "sil", "<sil>", "<p>", "n/a"}
NOISES = {"spn", "sentence_start", "sentence_end", "br", "lg", "ls", "ns", "cg"}
"""Breath, laughter and noise as aligners write them (MFA, P2FA), with or without brackets."""
UNKNOWN = {"unk", "oov"}
"""What stands in brackets and is a word all the same, of unknown spelling."""
PAUSE = 100.0
"""Usual seconds from word to word from which on times cannot be seconds."""
PHRASES = 0.25
"""Share of texts of several words (New York) above which a transcript is one of phrases."""
SOME = 2
"""Such texts that are none to worry about."""
ONSETS, WORDS = ("onset", "start", "begin", "tmin", "xmin"), ("word", "text", "token", "label")
ENDS = ("end", "offset", "stop", "tmax", "xmax")
"""Names of the columns of a table of words, in small letters, without units."""
LAST_WORD = 0.3
"""Seconds of the last word of a table that states no ends."""
PUNCTUATION = frozenset(
    ".,;:!?'\"*#/()-_\u2026\u2013\u2014\u00bf\u00a1\u00ab\u00bb\u2018\u2019\u201c\u201d\u3001\u3002"
)
EARLY, ROUNDING = 0.05, 0.02
"""Share of words that end before they begin above which columns are mistaken; seconds of that which are rounding."""


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


def read_transcript(path: Path) -> Transcript:
    """Read a TextGrid, a table with the columns ``onset`` (s) and ``word``, JSON of an aligner, or subtitles of words.

    A table may hold the ends of words in ``end`` or ``offset``, or their lengths in ``duration``; otherwise a word ends
    where the next one begins. Rows without a word or an onset are left out, as are noises in brackets (``{NS}``,
    ``<eps>``), which is logged. A transcript may hold no word at all: that of an instrumental piece.

    Raises
    ------
    InputError
        If the file is missing, lacks a column, holds words without onsets alone, or its times cannot be seconds.
    """
    require_file(path, "a transcript", folder=False)
    if path.suffix.lower() == ".textgrid" or b"ooTextFile" in path.read_bytes()[:200].replace(b"\0", b""):
        return read_textgrid(path)
    if path.suffix.lower() == ".json":
        return _of_rows(path, json_rows(path))
    if path.suffix.lower() in (".srt", ".vtt"):
        return _of_rows(path, subtitle_rows(path))
    table = read_text_table(path, "a transcript", ("onset", "word"))
    names = {without_unit(name): name for name in reversed(table.header)}
    onset, word = (next((names[one] for one in kind if one in names), None) for kind in (ONSETS, WORDS))
    if onset is None or word is None:
        raise InputError(
            "a transcript lacks a column",
            file=path,
            found=", ".join(table.header)[:200],
            expected="onset (s) and word, a TextGrid of Praat, or JSON of an aligner (words with start, end and word)",
            fix="write the names of the columns into the first line: onset, end, word",
        )
    begin = numbers(table.column(onset), path, onset, missing=True)
    ends = np.full(len(begin), np.nan)
    if (name := next((names[one] for one in ENDS if one in names), None)) is not None:
        ends = numbers(table.column(name), path, name, missing=True)
    elif "duration" in names:
        ends = begin + numbers(table.column(names["duration"]), path, names["duration"], missing=True)
    rows = list(zip(begin.tolist(), ends.tolist(), table.column(word), strict=True))
    kinds = [kind.lower() for kind in table.column(names["type"])] if "type" in names else []
    if "words" in kinds:  # beside phones, as the Montreal Forced Aligner writes them
        rows = [row for row, kind in zip(rows, kinds, strict=True) if kind == "words"]
    return _of_rows(path, rows)


def read_textgrid(path: Path) -> Transcript:
    """Read the word tier of a TextGrid in one of Praat's text formats, long or short; silences are omitted.

    The word tier is called ``word`` or ``words``, also after the name of its speaker (``Alice - words``), or is the
    only tier of intervals. Tiers of several speakers are read together.

    Raises
    ------
    InputError
        If the file is missing, breaks off, is no such text, or has several tiers and not one word tier.
    """
    require_file(path, "a transcript", folder=False)
    return _of_rows(path, textgrid_rows(path))


def _of_rows(path: Path, rows: Sequence[Row]) -> Transcript:
    """The words among rows of begin, end (NaN where it is not known) and text, in the order of their onsets."""
    known = sorted((row for row in rows if np.isfinite(row[0])), key=lambda row: row[0])
    if noises := sorted({text for _, _, text in rows if not is_word(text) and text.lower() not in SILENCES}):
        more = " ..." if len(noises) > 5 else ""
        notice(f"{path}: what is no word is left out: {', '.join(noises[:5])}{more}")
    lost = sum(is_word(text) for _, _, text in rows) - sum(is_word(text) for _, _, text in known)
    if lost:
        notice(f"{path}: words without an onset are left out: {lost}")
    following = [*(begin for begin, _, _ in known[1:]), known[-1][0] + LAST_WORD] if known else []
    spoken = [
        (begin, end if np.isfinite(end) else after, text)
        for (begin, end, text), after in zip(known, following, strict=True)
        if is_word(text)
    ]
    if lost and not spoken:
        raise InputError("no word of a transcript has an onset", file=path, expected="words with their onsets (s)")
    begins, ends = np.array([row[:2] for row in spoken], dtype=np.float64).reshape(-1, 2).T
    _check_words(path, transcript := Transcript(tuple(text for _, _, text in spoken), begins, ends))
    return replace(transcript, end=np.maximum(begins, ends))


def is_word(text: str) -> bool:
    """Whether a text of a transcript is spoken: no silence, no noise in brackets, more than punctuation.

    Examples
    --------
    >>> [is_word(text) for text in ("it's", "42", "<unk>", "&", "sp", "{NS}", "<eps>", "[laughter]", "...")]
    [True, True, True, True, False, False, False, False, False]
    """
    plain = text.strip().lower()
    inner = plain.strip("{}<>[]").strip()
    if inner in UNKNOWN:
        return True
    in_brackets = len(plain) > 1 and plain[0] + plain[-1] in ("{}", "<>", "[]")
    return not (plain in SILENCES or in_brackets or inner in NOISES or all(one in PUNCTUATION for one in plain))


def _check_words(path: Path, words: Transcript) -> None:
    """Raise if words end before they begin, times cannot be seconds, or rows hold phrases."""
    if (early := np.flatnonzero(words.end < words.onset - ROUNDING)).size:
        at = int(early[0])
        found = f"{words.text[at]!r} from {words.onset[at]:g} to {words.end[at]:g} s"
        if early.size > EARLY * len(words.text):
            raise InputError(
                "a word of a transcript ends before it begins",
                file=path,
                found=f"{found}, and {early.size - 1} more of {len(words.text)} words",
                expected="ends in end, offset or stop; lengths in duration; all in seconds",
            )
        notice(f"{path}: {early.size} words end before they begin ({found}); they count as ending at their onset")
    if len(words.onset) > 2 and (pause := float(np.median(np.diff(words.onset)))) > PAUSE:
        raise InputError(
            "the times of a transcript cannot be seconds",
            file=path,
            found=f"a word every {pause:g} s",
            expected="seconds",
            fix="divide them by 1000 if they are milliseconds",
        )
    phrases = [text for text in words.text if len(text.split()) > 1]
    if len(phrases) > max(PHRASES * len(words.text), SOME):
        raise InputError(
            "a transcript holds phrases, not words",
            file=path,
            found=f"{phrases[0]!r}, and {len(phrases) - 1} more of {len(words.text)} rows",
            expected="one word in each row or interval",
            fix="align the words, with the Montreal Forced Aligner or WhisperX",
        )


def word_rate(transcript: Transcript, times: Float64, tr: float) -> Float32:
    """Number of word onsets per second in [t, t + tr) for each sample time t, shape (n_samples, 1)."""
    counts = np.searchsorted(transcript.onset, times + tr) - np.searchsorted(transcript.onset, times)
    return (counts / tr).astype(np.float32)[:, None]


def preceding_words(transcript: Transcript, times: Float64, tr: float, n_words: int) -> list[str]:
    """Last ``n_words`` words that end by the end of each sample, joined by spaces ("" before the first word).

    Words of several speakers overlap: they count in the order in which they end.
    """
    order = np.argsort(transcript.end, kind="stable")
    text = [transcript.text[i] for i in order.tolist()]
    ended = np.searchsorted(transcript.end[order], times + tr, side="right")
    return [" ".join(text[max(0, n - n_words) : n]) for n in ended.tolist()]
