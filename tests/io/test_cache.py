"""Matrices on disk: found again by what they were made of, never trusted when damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from b2m_encoding.io.cache import cache_folder, cached_matrix

MATRIX = csr_array(np.array([[0, 0.5, 0.5], [1, 0, 0]]))


class Builder:
    """Counts how often it was asked."""

    def __init__(self, matrix: csr_array = MATRIX) -> None:
        self.calls, self.matrix = 0, matrix

    def __call__(self) -> csr_array:
        self.calls += 1
        return self.matrix


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("B2M_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_built_once(folder: Path) -> None:
    build = Builder()
    first, second = (cached_matrix("a", ("x", np.eye(2)), build) for _ in range(2))
    assert build.calls == 1
    assert np.array_equal(first.toarray(), MATRIX.toarray())
    assert np.array_equal(second.toarray(), MATRIX.toarray())
    assert [path.suffix for path in folder.iterdir()] == [".npz"]  # nothing half-written


@pytest.mark.parametrize(
    "other",
    [("y", np.eye(2)), ("x", np.eye(2) * 2), ("x", np.eye(2, dtype="f4")), ("x", np.eye(2).reshape(4)), ("x",)],
)
def test_other_ingredients_are_another_matrix(other: tuple[str | np.ndarray, ...]) -> None:
    build = Builder()
    cached_matrix("a", ("x", np.eye(2)), build)
    cached_matrix("a", other, build)
    assert build.calls == 2


def test_ingredients_do_not_run_into_each_other() -> None:
    build = Builder()
    cached_matrix("a", ("xy", "z"), build)
    cached_matrix("a", ("x", "yz"), build)
    assert build.calls == 2


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    place = content.find(np.float32(0.5).tobytes())
    content[place] ^= 1
    path.write_bytes(content)


def other_file(path: Path) -> None:
    path.write_text("not a matrix")


def impossible(path: Path) -> None:
    np.savez(path, data=np.ones(1, "f4"), indices=np.array([9]), indptr=np.array([0, 1, 1]), shape=np.array([2, 3]))


def pickled(path: Path) -> None:
    np.savez(path, data=np.array([{}], dtype=object), indices=[0], indptr=[0, 1, 1], shape=[2, 3], allow_pickle=True)


@pytest.mark.parametrize("damage", [truncated, flipped, other_file, impossible, pickled])
def test_a_damaged_entry_is_built_again(damage: object, folder: Path) -> None:
    build = Builder()
    cached_matrix("a", ("x",), build)
    damage(next(folder.iterdir()))  # type: ignore[operator]
    again = cached_matrix("a", ("x",), build)
    assert build.calls == 2
    assert np.array_equal(again.toarray(), MATRIX.toarray())
    cached_matrix("a", ("x",), build)
    assert build.calls == 2  # and kept


def test_a_folder_that_cannot_be_written_is_no_error(folder: Path) -> None:
    folder.write_text("a file where the folder should be")
    build = Builder()
    for _ in range(2):
        assert np.array_equal(cached_matrix("a", ("x",), build).toarray(), MATRIX.toarray())
    assert build.calls == 2


def test_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("B2M_CACHE")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "b2m_encoding"
