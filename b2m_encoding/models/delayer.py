"""Delays as a transformer of scikit-learn, within runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from b2m_encoding._typing import Floating
from b2m_encoding.errors import InputError
from b2m_encoding.features.delays import delay
from b2m_encoding.models.inputs import UNNAMED, as_feature_spaces, set_feature_names
from b2m_encoding.runs import Runs


class Delayer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Copies of the features at several delays (FIR), zero before the start of every run.

    :class:`~b2m_encoding.models.model.EncodingModel` delays features itself; this is for pipelines of other models.
    In a pipeline, runs come by metadata routing: ``set_fit_request(runs=True)``, ``set_transform_request(runs=True)``.

    Parameters
    ----------
    delays : sequence of float
        Seconds, multiples of the repetition time; samples where ``runs`` are labels.

    Attributes
    ----------
    n_features_in_ : int
    feature_names_in_ : array of str, shape (n_features,)
        Where X was a DataFrame.

    Examples
    --------
    >>> Delayer([0, 1]).fit_transform(np.array([[1.0], [2.0], [3.0], [4.0]]), runs=["a", "a", "b", "b"]).T
    array([[1., 2., 3., 4.],
           [0., 1., 0., 3.]])
    """

    def __init__(self, delays: Sequence[float] = (3.0, 4.5, 6.0, 7.5)) -> None:
        self.delays = delays

    def fit(self, X: Any, y: Any = None, runs: Runs | ArrayLike | None = None) -> Self:
        """Learn the number of features; ``y`` is not used."""
        [values] = as_feature_spaces(X).values()
        self.n_features_in_ = values.shape[1]
        set_feature_names(self, X)
        return self

    def transform(self, X: Any, runs: Runs | ArrayLike | None = None) -> Floating:
        """Delay features, shape (n_samples, n_delays * n_features): all at the first delay, then all at the second.

        Parameters
        ----------
        X : array, shape (n_samples, n_features)
        runs : Runs, or label of the run of every sample
            Delays do not cross from one run into the next.

        Raises
        ------
        InputError
            If there are no runs, or another number of features than in :meth:`fit`.
        """
        check_is_fitted(self)
        if runs is None:
            raise InputError(
                "delays need runs, so that no sample crosses into another run",
                fix="pass runs=Runs(...), or in a pipeline set_transform_request(runs=True)",
            )
        [values] = as_feature_spaces(X).values()
        if values.shape[1] != self.n_features_in_:
            raise InputError(
                f"X has {values.shape[1]} features, but Delayer is expecting {self.n_features_in_} features as input"
            )
        if self.delays is None or not len(self.delays):
            raise InputError("a Delayer needs delays", found=self.delays, expected="seconds, such as (3, 4.5)")
        return delay(values, runs if isinstance(runs, Runs) else Runs.from_labels(runs, 1.0), self.delays)

    def fit_transform(self, X: Any, y: Any = None, runs: Runs | ArrayLike | None = None) -> Floating:
        """:meth:`fit`, then :meth:`transform`."""
        return self.fit(X).transform(X, runs=runs)

    def get_feature_names_out(self, input_features: Sequence[str] | None = None) -> NDArray[Any]:
        """Names of the columns, such as ``loudness_delay3``, shape (n_delays * n_features,)."""
        check_is_fitted(self)
        names = getattr(self, "feature_names_in_", [f"{UNNAMED}{i}" for i in range(self.n_features_in_)])
        names = names if input_features is None else input_features
        return np.asarray([f"{name}_delay{seconds:g}" for seconds in self.delays for name in names], dtype=object)
