"""Layers of a map composed into one picture: underlay, scores, targets that are not significant or not tested."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.figures.colours import Bytes, Colours, over
from b2m_encoding.figures.flatmap import PixelMap
from b2m_encoding.figures.style import Underlay
from b2m_encoding.spaces import SurfaceSpace

GYRUS, SULCUS = 0.80, 0.70
PALE = 0.3
"""Strength of the underlay where targets were not tested; a rim is drawn around them."""
GREYS: dict[str, tuple[float, ...]] = {
    "binary": (GYRUS, SULCUS),
    "continuous": tuple(np.linspace(GYRUS, SULCUS, 24)),
    "none": ((GYRUS + SULCUS) / 2,),
}


@dataclass(frozen=True, eq=False)
class ScoreMap:
    """Scores of every target, with masks of tested and of significant targets.

    Parameters
    ----------
    scores : tuple of arrays, each of shape (n_targets,)
    tested : array of bool, shape (n_targets,)
        Targets that were tested: a subset of those with finite scores.
    significant : array of bool, shape (n_targets,), optional
        Without it, every tested target is drawn.
    """

    scores: tuple[NDArray[np.float32], ...]
    tested: NDArray[np.bool_]
    significant: NDArray[np.bool_] | None = None

    @classmethod
    def of(
        cls,
        space: SurfaceSpace,
        scores: tuple[NDArray[np.floating], ...],
        tested: NDArray[np.bool_] | None = None,
        significant: NDArray[np.bool_] | None = None,
    ) -> ScoreMap:
        """Check shapes; a target with a score that is not finite counts as not tested."""
        for name, array in (*(("scores", score) for score in scores), ("tested", tested), ("significant", significant)):
            if array is not None and np.shape(array) != (space.n_targets,):
                raise InputError(
                    f"{name} must have one value per target of {space.name}",
                    found=np.shape(array),
                    expected=(space.n_targets,),
                )
        finite = np.logical_and.reduce([np.isfinite(score) for score in scores])
        usable = finite if tested is None else finite & np.asarray(tested, dtype=bool)
        shown = None if significant is None else np.asarray(significant, dtype=bool) & usable
        return cls(tuple(np.asarray(score, dtype=np.float32) for score in scores), usable, shown)

    @property
    def shown(self) -> NDArray[np.bool_]:
        """Targets drawn in colour."""
        return self.tested if self.significant is None else self.significant

    def unmasked(self) -> ScoreMap:
        """The same map with every tested target drawn."""
        return replace(self, significant=None)


@lru_cache(maxsize=6)  # keeps the pixel maps
def _underlay(space: SurfaceSpace, pixels: PixelMap, kind: Underlay) -> NDArray[np.int32]:
    """Level of the underlay at the listed pixels."""
    if len(GREYS[kind]) == 1:
        return np.zeros(len(pixels.nearest), dtype=np.int32)
    depth = np.concatenate([space.sulcal_depth("L"), space.sulcal_depth("R")])
    return _levels(pixels.sample(depth), kind, depth)


def _levels(depth: NDArray[np.float32], kind: Underlay, whole: NDArray[np.float32]) -> NDArray[np.int32]:
    """Level of the underlay of sulcal depths, on the scale of the whole surface."""
    n_levels = len(GREYS[kind])
    if n_levels == 2:
        return (depth > 0).astype(np.int32)
    low, high = np.percentile(whole, [5, 95])
    levels: NDArray[np.int32] = np.clip((depth - low) / (high - low) * n_levels, 0, n_levels - 1).astype(np.int32)
    return levels


def _palette(table: Bytes, underlay: Underlay) -> tuple[Bytes, int, int]:
    """Colours of a map over all levels of its underlay, then the bare levels, and the pale ones of untested targets."""
    greys = GREYS[underlay]
    bare = np.array([[grey] * 3 + [1.0] for grey in (*greys, *(1 - PALE * (1 - grey) for grey in greys))])
    palette = np.concatenate([*(over(table, grey) for grey in greys), np.round(255 * bare).astype(np.uint8)])
    return palette, len(table) * len(greys), len(palette) - len(greys)


def compose(
    space: SurfaceSpace,
    pixels: PixelMap,
    data: ScoreMap,
    colours: Colours,
    *,
    underlay: Underlay = "continuous",
) -> Bytes:
    """Draw a map into one picture, opaque, white outside the cortex.

    Returns
    -------
    array of uint8, shape (rows, columns, 4)
    """
    palette = _palette(colours.table, underlay)
    level, bands = _underlay(space, pixels, underlay), pixels.bands
    levels = np.split(level, np.cumsum([len(band.nearest) for band in bands[:-1]]))
    draw = partial(_draw_band, data=data, colours=colours, palette=palette)
    if len(bands) == 1:
        return draw(pixels, level)
    with ThreadPoolExecutor(min(len(bands), os.cpu_count() or 1)) as pool:  # numpy releases the global interpreter lock
        return np.concatenate(list(pool.map(draw, bands, levels)))


def _draw_band(
    pixels: PixelMap,
    level: NDArray[np.int32],
    *,
    data: ScoreMap,
    colours: Colours,
    palette: tuple[Bytes, int, int],
) -> Bytes:
    table, hidden, untested = palette
    values = [pixels.sample(score, data.tested) for score in data.scores]
    missing = None if data.tested.all() else np.isnan(values[0])
    # indices of the native size: numpy would copy any other at each use
    entry = np.add(level * np.int32(len(colours.table)), colours.codes(*values), dtype=np.intp)
    if data.significant is not None:
        strong = pixels.covered(data.significant, data.tested)
        np.copyto(entry, level + np.int32(hidden), where=~strong)
    if missing is not None:
        entry[missing] = level[missing] + untested
    words = table.view(np.uint32).ravel().take(entry)
    return np.asarray(pixels.picture(words, 0xFFFFFFFF)).view(np.uint8).reshape(*pixels.shape, 4)
