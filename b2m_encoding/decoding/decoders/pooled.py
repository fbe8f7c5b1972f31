"""Pooled decoder: fitted to several subjects in one space, with or without the subject who is decoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, Self

import numpy as np
from sklearn.base import BaseEstimator

from b2m_encoding._typing import Float64, Floating
from b2m_encoding.decoding.decoders.alignment import Alignment, Method
from b2m_encoding.decoding.decoders.base import predicted_targets, varying
from b2m_encoding.decoding.decoders.ridge import RidgeDecoder
from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs

BySubject = Mapping[str, Floating]


class PooledDecoder(BaseEstimator):  # type: ignore[misc]
    """Ridge from the responses of several subjects, in one space, to features.

    The interface of :class:`~b2m_encoding.decoding.decoders.base.Decoder`, with a dict by subject in the place of each
    array. Without alignment, subjects must have the same targets (one surface or template), which are standardised by
    the training windows of each. Folds hold out the same block in all subjects, because it is the same music.

    Parameters
    ----------
    method : {"none", "ridge", "procrustes", "srm"}
        Alignment of responses; see :class:`~b2m_encoding.decoding.decoders.alignment.Alignment`.
    n_targets : int, optional
        Number of targets of each subject, those that an encoding model predicts best in training; with ``"none"`` best
        on average. All by default.
    n_components : int
        Number of components of each subject, before alignment.
    device : str

    Attributes
    ----------
    training_subjects_ : tuple of str
        Subjects to whom the decoder was fitted.
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

    def fit(
        self, X: BySubject, Y: BySubject, *, runs: Mapping[str, Runs], training_subjects: Sequence[str] | None = None
    ) -> Self:
        """Align all subjects by their training windows, and fit the decoder to the windows of the training subjects.

        Parameters
        ----------
        X : dict of subject to array, shape (n_windows, n_targets)
            Responses.
        Y : dict of subject to array, shape (n_windows, n_dimensions)
            Features of the same windows.
        runs : dict of subject to Runs
            Runs of the windows.
        training_subjects : sequence of str, optional
            Subjects to whom the decoder is fitted; all by default. Other subjects are only aligned, and their targets
            chosen, by their training windows; without alignment, nothing but the scale of each target comes from
            those.

        Raises
        ------
        InputError
            If there are fewer than two subjects or no training subject, or without alignment, targets differ.
        """
        self.training_subjects_ = tuple(X if training_subjects is None else training_subjects)
        if not self.training_subjects_:
            raise InputError("a pooled decoder needs a training subject", expected=list(X))
        if self.method == "none":
            self._choose_common_targets(X, Y, runs)
        else:
            self._align(self.method, X, Y, runs)
        pooled, embedding, joined = self._pooled(X, Y, runs)
        self.decoder_ = RidgeDecoder(device=self.device).fit(pooled, embedding, runs=joined)
        return self

    def predict(self, X: Floating, *, runs: Runs, subject: str) -> Float64:
        """Decode features of windows of a subject.

        Parameters
        ----------
        X : array, shape (n_windows, n_targets)
            Responses.
        runs : Runs
            Runs of the windows.
        subject : str
            One of the subjects of the fit.

        Returns
        -------
        array, shape (n_windows, n_dimensions)
        """
        return self.decoder_.predict(self._aligned(subject, X), runs=runs)

    def cross_val_predict(self, X: BySubject, Y: BySubject, *, runs: Mapping[str, Runs], subject: str) -> Float64:
        """Decode the training windows of a subject by a decoder of the other folds of all training subjects.

        The alignment stays that of the fit. A subject outside of the training subjects is decoded by the fit itself.

        Parameters
        ----------
        X, Y, runs
            As given to :meth:`fit`.
        subject : str

        Returns
        -------
        array, shape (n_windows, n_dimensions)
        """
        if subject not in self.training_subjects_:
            return self.predict(X[subject], runs=runs[subject], subject=subject)
        pooled, embedding, joined = self._pooled(X, Y, runs)
        predicted = self.decoder_.cross_val_predict(pooled, embedding, runs=joined)
        owner = np.repeat(self.training_subjects_, [len(runs[name]) for name in self.training_subjects_])
        return np.asarray(predicted[owner == subject])

    def _pooled(self, X: BySubject, Y: BySubject, runs: Mapping[str, Runs]) -> tuple[Floating, Floating, Runs]:
        """Aligned responses, embedding and runs of all training subjects."""
        names = self.training_subjects_
        aligned = np.concatenate([self._aligned(name, X[name]) for name in names])
        return aligned, np.concatenate([Y[name] for name in names]), _joined({name: runs[name] for name in names})

    def _choose_common_targets(self, X: BySubject, Y: BySubject, runs: Mapping[str, Runs]) -> None:
        """Choose the same targets in all subjects, by the training subjects together."""
        if len({responses.shape[1] for responses in X.values()}) > 1:
            found = {name: responses.shape[1] for name, responses in X.items()}
            raise InputError("subjects without alignment need the same targets", found=found)
        names = self.training_subjects_
        values = np.concatenate([_standardised(X[name], X[name]) for name in names])
        embedding, joined = np.concatenate([Y[name] for name in names]), _joined({name: runs[name] for name in names})
        usable = np.all([varying(responses) for responses in X.values()], axis=0)
        chosen = predicted_targets(
            values, embedding, runs=joined, chosen=usable, n_targets=self.n_targets, device=self.device
        )
        self.targets_ = dict.fromkeys(X, chosen)
        self.reference_ = {name: responses[:, chosen] for name, responses in X.items()}

    def _align(self, method: Method, X: BySubject, Y: BySubject, runs: Mapping[str, Runs]) -> None:
        """Choose targets in each subject, then align the subjects."""
        self.targets_ = {
            name: predicted_targets(responses, Y[name], runs=runs[name], n_targets=self.n_targets, device=self.device)
            for name, responses in X.items()
        }
        alignment = Alignment(method, n_components=self.n_components, device=self.device)
        self.alignment_ = alignment.fit({name: X[name][:, self.targets_[name]] for name in X}, runs=runs)

    def _aligned(self, subject: str, responses: Floating) -> Float64:
        if subject not in self.targets_:
            raise InputError(
                "the decoder was not fitted with this subject", found=subject, expected=list(self.targets_)
            )
        chosen = responses[:, self.targets_[subject]]
        if self.method == "none":
            return _standardised(chosen, self.reference_[subject])
        return self.alignment_.transform(chosen, subject=subject)


def _standardised(values: Floating, reference: Floating) -> Float64:
    deviation = reference.std(axis=0, dtype=np.float64)
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    return np.asarray((values - reference.mean(axis=0, dtype=np.float64)) * scale)


def _joined(runs: Mapping[str, Runs]) -> Runs:
    """Runs named after their subject too; blocks keep their names, so that a fold holds them out in all subjects."""
    return Runs.concatenate(
        [replace(part, run=np.array([f"{name}/{run}" for run in part.run])) for name, part in runs.items()]
    )
