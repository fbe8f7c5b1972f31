"""Responses that are read once and then come from a temporary file."""

from __future__ import annotations

import errno
from typing import Any

import numpy as np
import pytest

from b2m_encoding.data import Cleaning, Responses
from b2m_encoding.data.staged import staged
from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import Unplaced


def test_slices_are_those_of_the_cleaned_responses_and_runs_are_read_once(rng: np.random.Generator) -> None:
    runs = Runs.from_lengths({"a": 40, "b": 30}, tr=1.5)
    values, reads = rng.standard_normal((70, 12)) + 100, []

    def read_run(name: str) -> Any:
        reads.append(name)
        return values[runs.slices[name]]

    responses = Responses(runs, Unplaced(12), read_run, cleaning=Cleaning(detrend="linear", zscore=True))
    expected = {name: responses.load_run(name) for name in ("a", "b")}
    reads.clear()
    with staged(responses, slice(2, 10)) as some:
        for part in (slice(2, 5), slice(5, 10)):
            for name in ("b", "a"):
                np.testing.assert_allclose(some.load_run(name, part), expected[name][:, part], atol=1e-6)
    assert reads == ["b", "a"]


def test_a_full_disk_is_an_error_of_the_folder(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    responses = Responses.from_array(rng.standard_normal((10, 2)), Runs.from_lengths([10], 1.5), Unplaced(2))

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np.lib.format, "open_memmap", full)
    with staged(responses, slice(0, 2)) as some, pytest.raises(InputError, match="the disk is full"):
        some.load_run("run-01")
