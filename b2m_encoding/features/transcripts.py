"""Speech transcripts: words of a Praat TextGrid or of a table, word rate, and the words before each sample."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from b2m_encoding._typing import Float32, Float64
from b2m_encoding.errors import InputError, notice
from b2m_encoding.io.parsing import parse_json
from b2m_encoding.io.presence import require_file
from b2m_encoding.io.text_tables import decoded, numbers, read_text_table

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
ONSETS, WORDS = ("onset", "start", "begin"), ("word", "text", "token", "label")
ENDS = ("end", "offset", "stop")
"""Names of the columns of a table of words, in small letters."""
LAST_WORD = 0.3
"""Seconds of the last word of a table that states no ends."""
PUNCTUATION = frozenset(
    ".,;:!?'\"*#/()-_\u2026\u2013\u2014\u00bf\u00a1\u00ab\u00bb\u2018\u2019\u201c\u201d\u3001\u3002"
)
Row = tuple[float, float, str]
"""Begin and end (s) and text of a word."""
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
    """Read a TextGrid, a table with the columns ``onset`` (s) and ``word``, or the words of an aligner in JSON.

    A table may hold the ends of words in ``end`` or ``offset``, or their lengths in ``duration``; otherwise a word ends
    where the next one begins. Rows without a word or an onset are left out, as are noises in brackets (``{NS}``,
    ``<eps>``), which is logged.

    Raises
    ------
    InputError
        If the file is missing, lacks a column, contains no word, or its times cannot be seconds.
    """
    require_file(path, "a transcript", folder=False)
    if path.suffix.lower() == ".textgrid" or b"ooTextFile" in path.read_bytes()[:200].replace(b"\0", b""):
        return read_textgrid(path)
    if path.suffix.lower() == ".json":
        return _of_rows(path, _aligned(path))
    table = read_text_table(path, "a transcript", ("onset", "word"))
    names = {name.lower(): name for name in table.header}
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

    The word tier is called ``word`` or ``words``, or is the only tier of intervals.

    Raises
    ------
    InputError
        If the file is missing, breaks off, is no such text, has several tiers and not one word tier, or contains no
        word.
    """
    require_file(path, "a transcript", folder=False)
    tiers = _interval_tiers(path)
    names = [name for name, _ in tiers]
    named = [i for i, name in enumerate(names) if name.lower() in ("word", "words")]
    if len(named) > 1 or (not named and len(names) > 1):
        problem = "a transcript has several word tiers" if named else "a transcript has no word tier"
        raise InputError(problem, file=path, found=names, expected="one tier that is called word or words")
    return _of_rows(path, tiers[(named or [0])[0]][1] if tiers else [])


def _of_rows(path: Path, rows: Sequence[Row]) -> Transcript:
    """The words among rows of begin, end (NaN where it is not known) and text, in the order of their onsets."""
    known = sorted((row for row in rows if np.isfinite(row[0])), key=lambda row: row[0])
    if noises := sorted({text for _, _, text in rows if not is_word(text) and text.lower() not in SILENCES}):
        more = " ..." if len(noises) > 5 else ""
        notice(f"{path}: what is no word is left out: {', '.join(noises[:5])}{more}")
    if lost := sum(is_word(text) for _, _, text in rows) - sum(is_word(text) for _, _, text in known):
        notice(f"{path}: words without an onset are left out: {lost}")
    following = [*(begin for begin, _, _ in known[1:]), known[-1][0] + LAST_WORD] if known else []
    spoken = [
        (begin, end if np.isfinite(end) else after, text)
        for (begin, end, text), after in zip(known, following, strict=True)
        if is_word(text)
    ]
    if not spoken:
        raise InputError("a transcript contains no words", file=path, expected="words with their onsets")
    begins, ends, texts = zip(*spoken, strict=True)
    transcript = Transcript(texts, np.array(begins), np.array(ends))
    _check_words(path, transcript)
    return transcript


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
    """Raise if a word ends before it begins, times cannot be seconds, or rows hold phrases."""
    if (early := np.flatnonzero(words.end < words.onset)).size:
        at = int(early[0])
        raise InputError(
            "a word of a transcript ends before it begins",
            file=path,
            found=f"{words.text[at]!r} from {words.onset[at]:g} to {words.end[at]:g} s",
            expected="ends in end, offset or stop; lengths in duration; all in seconds",
        )
    if len(words.onset) > 1 and (pause := float(np.median(np.diff(words.onset)))) > PAUSE:
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


def _aligned(path: Path) -> list[Row]:
    """Words of an aligner in JSON: Gentle, Whisper and its kin, the Montreal Forced Aligner."""
    try:
        content = parse_json(decoded(path, "a transcript"))
        if "tiers" in content:
            return [(float(begin), float(end), str(text)) for begin, end, text in content["tiers"]["words"]["entries"]]
        parts = [content] if "words" in content else content["segments"]
        words = [word for part in parts for word in part["words"]]
        texts = [str(word.get("word", word.get("text"))).strip() for word in words]
        times = [(float(word.get("start", np.nan)), float(word.get("end", np.nan))) for word in words]
        return [(*own, text) for own, text in zip(times, texts, strict=True)]
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            "a transcript in JSON holds no words of an aligner",
            file=path,
            found=f"{type(error).__name__}: {error}",
            expected='"words", or "segments" with "words": each with "word", "start" and "end" (s)',
            fix="write a table with the columns onset, end and word",
        ) from error


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
    """Last ``n_words`` words that end by the end of each sample, joined by spaces ("" before the first word).

    Words of several speakers overlap: they count in the order in which they end.
    """
    order = np.argsort(transcript.end, kind="stable")
    text = [transcript.text[i] for i in order.tolist()]
    ended = np.searchsorted(transcript.end[order], times + tr, side="right")
    return [" ".join(text[max(0, n - n_words) : n]) for n in ended.tolist()]
