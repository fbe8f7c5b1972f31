"""A feature space: named features for every sample, and where they came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs


@dataclass(frozen=True, eq=False)
class FeatureSpace:
    """Features of one kind, aligned with the samples of ``runs``.

    Parameters
    ----------
    name : str
    values : array, shape (n_samples, n_features)
    runs : Runs
    provenance : mapping
        Extractor, model, revision, window and the like.

    Raises
    ------
    InputError
        If the lengths differ, or a value of a used sample is not finite.
    """

    name: str
    values: NDArray[np.float32]
    runs: Runs
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.runs.check_length(self.values, f"feature space {self.name}")
        if self.values.ndim != 2 or self.values.shape[1] == 0:
            raise InputError(f"feature space {self.name} is empty", found=self.values.shape)
        bad = np.argwhere(~np.isfinite(self.values))
        if len(bad):
            row, column = bad[0].tolist()
            raise InputError(
                f"feature space {self.name} holds a value that is not finite",
                found=f"{self.values[row, column]} in run {self.runs.run[row]} at {self.runs.time[row]:g} s",
                expected="finite numbers",
            )

    def principal_components(self, n_components: int, training_rows: NDArray[np.intp]) -> FeatureSpace:
        """Project onto the first components of the training rows alone; held-out rows never shape them."""
        training = self.values[training_rows]
        mean = training.mean(axis=0)
        axes = np.linalg.svd(training - mean, full_matrices=False)[2][:n_components]
        provenance = {**self.provenance, "principal_components": len(axes)}
        return replace(self, values=(self.values - mean) @ axes.T, provenance=provenance)
