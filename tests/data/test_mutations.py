"""Some mutated files of every kind: no traceback, and nothing silently different."""

from __future__ import annotations

from pathlib import Path

import pytest

from .mutations import KINDS, attempt


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_files_are_read_right_or_refused(kind: str, tmp_path: Path) -> None:
    wrong = {seed: found for seed in range(40) if (found := attempt(kind, seed, tmp_path)) is not None}
    assert not wrong
