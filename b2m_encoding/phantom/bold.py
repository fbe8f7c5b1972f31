"""Simulated BOLD of a run: weighted features, convolved with a haemodynamic response, with noise and drift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.signal import lfilter

from b2m_encoding._typing import Float32, Floating
from b2m_encoding.features.delays import canonical_response
from b2m_encoding.phantom.brain import DRIVES, SPACES, Brain, averaging, cortex, smooth_fields
from b2m_encoding.phantom.design import TR

N_DIRECTIONS = {"acoustic": 24, "text": 16}
"""Number of leading directions of each feature space with weights."""
HRF_SECONDS, FINE = 27.0, 0.1
PERCENT = 0.01
"""Standard deviation of the noise over the raw signal."""
RHO, GLOBAL_SHARE = (0.3, 0.5), 0.25


def zscored(values: Floating, reference: Floating) -> Float32:
    """Standardise by the mean and standard deviation of a reference; constant columns become zero."""
    deviation = reference.std(axis=0)
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 1e-9)
    return np.asarray((values - reference.mean(axis=0)) * scale, dtype=np.float32)


def draw_weights(features: Mapping[str, Float32], brain: Brain, rng: np.random.Generator) -> dict[str, Float32]:
    """Draw weights that vary smoothly over the cortex, for the leading directions of each feature space.

    Parameters
    ----------
    features : mapping of str to array, shape (n_samples, n_features)
        Z-scored features of the whole study.

    Returns
    -------
    dict of str to array, shape (n_features, n_targets)
        Zero where the feature space does not drive the vertex; elsewhere of unit variance over the study.
    """
    weights = {}
    for name in SPACES:
        values = features[name].astype(np.float64)
        directions = np.linalg.eigh(values.T @ values)[1][:, -N_DIRECTIONS[name] :]
        drawn = directions @ smooth_fields(rng, directions.shape[1], 5).T
        driven = (brain.drive == DRIVES.index(name)) | (brain.drive == DRIVES.index("both"))
        weights[name] = (drawn * driven / (features[name] @ drawn).std(axis=0)).astype(np.float32)
    return weights


def kernels(delay: Floating) -> Float32:
    """Haemodynamic response to one TR of unit drive at the following volumes, shape (n_taps, n_targets).

    The canonical double gamma is sampled every 0.1 s and shifted by the delay (s) of each target; a volume is acquired
    in the middle of its TR.
    """
    n_taps, fine = round(HRF_SECONDS / TR), round(TR / FINE)
    time = (np.arange(n_taps * fine) + 0.5) * FINE - TR / 2
    steps, inverse = np.unique(np.round(delay, 1), return_inverse=True)
    late = time[:, None] - steps
    taps = canonical_response(late).reshape(n_taps, fine, -1).sum(axis=1) * FINE
    return np.asarray(taps[:, inverse], dtype=np.float32)


def respond(features: Sequence[Mapping[str, Float32]], weights: Mapping[str, Float32], brain: Brain) -> list[Float32]:
    """Noiseless responses of the driven vertices in every run, of unit variance over all runs.

    Parameters
    ----------
    features : sequence of mappings of str to array, shape (n_samples, n_features)
        Z-scored features of each run; there is no drive before a run.

    Returns
    -------
    list of array, shape (n_samples, n_driven)
    """
    driven = brain.drive > 0
    taps = kernels(brain.delay[driven])
    responses = []
    for run_features in features:
        drive = np.sum([run_features[name] @ weights[name][:, driven] for name in SPACES], axis=0)
        response = np.zeros_like(drive)
        for i, tap in enumerate(taps):
            response[i:] += drive[: len(drive) - i] * tap
        responses.append(response)
    deviation = np.concatenate(responses).std(axis=0)
    return [response / deviation for response in responses]


def noise(n_samples: int, rng: np.random.Generator) -> Float32:
    """Draw autocorrelated noise of unit variance, smooth in space, with a global component."""
    space, _ = cortex()
    rho = rng.uniform(*RHO)
    white = rng.standard_normal((n_samples + 20, space.n_targets), dtype=np.float32)
    smooth = white + 2.0 * (averaging(space) @ white.T).T
    common = rng.standard_normal((n_samples + 20, 1), dtype=np.float32)
    loading = np.sqrt(GLOBAL_SHARE) * (1.0 + 0.3 * smooth_fields(rng, 1, 12)[:, 0])
    smooth = smooth / smooth.std() * np.float32(np.sqrt(1 - GLOBAL_SHARE)) + common * loading
    filtered = lfilter(np.array([np.sqrt(1 - rho**2)], np.float32), np.array([1.0, -rho], np.float32), smooth, axis=0)
    return np.asarray(filtered[20:], dtype=np.float32)


def drift(n_samples: int, rng: np.random.Generator) -> Float32:
    """Draw a linear trend and slow cosines in units of the noise, with smooth maps of amplitudes."""
    time = np.linspace(0.0, 1.0, n_samples, dtype=np.float32)
    periods = n_samples * TR / np.array([600.0, 350.0, 200.0])
    basis = np.stack([time - 0.5, *(0.5 * np.cos(2 * np.pi * (n * time + rng.random())) for n in periods)])
    return np.asarray(basis.T.astype(np.float32) @ smooth_fields(rng, len(basis), 6).T, dtype=np.float32)


def record(response: Float32 | None, n_samples: int, brain: Brain, rng: np.random.Generator) -> Float32:
    """Simulate the raw BOLD of one run in whole numbers, as of a scanner, shape (n_samples, n_targets).

    Parameters
    ----------
    response : array, shape (n_samples, n_driven), optional
        Output of :func:`respond`; None for a run without drive.
    """
    bold = noise(n_samples, rng) + drift(n_samples, rng)
    if response is not None:
        bold[:, brain.drive > 0] += response * brain.snr[brain.drive > 0]
    bold = brain.baseline * (1.0 + np.float32(PERCENT) * bold)
    bold[:, brain.constant] = brain.baseline[brain.constant]
    bold[:, brain.missing] = np.nan
    return np.asarray(np.rint(bold), dtype=np.float32)
