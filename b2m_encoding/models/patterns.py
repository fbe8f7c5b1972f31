"""From weights to patterns: what varies with a model's output, not what the model needs to cancel noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.models.inputs import Floats


def patterns(weights: Floats, inputs: Floats, *, jointly: bool = True) -> NDArray[np.float64]:
    """Activation patterns of linear weights, ``cov(inputs) W cov(inputs W)^-1``.

    Weights of a decoder are large where a target helps to cancel the noise of others; the pattern is large where
    responses vary with what is decoded (Haufe et al. 2014, doi 10.1016/j.neuroimage.2013.10.067). Weights of an
    encoding model are such a filter too, of the features: there the pattern tells which features vary with the
    predicted response.

    Parameters
    ----------
    weights : array, shape (n_inputs, n_outputs)
        Of a decoder: inputs are responses, outputs decoded features. Of an encoding model: features and responses.
    inputs : array, shape (n_samples, n_inputs)
        Training samples.
    jointly : bool
        Hold the other outputs fixed, as for the few dimensions of a decoder; or take each output by itself, as for the
        many targets of an encoding model.

    Returns
    -------
    array, shape (n_inputs, n_outputs)
        Change of an input per unit of an output.

    Examples
    --------
    Of a fitted :class:`~b2m_encoding.decoding.ridge.RidgeDecoder` ``decoder``:
    ``patterns(decoder.model_.coef_["features"][0], responses[:, decoder.columns_])``; of an encoding model without
    delays: ``patterns(model.coef_["acoustic"][0], features, jointly=False)``.

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
