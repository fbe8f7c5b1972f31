"""No label becomes a path unchecked."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2m_encoding.errors import InputError
from b2m_encoding.io.names import LONGEST, check_label, inside, printable, safe_name

ORDINARY = (
    "run-1", "task-Test_run-2", "ses-02_task-Training_acq-MB+SE_run-01", "Lauf 1", "früh", "fru\u0308h", "漢字",
    "run 1 (late)", "a.b", "1", "x" * LONGEST, "O'Neill & Söhne", "réponse, 2", "ран-1", "_x",
)  # fmt: skip
HOSTILE = (
    "", ".", "..", "../x", "x/../../../../victim", "train-2/record.json", "/etc/passwd", "a\\b", "a\0b", "a\nb", "a\tb",
    "=cmd", "+1", "-rf", "@sum", ".hidden", "x" * (LONGEST + 1), "x" * 5000, "é" * (LONGEST // 2 + 1), " a", "a ", "a.",
    "con", "NUL", "com1.txt", "a:b", "a*", "a?", "<b>", "a|b", 'a"b', "a\u202eb", "a\udcffb", "'=1", "\u200b",
)  # fmt: skip


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_labels_stay_as_they_are(name: str) -> None:
    assert check_label("run", name) == name


@pytest.mark.parametrize("name", HOSTILE)
def test_others_are_refused_with_kind_and_value(name: str) -> None:
    with pytest.raises(InputError, match="name of a run cannot") as caught:
        check_label("run", name)
    str(caught.value).encode()
    assert caught.value.found == printable(name)
    assert len(str(caught.value)) < 400


@given(st.text(max_size=300))
def test_a_safe_name_is_a_name(text: str) -> None:
    name = safe_name(text)
    assert name.isascii()
    assert 0 < len(name) < 200
    assert Path("/folder", name).parent == Path("/folder")
    assert Path("/folder", name).name == name
    assert not set(name[0]) & set(".=+-@")
    assert safe_name(name) == name or name != text


@given(st.lists(st.text(alphabet="ab/._-=0é", max_size=9), unique=True))
def test_different_texts_have_different_names(texts: list[str]) -> None:
    assert len({safe_name(text) for text in texts}) == len(texts)


def test_names_that_look_like_changed_ones_are_different() -> None:
    names = ["a/b", safe_name("a/b"), safe_name(safe_name("a/b")), "a_b"]
    assert len({safe_name(name) for name in names}) == 4


@pytest.mark.parametrize("name", ["CON", "nul", "lpt1.wav", "a.", "..", "", "x" * 5000, "a\udcff"])
def test_reserved_and_long_names_are_changed(name: str) -> None:
    assert safe_name(name) != name
    assert len(safe_name(name)) < 170


def test_paths_stay_below_their_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "out").symlink_to("/tmp")
    (tmp_path / "folder/link").symlink_to(tmp_path)
    assert inside(tmp_path / "folder", "a", "b") == tmp_path / "folder/a/b"
    for parts in (("..",), ("a", "../../x"), ("/etc",), ("link", "x"), ("a\0b",), (".",), ()):
        with pytest.raises(InputError, match="leads out of its folder"):
            inside(tmp_path / "folder", *parts)
