"""Arrays that stay in their archives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from b2m_encoding.io.stored_arrays import SideBySide, StoredArray, side_by_side


@pytest.fixture
def parts(tmp_path: Path, rng: np.random.Generator) -> list[StoredArray]:
    for number, width in enumerate((3, 1, 4)):
        np.savez(tmp_path / f"{number}.npz", a=rng.standard_normal((2, 5, width)).astype(np.float32))
    return [StoredArray.of(tmp_path / f"{number}.npz", "a") for number in range(3)]


@pytest.mark.parametrize(
    "at",
    [
        (..., slice(1, 6)),
        (slice(None), slice(None), slice(3, 4)),
        (..., slice(None)),
        (..., slice(5, 5)),
        (..., slice(-2, 100)),
        (0, slice(None), slice(2, 5)),
        (..., np.arange(8) % 3 == 0),
        (slice(None), slice(0, 4, 2)),
        (slice(None), np.array([4, 0]), slice(1, 3)),
        slice(0, 1),
        (0, 1),
        1,
    ],
)
def test_a_part_equals_that_of_the_whole(parts: list[StoredArray], at: object) -> None:
    whole = np.concatenate([np.asarray(part) for part in parts], axis=-1)
    joined = side_by_side(parts)
    assert isinstance(joined, SideBySide)
    assert joined.shape == whole.shape
    assert joined.dtype == np.float32
    np.testing.assert_array_equal(np.asarray(joined), whole)
    np.testing.assert_array_equal(joined[at], whole[at])  # type: ignore[index]


def test_slices_read_one_part_at_a_time(parts: list[StoredArray], monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    plain = StoredArray.__array__
    monkeypatch.setattr(
        StoredArray, "__array__", lambda self, *args, **kwargs: read.append(self.archive.stem) or plain(self)
    )
    joined = SideBySide(parts)
    for start in range(8):
        joined[:, :, start : start + 1]
    assert read == ["0", "1", "2"]


def test_arrays_in_memory_are_joined_at_once(parts: list[StoredArray]) -> None:
    known = [np.asarray(part) for part in parts]
    np.testing.assert_array_equal(side_by_side(known), np.concatenate(known, axis=-1))
    assert side_by_side(known[:1]) is known[0]
