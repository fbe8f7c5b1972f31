"""Colour functions: a map, its colour bar or legend, and its histogram look up the same table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import matplotlib
import matplotlib.colors
import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Floating
from b2m_encoding.errors import InputError
from b2m_encoding.figures.style import OKABE_ITO
from b2m_encoding.io.shares import counted_share

Bytes = NDArray[np.uint8]


class Colours(Protocol):
    """Interface of a colour function: a table of colours, and the entry of every value."""

    @property
    def table(self) -> Bytes:
        """Red, green, blue, alpha per entry, shape (n_entries, 4)."""
        ...

    def codes(self, *values: Floating) -> NDArray[np.int32]:
        """The entry of every value; any entry for NaN."""
        ...


def steps(values: Floating, low: float, high: float, n: int) -> NDArray[np.int32]:
    """Index of the nearest of n equal steps between two limits; values outside are clipped."""
    scaled = (np.asarray(values, dtype=np.float32) - np.float32(low)) * np.float32((n - 1) / (high - low))
    scaled += np.float32(0.5)
    np.fmin(np.fmax(scaled, np.float32(0), out=scaled), np.float32(n - 1), out=scaled)
    return scaled.astype(np.int32)


@dataclass(frozen=True)
class ScalarColours:
    """Colours of one score.

    Parameters
    ----------
    vmin, vmax : float
        Limits; values outside have the colour of the limit.
    cmap : str
        Name of a matplotlib colour map.
    fade : float, optional
        Values rise from transparent at ``vmin`` to opaque at this value: opacity is the square of their share
        (Taylor et al. 2023, doi 10.1016/j.neuroimage.2023.120138).
    """

    vmin: float
    vmax: float
    cmap: str = "inferno"
    fade: float | None = None

    def __post_init__(self) -> None:
        if not self.vmax > self.vmin:
            raise InputError("colour limits must rise", found=(self.vmin, self.vmax))
        if self.cmap not in matplotlib.colormaps:
            raise InputError("unknown colour map", found=self.cmap, fix="see matplotlib.colormaps")

    @cached_property
    def table(self) -> Bytes:
        """256 colours from ``vmin`` to ``vmax``."""
        grid = np.linspace(self.vmin, self.vmax, 256)
        table = matplotlib.colormaps[self.cmap](np.linspace(0, 1, 256), bytes=True)
        if self.fade is not None and self.fade > self.vmin:
            table[:, 3] = np.round(255 * np.clip((grid - self.vmin) / (self.fade - self.vmin), 0, 1) ** 2)
        return np.asarray(table, dtype=np.uint8)

    def codes(self, *values: Floating) -> NDArray[np.int32]:
        """The entry of every value."""
        return steps(values[0], self.vmin, self.vmax, 256)


CREAM, LIGHTNESS = (0.97, -0.004, 0.05), (0.52, 0.70)
"""OKLab of no preference, and the lightness of the two ends.

First end, second end, underlay and cream have four lightnesses, in this order, so that they differ in grey print.
"""
FAINTEST = 0.45
"""Opacity of the lowest scores that are significant."""


@dataclass(frozen=True)
class PreferenceColours:
    """Colours of two scores: the hue shows which one is larger, the opacity how large it is.

    From the colour of the first score (where it is larger) over cream (no difference) to that of the second, blue and
    orange by default. Low scores fade into the cortex.

    Parameters
    ----------
    difference : float
        Difference of the scores with full colour; larger ones are clipped.
    vmax : float
        Larger score with full opacity.
    fade : float, optional
        Without a mask of significance: the larger score rises from transparent at zero to opaque at this value.
    ends : tuple of str
        Colours of the two scores; their lightness is set so that they differ in grey print.
    """

    difference: float
    vmax: float
    fade: float | None = None
    ends: tuple[str, str] = OKABE_ITO[:2]

    N = 128

    def __post_init__(self) -> None:
        if not (self.difference > 0 and self.vmax > 0):
            raise InputError("colour limits must be positive", found=(self.difference, self.vmax))

    @cached_property
    def table(self) -> Bytes:
        """Colours of all differences (fast) and all larger scores (slow)."""
        level, side = np.meshgrid(np.linspace(0, 1, self.N), np.linspace(-1, 1, self.N), indexing="ij")
        first, second = (np.r_[light, rgb_to_oklab(end)[1:]] for light, end in zip(LIGHTNESS, self.ends, strict=True))
        lab = CREAM + np.abs(side)[..., None] * (np.where((side < 0)[..., None], first, second) - CREAM)
        alpha = np.clip(level * self.vmax / self.fade, 0, 1) if self.fade else FAINTEST + (1 - FAINTEST) * level
        rgb = oklab_to_rgb(*np.moveaxis(lab, -1, 0))
        return np.round(255 * np.concatenate([rgb, alpha[..., None]], axis=-1)).astype(np.uint8).reshape(-1, 4)

    def codes(self, *values: Floating) -> NDArray[np.int32]:
        """The entry of every pair of scores."""
        first, second = values
        side = steps(second - first, -self.difference, self.difference, self.N)
        return steps(np.maximum(first, second), 0.0, self.vmax, self.N) * np.int32(self.N) + side


def over(table: Bytes, grey: float) -> Bytes:
    """Colours of a table composed over an opaque grey, alpha 255."""
    alpha = table[:, 3:] / 255.0
    opaque = table.copy()
    opaque[:, :3] = np.round(table[:, :3] * alpha + 255 * grey * (1 - alpha))
    opaque[:, 3] = 255
    return opaque


TO_LMS = np.array(
    [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.291485548]]
)
TO_LINEAR = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.707614701],
    ]
)


def rgb_to_oklab(colour: str) -> Floating:
    """OKLab of a colour of matplotlib, shape (3,)."""
    rgb = np.array(matplotlib.colors.to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return np.asarray(np.linalg.solve(TO_LMS, np.cbrt(np.linalg.solve(TO_LINEAR, linear))))


def oklab_to_rgb(lightness: Floating, a: Floating, b: Floating) -> Floating:
    """OKLab to sRGB in 0 to 1, clipped to the gamut, shape (..., 3)."""
    linear = np.clip((np.stack([lightness, a, b], axis=-1) @ TO_LMS.T) ** 3 @ TO_LINEAR.T, 0, 1)
    return np.asarray(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055))


@dataclass(frozen=True)
class Limits:
    """Colour limits shared by several maps, with counts of clipped values."""

    vmin: float
    vmax: float
    n_below: int
    n_above: int
    n: int

    @property
    def faded(self) -> float:
        """Value at which colours become opaque in maps without a mask of significance."""
        return self.vmin + 0.3 * (self.vmax - self.vmin)

    @property
    def clipped(self) -> tuple[bool, bool]:
        """Whether values lie below, and above, the limits."""
        return self.n_below > 0, self.n_above > 0

    def colours(self, cmap: str, *, masked: bool) -> ScalarColours:
        """Colours between the limits; without a mask of significance low values fade into the underlay."""
        return ScalarColours(self.vmin, self.vmax, cmap, None if masked else self.faded)

    def sentence(self) -> str:
        """Sentence for the caption: limits and counts of clipped values."""
        text = f"Colour limits {self.vmin:g} to {self.vmax:g}"
        clipped = [(self.n_below, "below"), (self.n_above, "above")]
        parts = [f"{counted_share(count, self.n, 'values')} lie {side}" for count, side in clipped if count]
        return f"{text}; {' and '.join(parts)} and are clipped." if parts else f"{text}; no value is clipped."


def shared_limits(
    maps: Sequence[Floating],
    vmin: float | None = 0.0,
    vmax: float | None = None,
    percentile: float = 99.5,
    *,
    drawn: Sequence[Floating] | None = None,
) -> Limits:
    """Colour limits for several maps together.

    Parameters
    ----------
    maps : sequence of arrays
        Values that limits are taken from, the significant ones if there are any; NaN is ignored.
    vmin, vmax : float, optional
        Fixed limits; where None, the percentile (or its mirror) of these values, rounded away from zero.
    percentile : float
        Percentile of the upper limit.
    drawn : sequence of arrays, optional
        All values in colour, if there are more: clipped ones are counted among these, and limits are taken from them
        where ``maps`` has none.
    """
    values = _finite(maps)
    every = values if drawn is None else _finite(drawn)
    ranged = next((one for one in (values, every) if one.size), np.array([0.0, 1.0]))
    low = _rounded(float(np.percentile(ranged, 100 - percentile))) if vmin is None else vmin
    high = _rounded(float(np.percentile(ranged, percentile))) if vmax is None else vmax
    if vmax is None and not high > low:
        high = low + 0.1
    return Limits(float(low), float(high), int((every < low).sum()), int((every > high).sum()), every.size)


def _finite(maps: Sequence[Floating]) -> Floating:
    """All finite values of some maps."""
    values = np.concatenate([np.ravel(values) for values in maps]) if maps else np.empty(0)
    return np.asarray(values[np.isfinite(values)])


ROUND = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
"""Leading digits of limits that divide into round steps."""


def _rounded(value: float) -> float:
    """The next limit away from zero that divides into round steps."""
    if value == 0:
        return 0.0
    power = 10.0 ** np.floor(np.log10(abs(value)))
    digit = next(digit for digit in ROUND if digit >= abs(value) / power - 1e-9)
    return float(np.copysign(round(digit * power, 12), value))
