"""Activation patterns of linear models: the inputs that vary with an output, without the weights that cancel noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from b2m_encoding._typing import Float64, Floating
from b2m_encoding.errors import InputError
from b2m_encoding.features.delays import delay
from b2m_encoding.models.fitted import FittedModel
from b2m_encoding.runs import Runs


def patterns(weights: Floating, inputs: Floating, *, jointly: bool = True) -> Float64:
    """Compute the activation patterns of linear weights, ``cov(inputs) W cov(inputs W)^-1``.

    Weights of a decoder are large where a target helps to cancel the noise of others; the pattern is large where
    responses vary with what is decoded (Haufe et al. 2014, doi 10.1016/j.neuroimage.2013.10.067). Weights of an
    encoding model are such a filter of the features: there the pattern is large for features that vary with the
    predicted response.

    Parameters
    ----------
    weights : array, shape (n_inputs, n_outputs)
        A decoder has responses as inputs and decoded features as outputs, an encoding model features and responses.
    inputs : array, shape (n_samples, n_inputs)
        Training samples.
    jointly : bool
        Hold the other outputs fixed, as for the few dimensions of a decoder; or regress on each output alone, as for
        the many targets of an encoding model.

    Returns
    -------
    array, shape (n_inputs, n_outputs)
        Change of an input per unit of an output.

    Examples
    --------
    For a fitted :class:`~b2m_encoding.decoding.decoders.ridge.RidgeDecoder` ``decoder``:
    ``patterns(decoder.model_.coef_["features"][0], responses[:, decoder.columns_])``. For an encoding model:
    :func:`encoding_patterns`.

    A signal in the first input, noise in both: the decoder subtracts the second, which holds no signal.

    >>> rng = np.random.default_rng(0)
    >>> signal, noise = rng.standard_normal((2, 10_000))
    >>> patterns(np.array([[1.0], [-1.0]]), np.stack([signal + noise, noise], axis=1)).ravel().round(1) + 0.0
    array([1., 0.])
    """
    if weights.ndim != 2 or inputs.ndim != 2 or weights.shape[0] != inputs.shape[1]:
        raise InputError("weights and inputs do not fit", found=(weights.shape, inputs.shape))
    centred = np.asarray(inputs - inputs.mean(axis=0), dtype=np.float64)
    output = centred @ weights
    shared = centred.T @ output
    if jointly:
        return np.asarray(shared @ np.linalg.pinv(output.T @ output, hermitian=True))
    power = (output**2).sum(axis=0)
    return np.asarray(np.divide(shared, power, out=np.zeros_like(shared), where=power > 0))


def encoding_patterns(
    model: FittedModel, X: Floating | Mapping[str, Any], runs: Runs | None = None
) -> dict[str, Float64]:
    """Compute how features at each delay vary with the response that an encoding model predicts of each target.

    Where features are correlated, the weight may be spread over them or lie on one of them; the pattern is large for
    all that vary with the prediction (Haufe et al. 2014, doi 10.1016/j.neuroimage.2013.10.067).

    Parameters
    ----------
    model : EncodingModel
    X : array or dict of str to array (n_samples, n_features)
        Training samples of the model.
    runs : Runs, optional
        Needed if there are delays.

    Returns
    -------
    dict of str to array, shape (n_delays, n_features, n_targets)
        Change of each feature per unit of the predicted response; NaN for targets that were not tested.

    Examples
    --------
    The second feature is a copy of the first with noise: its weight is small, its pattern is not.

    >>> from b2m_encoding import EncodingModel
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((400, 1))
    >>> X = np.hstack([x, x + 0.3 * rng.standard_normal((400, 1))])
    >>> runs = Runs.from_lengths([200, 200], 1.5)
    >>> model = EncodingModel(None, alphas=[0.01]).fit(X, 2 * x, runs=runs)
    >>> model.coef_["features"].ravel().round(1) + 0.0, encoding_patterns(model, X, runs)["features"].ravel().round(1)
    (array([2., 0.], dtype=float32), array([0.5, 0.5]))
    """
    check_is_fitted(model, "weights_")
    spaces, runs = model.layout_.read(X, runs)
    predicted = np.asarray(model.predict(X, runs), dtype=np.float64).reshape(len(runs), -1)[runs.used]
    predicted -= predicted.mean(axis=0)
    power, delays = (predicted**2).sum(axis=0), model.layout_.delays or (0.0,)
    slopes = {}
    for name, values in spaces.items():
        delayed = delay(np.asarray(values, dtype=np.float64), runs, delays)[runs.used]
        shared = (delayed - delayed.mean(axis=0)).T @ predicted
        slope = np.divide(shared, power, out=np.zeros_like(shared), where=power != 0)
        slopes[name] = slope.reshape(len(delays), -1, len(power))
    return slopes
