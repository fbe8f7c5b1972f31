"""Functional alignment: responses of several people in one space, from clips that all of them heard in training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.decoding.decoders.base import Floats, usable_targets
from b2m_encoding.errors import InputError
from b2m_encoding.models import EncodingModel
from b2m_encoding.runs import Runs

Array = NDArray[np.float64]
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
    - ``srm`` finds fewer responses that all share, and an orthonormal basis of them in every subject (the shared
      response model, deterministic; Chen et al. 2015, Advances in Neural Information Processing Systems 28).

    Fit it to training windows alone: the responses to test clips must not shape the space they are decoded in.

    Parameters
    ----------
    method : {"ridge", "procrustes", "srm"}
    n_components : int
        Principal components of each subject, at most.
    n_shared : int
        Responses of the shared response model, at most.
    device : str

    Attributes
    ----------
    subjects_ : tuple of str
    n_dimensions_ : int
        Of the shared space.
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

    def fit(self, responses: Mapping[str, Floats], runs: Mapping[str, Runs]) -> Alignment:
        """Fit to training windows; those of clips that all subjects heard are matched.

        Parameters
        ----------
        responses : dict of subject to array (n_windows, n_targets)
            The number of targets may differ.
        runs : dict of subject to Runs
            Of the windows.

        Raises
        ------
        InputError
            If there are fewer than two subjects, or they share too few windows.
        """
        rows = matched_windows(runs)
        n = len(next(iter(rows.values())))
        self.subjects_ = tuple(responses)
        own = {name: Components.of(responses[name][rows[name]], min(self.n_components, n - 1)) for name in rows}
        size = min(len(one.axes.T) for one in own.values())
        self.components_ = {name: one.first(size) for name, one in own.items()}
        reduced = {name: self.components_[name](responses[name][rows[name]]) for name in rows}
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

    def __call__(self, subject: str, responses: Floats) -> Array:
        """Responses of a subject in the shared space, shape (n_windows, n_dimensions)."""
        if subject not in self.components_:
            raise InputError("the alignment does not know this subject", found=subject, expected=list(self.components_))
        return np.asarray(self.components_[subject](responses) @ self.maps_[subject])

    def _regressed(self, own: Array, reference: Array, runs: Runs) -> Array:
        model = EncodingModel(delays=None, alphas=PENALTIES, standardize=False, device=self.device)
        weights = np.asarray(model.fit(own, reference, runs=runs).coef_["features"][0], dtype=np.float64)
        spread = (own @ weights).std(axis=0)
        factor = np.divide(reference.std(axis=0), spread, out=np.zeros_like(spread), where=spread > 1e-9)
        return np.asarray(weights * factor)


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components of standardised responses, of unit total variance.

    Parameters
    ----------
    targets : array of int
        Those that vary.
    mean, scale : array, shape (n_varying,)
    axes : array, shape (n_varying, n_components)
    """

    targets: NDArray[np.intp]
    mean: Array
    scale: Array
    axes: Array

    @classmethod
    def of(cls, responses: Floats, n_components: int) -> Components:
        """Of training windows."""
        targets = usable_targets(responses)
        own = responses[:, targets].astype(np.float64)
        mean, scale = own.mean(axis=0), 1 / own.std(axis=0)
        z = (own - mean) * scale
        values, vectors = np.linalg.eigh(z @ z.T)
        kept = np.argsort(values)[::-1][:n_components]
        kept = kept[values[kept] > 1e-9 * values[-1]]
        axes = z.T @ vectors[:, kept] / np.sqrt(values[kept])
        return cls(targets, mean, scale, axes * np.sqrt(len(z) / values[kept].sum()))

    def first(self, n_components: int) -> Components:
        """The first of them."""
        return Components(self.targets, self.mean, self.scale, self.axes[:, :n_components])

    def __call__(self, responses: Floats) -> Array:
        """Components of responses, shape (n_windows, n_components)."""
        return np.asarray(((responses[:, self.targets] - self.mean) * self.scale) @ self.axes)


def matched_windows(runs: Mapping[str, Runs]) -> dict[str, NDArray[np.intp]]:
    """Rows of the used windows that all subjects share, in one order: clip, how often it was heard, place in it.

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
    places = {name: _places(one) for name, one in runs.items()}
    first = next(iter(places.values()))
    common = [key for key in first if all(key in own for own in places.values())]
    if len(common) < 3:
        raise InputError(
            "subjects share too few training windows to be aligned", found=len(common), expected="clips that all heard"
        )
    return {name: np.array([own[key] for key in common]) for name, own in places.items()}


def _places(runs: Runs) -> dict[tuple[str, int, int], int]:
    heard: dict[str, int] = {}
    found: dict[tuple[str, int, int], int] = {}
    for rows in runs.presentations:
        if not runs.used[rows].any():
            continue
        clip = str(runs.clip[rows.start])
        heard[clip] = heard.get(clip, 0) + 1
        found |= {(clip, heard[clip], row - rows.start): row for row in range(rows.start, rows.stop) if runs.used[row]}
    return found


def rotations(reduced: Mapping[str, Array]) -> dict[str, Array]:
    """Rotation of each subject's components onto the mean of all, shape (n_components, n_components) each.

    Starts from the first subject; every rotation is the best there is for the mean of the time
    (Schoenemann 1966, doi 10.1007/BF02289451).
    """
    template = next(iter(reduced.values()))
    found: dict[str, Array] = {}
    for _ in range(ITERATIONS):
        found = {name: _polar(values.T @ template) for name, values in reduced.items()}
        template = np.mean([values @ found[name] for name, values in reduced.items()], axis=0)
    return found


def shared_responses(reduced: Mapping[str, Array], n_shared: int) -> dict[str, Array]:
    """Orthonormal basis of the shared responses in each subject's components, shape (n_components, n_shared) each."""
    left, strength, _ = np.linalg.svd(np.concatenate(list(reduced.values()), axis=1), full_matrices=False)
    shared = left[:, :n_shared] * strength[:n_shared]
    found: dict[str, Array] = {}
    for _ in range(ITERATIONS):
        found = {name: _polar(values.T @ shared) for name, values in reduced.items()}
        shared = np.mean([values @ found[name] for name, values in reduced.items()], axis=0)
    return found


def _polar(product: Any) -> Array:
    """The matrix with orthonormal columns that is nearest."""
    left, _, right = np.linalg.svd(product, full_matrices=False)
    return np.asarray(left @ right)
