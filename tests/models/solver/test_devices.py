"""Fallbacks where memory or LAPACK fails, and the choice of the device."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from b2m_encoding.errors import InputError
from b2m_encoding.models.solver import devices
from b2m_encoding.models.solver.devices import SMALL, eigh, in_chunks, resolve_device, threads_for


def test_memory_that_runs_out_halves_the_chunk_and_loses_nothing() -> None:
    """Chunks above 12 targets "do not fit"; every target is done once all the same."""
    done: list[int] = []

    def work(targets: slice) -> None:
        if targets.stop - targets.start > 12:
            raise torch.cuda.OutOfMemoryError("too much")
        done.extend(range(targets.start, targets.stop))

    assert in_chunks(101, 64, work) == 8
    assert done == list(range(101))


def test_memory_too_small_for_one_target_is_an_error() -> None:
    def work(targets: slice) -> None:
        raise torch.cuda.OutOfMemoryError("too much")

    with pytest.raises(torch.cuda.OutOfMemoryError):
        in_chunks(10, 4, work)


@pytest.mark.parametrize("rank", [3, 20])
def test_eigh_that_fails_falls_back(
    rank: int, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator, caplog: pytest.LogCaptureFixture
) -> None:
    factor = torch.from_numpy(rng.standard_normal((20, rank)))
    matrix = factor @ factor.T
    expected = eigh(matrix)[0]

    def fail(_: torch.Tensor) -> None:
        raise RuntimeError("did not converge")

    monkeypatch.setattr(devices.np.linalg, "eigh", fail)
    values, vectors = eigh(matrix)
    assert "did not converge" in caplog.text
    assert torch.allclose(values, expected, atol=1e-9)
    assert torch.allclose(vectors * values @ vectors.T, matrix, atol=1e-9)


def test_a_missing_gpu_is_an_error() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    assert resolve_device("auto").type == "cpu"
    with pytest.raises(InputError, match="no CUDA device"):
        resolve_device("cuda")
    with pytest.raises(InputError, match="unknown device"):
        resolve_device("abacus")


@pytest.mark.parametrize(("size", "expected"), [(SMALL, 1), (SMALL + 1, 2)])
def test_small_problems_use_one_thread_and_restore_the_number(size: int, expected: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(ValueError, match="inside"), threads_for(size, 3, torch.device("cpu")):  # noqa: PT012
            assert torch.get_num_threads() == expected
            raise ValueError("inside")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
