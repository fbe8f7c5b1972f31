"""Labels of every sample: run, time, clip, block. All that must respect runs uses this one object."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from b2m_encoding.errors import InputError, whole_number
from b2m_encoding.folds import Blocks, held_out_blocks, used_blocks
from b2m_encoding.notebook import html_table

FIELDS = ("run", "time", "clip", "presentation", "block", "used", "group")
"""Labels of every sample."""
MILLISECONDS = 100
"""A repetition time that is as large is none of seconds."""


@dataclass(frozen=True, eq=False)
class Runs:
    """Run, time, clip and block of every sample.

    Delays, filters and scaling stay inside a *run*; cross-validation and permutation move whole *blocks*. A block
    is a run unless :meth:`split` cuts runs into several. Samples with ``used`` false (a discarded first clip, the
    gap between two blocks) still carry delays and filters but never enter a fit or a score.

    Parameters
    ----------
    run : array of str, shape (n_samples,)
        Run label; the samples of a run are contiguous.
    time : array of float, shape (n_samples,)
        Seconds from the start of the run's first volume to the time from which on the sample covers stimuli.
    tr : float
        Seconds between samples.
    clip : array of str, shape (n_samples,)
        Label of the stimulus clip under each sample, "" where there is none.
    presentation : array of int, shape (n_samples,)
        Number of the presentation each sample belongs to: a clip that is played twice, back to back, has two.
    block : array of str, shape (n_samples,)
        Unit of cross-validation.
    used : array of bool, shape (n_samples,)
        Whether the sample enters fits and scores.
    group : array of str, shape (n_samples,), optional
        Group of the clip under each sample (its genre, condition, speaker), "" where there is none; by default nowhere.
    instant : float
        Seconds from ``time`` to the instant that a sample stands for: half a repetition time where files state to which
        time their slices were corrected.

    Examples
    --------
    >>> runs = Runs.from_lengths({"a": 4, "b": 6}, tr=1.5)
    >>> runs.names, len(runs), runs.slices["b"]
    (('a', 'b'), 10, slice(4, 10, None))
    >>> runs.discard(3.0).used.sum()
    np.int64(6)
    """

    run: NDArray[Any]
    time: NDArray[np.float64]
    tr: float
    clip: NDArray[Any]
    presentation: NDArray[np.int64]
    block: NDArray[Any]
    used: NDArray[np.bool_]
    group: NDArray[Any] = field(default_factory=lambda: np.zeros(0, dtype=str))
    instant: float = 0.0

    def __post_init__(self) -> None:
        n_samples = len(self.run)
        if not len(self.group):
            object.__setattr__(self, "group", np.full(n_samples, "", dtype=str))
        for name in FIELDS[1:]:
            if len(getattr(self, name)) != n_samples:
                raise InputError(
                    f"Runs.{name} has another length than Runs.run",
                    found=len(getattr(self, name)),
                    expected=n_samples,
                )
        if not (np.isfinite(self.tr) and self.tr > 0):
            raise InputError("the repetition time must be positive", found=self.tr, expected="seconds > 0")
        if len(self.names) != 1 + np.count_nonzero(self.run[1:] != self.run[:-1]) and n_samples:
            raise InputError("the samples of a run are not contiguous", fix="sort the samples by run, then by time")

    def check_clock(self) -> None:
        """Raise unless time increases within every run: a clock that starts again is another run."""
        back = (np.diff(self.time) <= 0) & (self.run[1:] == self.run[:-1])
        if back.any():
            at = int(np.flatnonzero(back)[0])
            raise InputError(
                f"time does not increase in run {self.run[at]}",
                found=f"{self.time[at]:g} s, then {self.time[at + 1]:g} s (samples {at} and {at + 1})",
                expected="one clock per run",
                fix="name the runs apart, such as ses-1_run-01 and ses-2_run-01",
            )

    @classmethod
    def from_labels(
        cls,
        run: ArrayLike,
        tr: float,
        *,
        time: ArrayLike | None = None,
        clip: ArrayLike | None = None,
        presentation: ArrayLike | None = None,
        block: ArrayLike | None = None,
        used: ArrayLike | None = None,
        group: ArrayLike | None = None,
    ) -> Runs:
        """Build from one run label per sample.

        Parameters
        ----------
        run : array of str, shape (n_samples,)
        tr : float
            Seconds between samples.
        time : array of float, shape (n_samples,), optional
            Seconds; by default multiples of ``tr`` from the start of each run.
        clip : array of str, shape (n_samples,), optional
            By default no clip is presented.
        presentation : array of int, shape (n_samples,), optional
            By default neighbouring samples of one clip are one presentation.
        block : array of str, shape (n_samples,), optional
            By default a block is a run.
        used : array of bool, shape (n_samples,), optional
            By default all samples are used.
        group : array of str, shape (n_samples,), optional
            By default clips belong to no group.
        """
        labels, tr = np.asarray(run).astype(str), _in_seconds(tr)
        clips = np.full(len(labels), "", dtype=str) if clip is None else np.asarray(clip).astype(str)
        if time is None:
            start = np.flatnonzero(_begins(labels))
            time = (np.arange(len(labels)) - np.repeat(start, np.diff(np.r_[start, len(labels)]))) * tr
        if presentation is None:
            presentation = np.cumsum(_begins(labels, clips)) - 1
        runs = cls(
            run=labels,
            time=np.asarray(time, dtype=float),
            tr=tr,
            clip=clips,
            presentation=np.asarray(presentation, dtype=np.int64),
            block=labels if block is None else np.asarray(block).astype(str),
            used=np.ones(len(labels), dtype=bool) if used is None else np.asarray(used, dtype=bool),
            group=np.full(len(labels), "", dtype=str) if group is None else np.asarray(group).astype(str),
        )
        runs.check_clock()
        return runs

    @classmethod
    def from_lengths(cls, lengths: Mapping[str, int] | Sequence[int], tr: float) -> Runs:
        """Build from the number of samples of each run; unnamed runs are called ``run-01``, ``run-02`` ..."""
        named = lengths if isinstance(lengths, Mapping) else {f"run-{i + 1:02d}": n for i, n in enumerate(lengths)}
        numbers = [whole_number(n, f"the number of samples of {name}", 1) for name, n in named.items()]
        return cls.from_labels(np.repeat(list(named), numbers), tr)

    @classmethod
    def concatenate(cls, parts: Sequence[Runs]) -> Runs:
        """Join the runs of several objects; a run may not occur in two of them, a block may.

        Raises
        ------
        InputError
            If a run occurs in two of them, or their repetition times differ.
        """
        if len({part.tr for part in parts}) != 1:
            raise InputError("runs differ in repetition time", found=sorted({part.tr for part in parts}))
        names = Counter(name for part in parts for name in part.names)
        if repeated := sorted(name for name, n in names.items() if n > 1):
            raise InputError(
                "a run of this name occurs twice in what is joined",
                found=repeated,
                fix="name the runs apart, such as ses-1_run-01 and ses-2_run-01",
            )
        fields = {name: np.concatenate([getattr(part, name) for part in parts]) for name in FIELDS}
        return cls(tr=parts[0].tr, instant=parts[0].instant, **fields)

    def __len__(self) -> int:
        return len(self.run)

    @property
    def shape(self) -> tuple[int]:
        """Number of samples, so that scikit-learn takes the rows of a split when runs are routed to a model."""
        return (len(self),)

    def __getitem__(self, rows: Any) -> Runs:
        rows = rows[0] if isinstance(rows, tuple) and rows[1:] == (Ellipsis,) else rows
        if not isinstance(rows, slice) and np.ndim(rows) != 1:
            raise TypeError("runs are indexed by a slice, a mask or increasing rows; see Runs.take and Runs.select")
        return self.take(rows if isinstance(rows, slice) else np.asarray(rows))

    def __iter__(self) -> Iterator[Any]:
        raise TypeError("runs have no single samples; iterate over Runs.slices, or over the labels of Runs.run")

    def __repr__(self) -> str:
        names = self.names if len(self.names) < 4 else (*self.names[:2], "...", self.names[-1])
        parts = [f"{len(self.names)} runs ({', '.join(names)})", f"{len(self)} samples", f"tr={self.tr:g}"]
        if not self.used.all():
            parts[1] += f", {int(self.used.sum())} used"
        if self.blocks != self.names:
            parts.append(f"{len(self.blocks)} blocks")
        if clips := len({clip for clip in self.clip.tolist() if clip}):
            parts.append(f"{clips} clips")
        return f"<Runs: {', '.join(parts)}>"

    def _repr_html_(self) -> str:
        cells = [
            (name, part.stop - part.start, int(self.used[part].sum()), len({*self.clip[part].tolist()} - {""}))
            for name, part in self.slices.items()
        ]
        return html_table(("run", "samples", "used", "clips"), cells, caption=f"Runs, tr = {self.tr:g} s")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Run labels in order of first appearance."""
        return tuple(str(name) for name in dict.fromkeys(self.run.tolist()))

    @cached_property
    def slices(self) -> dict[str, slice]:
        """Rows of each run."""
        starts = np.flatnonzero(_begins(self.run))
        stops = np.r_[starts[1:], len(self)]
        return {str(self.run[a]): slice(int(a), int(b)) for a, b in zip(starts, stops, strict=True)}

    @cached_property
    def begins(self) -> NDArray[np.bool_]:
        """Whether each sample is the first of its run, or of another presentation than the sample before it."""
        return _begins(self.run, self.clip, self.presentation)

    @cached_property
    def presentations(self) -> tuple[slice, ...]:
        """Rows of every presentation of a clip, in order; none where no clip is presented.

        Examples
        --------
        >>> Runs.from_labels(["a"] * 4, 1.5, clip=["x", "x", "", "y"]).presentations
        (slice(0, 2, None), slice(3, 4, None))
        >>> Runs.from_labels(["a"] * 4, 1.5, clip=["x"] * 4, presentation=[0, 0, 1, 1]).presentations
        (slice(0, 2, None), slice(2, 4, None))
        """
        edges = [*np.flatnonzero(self.begins).tolist(), len(self)]
        return tuple(slice(a, b) for a, b in pairwise(edges) if a < b and self.clip[a] != "")

    @cached_property
    def blocks(self) -> Blocks:
        """Labels of the blocks that hold used samples, in order."""
        return used_blocks(self.block, self.used)

    @property
    def n_parts(self) -> int:
        """Number of pairs of a run and a block that have used samples: more than blocks where one spans runs."""
        return len({*zip(self.run[self.used].tolist(), self.block[self.used].tolist(), strict=True)})

    def rows(self, blocks: Iterable[str] | None = None) -> NDArray[np.intp]:
        """Rows of the used samples, of all blocks or of some."""
        if blocks is None:
            return np.flatnonzero(self.used)
        wanted = list(blocks)
        unknown = sorted(set(wanted) - set(self.blocks))
        if unknown:
            raise InputError("unknown block", found=unknown, expected=list(self.blocks))
        return np.flatnonzero(self.used & np.isin(self.block, wanted))

    def each_run(self, values: NDArray[Any]) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield each run's name and its rows of ``values`` (views)."""
        self.check_length(values)
        for name, rows in self.slices.items():
            yield name, values[rows]

    def check_length(self, values: Sized, what: str = "the array") -> None:
        """Raise unless ``values`` has one row per sample."""
        if len(values) != len(self):
            raise InputError(
                f"{what} has another number of rows than there are samples",
                found=len(values),
                expected=f"{len(self)} ({', '.join(f'{k}: {s.stop - s.start}' for k, s in self.slices.items())})",
            )

    def take(self, rows: NDArray[Any] | slice) -> Runs:
        """The runs of some rows, in their order (a mask or increasing indices)."""
        return replace(self, **{name: getattr(self, name)[rows] for name in FIELDS})

    def select(self, names: Iterable[str]) -> tuple[Runs, NDArray[np.intp]]:
        """Some runs only, with the rows they came from."""
        wanted = list(names)
        unknown = sorted(set(wanted) - set(self.names))
        if unknown:
            raise InputError("unknown run", found=unknown, expected=list(self.names))
        rows = np.flatnonzero(np.isin(self.run, wanted))
        return self.take(rows), rows

    def discard(self, seconds: float) -> Runs:
        """Mark the first seconds of every run as not used (a warm-up clip, unsteady magnetisation)."""
        return replace(self, used=self.used & ~self.first(seconds))

    def first(self, seconds: float) -> NDArray[np.bool_]:
        """Mask of the samples that stand for the first seconds of their runs, shape (n_samples,)."""
        return np.asarray(self.time + self.instant < seconds - 1e-9)

    def split(self, n_blocks: int, gap: float = 0.0) -> Runs:
        """Cut every run into contiguous blocks of equal length, with ``gap`` seconds unused between neighbours.

        Use it where there is one long run. The gap keeps the delayed, autocorrelated samples of one block out of
        the next; make it longer than the longest delay.
        """
        if n_blocks < 2:
            raise InputError("a run is split into at least two blocks", found=n_blocks, expected=">= 2")
        n_gap = int(np.ceil(gap / self.tr - 1e-9))
        block, used = self.block.astype(object), self.used.copy()
        for name, rows in self.slices.items():
            used_rows = np.arange(rows.start, rows.stop)[self.used[rows]]
            if len(used_rows) < n_blocks * (n_gap + 2):
                raise InputError(
                    f"run {name} is too short for {n_blocks} blocks with gaps of {gap} s",
                    found=f"{len(used_rows)} samples",
                    expected=f"at least {n_blocks * (n_gap + 2)}",
                )
            for i, part in enumerate(np.array_split(used_rows, n_blocks)):
                block[part] = f"{name}/{i + 1}"
                if i:
                    used[part[: n_gap - n_gap // 2]] = False
                if i < n_blocks - 1 and n_gap // 2:
                    used[part[-(n_gap // 2) :]] = False
        return replace(self, block=block.astype(str), used=used)

    def folds(self, cv: int | Iterable[Iterable[str]] | Any | None = None) -> list[Blocks]:
        """Held-out blocks of each fold; every block is held out at most once.

        Parameters
        ----------
        cv : None, int, iterable of block sets, or scikit-learn splitter
            None leaves one block out at a time; an int makes that many folds of whole blocks, interleaved in
            time; sets of block names are taken as given; a splitter such as ``GroupKFold`` gets the blocks as
            its groups; pairs of rows, of training and of held-out samples, are what a splitter has returned.

        Raises
        ------
        InputError
            If there are fewer than two blocks, or a fold splits a block or leaves nothing to train on.
        """
        return held_out_blocks(self.block, self.used, cv)


def _in_seconds(tr: Any) -> float:
    """Repetition time as a number; an error for texts, and for milliseconds."""
    known = hasattr(tr, "__float__") and np.ndim(tr) == 0 and not isinstance(tr, bool)
    if not known or tr >= MILLISECONDS:
        fix = f"give {float(tr) / 1000:g}" if known else None
        raise InputError("the repetition time is a number of seconds", found=repr(tr), expected="such as 1.5", fix=fix)
    return float(tr)


def _begins(*labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether each sample differs from the one before it in any of its labels; the first one does."""
    begins = np.zeros(len(labels[0]), dtype=bool)
    begins[:1] = True
    for label in labels:
        begins[1:] |= label[1:] != label[:-1]
    return begins
