"""Feature spaces: features of every sample with their provenance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from b2m_encoding._typing import Bands, Float32, Float64
from b2m_encoding.errors import InputError
from b2m_encoding.notebook import html_table
from b2m_encoding.runs import Runs


@dataclass(frozen=True, eq=False)
class FeatureSpace:
    """Features of one kind, aligned with the samples of ``runs``.

    Parameters
    ----------
    name : str
        Name under ``[features]`` of the study.
    values : array, shape (n_samples, n_features)
    runs : Runs
        Run, time and clip of the samples.
    provenance : mapping
        Options of the extractor, model, revision and hashes: plain JSON values.

    Raises
    ------
    InputError
        If the numbers of samples differ, there is no feature, or a value is not finite.
    """

    name: str
    values: Float32
    runs: Runs
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name:
            raise InputError("a feature space has no name")
        values = np.asarray(self.values)
        if values.dtype.kind not in "iufb" or values.ndim != 2 or values.shape[1] == 0:
            found = f"{values.dtype}, shape {values.shape}"
            raise InputError(f"feature space {self.name} is no table", found=found, expected="(n_samples, n_features)")
        object.__setattr__(self, "values", values)  # of a list or a DataFrame
        self.runs.check_length(values, f"feature space {self.name}")
        bad = np.argwhere(~np.isfinite(self.values))
        if len(bad):
            row, column = bad[0].tolist()
            raise InputError(
                f"feature space {self.name} contains a value that is not finite",
                found=f"{self.values[row, column]} in run {self.runs.run[row]} at {self.runs.time[row]:g} s",
                expected="finite numbers",
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features (tags of a music tagger, acoustic features), or none."""
        named = self.provenance.get("pretrained", {}).get("names", {}).get(str(self.provenance.get("layer")), ())
        names = tuple(named or self.provenance.get("names", ()))
        return names if len(names) == self.values.shape[1] else ()

    def __repr__(self) -> str:
        n_samples, n_features = self.values.shape
        made = self.provenance.get("model") or self.provenance.get("extractor")
        return f"<FeatureSpace {self.name}: {n_samples} samples x {n_features} features{f', {made}' if made else ''}>"

    def _repr_html_(self) -> str:
        n_samples, n_features = self.values.shape
        made = [(key, value) for key, value in self.provenance.items() if not isinstance(value, dict | list)]
        rows = [("samples", n_samples), ("features", n_features), ("runs", len(self.runs.names)), *made]
        return html_table((f"FeatureSpace {self.name}", ""), rows)

    def principal_components(self, n_components: int | float, training_rows: NDArray[np.intp]) -> FeatureSpace:
        """Project onto principal components that are fitted to the training rows alone.

        Parameters
        ----------
        n_components : int or float
            Number of components, or below 1 the share of the training variance to keep. Directions without variance
            are omitted.
        training_rows : array of int
            Rows that the components are fitted to.

        Returns
        -------
        FeatureSpace
            Component scores, shape (n_samples, n_components), centred on the training rows.
        """
        training = self.values[training_rows].astype(np.float64)
        mean = training.mean(axis=0)
        axes = principal_axes(training - mean, n_components)
        provenance = {**self.provenance, "principal_components": axes.shape[1]}
        return replace(self, values=((self.values - mean) @ axes).astype(np.float32), provenance=provenance)


def principal_axes(centred: Float64, n_components: int | float) -> Float64:
    """First principal axes, shape (n_features, n_components), from the smaller of the two Gram matrices.

    Symmetric eigenproblems always converge; a singular value decomposition of nearly collinear embeddings may not.
    """
    wide = centred.shape[1] > centred.shape[0]
    values, vectors = scipy.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    rank = max(int((values > values[0] * 1e-10).sum()), 1)
    count = n_components
    if n_components < 1:
        count = int(np.searchsorted(np.cumsum(values), n_components * values.sum() * (1 - 1e-12))) + 1
    leading = slice(min(int(count), rank))
    axes = centred.T @ vectors[:, leading] if wide else vectors[:, leading]
    return np.asarray(axes / np.linalg.norm(axes, axis=0).clip(np.finfo(np.float64).tiny))


def all_subsets(names: Iterable[str]) -> list[Bands]:
    """Every non-empty set of feature spaces, small ones first.

    Examples
    --------
    >>> all_subsets(["a", "b"])
    [('a',), ('b',), ('a', 'b')]
    """
    members = list(names)
    return [chosen for size in range(1, len(members) + 1) for chosen in combinations(members, size)]
