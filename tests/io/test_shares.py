"""Shares in words."""

from __future__ import annotations

import pytest

from b2m_encoding.io.shares import counted_share, percent


@pytest.mark.parametrize(
    ("share", "digits", "text"),
    [(0.0, 1, "0%"), (1.0, 1, "100%"), (1e-5, 1, "<0.1%"), (0.0004, 0, "<1%"), (0.99999, 0, ">99%"),
     (0.0666, 1, "6.7%"), (float("nan"), 1, "n/a")],
)  # fmt: skip
def test_what_occurs_is_never_none_and_what_has_exceptions_never_all(share: float, digits: int, text: str) -> None:
    assert percent(share, digits) == text


def test_a_count_has_its_share() -> None:
    assert counted_share(23, 204_840, "vertices") == "23 of 204,840 vertices (<0.1%)"
    assert counted_share(0, 0) == "0 of 0"
