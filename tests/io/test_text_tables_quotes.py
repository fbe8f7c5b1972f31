"""Quotes in tables of text: closed ones may hold separators and ends of lines, an open one swallows no row."""

from __future__ import annotations

from pathlib import Path

import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.io.text_tables import read_text_table


def read(tmp_path: Path, text: str) -> list[tuple[str, ...]]:
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode())
    return list(read_text_table(path, names=("ID", "Text")).rows)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_quoted_field_extends_over_lines(tmp_path: Path, separator: str) -> None:
    text = f'ID{separator}Text\r\na{separator}"one,\r\ntwo; ""three"""\r\nb{separator}plain\r\n'
    assert read(tmp_path, text) == [("a", 'one,\ntwo; "three'), ("b", "plain")]


@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("rest", ["b{s}plain\n", 'b{s}"whole"\n', 'b{s}plain\nc{s}"whole"\nd{s}x\n'])
def test_an_open_quote_is_an_error(tmp_path: Path, separator: str, rest: str) -> None:
    with pytest.raises(InputError, match=r'a quote in a table is not closed(?s:.*)a."one'):
        read(tmp_path, f'ID{separator}Text\na{separator}"one\n{rest}'.format(s=separator))


def test_inches_between_tabs_are_no_quotes(tmp_path: Path) -> None:
    assert read(tmp_path, 'ID\tText\na\t12" single\nb\t"open\nc\tplain\n')[2] == ("c", "plain")
