"""Names, comments, docstrings and messages of the package use the field's words: some others must not occur."""

from __future__ import annotations

import re
import tokenize
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BANNED = {
    *("desk", "wish", "wishes", "told", "taught", "lesson", "lessons", "judge", "judges", "judged", "nobody"),
    *("hears", "says", "said"),
}
WORD = re.compile("[A-Z]?[a-z]+|[A-Z]+")
"""A word of a sentence, of ``snake_case`` or of ``CamelCase``."""
TEXT = {tokenize.NAME, tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}


def banned_words(code: str) -> Iterator[tuple[int, str]]:
    """Banned words in names, comments and strings, with their lines."""
    for token in tokenize.generate_tokens(StringIO(code).readline):
        if token.type in TEXT:
            for i, line in enumerate(token.string.split("\n")):
                for word in WORD.findall(line):
                    if word.lower() in BANNED:
                        yield token.start[0] + i, word


def test_the_package_uses_the_words_of_the_field() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {word}"
        for path in sorted((ROOT / "b2m_encoding").rglob("*.py"))
        for line, word in banned_words(path.read_text(encoding="utf-8"))
    ]
    assert found == [], "\n".join(found)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("wish = 1", [(1, "wish")]),
        ("class DeskLamp: ...", [(1, "Desk")]),
        ("def f_judged(): ...", [(1, "judged")]),
        ('"""One.\n\nNobody knows."""', [(3, "Nobody")]),
        ("x = 1  # he said so", [(1, "said")]),
        ("f'{x} says'", [(1, "says")]),
        ("swish = deskew = judgement = 'lessons_'", [(1, "lessons")]),
        ("response = decoder.predict(X)", []),
    ],
)
def test_words_are_found(code: str, expected: list[tuple[int, str]]) -> None:
    assert list(banned_words(code)) == expected
