"""Contrast of colours with every kind of colour vision, and in black-and-white print."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import combinations

import matplotlib
import numpy as np
from matplotlib.colors import to_rgb

from b2m_encoding._typing import Floating

DEFICIENCIES = {
    "normal": np.eye(3),
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
"""Linear RGB as perceived with each kind of vision; severity 1 (Machado et al. 2009, doi 10.1109/TVCG.2009.113)."""
MIN_CONTRAST = 16.0
"""Least difference (CIE76) of two colours that readers can distinguish in small areas."""
STEPS = 33
"""Entries of a colour map that are compared."""


def palette_contrast(colours: Sequence[str]) -> dict[str, float]:
    """Smallest difference (CIE76) between two colours of a palette, per kind of colour vision.

    Examples
    --------
    >>> round(palette_contrast(["#0072B2", "#D55E00"])["protanopia"])
    92
    """
    linear = _linear(np.array([to_rgb(colour) for colour in colours]))
    return {
        kind: min((float(np.linalg.norm(a - b)) for a, b in combinations(_seen(linear, kind), 2)), default=np.inf)
        for kind in DEFICIENCIES
    }


def check_palette(colours: Sequence[str]) -> None:
    """Warn if two colours of a palette look alike with any kind of colour vision."""
    poor = [kind for kind, contrast in palette_contrast(colours).items() if contrast < MIN_CONTRAST]
    if poor:
        warnings.warn(f"two colours of {list(colours)} look alike: {', '.join(poor)} vision", stacklevel=3)


def colour_map_problems(name: str) -> list[str]:
    """Conditions in which a colour map is ambiguous: kinds of colour vision, and black-and-white print.

    Two values a third of the scale apart must differ with every kind of colour vision; lightness must rise or fall
    all the way.

    Examples
    --------
    >>> colour_map_problems("inferno")
    []
    >>> colour_map_problems("RdYlGn")
    ['deuteranopia vision', 'protanopia vision', 'black-and-white print']
    """
    table = matplotlib.colormaps[name](np.linspace(0, 1, STEPS))[:, :3]
    linear, apart = _linear(table), (STEPS - 1) // 3
    distance = np.subtract.outer(np.arange(STEPS), np.arange(STEPS)) >= apart
    problems = []
    for kind in DEFICIENCIES:
        lab = _seen(linear, kind)
        difference = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
        if difference[distance].min() < MIN_CONTRAST:
            problems.append(f"{kind} vision")
    steps = np.diff(_seen(linear, "normal")[:, 0])
    if steps.min() < -0.5 and steps.max() > 0.5:
        problems.append("black-and-white print")
    return problems


def check_colour_map(name: str) -> None:
    """Warn if a colour map is ambiguous with any kind of colour vision, or in black and white."""
    if problems := colour_map_problems(name):
        warnings.warn(f"different values look alike in the colour map {name}: {', '.join(problems)}", stacklevel=3)


def _linear(rgb: Floating) -> Floating:
    """Linear RGB of sRGB."""
    return np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)


def _seen(linear: Floating, kind: str) -> Floating:
    """CIE L*a*b* (D65) of linear RGB as perceived with a kind of colour vision."""
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = np.clip(linear @ np.asarray(DEFICIENCIES[kind]).T, 0, 1) @ matrix.T / (0.9505, 1.0, 1.089)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)
