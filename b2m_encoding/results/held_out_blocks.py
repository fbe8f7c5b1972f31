"""Blocks of held-out samples of a subject: what each contributes to the accuracy of the models, to compare studies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Float32, Float64
from b2m_encoding.errors import InputError
from b2m_encoding.io.archives import read_archive, write_compressed
from b2m_encoding.results.schema.files import BLOCKS

NAMES = "models"


@dataclass(frozen=True, eq=False)
class HeldOutBlocks:
    """Contribution of each of the shortest held-out blocks to r of every model of a subject.

    Parameters
    ----------
    contributions : dict of str to array, shape (n_blocks, n_tested)
        By model; they add up to r. Only targets that were tested.
    tested : array of bool, shape (n_targets,)
    n, split : array, shape (n_blocks,)
        Samples of a block, and the split that it was held out in.
    run, clip, presentation : array, shape (n_samples,)
        Of the held-out samples; see :class:`~b2m_encoding.Runs`.
    tr : float
        Seconds between samples.
    shortest, length : int
        Samples of these blocks, and of those that are nearly independent.
    accuracy, ratio : array, shape (n_levels,)
        Error of a difference relative to that for fixed predictions, by r; empty for a single test set.
    """

    contributions: Mapping[str, Float32]
    tested: NDArray[np.bool_]
    n: Float64
    split: NDArray[np.int64]
    run: NDArray[np.str_]
    clip: NDArray[np.str_]
    presentation: NDArray[np.int64]
    tr: float
    shortest: int
    length: int
    accuracy: Float64
    ratio: Float64

    def save(self, folder: Path, subject: str) -> None:
        """Write into a results folder (half precision)."""
        names, values = list(self.contributions), np.stack(list(self.contributions.values()))
        arrays = {**vars(self), NAMES: np.array(names, dtype=np.str_), "contributions": values}
        path = blocks_file(folder, subject)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_compressed(path, arrays, ("contributions",))

    def same_samples(self, other: HeldOutBlocks) -> bool:
        """Whether the samples are the same: runs, stimuli, splits and blocks."""
        own = all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in ("n", "split", "run", "clip", "tr")
        )
        return own and self.shortest == other.shortest

    def widening(self, accuracy: Float64) -> Float64:
        """Error of a difference relative to that for fixed predictions, at these accuracies."""
        if not len(self.ratio):
            return np.ones(len(accuracy))
        return np.maximum(np.interp(np.nan_to_num(accuracy), self.accuracy, self.ratio), 1.0)


def read_blocks(folder: Path, subject: str) -> HeldOutBlocks | None:
    """Read the blocks of a subject; None for results of a version that did not keep them.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    path = blocks_file(folder, subject)
    if not path.is_file():
        return None
    arrays = read_archive(path, "held-out blocks", (*HeldOutBlocks.__dataclass_fields__, NAMES), fix="run again")
    names, values = arrays.pop(NAMES), arrays.pop("contributions").astype(np.float32)
    if values.ndim != 3 or values.shape != (len(names), len(arrays["n"]), int(arrays["tested"].sum())):
        raise InputError("the held-out blocks are damaged", file=path, found=values.shape, fix="run the study again")
    numbers = {key: arrays.pop(key).item() for key in ("tr", "shortest", "length")}
    return HeldOutBlocks(dict(zip(names.tolist(), values, strict=True)), **arrays, **numbers)


def blocks_file(folder: Path, subject: str) -> Path:
    """File of the blocks of a subject in a results folder."""
    return folder / f"sub-{subject}" / BLOCKS.format(subject=subject)
