"""Speech transcripts: words of a Praat TextGrid or of a table, word rate, and the words before each sample."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from b2m_encoding._typing import Float32, Float64
from b2m_encoding.errors import InputError
from b2m_encoding.io.text_tables import decoded, numbers, read_text_table

SILENCES = {"", "sp", "sil", "<sil>", "<p>", "n/a"}
ONSETS, WORDS, ENDS = ("onset", "start", "begin"), ("word", "text", "token"), ("end", "offset", "stop")
"""Names of the columns of a table of words, in small letters."""
LAST_WORD = 0.3
"""Seconds of the last word of a table that states no ends."""
_VALUE = re.compile(r'"((?:[^"]|"")*)"|(?<!\S)([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?!\S)')
"""What counts in a text file of Praat, long or short: texts in quotes, and numbers that stand alone."""


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
    """Read a TextGrid, or a table with the columns ``onset`` (s) and ``word``.

    A table may hold the ends of words in ``end`` or ``offset``, or their lengths in ``duration``; otherwise a word ends
    where the next one begins. Rows without a word or an onset are left out.

    Raises
    ------
    InputError
        If the file is missing, lacks a column, or contains no word.
    """
    if not path.is_file():
        raise InputError("a transcript is missing", file=path)
    if path.suffix.lower() == ".textgrid" or b"ooTextFile" in path.read_bytes()[:200].replace(b"\0", b""):
        return read_textgrid(path)
    table = read_text_table(path, "a transcript", ("onset", "word"))
    names = {name.lower(): name for name in table.header}
    onset, word = (next((names[one] for one in kind if one in names), None) for kind in (ONSETS, WORDS))
    if onset is None or word is None:
        raise InputError(
            "a transcript lacks a column",
            file=path,
            found=", ".join(table.header),
            expected="onset (s) and word, or a TextGrid of Praat",
        )
    begin = numbers(table.column(onset), path, onset, missing=True)
    text = table.column(word)
    kept = np.array([np.isfinite(one) and own.lower() not in SILENCES for one, own in zip(begin, text, strict=True)])
    if not kept.any():
        raise InputError("a transcript contains no words", file=path, expected="rows with an onset and a word")
    ends = np.append(begin[1:], np.nan)
    if (name := next((names[one] for one in ENDS if one in names), None)) is not None:
        ends = numbers(table.column(name), path, name, missing=True)
    elif "duration" in names:
        ends = begin + numbers(table.column(names["duration"]), path, names["duration"], missing=True)
    order = np.argsort(begin[kept], kind="stable")
    begin, ends = begin[kept][order], ends[kept][order]
    ends = np.where(np.isfinite(ends), ends, np.append(begin[1:], begin[-1] + LAST_WORD))
    return Transcript(tuple(np.array(text, dtype=object)[kept][order].tolist()), begin, ends)


def read_textgrid(path: Path) -> Transcript:
    """Read the word tier of a TextGrid in one of Praat's text formats, long or short; silences are omitted.

    The word tier is called ``word`` or ``words``, or is the only tier of intervals.

    Raises
    ------
    InputError
        If the file is missing, breaks off, is no such text, has several tiers and not one word tier, or contains no
        word.
    """
    if not path.is_file():
        raise InputError("a transcript is missing", file=path)
    tiers = _interval_tiers(path)
    names = [name for name, _ in tiers]
    named = [i for i, name in enumerate(names) if name.lower() in ("word", "words")]
    if len(named) > 1 or (not named and len(names) > 1):
        problem = "a transcript has several word tiers" if named else "a transcript has no word tier"
        raise InputError(problem, file=path, found=names, expected="one tier that is called word or words")
    intervals = tiers[(named or [0])[0]][1] if tiers else []
    words = [(begin, end, text) for begin, end, text in intervals if text.lower() not in SILENCES]
    if not words:
        raise InputError("a transcript contains no words", file=path, expected="a TextGrid with an interval tier")
    onset, end, text = zip(*words, strict=True)
    return Transcript(text, np.array(onset), np.array(end))


def _interval_tiers(path: Path) -> list[tuple[str, list[tuple[float, float, str]]]]:
    """Names of the tiers of intervals, and the begin, end and text of each interval."""
    values = [
        float(found[2]) if found[2] else found[1].replace('""', '"').strip()
        for found in _VALUE.finditer(decoded(path, "a transcript"))
    ]
    if any("chronological" in str(value) for value in values[:1]):
        raise _broken(path, values[0])
    tiers: list[tuple[str, list[tuple[float, float, str]]]] = []
    place = 0
    while place < len(values):
        if values[place] not in ("IntervalTier", "TextTier"):
            if tiers:  # more rows than a tier states
                raise _broken(path, f"{values[place]!r} after the {len(tiers[-1][1])} rows of {tiers[-1][0]!r}")
            place += 1
            continue
        width, head = (3 if values[place] == "IntervalTier" else 2), values[place + 1 : place + 5]
        place += 5
        n_rows = int(head[3]) if [type(value) for value in head] == [str, float, float, float] else -1
        rows = [tuple(values[place + i * width : place + (i + 1) * width]) for i in range(n_rows)]
        if n_rows < 0 or any([type(value) for value in row] != [float] * (width - 1) + [str] for row in rows):
            raise _broken(
                path, f"fewer than the {n_rows} rows of {head[0]!r}" if n_rows >= 0 else f"a tier with {head}"
            )
        place += n_rows * width
        if width == 3:
            tiers.append((str(head[0]), [(float(begin), float(end), str(text)) for begin, end, text in rows]))
    return tiers


def _broken(path: Path, found: object) -> InputError:
    return InputError(
        "a TextGrid breaks off, or is in another format",
        file=path,
        found=found,
        expected="the long or the short text format of Praat",
        fix="save it anew with Praat: Save as text file",
    )


def word_rate(transcript: Transcript, times: Float64, tr: float) -> Float32:
    """Number of word onsets per second in [t, t + tr) for each sample time t, shape (n_samples, 1)."""
    counts = np.searchsorted(transcript.onset, times + tr) - np.searchsorted(transcript.onset, times)
    return (counts / tr).astype(np.float32)[:, None]


def preceding_words(transcript: Transcript, times: Float64, tr: float, n_words: int) -> list[str]:
    """Last ``n_words`` words that end by the end of each sample, joined by spaces ("" before the first word)."""
    ended = np.searchsorted(transcript.end, times + tr, side="right")
    return [" ".join(transcript.text[max(0, n - n_words) : n]) for n in ended.tolist()]
