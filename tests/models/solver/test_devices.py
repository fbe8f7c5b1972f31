"""Fallbacks where memory or LAPACK fails, and the choice of the device."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from b2m_encoding.errors import InputError
from b2m_encoding.models import EncodingModel
from b2m_encoding.models.solver import devices, refine, stacking
from b2m_encoding.models.solver.devices import SMALL, eigh, for_each, in_chunks, resolve_device, threads_for
from b2m_encoding.models.solver.gram import problem as gram
from b2m_encoding.models.solver.samples import arrays, problem
from b2m_encoding.runs import Runs

CPU = torch.device("cpu")


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_memory_that_runs_out_halves_the_chunk_and_loses_nothing() -> None:
    """Chunks above 12 targets "do not fit"; every target is done once all the same."""
    done: list[int] = []

    def work(targets: slice) -> None:
        if targets.stop - targets.start > 12:
            raise torch.cuda.OutOfMemoryError("too much")
        done.extend(range(targets.start, targets.stop))

    assert in_chunks(101, 64, work, CPU) == 8
    assert done == list(range(101))


def test_memory_too_small_for_one_target_is_an_error() -> None:
    def work(targets: slice) -> None:
        raise torch.cuda.OutOfMemoryError("too much")

    with pytest.raises(torch.cuda.OutOfMemoryError):
        in_chunks(10, 4, work, CPU)


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
def test_small_problems_use_one_thread_and_restore_the_number(size: int, expected: int, two_threads: None) -> None:
    with pytest.raises(ValueError, match="inside"), threads_for(size, 3, CPU):  # noqa: PT012
        assert torch.get_num_threads() == expected
        raise ValueError("inside")
    assert torch.get_num_threads() == 2


def test_every_thread_computes_alone_and_results_are_in_order(two_threads: None) -> None:
    """The slowest item is the first; another pool is not started inside a thread."""
    meet = threading.Barrier(2, timeout=30)

    def work(item: int) -> tuple[int, int, list[int]]:
        if item < 2:
            meet.wait()  # which only two at a time can
        return item, torch.get_num_threads(), for_each([item], lambda value: value + 1, CPU)

    assert for_each(range(5), work, CPU) == [(i, 1, [i + 1]) for i in range(5)]
    assert torch.get_num_threads() == 2


def test_an_error_in_a_thread_ends_the_others_and_restores_their_number(two_threads: None) -> None:
    started: list[int] = []

    def work(item: int) -> None:
        started.append(item)
        if item == 0:
            raise ValueError("no good")
        time.sleep(0.01)

    with pytest.raises(ValueError, match="no good"):
        for_each(range(1000), work, CPU)
    assert len(started) < 1000
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("form", ["gram", "prediction", "dual"])
@pytest.mark.parametrize("options", [{"solver": "ridge"}, {"solver": "banded", "n_scalings": 4}, {}])
def test_threads_change_no_number(
    form: Any, options: dict[str, Any], rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, two_threads: None
) -> None:
    monkeypatch.setattr(devices, "SMALL", 1)
    monkeypatch.setattr(devices, "TARGETS_OF_A_THREAD", 7)
    runs = Runs.from_lengths([20, 25, 15], 1.0)
    X = {"a": rng.standard_normal((60, 9)), "b": rng.standard_normal((60, 3))}
    Y = X["a"] @ rng.standard_normal((9, 60)) + rng.standard_normal((60, 60))
    model = EncodingModel(None, form=form, alphas=[0.1, 10], precision="float64", random_state=0, **options)
    several = model.fit(X, Y, runs=runs)
    path, weights = several.cv_path_, several.predict(X)
    torch.set_num_threads(1)
    alone = model.fit(X, Y, runs=runs)
    np.testing.assert_allclose(path, alone.cv_path_, atol=1e-9)
    np.testing.assert_allclose(weights, alone.predict(X), atol=1e-9)


class _Ends(TorchDispatchMode):
    """Memory runs out at one operation that allocates."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.left = at

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.left -= func.overloadpacket not in KEEP
        if self.left == 0:
            self.left = -1
            raise torch.cuda.OutOfMemoryError("too much")
        return func(*args, **(kwargs or {}))


aten = torch.ops.aten
KEEP = {aten.add_, aten.copy_, aten.slice, aten.select, aten.t, aten.transpose, aten.view}


@pytest.mark.parametrize("form", ["gram", "prediction"])
@pytest.mark.parametrize("options", [{"solver": "ridge"}, {"solver": "banded", "scalings": [[1, 3]], "refine": 2}, {}])
def test_memory_that_runs_out_anywhere_changes_no_number(
    form: Any, options: dict[str, Any], rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    if form != "gram" and "refine" in options:
        pytest.skip("only the Gram form refines")
    ends = _Ends(0)

    def chunks(n_targets: int, size: int, work: Any, device: torch.device) -> int:
        def inside(targets: slice) -> None:
            with ends:
                work(targets)

        return in_chunks(n_targets, size, inside, device)

    for module in (gram, stacking, refine, problem, arrays):
        monkeypatch.setattr(module, "in_chunks", chunks)
    runs = Runs.from_lengths([20, 25, 15], 1.0)
    X = {"a": rng.standard_normal((60, 4)), "b": rng.standard_normal((60, 3))}
    Y = X["a"] @ rng.standard_normal((4, 9)) + rng.standard_normal((60, 9))
    model = EncodingModel(None, form=form, alphas=[0.1, 10], **options)
    expected = model.fit(X, Y, runs=runs).cv_scores_
    for at in range(1, -ends.left, max(1, -ends.left // 60)):
        ends.left = at
        np.testing.assert_allclose(model.fit(X, Y, runs=runs).cv_scores_, expected, atol=1e-5)
        assert ends.left < 0


def test_all_that_a_gpu_can_show_ends_in_eight_minutes_and_is_there() -> None:
    script = Path(__file__).parents[3] / "benchmarks/cuda.sh"
    parts = re.findall(r"^part \w+ (\d+) python (?:-m pytest -m gpu )?(\S+)(.*)$", script.read_text(), re.MULTILINE)
    assert 30 + sum(int(limit) + 5 for limit, *_ in parts) <= 8 * 60
    for _, name, options in parts:
        path = script.parents[1] / name
        assert path.exists()
        cases = options.partition("--cases ")[2].partition(" --")[0].split()
        assert all(f'"{case}": Case(' in path.read_text() for case in cases)
