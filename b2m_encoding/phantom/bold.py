"""BOLD of one run: features through weights and a haemodynamic response, under noise and drift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.stats import gamma

from b2m_encoding.phantom.brain import DRIVES, SPACES, Brain, averaging, cortex, smooth_fields
from b2m_encoding.phantom.design import TR

Array = NDArray[np.float32]

N_DIRECTIONS = {"acoustic": 16, "text": 10}
"""Leading directions of each feature space that the cortex is tuned to."""
HRF_SECONDS, FINE = 27.0, 0.1
PERCENT = 0.01
"""Standard deviation of the noise over the raw signal."""
RHO, GLOBAL_SHARE = (0.3, 0.5), 0.25


@dataclass(frozen=True, eq=False)
class Tuning:
    """Weights of one subject.

    Parameters
    ----------
    weights : mapping of str to array, shape (n_features, n_targets)
        For z-scored features; zero where the feature space does not drive the vertex. The driven response has
        unit variance over the study, before the haemodynamic response.
    """

    weights: Mapping[str, Array]


def zscored(values: NDArray[np.floating], reference: NDArray[np.floating]) -> Array:
    """Centre and scale by the mean and deviation of a reference; constant columns become zero."""
    deviation = reference.std(axis=0)
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 1e-9)
    return np.asarray((values - reference.mean(axis=0)) * scale, dtype=np.float32)


def draw_tuning(features: Mapping[str, Array], brain: Brain, rng: np.random.Generator) -> Tuning:
    """Draw weights that vary smoothly over the cortex.

    Parameters
    ----------
    features : mapping of str to array, shape (n_samples, n_features)
        Z-scored features of the whole study.
    """
    weights = {}
    for name in SPACES:
        values = features[name].astype(np.float64)
        _, spread, directions = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
        n_kept = min(N_DIRECTIONS[name], len(spread))
        fields = smooth_fields(rng, n_kept, 5) * (brain.drive[:, None] > 0)
        drawn = (directions[:n_kept].T @ fields.T.astype(np.float64)).astype(np.float32)
        deviation = (features[name] @ drawn).std(axis=0)
        share = np.select(
            [brain.drive == DRIVES.index(name), brain.drive == DRIVES.index("both")], [1.0, np.sqrt(0.5)], 0.0
        )
        weights[name] = (drawn * share / np.where(deviation > 0, deviation, 1.0)).astype(np.float32)
    return Tuning(weights)


def kernels(delay: NDArray[np.floating]) -> Array:
    """Response to one TR of unit drive at every following volume, shape (n_taps, n_targets).

    The canonical double gamma, sampled every 0.1 s and shifted by each target's delay; a volume is acquired in
    the middle of its TR.
    """
    n_taps, fine = round(HRF_SECONDS / TR), round(TR / FINE)
    time = (np.arange(n_taps * fine) + 0.5) * FINE - TR / 2
    response = np.empty((n_taps, len(delay)), dtype=np.float32)
    steps, inverse = np.unique(np.round(delay, 1), return_inverse=True)
    for i, step in enumerate(steps):
        late = time - step
        hrf = gamma.pdf(late, 6) - gamma.pdf(late, 16) / 6
        # a tap integrates over the TR that began `tap` volumes earlier
        cumulative = np.cumsum(hrf) * FINE
        ends = np.r_[0.0, cumulative[fine - 1 :: fine]]
        response[:, inverse == i] = np.diff(ends)[:, None]
    return response


def driven(features: Mapping[str, Array], tuning: Tuning, brain: Brain) -> Array:
    """Noiseless response of one run in units of the noise, shape (n_samples, n_targets)."""
    active = np.flatnonzero(brain.drive > 0)
    drive = np.sum([features[name] @ tuning.weights[name][:, active] for name in SPACES], axis=0)
    taps = kernels(brain.delay[active])
    taps /= np.sqrt((taps**2).sum(axis=0))
    response = np.zeros_like(drive)
    for i, tap in enumerate(taps):
        response[i:] += drive[: len(drive) - i] * tap
    out = np.zeros((len(response), len(brain.drive)), dtype=np.float32)
    out[:, active] = response
    return out


def noise(n_samples: int, rng: np.random.Generator) -> Array:
    """Autocorrelated noise of unit variance, a little smooth in space, with a global part."""
    space, _ = cortex()
    rho = rng.uniform(*RHO)
    white = rng.standard_normal((n_samples + 20, space.n_targets), dtype=np.float32)
    smooth = white + 2.0 * (averaging(space) @ white.T).T
    common = rng.standard_normal((n_samples + 20, 1), dtype=np.float32)
    loading = np.sqrt(GLOBAL_SHARE) * (1.0 + 0.3 * smooth_fields(rng, 1, 12)[:, 0])
    smooth = smooth / smooth.std() * np.float32(np.sqrt(1 - GLOBAL_SHARE)) + common * loading
    filtered = lfilter(np.array([np.sqrt(1 - rho**2)], np.float32), np.array([1.0, -rho], np.float32), smooth, axis=0)
    return np.asarray(filtered[20:], dtype=np.float32)


def drift(n_samples: int, rng: np.random.Generator) -> Array:
    """A line and slow cosines in units of the noise, with smooth maps of amplitudes."""
    time = np.linspace(0.0, 1.0, n_samples, dtype=np.float32)
    periods = n_samples * TR / np.array([600.0, 350.0, 200.0])
    basis = np.stack([time - 0.5, *(0.5 * np.cos(2 * np.pi * (n * time + rng.random())) for n in periods)])
    return np.asarray(basis.T.astype(np.float32) @ smooth_fields(rng, len(basis), 6).T, dtype=np.float32)


def record(response: Array | None, n_samples: int, brain: Brain, rng: np.random.Generator) -> Array:
    """Raw BOLD of one run, shape (n_samples, n_targets).

    Parameters
    ----------
    response : array, optional
        Of :func:`driven`; None for a run in which nothing is heard.
    """
    bold = noise(n_samples, rng) + drift(n_samples, rng)
    if response is not None:
        bold += response * brain.snr
    bold = brain.baseline * (1.0 + np.float32(PERCENT) * bold)
    bold[:, brain.constant] = brain.baseline[brain.constant]
    bold[:, brain.missing] = np.nan
    return np.asarray(bold, dtype=np.float32)
