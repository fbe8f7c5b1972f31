"""Colour functions of three values: shares of three feature spaces, and three components as red, green and blue."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from b2m_encoding._typing import Floating
from b2m_encoding.errors import InputError
from b2m_encoding.figures.colours import Bytes, steps

GAMMA = 2.2
SHARPNESS = 1.6
"""Exponent of the shares before mixing: a dominant feature space keeps its pure colour."""


@dataclass(frozen=True)
class TernaryColours:
    """Colours of three scores: hue shows their shares, brightness how large the largest is.

    Parameters
    ----------
    vmax : float
        Largest score with full brightness.
    colours : tuple of str
        Colours of the three feature spaces; mixed in linear light.
    fade : float, optional
        The largest score rises from transparent at zero to opaque at this value.
    """

    vmax: float
    colours: tuple[str, str, str]
    fade: float | None = None

    N, LEVELS = 32, 64

    def __post_init__(self) -> None:
        if not self.vmax > 0:
            raise InputError("the colour limit must be positive", found=self.vmax)

    @cached_property
    def table(self) -> Bytes:
        """Colours of all levels (slow), shares of the first and shares of the second score (fast)."""
        share = np.linspace(0, 1, self.N)
        first, second = np.meshgrid(share, share, indexing="ij")
        shares = np.stack([first, second, np.clip(1 - first - second, 0, 1)], axis=-1) ** SHARPNESS
        shares /= shares.sum(axis=-1, keepdims=True)
        mixed = (shares @ np.array([to_rgb(colour) for colour in self.colours]) ** GAMMA) ** (1 / GAMMA)
        level = np.linspace(0, 1, self.LEVELS)
        rgb = mixed[None] * (0.3 + 0.7 * level)[:, None, None, None]
        alpha = np.ones_like(level) if not self.fade else np.clip(level * self.vmax / self.fade, 0, 1)
        alpha = np.broadcast_to(alpha[:, None, None, None], (*rgb.shape[:3], 1))
        return np.round(255 * np.concatenate([rgb, alpha], axis=-1)).astype(np.uint8).reshape(-1, 4)

    def codes(self, *values: Floating) -> NDArray[np.int32]:
        """The entry of every triple of scores; scores below zero count as zero."""
        first, second, third = (np.fmax(np.asarray(score, dtype=np.float32), np.float32(0)) for score in values)
        total = first + second + third
        largest = np.maximum(np.maximum(first, second), third)
        safe = np.where(total > 0, total, np.float32(1))
        place = steps(largest, 0.0, self.vmax, self.LEVELS)
        for score in (first, second):
            place = place * np.int32(self.N) + steps(score / safe, 0.0, 1.0, self.N)
        return place


@dataclass(frozen=True)
class RgbColours:
    """Three values as red, green and blue, each with separate limits.

    Parameters
    ----------
    limits : tuple of (float, float)
        Values without colour and with full colour, for each of the three.
    """

    limits: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]

    N = 32

    def __post_init__(self) -> None:
        if not all(high > low for low, high in self.limits):
            raise InputError("colour limits must rise", found=self.limits)

    @cached_property
    def table(self) -> Bytes:
        """All colours, blue runs fastest; the lowest value of a channel is 25, so that no colour is black."""
        axis = np.linspace(25, 255, self.N)
        grid = np.stack([*np.meshgrid(axis, axis, axis, indexing="ij"), np.full((self.N,) * 3, 255.0)], axis=-1)
        return np.round(grid).astype(np.uint8).reshape(-1, 4)

    def codes(self, *values: Floating) -> NDArray[np.int32]:
        """The entry of every triple of values."""
        place = np.zeros(np.shape(values[0]), dtype=np.int32)
        for component, (low, high) in zip(values, self.limits, strict=True):
            place = place * np.int32(self.N) + steps(component, low, high, self.N)
        return place
