"""Layout of the design matrix: which columns belong to which feature space and delay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.features.delays import delay
from b2m_encoding.models.inputs import Floats, as_feature_spaces
from b2m_encoding.runs import Runs


@dataclass(frozen=True)
class Layout:
    """Feature spaces side by side, each with all its features at the first delay, then at the second, and so on.

    Parameters
    ----------
    features : dict of str to int
        Features of each feature space.
    constant : dict of str to array of bool, shape (n_features,)
        Features that do not vary in the training samples: their columns are zero, and so are their weights.
    delays : tuple of float
        Seconds; empty for none.
    """

    features: dict[str, int]
    constant: dict[str, NDArray[np.bool_]]
    delays: tuple[float, ...] = ()

    @classmethod
    def learn(cls, spaces: Mapping[str, Floats], runs: Runs, delays: Sequence[float] | None) -> Layout:
        """The layout of training data."""
        used = {name: values[runs.used] for name, values in spaces.items()}
        return cls(
            {name: values.shape[1] for name, values in spaces.items()},
            {name: np.asarray(rows.max(0) == rows.min(0)) for name, rows in used.items()},
            tuple(delays) if delays is not None else (),
        )

    def subset(self, names: Iterable[str]) -> Layout:
        """The layout of some of the feature spaces."""
        wanted = list(names)
        return replace(
            self,
            features={name: self.features[name] for name in wanted},
            constant={name: self.constant[name] for name in wanted},
        )

    @property
    def widths(self) -> dict[str, int]:
        """Columns of each feature space."""
        return {name: n * max(len(self.delays), 1) for name, n in self.features.items()}

    @property
    def columns(self) -> dict[str, slice]:
        """Where the columns of each feature space are."""
        stops = np.cumsum(list(self.widths.values())).tolist()
        return {name: slice(stop - n, stop) for (name, n), stop in zip(self.widths.items(), stops, strict=True)}

    def notes(self, n_named: int = 5) -> list[str]:
        """A note for every feature space that has constant features."""
        found = {name: np.flatnonzero(constant) for name, constant in self.constant.items()}
        return [
            f"{name}: {len(which)} features do not vary and were dropped (columns "
            f"{', '.join(map(str, which[:n_named]))}{', ...' if len(which) > n_named else ''})"
            for name, which in found.items()
            if len(which)
        ]

    def read(self, X: Any, runs: Runs | None, owner: str) -> dict[str, Floats]:
        """Feature spaces of new data, in the order of the layout.

        Raises
        ------
        InputError
            If they are not those of the training data.
        """
        spaces = as_feature_spaces(X, runs)
        if set(spaces) != set(self.features):
            raise InputError(
                "other feature spaces than were fitted", found=sorted(spaces), expected=list(self.features)
            )
        for name, values in spaces.items():
            if values.shape[1] != self.features[name]:
                raise InputError(
                    f"feature space {name}: X has {values.shape[1]} features, but {owner} is expecting "
                    f"{self.features[name]} features as input"
                )
        return {name: spaces[name] for name in self.features}

    def runs_of(self, spaces: Mapping[str, Floats], runs: Runs | None, name: str = "part-1") -> Runs:
        """The runs given; else, without delays, one run of five blocks."""
        if runs is not None:
            return runs
        return default_runs(len(next(iter(spaces.values()))), self.delays, name)

    def design(self, spaces: Mapping[str, Floats], runs: Runs) -> Floats:
        """The design matrix, shape (n_samples, n_columns)."""
        parts = []
        for name, values in spaces.items():
            if self.constant[name].any():
                values = np.where(self.constant[name], values.dtype.type(0), values)
            parts.append(delay(values, runs, self.delays) if self.delays else values)
        return np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]


def default_runs(n_samples: int, delays: Sequence[float] | None, name: str = "part-1") -> Runs:
    """One run of five blocks, for data without delays."""
    if delays is not None and len(delays):
        raise InputError("delays need runs, so that no sample crosses into another run", fix="pass runs=Runs(...)")
    blocks = [f"{name}/{i * min(n_samples, 5) // n_samples + 1}" for i in range(n_samples)]
    return Runs.from_labels([name] * n_samples, 1.0, block=blocks)
