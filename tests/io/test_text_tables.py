"""Tables as programs export them: what is plain is read, what is not is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2m_encoding.errors import InputError
from b2m_encoding.io.text_tables import numbers, plain_label, read_text_table

HEADER = ("onset", "duration", "trial_type")
ROWS = (("4", "3.5", "speech"), ("13", "3", "music and noise"))
PLAIN = [HEADER, *ROWS]


def joined(rows: list[tuple[str, ...]], separator: str) -> str:
    return "\n".join(separator.join(row) for row in rows) + "\n"


WRITERS = {
    "tabs": joined(PLAIN, "\t"),
    "commas": joined(PLAIN, ","),
    "semicolons, decimal commas": joined(PLAIN, ";").replace("3.5", "3,5"),
    "blanks": joined([HEADER, ROWS[0], ("13", "3", '"music and noise"')], "  "),
    "quoted by R": '"onset"\t"duration"\t"trial_type"\n"1"\t4\t3.5\t"speech"\n"2"\t13\t3\t"music and noise"\n',
    "numbered by pandas": "\tonset\tduration\ttrial_type\n0\t4\t3.5\tspeech\n1\t13\t3\tmusic and noise\n",
    "numbered by pandas, commas": ",onset,duration,trial_type\n0,4,3.5,speech\n1,13,3,music and noise\n",
    "padded": "onset   \t duration \ttrial_type \n 4\t3.5 \tspeech\n13\t3\tmusic and noise  \n",
    "comments": "# made by x\n# 2024\n" + joined(PLAIN, "\t") + "# end\n",
    "header in a comment": "# onset\tduration\ttrial_type\n" + joined(list(ROWS), "\t"),
    "separator at the end": "onset\tduration\ttrial_type\t\n4\t3.5\tspeech\t\n13\t3\tmusic and noise\t\n",
    "separator at the end of rows": "onset,duration,trial_type\n4,3.5,speech,\n13,3,music and noise,\n",
    "empty lines": "\n" + joined(PLAIN, "\t").replace("\n", "\n\n") + "\t\t\n",
    "spreadsheet": "\ufeff" + joined(PLAIN, ";"),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("kind", WRITERS)
def test_all_writers_mean_the_same(kind: str, newline: str, encoding: str, tmp_path: Path) -> None:
    path, text = tmp_path / "table.txt", WRITERS[kind]
    if encoding != "utf-8":
        text = text.removeprefix("\ufeff")
    path.write_bytes(text.replace("\n", newline).encode(encoding))
    table = read_text_table(path, names=("onset", "duration"))
    assert table.header == HEADER
    assert [row[2] for row in table.rows] == ["speech", "music and noise"]
    assert numbers(table.column("onset"), path, "onset").tolist() == [4, 13]
    assert numbers(table.column("duration"), path, "duration").tolist() == [3.5, 3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("onset\tduration\n0\t15\t3", "number of fields"),
        ("onset\tduration\n0\t15\t3\n5\t2\t1", "number of fields"),
        ("onset\tduration\n0", "number of fields"),
        ("onset\tduration\tonset\n0\t15\t1", "two columns"),
        ("onset\tduration\n0\t1\0", "no text"),
    ],
)
def test_what_is_not_plain_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_text_table(tmp_path / "a.tsv", names=("onset", "duration"))


@pytest.mark.parametrize("text", ["1,234.5", "1.234,5", "1_000", "0x10", "12 s", "½", "١", "1e999", "--1", "inf"])
def test_numbers_are_numbers(text: str) -> None:
    with pytest.raises(InputError, match="not a number"):
        numbers(["1.5", text], None, "onset")
    with pytest.raises(InputError, match="not a number"):
        numbers([text] if text != "1,234" else ["a"], None, "onset")


def test_missing_numbers() -> None:
    fields = ["1", "n/a", "NA", "NaN", "None", "null", "", "N/A"]
    found = numbers(fields, None, "x", missing=True)
    assert found[0] == 1
    assert np.isnan(found[1:]).all()
    with pytest.raises(InputError, match="not a number"):
        numbers(fields, None, "x")


@given(st.lists(st.floats(-1e6, 1e6).map(lambda x: round(x, 4)), min_size=1, max_size=6))
def test_decimal_commas_are_those_of_the_column(values: list[float]) -> None:
    written = [f"{value:.4f}".replace(".", ",") for value in values]
    assert np.allclose(numbers(written, None, "x"), values)


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zs")), max_size=8))
def test_labels_that_differ_stay_apart(text: str) -> None:
    label = plain_label(text)
    assert plain_label(label) == label == plain_label(f" {text} ")
    if not label.replace(".", "").lstrip("+-").isdigit():
        assert label == text.strip()
