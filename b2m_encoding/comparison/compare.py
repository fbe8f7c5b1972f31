"""Compare two results target by target and region by region: paired where subjects and samples are the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypedDict

import numpy as np

from b2m_encoding._typing import Booleans, Float64
from b2m_encoding.comparison.compared import Compared, Comparison
from b2m_encoding.comparison.differences import (
    Difference,
    group_difference,
    paired_difference,
    smallest_p,
    unpaired_difference,
)
from b2m_encoding.comparison.regions import compare_groups, compare_pairs, region_scores
from b2m_encoding.comparison.sides import Rows, Side, common_targets, merged, on_targets, open_sides
from b2m_encoding.errors import InputError
from b2m_encoding.results.held_out_blocks import HeldOutBlocks
from b2m_encoding.results.schema import GROUP
from b2m_encoding.spaces import Space
from b2m_encoding.stats.preference import flip_widening
from b2m_encoding.stats.regions import MANY_SUBJECTS

BLOCKS, OTHER_BLOCKS = "signs of blocks flipped, same samples", "Welch's t over blocks of other samples"
SUBJECTS, GROUPS = "signs of subjects flipped", "subjects exchanged between groups"
MIN_BLOCKS = 6
TOO_FEW = f"not possible: fewer than {MIN_BLOCKS} independent blocks"


class _Keywords(TypedDict):
    level: float
    n_permutations: int
    random_state: int


@dataclass(frozen=True)
class _Options:
    level: float
    n_permutations: int
    notes: list[str] = field(default_factory=list)

    @property
    def keywords(self) -> _Keywords:
        """Keywords of the tests."""
        return {"level": self.level, "n_permutations": self.n_permutations, "random_state": 0}


def compare_results(
    first: str | Path,
    second: str | Path,
    *,
    models: Sequence[str] = (),
    names: Sequence[str] = (),
    subjects: Sequence[str] = (),
    regions: Sequence[str] = (),
    unpaired: bool = False,
    regions_only: bool = False,
    n_permutations: int = 10_000,
) -> Comparison:
    """Compare two results folders: models, preprocessings, or groups of subjects.

    Parameters
    ----------
    first, second : path
        Results folders; the same one twice, to compare two of its models.
    models : sequence of str
        A feature space or ``joint``, of both or of each; by default ``joint``.
    names : sequence of str
        Names of both, in tables and figures.
    subjects : sequence of str
        Only these.
    regions : sequence of str
        Regions or region sets of the atlas of the first; by default those of its study.
    unpaired : bool
        The results are of different people, even where labels are the same.
    regions_only : bool
        Leave out the comparison of targets, which needs one space.
    n_permutations : int
        Flips of signs, or arrangements of subjects.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        If there are no results, they hold no such model, share neither subjects nor enough of them to compare groups,
        or their targets are others.

    Notes
    -----
    Where a subject has the same held-out samples in both, signs are flipped of nearly independent blocks of samples, as
    for the feature spaces of one study (:func:`~b2m_encoding.stats.prefer`). p refers to new stimuli for these fitted
    models. With eight subjects or more, signs are also flipped per subject: p then refers to the population. Groups of
    different subjects exchange their members. q is that of targets where
    the sum of both r reaches the r of predicted targets, which does not depend on their difference.

    Where folds are joined, errors are larger than those of fixed predictions by the factor of either study (root mean
    square), as for two models with errors of their own; how the errors of two studies depend on each other is not known
    from their results. Where both share features that predict, the test is conservative: what the other features do to
    the shared signal by chance in one fold is made up for in the others, so that the errors of folds no longer add up
    (p < .05 in 2 to 4 % of equally good targets, ``benchmarks/comparison.py``). Put both feature spaces into one study,
    whose refits have both, for the comparison of these (:func:`~b2m_encoding.stats.prefer`).
    """
    sides = open_sides((Path(first), Path(second)), models, names, tuple(subjects))
    table = sides[0].context.statistics
    options = _Options(table.level, n_permutations)
    common = [name for name in sides[0].subjects if name in sides[1].subjects]
    paired = bool(common) and not unpaired
    if not paired:
        _check_groups(sides, table.q, options)
    elif left := sorted({*sides[0].subjects, *sides[1].subjects} - set(common)):
        options.notes.append(f"Only in one of the results, and left out: {', '.join(f'sub-{name}' for name in left)}.")
    shown = tuple(common) if paired else ()
    targets = {} if regions_only else _pairs(sides, shown, options) if paired else _groups(sides, options)
    scores = region_scores(sides, tuple(regions), (shown, shown) if paired else (sides[0].subjects, sides[1].subjects))
    compare = compare_pairs if paired else compare_groups
    rows = compare(scores, sides, level=table.level, n_permutations=n_permutations)
    if regions_only and not len(rows):
        raise InputError("the results share no region", file=sides[1].path, fix="name some: --region A1")
    return Comparison(sides, paired, targets, rows, scores.table, tuple(options.notes), table.q, table.level)


def _check_groups(sides: tuple[Side, Side], q: float, options: _Options) -> None:
    """Raise unless both groups have two subjects; tell where they are too few for a small p."""
    n, m = (len(side.subjects) for side in sides)
    if min(n, m) < 2:
        raise InputError(
            "the two results share no subject, and are too small to compare groups",
            found=" and ".join(", ".join(f"sub-{name}" for name in side.subjects) for side in sides),
            expected="the same subjects, or two and more in each group",
        )
    if (least := smallest_p(n, m)) > q:
        options.notes.append(f"Groups of {n} and {m} subjects cannot give a p below {least:.2g}.")


def _pairs(sides: tuple[Side, Side], subjects: tuple[str, ...], options: _Options) -> dict[str, Compared]:
    """Every subject by itself; all together, where they share a space and there are several."""
    pairs = {subject: _Pair.of(sides, subject) for subject in subjects}
    found = {subject: _one(pair, options) for subject, pair in pairs.items()}
    if len(found) < 2:
        return found
    try:
        space, rows = common_targets([one.space for one in found.values()])
    except InputError:
        options.notes.append("The subjects lie in different spaces: there is no map of all together.")
        return found
    taken = [pair.take(own) for pair, own in zip(pairs.values(), rows, strict=True)]
    a, b = (np.stack([getattr(pair, key) for pair in taken]) for key in ("first", "second"))
    tested = np.isfinite(a).all(axis=0) & np.isfinite(b).all(axis=0)
    predicted = np.any([pair.predicted for pair in taken], axis=0)
    above = _threshold(a.mean(axis=0), b.mean(axis=0), predicted & tested)
    parts = _together(taken, tested) if len(found) < MANY_SUBJECTS else None
    if parts is None:
        result = paired_difference(a[:, tested], b[:, tested], above=above, **options.keywords)
        test = SUBJECTS
        if len(found) < MANY_SUBJECTS:
            result, test = _untested(result), f"not possible: fewer than {MANY_SUBJECTS} subjects, other blocks"
    else:
        one, other, wider = parts
        result = paired_difference(one, other, widening=wider, total=True, above=above, **options.keywords)
        test = f"{BLOCKS}, these subjects"
        if len(one) < MIN_BLOCKS:
            result, test = _untested(result), TOO_FEW
    result = replace(result, difference=(a - b).mean(axis=0)[tested])
    every = Compared(GROUP, space, a.mean(axis=0), b.mean(axis=0), _filled(result, tested), predicted, test)
    return {**found, GROUP: every}


def _together(pairs: Sequence[_Pair], tested: Booleans) -> tuple[Float64, Float64, Float64] | None:
    """Mean contributions over subjects with the same stimuli, and the widening; None where their samples differ."""
    known = [own for pair in pairs for own in pair.blocks if own is not None]
    if len(known) < 2 * len(pairs) or not all(own.same_samples(known[0]) for own in known):
        return None
    length = max(own.length for own in known)
    one, other = (
        np.mean([merged(known[0], pair.parts[i][:, tested], length) for pair in pairs], axis=0) for i in (0, 1)
    )
    squares = [pair.widening(tested) ** 2 for pair in pairs]
    return one, other, flip_widening(len(one)) * np.sqrt(np.mean(squares, axis=0))


@dataclass(frozen=True, eq=False)
class _Pair:
    """Maps and blocks of one subject in both results, on the targets that they share."""

    sides: tuple[Side, Side]
    subject: str
    space: Space
    first: Float64
    second: Float64
    predicted: Booleans
    blocks: tuple[HeldOutBlocks, HeldOutBlocks] | tuple[None, None]
    parts: tuple[Float64, ...]
    missing: str = ""

    @classmethod
    def of(cls, sides: tuple[Side, Side], subject: str) -> _Pair:
        """Read them."""
        space, rows = common_targets([side.space(subject) for side in sides])
        a, b = (side.scores(subject)[own] for side, own in zip(sides, rows, strict=True))
        if not (np.isfinite(a) & np.isfinite(b)).any():
            raise InputError(f"no target of sub-{subject} was tested in both results", file=sides[1].path)
        held = [side.blocks(subject) for side in sides]
        missing = next((side.path.name for side, own in zip(sides, held, strict=True) if own is None), "")
        parts = tuple(
            on_targets(own, side.model, side.space(subject).n_targets, side.path)[:, index]
            for own, side, index in zip(held, sides, rows, strict=True)
            if own is not None and not missing
        )
        return cls(
            sides, subject, space, a, b,
            np.any([side.predicted(subject)[own] for side, own in zip(sides, rows, strict=True)], axis=0),
            (None, None) if held[0] is None or held[1] is None else (held[0], held[1]),
            parts, missing,
        )  # fmt: skip

    def take(self, rows: Rows) -> _Pair:
        """Select targets."""
        parts = tuple(own[:, rows] for own in self.parts)
        return replace(
            self, first=self.first[rows], second=self.second[rows],
            predicted=self.predicted[rows], parts=parts,
        )  # fmt: skip

    def widening(self, tested: Booleans) -> Float64:
        """Error of the difference relative to that for fixed predictions: root mean square of both results."""
        mean = (self.first[tested] + self.second[tested]) / 2
        squares = [own.widening(mean) ** 2 for own in self.blocks if own is not None]
        return np.asarray(np.sqrt(np.mean(squares, axis=0)))


def _one(pair: _Pair, options: _Options) -> Compared:
    """Targets of one subject."""
    tested = np.isfinite(pair.first) & np.isfinite(pair.second)
    a, b = pair.first[tested], pair.second[tested]
    one, other = pair.blocks
    if one is None or other is None:
        test = f"not possible: no held-out blocks of the model in {pair.missing}; run the study again"
        found = _untested(paired_difference(a[None], b[None], n_permutations=1))
        return Compared(pair.subject, pair.space, pair.first, pair.second, _filled(found, tested), pair.predicted, test)
    length = max(one.length, other.length) if one.shortest == other.shortest else 0
    parts = [
        merged(own, values[:, tested], length or own.length)
        for own, values in zip((one, other), pair.parts, strict=True)
    ]
    wider, above = pair.widening(tested), _threshold(a, b, pair.predicted[tested])
    if one.same_samples(other):
        wider, test = wider * flip_widening(len(parts[0])), BLOCKS
        found = paired_difference(*parts, widening=wider, total=True, above=above, **options.keywords)
    else:
        found, test = unpaired_difference(*parts, widening=wider, above=above, level=options.level), OTHER_BLOCKS
        options.notes.append(f"sub-{pair.subject}: the held-out samples differ ({_samples(one)}, {_samples(other)}).")
    if min(map(len, parts)) < MIN_BLOCKS:
        found, test = _untested(found), TOO_FEW
    found = _filled(replace(found, difference=a - b), tested)
    return Compared(pair.subject, pair.space, pair.first, pair.second, found, pair.predicted, test)


def _threshold(first: Float64, second: Float64, predicted: Booleans) -> float:
    """The r that nearly all targets reach which one of both predicts; 1, which none does, where there are none."""
    larger = np.maximum(first, second)[predicted]
    return float(np.quantile(larger, 0.05)) if len(larger) else 1.0


def _samples(blocks: HeldOutBlocks) -> str:
    return f"{int(blocks.n.sum())} in {len(np.unique(blocks.run))} runs"


def _groups(sides: tuple[Side, Side], options: _Options) -> dict[str, Compared]:
    """Two groups of subjects in one space."""
    members = [(side, subject) for side in sides for subject in side.subjects]
    space, rows = common_targets([side.space(subject) for side, subject in members])
    values, predicted = (
        np.stack([getattr(side, key)(subject)[index] for (side, subject), index in zip(members, rows, strict=True)])
        for key in ("scores", "predicted")
    )
    tested = np.isfinite(values).all(axis=0)
    if not tested.any():
        raise InputError("no target was tested in every subject of both groups", file=sides[1].path)
    n = len(sides[0].subjects)
    groups = values[:n, tested], values[n:, tested]
    a, b, known = values[:n].mean(axis=0), values[n:].mean(axis=0), np.asarray(predicted.any(axis=0))
    found = group_difference(*groups, above=_threshold(a, b, known & tested), **options.keywords)
    return {GROUP: Compared(GROUP, space, a, b, _filled(found, tested), known, GROUPS)}


def _untested(found: Difference) -> Difference:
    nothing = np.full(len(found.p), np.nan)
    return replace(found, p=nothing, q=nothing)


def _filled(found: Difference, tested: Booleans) -> Difference:
    """The difference on all targets, NaN where it was not tested."""

    def whole(values: Float64) -> Float64:
        out = np.full(len(tested), np.nan)
        out[tested] = values
        return out

    chosen = np.zeros(len(tested), dtype=bool)
    chosen[tested] = found.chosen
    return Difference(
        whole(found.difference), whole(found.low), whole(found.high), whole(found.p), whole(found.q), chosen,
        found.n_units,
    )  # fmt: skip
