"""Folds of cross-validation: which blocks of samples each one holds out."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from b2m_encoding.errors import InputError

Blocks = tuple[str, ...]


def used_blocks(block: NDArray[Any], used: NDArray[np.bool_]) -> Blocks:
    """Labels of the blocks that hold used samples, in order."""
    return tuple(str(name) for name in dict.fromkeys(block[used].tolist()))


def held_out_blocks(block: NDArray[Any], used: NDArray[np.bool_], cv: Any) -> list[Blocks]:
    """Held-out blocks of each fold; see :meth:`b2m_encoding.runs.Runs.folds`.

    Parameters
    ----------
    block : array of str, shape (n_samples,)
        Block of every sample.
    used : array of bool, shape (n_samples,)
        Samples that enter fits and scores.
    cv : None, int, iterable of block sets, or scikit-learn splitter

    Raises
    ------
    InputError
        If folds are none of these, hold out a block twice, or leave nothing to train on.
    """
    blocks = used_blocks(block, used)
    if len(blocks) < 2:
        raise InputError(
            "cross-validation needs at least two blocks",
            found=list(blocks),
            fix="give more runs, or cut a long run with Runs.split(n_blocks, gap)",
        )
    if cv is None:
        held_out: list[Blocks] = [(name,) for name in blocks]
    elif isinstance(cv, int | np.integer):
        if not 2 <= cv <= len(blocks):
            raise InputError("impossible number of folds", found=cv, expected=f"2 to {len(blocks)}")
        held_out = [blocks[i :: int(cv)] for i in range(int(cv))]
    elif is_splitter(cv):
        held_out = _folds_of_rows(splits(cv, int(used.sum()), block[used]), np.flatnonzero(used), block, used, cv)
    elif (given := list_of_folds(cv)) and all(_is_split(fold) for fold in given):
        held_out = _folds_of_rows(given, np.arange(len(block)), block, used, cv)
    else:
        held_out = [_named_fold(fold) for fold in given]
    _check_folds(held_out, blocks)
    return held_out


def _check_folds(held_out: list[Blocks], blocks: Blocks) -> None:
    for fold in held_out:
        if unknown := sorted(set(fold) - set(blocks)):
            raise InputError("unknown block", found=unknown, expected=list(blocks))
        if not fold or set(fold) >= set(blocks):
            raise InputError("a fold must hold out some blocks and leave some", found=fold)
    if twice := sorted(name for name, n in Counter(name for fold in held_out for name in fold).items() if n > 1):
        raise InputError(
            "a block is held out twice",
            found=", ".join(twice),
            expected="every block in one fold at most: GroupKFold, LeaveOneGroupOut, or sets of names",
        )


def _named_fold(fold: Any) -> Blocks:
    names = [fold] if isinstance(fold, str) or not isinstance(fold, Iterable) else list(fold)
    if any(np.ndim(name) or not isinstance(name, str | np.str_ | int | np.integer) for name in names):
        raise InputError(
            "a fold is a set of block names",
            found=type(fold).__name__,
            expected='such as [("run-01",), ("run-02", "run-03")]',
            fix="name the held-out blocks, or pass a splitter such as GroupKFold",
        )
    return tuple(map(str, names))


def _folds_of_rows(
    splits: Iterable[Any], rows: NDArray[np.intp], block: NDArray[Any], used: NDArray[np.bool_], cv: Any
) -> list[Blocks]:
    """Held-out blocks of pairs of training and held-out samples, which are counted among ``rows``."""
    folds, kept = [], used[rows]
    for train, test in (map(rows_of_part, pair) for pair in splits):
        check_rows(np.concatenate([train, test]), len(rows), cv)
        inside, outside = (part[kept[part]] for part in (train, test))
        check_split(len(inside) + len(outside), int(kept.sum()), cv)
        labels = block[rows]
        if cut := set(labels[inside]) & set(labels[outside]):
            raise InputError(
                "the splitter puts samples of one block into training and validation",
                found=sorted(map(str, cut)),
                fix="use LeaveOneGroupOut or GroupKFold, or an int",
            )
        folds.append(tuple(str(name) for name in dict.fromkeys(labels[outside].tolist())))
    return folds


def is_splitter(cv: Any) -> bool:
    """Whether folds are given by an object such as ``GroupKFold``."""
    return hasattr(cv, "split") and not isinstance(cv, str | type)


def list_of_folds(cv: Any) -> list[Any]:
    """Folds that are given one by one.

    Raises
    ------
    InputError
        If they are nothing of the kind, or none.
    """
    folds = [] if isinstance(cv, str | type) or not isinstance(cv, Iterable) else list(cv)
    if not folds:
        raise InputError(
            "folds cannot be read",
            found=repr(cv),
            expected="None, a number of folds, sets of block names, pairs of training and held-out rows, or a splitter",
        )
    return folds


def rows_of_part(part: ArrayLike) -> NDArray[np.intp]:
    """Rows of one part of a fold, given as rows or as a mask."""
    rows = np.asarray(part)
    return np.flatnonzero(rows) if rows.dtype == bool else rows


def check_rows(rows: NDArray[np.intp], n_samples: int, cv: Any) -> None:
    """Raise if a fold names rows that are not there."""
    if len(rows) and not 0 <= rows.min() <= rows.max() < n_samples:
        found = f"{type(cv).__name__}: row {int(rows.min() if rows.min() < 0 else rows.max())}"
        raise InputError("a fold names a row that is not there", found=found, expected=f"0 to {n_samples - 1}")


def splits(cv: Any, n_samples: int, groups: ArrayLike | None) -> list[Any]:
    """Pairs of training and held-out samples of a splitter; a splitter that ignores groups does so without a warning.

    Raises
    ------
    InputError
        If it is a ``TimeSeriesSplit``, or splits by classes.
    """
    if any(base.__name__ == "TimeSeriesSplit" for base in type(cv).__mro__):
        raise InputError(
            "every fold must train on all samples that it does not hold out: TimeSeriesSplit trains on earlier samples "
            "only",
            found=type(cv).__name__,
            expected="KFold, GroupKFold, LeaveOneGroupOut or alike",
            fix="keep neighbouring samples together by runs or groups; an encoding model may learn from later runs",
        )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The groups parameter is ignored")
        try:
            return list(cv.split(np.zeros((n_samples, 1)), groups=groups))
        except TypeError as error:  # it needs y
            raise InputError(
                "a splitter by classes cannot split responses",
                found=f"{type(cv).__name__}: {error}",
                expected="KFold, GroupKFold, LeaveOneGroupOut or alike",
            ) from error


def check_split(n_split: int, n_samples: int, cv: Any) -> None:
    """Raise if a fold leaves samples out of both its parts.

    Parameters
    ----------
    n_split : int
        Training and held-out samples of the fold.
    n_samples : int
    cv : splitter
        For the message.
    """
    if n_split == n_samples:
        return
    raise InputError(
        "every fold must train on all samples that it does not hold out: one factorisation answers all folds",
        found=f"{type(cv).__name__}: a fold with {n_split} of {n_samples} samples",
        expected="KFold, GroupKFold, LeaveOneGroupOut or alike",
    )


def _is_split(fold: Any) -> bool:
    """Whether a fold is a pair of arrays of rows, or of whole numbers."""
    return (
        isinstance(fold, tuple | list)
        and len(fold) == 2
        and all(np.ndim(part) == 1 and len(part) > 0 and np.asarray(part).dtype.kind in "iub" for part in fold)
    )
