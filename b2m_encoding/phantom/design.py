"""Design of the simulated study: order of the clips in each run, as in ds003720."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from b2m_encoding.phantom.tracks import GENRES

TR, CLIP_SECONDS, TRACK_SECONDS = 1.5, 15.0, 18.0
TRS_PER_CLIP = round(CLIP_SECONDS / TR)


@dataclass(frozen=True)
class Size:
    """Size of the simulated study.

    Parameters
    ----------
    n_training_runs, n_test_runs : int
        Numbers of runs per subject.
    n_blocks : int
        Blocks of ten clips, one of each genre, in a training run.
    n_repeats : int
        Presentations of the ten clips in a test run.
    """

    n_training_runs: int = 4
    n_test_runs: int = 2
    n_blocks: int = 2
    n_repeats: int = 3


PAPER = Size(n_training_runs=12, n_test_runs=6, n_blocks=4, n_repeats=4)
"""Design of ds003720, which Brain2Music analysed: 480 training and 60 test clips of 15 s, runs of 410 volumes."""


@dataclass(frozen=True)
class Clip:
    """Excerpt of 15 s of a track, from ``start`` (s)."""

    genre: str
    number: int
    start: float

    @property
    def name(self) -> str:
        """Name of the file of the track, without suffix."""
        return f"{self.genre}.{self.number:05d}"


@dataclass(frozen=True)
class Run:
    """Clips of one run; the first one is a warm-up to be discarded."""

    task: str
    number: int
    clips: tuple[Clip, ...]

    @property
    def label(self) -> str:
        """Task and run as in file names."""
        return f"task-{self.task}_run-{self.number:02d}"


def draw_design(size: Size, rng: np.random.Generator) -> tuple[Run, ...]:
    """Draw the order of clips; no track occurs in both training and test.

    As in ds003720, each training run begins with the last clip of the run before (the first with that of the
    last), and each test run with its own last clip.
    """
    n_training, n_test = size.n_training_runs * size.n_blocks, size.n_test_runs
    blocks = _blocks(n_training + n_test, rng)
    lists = [
        sum((blocks[run * size.n_blocks + i] for i in range(size.n_blocks)), ()) for run in range(size.n_training_runs)
    ]
    training = [Run("Training", i + 1, (lists[i - 1][-1], *clips)) for i, clips in enumerate(lists)]
    test = [Run("Test", i + 1, (block[-1], *block * size.n_repeats)) for i, block in enumerate(blocks[n_training:])]
    return (*training, *test)


def _blocks(n_blocks: int, rng: np.random.Generator) -> list[tuple[Clip, ...]]:
    """Draw blocks of one clip per genre in random order, each clip from another track."""
    numbers = {genre: rng.choice(100, n_blocks, replace=False) for genre in GENRES}
    latest = TRACK_SECONDS - CLIP_SECONDS - 0.05
    return [
        tuple(
            Clip(genre, int(numbers[genre][block]), float(np.round(rng.uniform(0.05, latest), 2)))
            for genre in rng.permutation(GENRES).tolist()
        )
        for block in range(n_blocks)
    ]
