"""One decoder for several people: of all of them, or of all but the one who is decoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.decoding.decoders.alignment import Alignment, Method
from b2m_encoding.decoding.decoders.base import Floats, predicted_targets
from b2m_encoding.decoding.decoders.ridge import RidgeDecoder
from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs


@dataclass(frozen=True, eq=False)
class TrainingWindows:
    """Training windows of one subject.

    Parameters
    ----------
    responses : array, shape (n_windows, n_targets)
    embedding : array, shape (n_windows, n_dimensions)
    runs : Runs
    """

    responses: Floats
    embedding: Floats
    runs: Runs


class PooledDecoder:
    """Ridge from the responses of several subjects, in one space, to features.

    Without alignment, subjects must have the same targets (one surface or template), which are standardised by the
    training windows of each. Folds hold out the same block in all subjects, for it is the same music.

    Parameters
    ----------
    method : {"none", "ridge", "procrustes", "srm"}
        How responses are aligned; see :class:`~b2m_encoding.decoding.decoders.alignment.Alignment`.
    n_targets : int, optional
        Of each subject, those that an encoding model predicts best in training; with ``"none"`` best on average.
    n_components : int
        Of each subject, before alignment.
    device : str

    Attributes
    ----------
    training_subjects_ : tuple of str
        Subjects the decoder was fitted to.
    decoder_ : RidgeDecoder
    """

    def __init__(
        self,
        method: Method | Literal["none"] = "procrustes",
        *,
        n_targets: int | None = 2000,
        n_components: int = 100,
        device: str = "auto",
    ) -> None:
        self.method = method
        self.n_targets = n_targets
        self.n_components = n_components
        self.device = device

    def fit(self, training: Mapping[str, TrainingWindows], subjects: Sequence[str] | None = None) -> PooledDecoder:
        """Align all subjects by their training windows, and fit the decoder to those of some.

        Parameters
        ----------
        training : dict of subject to TrainingWindows
        subjects : sequence of str, optional
            Who teaches the decoder; all by default. Who is left out is only aligned, and their targets are chosen, by
            their training windows; without alignment, nothing but the scale of each target comes from those.

        Raises
        ------
        InputError
            If there are fewer than two subjects or nobody to learn from, or without alignment, targets differ.
        """
        self.training_subjects_ = tuple(training if subjects is None else subjects)
        if not self.training_subjects_:
            raise InputError("a pooled decoder needs a subject to learn from", found=list(training))
        self._prepare(training)
        self.decoder_ = RidgeDecoder(device=self.device).fit(*self._lessons(training))
        return self

    def predict(self, subject: str, responses: Floats, runs: Runs) -> NDArray[np.float64]:
        """Decoded features of windows of a subject, shape (n_windows, n_dimensions)."""
        return self.decoder_.predict(self._aligned(subject, responses), runs)

    def cross_val_predict(self, subject: str, training: Mapping[str, TrainingWindows]) -> NDArray[np.float64]:
        """Decoded features of a subject's training windows, by a decoder of the other folds of all who taught it.

        The alignment stays that of the fit.
        """
        if subject not in self.training_subjects_:
            return self.predict(subject, training[subject].responses, training[subject].runs)
        crossed = self.decoder_.cross_val_predict(*self._lessons(training))
        owner = np.repeat(self.training_subjects_, [len(training[name].runs) for name in self.training_subjects_])
        return np.asarray(crossed[owner == subject])

    def _lessons(self, training: Mapping[str, TrainingWindows]) -> tuple[Floats, Floats, Runs]:
        """Aligned responses, embedding and runs of all who teach."""
        taught = {name: training[name] for name in self.training_subjects_}
        aligned = np.concatenate([self._aligned(name, one.responses) for name, one in taught.items()])
        return aligned, np.concatenate([one.embedding for one in taught.values()]), _joined(taught)

    def _prepare(self, training: Mapping[str, TrainingWindows]) -> None:
        """The alignment, and the targets of every subject."""
        if self.method == "none":
            if len({one.responses.shape[1] for one in training.values()}) > 1:
                found = {name: one.responses.shape[1] for name, one in training.items()}
                raise InputError("subjects without alignment need the same targets", found=found)
            usable = np.all([_varies(one.responses) for one in training.values()], axis=0)
            taught = {name: training[name] for name in self.training_subjects_}
            values = np.concatenate([_standardised(one.responses, one.responses) for one in taught.values()])
            embedding = np.concatenate([one.embedding for one in taught.values()])
            chosen = predicted_targets(values, embedding, _joined(taught), usable, self.n_targets, self.device)
            self.targets_ = dict.fromkeys(training, chosen)
            self.reference_ = {name: one.responses[:, chosen] for name, one in training.items()}
            return
        self.targets_ = {
            name: predicted_targets(one.responses, one.embedding, one.runs, None, self.n_targets, self.device)
            for name, one in training.items()
        }
        self.alignment_ = Alignment(self.method, n_components=self.n_components, device=self.device).fit(
            {name: one.responses[:, self.targets_[name]] for name, one in training.items()},
            {name: one.runs for name, one in training.items()},
        )

    def _aligned(self, subject: str, responses: Floats) -> NDArray[np.float64]:
        if subject not in self.targets_:
            raise InputError("the decoder does not know this subject", found=subject, expected=list(self.targets_))
        own = responses[:, self.targets_[subject]]
        return _standardised(own, self.reference_[subject]) if self.method == "none" else self.alignment_(subject, own)


def _varies(responses: Floats) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(responses).all(axis=0) & (np.ptp(responses, axis=0) > 0))


def _standardised(values: Floats, reference: Floats) -> NDArray[np.float64]:
    deviation = reference.std(axis=0, dtype=np.float64)
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    return np.asarray((values - reference.mean(axis=0, dtype=np.float64)) * scale)


def _joined(taught: Mapping[str, TrainingWindows]) -> Runs:
    """Runs named after their subject too; blocks keep their names, so that a fold holds them out in everyone."""
    return Runs.concatenate(
        [replace(one.runs, run=np.array([f"{name}/{run}" for run in one.runs.run])) for name, one in taught.items()]
    )
