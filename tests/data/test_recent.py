"""Runs in memory: read once while they fit, and the ones used longest ago go first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from b2m_encoding.data import recent as module
from b2m_encoding.data.recent import recent


class Files:
    """Arrays by name, each read with a count."""

    def __init__(self, n: int, size: int) -> None:
        self.reads: list[str] = []
        self.read = recent({f"{i}": self._reader(f"{i}", size) for i in range(n)})

    def _reader(self, name: str, size: int):
        def read() -> np.ndarray:
            self.reads.append(name)
            return np.full((size, 2), float(name), np.float32)

        return read


@pytest.fixture(autouse=True)
def limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIMIT", 8 * 100)
    module._kept.clear()


def test_runs_that_fit_are_read_once_and_those_used_longest_ago_go_first() -> None:
    files = Files(3, 40)
    for name in ("0", "1", "0", "1"):
        assert (files.read(name) == float(name)).all()
    assert files.reads == ["0", "1"]
    files.read("2")  # in the place of 0
    files.read("1")
    files.read("0")
    assert files.reads == ["0", "1", "2", "0"]


def test_two_recordings_with_the_same_names_of_runs_are_two() -> None:
    first = recent({"a": lambda: np.zeros(3)})
    second = recent({"a": lambda: np.ones(3)})
    assert (first("a") == 0).all()
    assert (second("a") == 1).all()
    assert (first("a") == 0).all()


def test_what_is_kept_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        Files(1, 10).read("0")[:] = 1


@pytest.mark.parametrize("kind", ["larger than the limit", "a part of a larger one", "mapped from a file"])
def test_what_is_not_kept(kind: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(5, np.float32))
    makes = {
        "larger than the limit": lambda: np.zeros(300),
        "a part of a larger one": lambda: np.zeros((300, 2))[:3].T,
        "mapped from a file": lambda: np.load(tmp_path / "a.npy", mmap_mode="r")[2:],
    }
    recent({"a": makes[kind]})("a")
    assert not module._kept
