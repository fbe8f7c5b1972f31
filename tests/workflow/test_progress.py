"""Progress outside of notebooks, as lines; in a notebook it is shown by the tests of the tutorials."""

from __future__ import annotations

import re
import sys

import pytest

from b2m_encoding.workflow import show_progress


def test_a_line_for_every_step_in_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    progress = show_progress()
    for done in range(3):
        progress(f"unit {done}", done, 2)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "unit 0: 0 of 2, 0 s"
    assert re.fullmatch(r"unit 1: 1 of 2, \d+ s, about \d+ s left", lines[1])
    assert lines[2] == "unit 2: 2 of 2, 0 s"


def test_one_line_that_is_rewritten_in_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    progress = show_progress()
    progress("a long name", 0, 1)
    progress("b", 1, 1)
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    first, second = printed.strip("\n").split("\r")[1:]
    assert len(second) == len(first)  # nothing of it is left
