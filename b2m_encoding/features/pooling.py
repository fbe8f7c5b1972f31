"""Pooling of features at frame rate to one row per span of a clip: means, or Lanczos downsampling."""

from __future__ import annotations

import numpy as np

from b2m_encoding._typing import Float64
from b2m_encoding.features.windows import TOLERANCE, Spans

LOBES = 3
"""Zero crossings on each side of the Lanczos kernel."""


def mean_weights(n_frames: int, frame_rate: float, spans: Spans) -> Float64:
    """Weights of the mean over the frames whose centre lies in each span, shape (n_spans, n_frames).

    Frame ``j`` is centred on ``(j + 0.5) / frame_rate`` seconds. A span between two centres is given
    the nearest frame.
    """
    centres = (np.arange(n_frames) + 0.5) / frame_rate
    inside = (centres >= spans[:, :1] - TOLERANCE) & (centres < spans[:, 1:] - TOLERANCE)
    empty = np.flatnonzero(~inside.any(axis=1))
    inside[empty, np.abs(centres - spans[empty].mean(axis=1, keepdims=True)).argmin(axis=1)] = True
    return np.asarray(inside / inside.sum(axis=1, keepdims=True))


def lanczos_weights(n_frames: int, frame_rate: float, spans: Spans) -> Float64:
    """Weights of Lanczos downsampling to the middle of each span, shape (n_spans, n_frames).

    The kernel is a sinc with zeros one span apart, which removes fluctuations faster than half a cycle per span, under
    a sinc window of three lobes (Duchon 1979, doi 10.1175/1520-0450(1979)018<1016:LFIOAT>2.0.CO;2). Near the edges of a
    clip the weights of the frames inside it are scaled to a sum of one.

    Examples
    --------
    >>> spans = np.stack([np.arange(10), np.arange(10) + 1.0], axis=1) * 1.5
    >>> seconds = (np.arange(750) + 0.5) / 50
    >>> slow, fast = (np.cos(2 * np.pi * hz * seconds) for hz in (1 / 15, 2))
    >>> weights = lanczos_weights(750, 50, spans)[3:-3]
    >>> bool(np.allclose(weights @ slow, np.cos(2 * np.pi / 15 * spans.mean(axis=1)[3:-3]), atol=0.02))
    True
    >>> bool(np.abs(weights @ fast).max() < 0.01)
    True
    """
    centres = (np.arange(n_frames) + 0.5) / frame_rate
    length = (spans[:, 1:] - spans[:, :1]).clip(1 / frame_rate)
    distance = (centres - spans.mean(axis=1, keepdims=True)) / length
    kernel = np.where(np.abs(distance) < LOBES, np.sinc(distance) * np.sinc(distance / LOBES), 0.0)
    return np.asarray(kernel / kernel.sum(axis=1, keepdims=True))


POOLINGS = {"mean": mean_weights, "lanczos": lanczos_weights}
