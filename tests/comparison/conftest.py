"""Small results folders of regions: known responses and predictions, written as a study writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from b2m_encoding.results.bundle import ResultsWriter
from b2m_encoding.results.held_out_blocks import HeldOutBlocks
from b2m_encoding.results.schema import files, maps
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import RegionSpace
from b2m_encoding.stats import block_sums, fdr_q
from b2m_encoding.stats.permutation import significance

LENGTH, N_BLOCKS = 20, 12
Array = NDArray[np.float32]
Make = Callable[..., Path]


def held_out(measured: Array, predicted: Array, prefix: str = "run") -> tuple[HeldOutBlocks, dict[str, Array]]:
    """Blocks and maps of a model, of runs of one block each."""
    runs = Runs.from_lengths({f"{prefix}-{i}": LENGTH for i in range(len(measured) // LENGTH)}, 1.5)
    sums = block_sums({("a",): predicted}, measured, runs, block_length=LENGTH)
    p = significance(predicted, measured, runs, n_permutations=500, random_state=0).p
    values = {"r": sums.scores()[("a",)], "p": p, "q": fdr_q(p)}
    blocks = HeldOutBlocks(
        {files.JOINT: sums.contributions(("a",)).astype(np.float32)}, np.ones(measured.shape[1], dtype=bool), sums.n,
        sums.split, runs.run, runs.clip, runs.presentation, runs.tr, LENGTH, LENGTH, np.zeros(0), np.zeros(0),
    )  # fmt: skip
    return blocks, {name: np.asarray(array, dtype=np.float32) for name, array in values.items()}


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write results of a model, given responses and predictions of each subject."""

    def results(name: str, subjects: Mapping[str, tuple[Array, Array]], prefix: str = "run", **changes: Any) -> Path:
        n_targets = next(iter(subjects.values()))[0].shape[1]
        space = RegionSpace(changes.get("regions") or tuple(f"region{i}" for i in range(n_targets)))
        with ResultsWriter(tmp_path / name / "results", name, subjects) as writer:
            writer.file(files.STUDY).write_text(f'name = "{name}"\nnote = "simulated data"\n[features.a]\n')
            for subject, (measured, predicted) in subjects.items():
                blocks, values = held_out(measured, predicted, prefix)
                if changes.get("blocks", True):
                    blocks.save(writer.folder, subject)
                for kind in (maps.R, maps.P, maps.Q):
                    writer.write_map(subject, files.JOINT, kind.stat, values[kind.stat], space, {})
        return tmp_path / name / "results"

    return results


def simulated(
    rng: np.random.Generator, r: NDArray[np.floating] | float, n_targets: int, n_models: int = 2, n: int = N_BLOCKS
) -> tuple[Array, list[Array]]:
    """Responses, and independent predictions of r each (simulated; r may differ between models and targets)."""
    predicted = [rng.standard_normal((n * LENGTH, n_targets)) for _ in range(n_models)]
    weights = np.broadcast_to(np.asarray(r, dtype=float), (n_models, n_targets))
    noise = rng.standard_normal((n * LENGTH, n_targets)) * np.sqrt(1 - (weights**2).sum(axis=0))
    measured = sum(weight * own for weight, own in zip(weights, predicted, strict=True)) + noise
    return measured.astype(np.float32), [own.astype(np.float32) for own in predicted]
