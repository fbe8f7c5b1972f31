"""Rows of the files that transcripts come in: TextGrids of Praat, JSON of aligners, subtitles."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from b2m_encoding.errors import InputError, notice
from b2m_encoding.io.parsing import parse_json
from b2m_encoding.io.text_tables import decoded

Row = tuple[float, float, str]
"""Begin and end (s, NaN where it is not known) and text of a word."""
WORD_TIERS = ("word", "words", "ort-mau")
"""Names of tiers of words, in small letters: of MFA, P2FA and Gentle, and of WebMAUS."""
_OF_SPEAKER = re.compile(r".+\s-\s+words?")
"""Such names after that of a speaker, in small letters, as MFA writes them."""
_VALUE = re.compile(r'"((?:[^"]|"")*)"|(?<!\S)([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?!\S)')
"""What counts in a text file of Praat, long or short: texts in quotes, and numbers that stand alone."""
_TIME = r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:[.,]\d+)?)"
_CUE = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")
_BEFORE_SPEECH = "run the aligner with times of words: --word_timestamps True of Whisper, or WhisperX"


def textgrid_rows(path: Path) -> list[Row]:
    """Intervals of the word tiers of a TextGrid.

    Raises
    ------
    InputError
        If it breaks off, is no such text, or does not tell which tier is that of the words.
    """
    tiers = _interval_tiers(path)
    return [row for i in _word_tiers([name for name, _ in tiers], path) for row in tiers[i][1]]


def _word_tiers(names: Sequence[str], path: Path) -> list[int]:
    """Indices of the tiers of words: one, or one of each speaker."""
    plain = [name.strip().lower() for name in names]
    named = [i for i, name in enumerate(plain) if name in WORD_TIERS]
    speakers = [i for i, name in enumerate(plain) if _OF_SPEAKER.fullmatch(name)]
    if not named and speakers and len({plain[i] for i in speakers}) == len(speakers):
        return speakers
    if len(named) > 1 or (not named and len(names) != 1):
        problem = "has several word tiers" if named else "has no word tier" if names else "contains no words, nor tiers"
        expected = "one tier that is called word or words, or one of each speaker: Alice - words"
        raise InputError(f"a transcript {problem}", file=path, found=", ".join(names) or None, expected=expected)
    return named or [0]


def _interval_tiers(path: Path) -> list[tuple[str, list[Row]]]:
    """Names of the tiers of intervals, and the begin, end and text of each interval."""
    text = decoded(path, "a transcript")
    matches = list(_VALUE.finditer(text))
    values = [float(found[2]) if found[2] else found[1].replace('""', '"').strip() for found in matches]

    def broken(place: int, expected: str) -> InputError:
        at = matches[place].start() if place < len(matches) else len(text.rstrip())
        line = text.count("\n", 0, at) + 1
        return InputError(
            "a TextGrid breaks off, or is in another format",
            file=path,
            found=f"line {line}: {text.split(chr(10))[line - 1].strip()[:80]}",
            expected=expected,
            fix="save it anew with Praat: Save as text file, in the long or the short text format",
        )

    if any("chronological" in str(value) for value in values[:1]):
        raise broken(0, "the long or the short text format of Praat")
    tiers: list[tuple[str, list[Row]]] = []
    place = 0
    while place < len(values):
        if values[place] not in ("IntervalTier", "TextTier"):
            if tiers:  # more rows than a tier states
                raise broken(place, f"a tier after the {len(tiers[-1][1])} rows that {tiers[-1][0]!r} states")
            place += 1
            continue
        width, head = (3 if values[place] == "IntervalTier" else 2), values[place + 1 : place + 5]
        if [type(value) for value in head] != [str, float, float, float]:
            raise broken(place, "a tier: its name in quotes, begin, end and number of rows")
        place, n_rows, rows = place + 5, int(float(head[3])), []
        for i in range(n_rows):
            row, kinds = values[place : place + width], [float] * (width - 1) + [str]
            at = next((j for j in range(width) if j >= len(row) or type(row[j]) is not kinds[j]), None)
            if at is not None:
                kind = "begin, end" if width == 3 else "time"
                raise broken(place + at, f"row {i + 1} of the {n_rows} of {head[0]!r}: {kind} and a text in quotes")
            rows.append((float(row[0]), float(row[width - 2]), str(row[-1])))
            place += width
        if width == 3:
            tiers.append((str(head[0]), rows))
    return tiers


def json_rows(path: Path) -> list[Row]:
    """Words of an aligner in JSON: Gentle, Whisper and its kin, the Montreal Forced Aligner.

    Words that WhisperX did not align (numerals) get the time between their neighbours in their segment, and those of a
    segment without words equal parts of it, which is logged.

    Raises
    ------
    InputError
        If it holds no words with their times.
    """
    try:
        content = parse_json(decoded(path, "a transcript"))
    except InputError:
        raise
    except ValueError as error:
        raise _no_words(path, error) from error
    content = {"words": content} if isinstance(content, list) else content
    if not isinstance(content, dict):
        raise _no_words(path, type(content).__name__)
    if isinstance(tiers := content.get("tiers"), dict) and tiers:
        names = list(tiers)
        return [_interval(one, path) for i in _word_tiers(names, path) for one in _entries(tiers[names[i]], path)]
    if content.get("words") or "segments" not in content:
        words = content.get("words")
        if not isinstance(words, list):
            raise _no_words(path, f"keys {', '.join(map(str, content))[:100]}" if content else "nothing")
        return [_word(one, f"word {i + 1}", path) for i, one in enumerate(words)]
    return _of_segments(content["segments"], path)


def _of_segments(segments: Any, path: Path) -> list[Row]:
    """Words of the segments of Whisper and its kin."""
    if not isinstance(segments, list) or not all(isinstance(one, dict) for one in segments):
        raise _no_words(path, f"segments = {str(segments)[:80]}")
    speech = [one for one in segments if one.get("words") or str(one.get("text") or "").strip()]
    if speech and not any(one.get("words") for one in speech):
        found = f"{len(speech)} segments without words, such as {str(speech[0].get('text')).strip()[:60]!r}"
        raise _no_words(path, found, _BEFORE_SPEECH)
    rows, n_filled = [], 0
    for number, segment in enumerate(segments, start=1):
        if isinstance(words := segment.get("words") or [], list):
            own = [_word(one, f"word {i + 1} of segment {number}", path) for i, one in enumerate(words)]
        else:
            raise _no_words(path, f"words = {str(words)[:60]} of segment {number}")
        own = own or [(np.nan, np.nan, text) for text in str(segment.get("text") or "").split()]
        where = f"segment {number}"
        filled = _between(own, _time(segment.get("start"), where, path), _time(segment.get("end"), where, path))
        n_filled += sum(bool(np.isnan(one[0]) and np.isfinite(two[0])) for one, two in zip(own, filled, strict=True))
        rows += filled
    if n_filled:
        notice(f"{path}: {n_filled} words without times are placed between their neighbours")
    return rows


def _between(rows: Sequence[Row], begin: float, end: float) -> list[Row]:
    """Rows in which words without times share what is left between their neighbours, or the ends of their segment."""
    out, first = list(rows), 0
    while first < len(out):
        last = first
        while last < len(out) and np.isnan(out[last][0]):
            last += 1
        if last > first:
            before = float(np.nan_to_num(out[first - 1][1], nan=out[first - 1][0])) if first else begin
            after = out[last][0] if last < len(out) else end
            edges = np.linspace(min(before, after), after, last - first + 1).tolist()
            out[first:last] = [(edges[i], edges[i + 1], out[first + i][2]) for i in range(last - first)]
        first = last + 1
    return out


def _word(one: Any, where: str, path: Path) -> Row:
    """Begin, end and text of a word; NaN where a time is missing or null."""
    text = one.get("word", one.get("text")) if isinstance(one, Mapping) else None
    if not isinstance(text, str):
        raise _no_words(path, f"{where}: {str(one)[:80]}")
    return (_time(one.get("start"), where, path), _time(one.get("end"), where, path), text.strip())


def _entries(tier: Any, path: Path) -> list[Any]:
    entries = tier.get("entries") if isinstance(tier, Mapping) else None
    if not isinstance(entries, list):
        raise _no_words(path, f"a tier without entries: {str(tier)[:80]}")
    return entries


def _interval(one: Any, path: Path) -> Row:
    if not isinstance(one, list) or len(one) < 3:
        raise _no_words(path, f"an entry {str(one)[:80]}")
    return (_time(one[0], f"entry {one}", path), _time(one[1], f"entry {one}", path), str(one[2]))


def _time(value: Any, where: str, path: Path) -> float:
    if value is None:
        return float("nan")
    try:
        if isinstance(value, bool):
            raise TypeError
        return float(value)
    except (TypeError, ValueError) as error:
        raise _no_words(path, f"time {value!r} of {where}") from error


def _no_words(path: Path, found: object, fix: str = "write a table with the columns onset, end and word") -> InputError:
    return InputError(
        "a transcript in JSON holds no words of an aligner",
        file=path,
        found=found,
        expected='"words", or "segments" with "words": each with "word", "start" and "end" (s)',
        fix=fix,
    )


def subtitle_rows(path: Path) -> list[Row]:
    """Texts of subtitles (SRT, WebVTT) with their times; of use where each shows one word.

    Raises
    ------
    InputError
        With the first line of times that cannot be read.
    """
    cues: list[tuple[float, float, list[str]]] = []
    lines, reading = decoded(path, "a transcript").split("\n"), False
    for number, line in enumerate(lines, start=1):
        if "-->" in line:
            if not (found := _CUE.fullmatch(line)):
                raise _no_cue(path, f"line {number}: {line.strip()[:80]}")
            begin, end = (_seconds(*found.groups()[i : i + 3]) for i in (0, 3))
            cues.append((begin, end, []))
        elif reading and line.strip():
            cues[-1][2].append(re.sub(r"<[^>]*>|\{\\[^}]*\}", "", line).strip())
        reading = bool(cues) and bool(line.strip()) and (reading or "-->" in line)
    written = [line for line in lines if line.strip()]
    if not cues and written and not written[0].lstrip("\ufeff").startswith("WEBVTT"):
        raise _no_cue(path, f"line 1: {written[0].strip()[:80]}")
    return [(begin, end, " ".join(texts)) for begin, end, texts in cues]


def _seconds(hours: str | None, minutes: str, seconds: str) -> float:
    return 3600 * int(hours or 0) + 60 * int(minutes) + float(seconds.replace(",", "."))


def _no_cue(path: Path, found: str) -> InputError:
    return InputError(
        "subtitles cannot be read",
        file=path,
        found=found,
        expected="a line such as 00:00:01,500 --> 00:00:01,900 above each word",
        fix="correct the line, or write a table with the columns onset, end and word",
    )
