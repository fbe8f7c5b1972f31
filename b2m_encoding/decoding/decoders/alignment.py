"""Functional alignment: responses of several subjects in one space, by clips presented to all of them in training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Float64, Floating
from b2m_encoding.decoding.decoders.base import usable_targets
from b2m_encoding.errors import InputError
from b2m_encoding.models import EncodingModel
from b2m_encoding.runs import Runs

Method = Literal["ridge", "procrustes", "srm"]
ITERATIONS = 10
PENALTIES = tuple(np.logspace(-4, 4, 17).tolist())


class Alignment:
    """Maps from the responses of each subject into a space that they share.

    Responses are standardised and reduced to their principal components, subject by subject. Then

    - ``ridge`` predicts the components of the reference (the first subject) from those of each other subject, one
      penalty per component, and gives the predictions the spread of the reference, for ridge shrinks (Ferrante et al.
      2024, arXiv 2406.15537);
    - ``procrustes`` rotates the components of every subject onto their common mean (hyperalignment; Haxby et al. 2011,
      doi 10.1016/j.neuron.2011.08.026);
    - ``srm`` estimates fewer responses, shared by all, and an orthonormal basis of them in every subject (the shared
      response model, deterministic; Chen et al. 2015, Advances in Neural Information Processing Systems 28).

    Fit it to training windows alone: responses to test clips must not shape the space in which they are decoded.

    Parameters
    ----------
    method : {"ridge", "procrustes", "srm"}
    n_components : int
        Largest number of principal components of each subject.
    n_shared : int
        Largest number of responses of the shared response model.
    device : str

    Attributes
    ----------
    subjects_ : tuple of str
    n_dimensions_ : int
        Number of dimensions of the shared space.
    """

    def __init__(
        self, method: Method = "procrustes", *, n_components: int = 100, n_shared: int = 50, device: str = "auto"
    ) -> None:
        if method not in ("ridge", "procrustes", "srm"):
            raise InputError("unknown alignment", found=method, expected='"ridge", "procrustes" or "srm"')
        self.method = method
        self.n_components = n_components
        self.n_shared = n_shared
        self.device = device

    def fit(self, X: Mapping[str, Floating], *, runs: Mapping[str, Runs]) -> Self:
        """Fit to training windows; those of clips that were presented to all subjects are matched.

        Parameters
        ----------
        X : dict of subject to array, shape (n_windows, n_targets)
            Responses; the number of targets may differ.
        runs : dict of subject to Runs
            Runs of the windows.

        Raises
        ------
        InputError
            If there are fewer than two subjects, or they share too few windows.
        """
        rows = matched_windows(runs)
        n = len(next(iter(rows.values())))
        self.subjects_ = tuple(X)
        fitted = {name: Components.fit(X[name][rows[name]], min(self.n_components, n - 1)) for name in rows}
        size = min(len(components.axes.T) for components in fitted.values())
        self.components_ = {name: components.first(size) for name, components in fitted.items()}
        reduced = {name: self.components_[name].transform(X[name][rows[name]]) for name in rows}
        if self.method == "ridge":
            reference = self.subjects_[0]
            matched = {name: runs[name].take(rows[name]) for name in rows}
            self.maps_ = {name: self._regressed(reduced[name], reduced[reference], matched[name]) for name in rows}
            self.maps_[reference] = np.eye(size)
        elif self.method == "procrustes":
            self.maps_ = rotations(reduced)
        else:
            self.maps_ = shared_responses(reduced, min(self.n_shared, size))
        self.n_dimensions_ = next(iter(self.maps_.values())).shape[1]
        return self

    def transform(self, X: Floating, *, subject: str) -> Float64:
        """Map responses of a subject into the shared space.

        Parameters
        ----------
        X : array, shape (n_windows, n_targets)
            Responses.
        subject : str
            One of the subjects of the fit.

        Returns
        -------
        array, shape (n_windows, n_dimensions)
        """
        if subject not in self.components_:
            raise InputError(
                "the alignment was not fitted with this subject", found=subject, expected=list(self.components_)
            )
        return np.asarray(self.components_[subject].transform(X) @ self.maps_[subject])

    def _regressed(self, components: Float64, reference: Float64, runs: Runs) -> Float64:
        """Ridge weights from components to those of the reference, with the spread of the reference."""
        model = EncodingModel(delays=None, alphas=PENALTIES, standardize=False, device=self.device)
        weights = np.asarray(model.fit(components, reference, runs=runs).coef_["features"][0], dtype=np.float64)
        spread = (components @ weights).std(axis=0)
        factor = np.divide(reference.std(axis=0), spread, out=np.zeros_like(spread), where=spread > 1e-9)
        return np.asarray(weights * factor)


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components of standardised responses, of unit total variance.

    Parameters
    ----------
    targets : array of int, shape (n_varying,)
        Targets that vary.
    mean, scale : array, shape (n_varying,)
    axes : array, shape (n_varying, n_components)
    """

    targets: NDArray[np.intp]
    mean: Float64
    scale: Float64
    axes: Float64

    @classmethod
    def fit(cls, responses: Floating, n_components: int) -> Components:
        """Components of training windows."""
        targets = usable_targets(responses)
        usable = responses[:, targets].astype(np.float64)
        mean, scale = usable.mean(axis=0), 1 / usable.std(axis=0)
        z = (usable - mean) * scale
        values, vectors = np.linalg.eigh(z @ z.T)
        order = np.argsort(values)[::-1][:n_components]
        order = order[values[order] > 1e-9 * values[-1]]
        axes = z.T @ vectors[:, order] / np.sqrt(values[order])
        return cls(targets, mean, scale, axes * np.sqrt(len(z) / values[order].sum()))

    def first(self, n_components: int) -> Components:
        """The first components only."""
        return Components(self.targets, self.mean, self.scale, self.axes[:, :n_components])

    def transform(self, responses: Floating) -> Float64:
        """Components of responses, shape (n_windows, n_components)."""
        return np.asarray(((responses[:, self.targets] - self.mean) * self.scale) @ self.axes)


def matched_windows(runs: Mapping[str, Runs]) -> dict[str, NDArray[np.intp]]:
    """Rows of the used windows that all subjects share, in one order: clip, presentation, place in the clip.

    Raises
    ------
    InputError
        If there are fewer than two subjects, or fewer than three windows in common.

    Examples
    --------
    >>> a = Runs.from_labels(["r"] * 4, 1.5, clip=["x", "x", "y", "z"])
    >>> b = Runs.from_labels(["s"] * 3, 1.5, clip=["y", "x", "x"])
    >>> {name: rows.tolist() for name, rows in matched_windows({"1": a, "2": b}).items()}
    {'1': [0, 1, 2], '2': [1, 2, 0]}
    """
    if len(runs) < 2:
        raise InputError("alignment needs two subjects", found=list(runs))
    places = {name: _places(part) for name, part in runs.items()}
    first = next(iter(places.values()))
    common = [key for key in first if all(key in rows for rows in places.values())]
    if len(common) < 3:
        raise InputError(
            "subjects share too few training windows to be aligned",
            found=len(common),
            expected="clips that were presented to all",
        )
    return {name: np.array([rows[key] for key in common]) for name, rows in places.items()}


def _places(runs: Runs) -> dict[tuple[str, int, int], int]:
    """Row of every used window, by its clip, the number of the presentation of this clip, and its place in it."""
    presented: dict[str, int] = {}
    places: dict[tuple[str, int, int], int] = {}
    for rows in runs.presentations:
        if not runs.used[rows].any():
            continue
        clip = str(runs.clip[rows.start])
        presented[clip] = number = presented.get(clip, 0) + 1
        places |= {(clip, number, row - rows.start): row for row in range(rows.start, rows.stop) if runs.used[row]}
    return places


def rotations(reduced: Mapping[str, Float64]) -> dict[str, Float64]:
    """Rotation of each subject's components onto the mean of all, shape (n_components, n_components) each.

    The first subject is the first template; every rotation is the best one onto the current template
    (Schoenemann 1966, doi 10.1007/BF02289451).
    """
    template = next(iter(reduced.values()))
    maps: dict[str, Float64] = {}
    for _ in range(ITERATIONS):
        maps = {name: _polar(values.T @ template) for name, values in reduced.items()}
        template = np.mean([values @ maps[name] for name, values in reduced.items()], axis=0)
    return maps


def shared_responses(reduced: Mapping[str, Float64], n_shared: int) -> dict[str, Float64]:
    """Orthonormal basis of the shared responses in each subject's components, shape (n_components, n_shared) each."""
    left, strength, _ = np.linalg.svd(np.concatenate(list(reduced.values()), axis=1), full_matrices=False)
    shared = left[:, :n_shared] * strength[:n_shared]
    maps: dict[str, Float64] = {}
    for _ in range(ITERATIONS):
        maps = {name: _polar(values.T @ shared) for name, values in reduced.items()}
        shared = np.mean([values @ maps[name] for name, values in reduced.items()], axis=0)
    return maps


def _polar(product: Floating) -> Float64:
    """Nearest matrix with orthonormal columns."""
    left, _, right = np.linalg.svd(product, full_matrices=False)
    return np.asarray(left @ right)
