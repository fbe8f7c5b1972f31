"""Held-out samples of all models of a subject, and how those of splits and of parts of the targets are joined."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Bands
from b2m_encoding.io.stored_arrays import LARGE, side_by_side
from b2m_encoding.models.status import CONSTANT, MISSING, TESTED
from b2m_encoding.runs import Runs
from b2m_encoding.stats.ceilings import JOINED, Ceiling, NoCeiling
from b2m_encoding.stats.scores import standardised
from b2m_encoding.stats.sums.blocks import BlockSums
from b2m_encoding.stats.sums.join import join_splits, join_targets

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Audited:
    """What the audit needs of some targets: training responses, and scores of single presentations."""

    targets: NDArray[np.intp]
    training: NDArray[np.float32]
    rows: NDArray[np.intp]
    """Rows of the training samples among all."""
    runs: Runs
    single_r: Array


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Held-out samples of all models of one subject.

    Parameters
    ----------
    sums : BlockSums
        Of every model.
    predicted, measured : array, shape (n_samples, n_targets)
        Of the model of all feature spaces; standardised within each split if there are several.
    runs : Runs
    alphas : dict of tuple of str to array, shape (n_targets,)
        Median penalty over splits.
    deltas : array, shape (n_feature_spaces, n_targets), or None
        Minus the log penalty of each feature space of the banded model of all; median over splits.
    product : array, shape (n_feature_spaces, n_targets), or None
        Product measure of each feature space in the model of all; None where the study partitions no variance.
    status : array of str, shape (n_targets,)
    ceiling : Ceiling or NoCeiling
        From repeats in the test runs.
    n_train : int
        Samples of a training set (mean over splits).
    weights : dict of str to array, shape (n_delays, n_features, n_targets), or None
        Of the model of all feature spaces, mean over splits; None where the study does not keep them, or where the
        splits have components of their own.
    audited : Audited or None
        From the first split.
    singles : dict of str to array, shape (n_samples, n_targets)
        Predictions of the model of each feature space by itself, as ``predicted``; empty where there is only one.
    stack : dict of tuple of str to array, shape (n_targets,), or None
        Weight of each member of the stacked model of all feature spaces, mean over splits; None where none is stacked.

    Notes
    -----
    In the steps of a study, the large arrays lie in the files of the units that made them: slices of targets,
    ``[:, start:stop]``, are read a part at a time, ``np.asarray`` reads all
    (:class:`~b2m_encoding.io.stored_arrays.SideBySide`).
    """

    sums: BlockSums
    predicted: NDArray[np.float32] = field(metadata=LARGE)
    measured: NDArray[np.float32] = field(metadata=LARGE)
    runs: Runs
    alphas: Mapping[Bands, Array]
    deltas: Array | None
    product: Array | None
    status: NDArray[np.str_]
    ceiling: Ceiling | NoCeiling
    n_train: int
    weights: Mapping[str, NDArray[np.float32]] | None = field(default=None, metadata=LARGE)
    audited: Audited | None = None
    singles: Mapping[str, NDArray[np.float32]] = field(default_factory=dict, metadata=LARGE)
    stack: Mapping[Bands, Array] | None = None

    @property
    def feature_spaces(self) -> Bands:
        """Names of the feature spaces of the joint model, which is fitted last."""
        return list(self.alphas)[-1]

    @property
    def tested(self) -> NDArray[np.bool_]:
        """Targets that were tested, shape (n_targets,)."""
        return np.asarray(self.status == TESTED)


def worst_status(statuses: list[NDArray[np.str_]]) -> NDArray[np.str_]:
    """Status over several data sets: missing in one is missing, else constant in one is constant."""
    table = np.stack(statuses)
    return np.where((table == MISSING).any(axis=0), MISSING, np.where((table == TESTED).all(axis=0), TESTED, CONSTANT))


def join_parts(parts: list[HeldOut]) -> HeldOut:
    """Splits one after the other."""
    if len(parts) == 1:
        return parts[0]
    names = [np.char.add(f"{i}/", part.runs.run) for i, part in enumerate(parts)]
    clips, heard = (np.concatenate([getattr(p.runs, key) for p in parts]) for key in ("clip", "presentation"))
    return HeldOut(
        join_splits([part.sums for part in parts]),
        _standardised([part.predicted for part in parts]),
        np.concatenate([standardised(part.measured).astype(np.float32) for part in parts]),
        Runs.from_labels(np.concatenate(names), parts[0].runs.tr, clip=clips, presentation=heard),
        {name: np.median([part.alphas[name] for part in parts], axis=0) for name in parts[0].alphas},
        None if parts[0].deltas is None else np.median([part.deltas for part in parts], axis=0),
        _pooled_product(parts),
        worst_status([part.status for part in parts]),
        JOINED,
        int(np.mean([part.n_train for part in parts])),
        _mean_weights(parts),
        parts[0].audited,
        {name: _standardised([part.singles[name] for part in parts]) for name in parts[0].singles},
        _joined_stack(parts, lambda weights: np.mean(weights, axis=0)),
    )


def _standardised(parts: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Predictions of splits one after the other; one that is constant in a split has no say there."""
    return np.concatenate([np.nan_to_num(standardised(part)).astype(np.float32) for part in parts])


def _pooled_product(parts: list[HeldOut]) -> Array | None:
    """Product measure over splits: shares of R2, each split weighing as much as its responses vary."""
    products = np.array([part.product for part in parts if part.product is not None])
    if not len(products):
        return None
    total = np.stack([part.sums.yy.sum(axis=0) for part in parts])
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((products * total[:, None]).sum(axis=0) / total.sum(axis=0))


def _mean_weights(parts: list[HeldOut]) -> dict[str, NDArray[np.float32]] | None:
    """Mean over splits."""
    weights = [part.weights for part in parts if part.weights is not None]
    if not weights:
        return None
    return {name: np.mean([one[name] for one in weights], axis=0, dtype=np.float32) for name in weights[0]}


def join_slices(parts: list[HeldOut]) -> HeldOut:
    """Slices of targets side by side; arrays that lie in files stay there."""
    first = parts[0]
    if len(parts) == 1 and isinstance(first.predicted, np.ndarray):
        return first
    audited = [part.audited for part in parts if part.audited is not None]
    weights = [part.weights for part in parts if part.weights is not None]
    return HeldOut(
        join_targets([part.sums for part in parts]),
        side_by_side([part.predicted for part in parts]),
        side_by_side([part.measured for part in parts]),
        first.runs,
        {name: np.concatenate([part.alphas[name] for part in parts]) for name in first.alphas},
        None if first.deltas is None else np.concatenate([part.deltas for part in parts], axis=1),
        None if first.product is None else np.concatenate([part.product for part in parts], axis=1),
        np.concatenate([part.status for part in parts]),
        _join_ceilings([part.ceiling for part in parts]),
        first.n_train,
        {name: side_by_side([one[name] for one in weights]) for name in weights[0]} if weights else None,
        Audited(
            np.concatenate([one.targets for one in audited]),
            np.concatenate([one.training for one in audited], axis=1),
            audited[0].rows,
            audited[0].runs,
            np.concatenate([one.single_r for one in audited]),
        ),
        {name: side_by_side([part.singles[name] for part in parts]) for name in first.singles},
        _joined_stack(parts, np.concatenate),
    )


def _joined_stack(parts: list[HeldOut], join: Callable[[list[Array]], Array]) -> dict[Bands, Array] | None:
    """Weights of the members of a stacked model: their mean over splits, or side by side."""
    stacks = [part.stack for part in parts if part.stack is not None]
    return {member: join([one[member] for one in stacks]) for member in stacks[0]} if stacks else None


def _join_ceilings(parts: list[Ceiling | NoCeiling]) -> Ceiling | NoCeiling:
    known = [part for part in parts if isinstance(part, Ceiling)]
    if len(known) < len(parts):
        return next(part for part in parts if isinstance(part, NoCeiling))
    return replace(
        known[0],
        signal_power=np.concatenate([part.signal_power for part in known]),
        noise_power=np.concatenate([part.noise_power for part in known]),
        average_power=np.concatenate([part.average_power for part in known]),
    )
