"""Flatmaps of anything that nilearn opens, without a study."""

from __future__ import annotations

from typing import Unpack

from b2m_encoding.figures.images import MapLike, read_map
from b2m_encoding.figures.options import ViewKeywords
from b2m_encoding.figures.page import FigureResult
from b2m_encoding.figures.plots.preference import preference
from b2m_encoding.figures.plots.score_map import score_map
from b2m_encoding.spaces import Atlas, Space


def plot_flatmap(
    image: MapLike,
    space: Space | str | None = None,
    atlas: Atlas | str | None = None,
    *,
    label: str = "value",
    limits: tuple[float | None, float | None] = (None, None),
    **keywords: Unpack[ViewKeywords],
) -> FigureResult:
    """Draw one image on the flattened cortex; in a notebook it shows itself.

    Parameters
    ----------
    image : array, image, path, pair of images or paths, data of pycortex
        See :func:`~b2m_encoding.figures.images.read_map`. Volumes lie in MNI152.
    space : Space or str, optional
        Where an array lies; by default the standard surface of this size.
    atlas : Atlas or str, optional
        By default HCP-MMP1.
    label : str
        Name and unit, on the colour bar.
    limits : tuple of float or None
        Colour limits; by default the percentiles of what is drawn, from 0 where nothing is negative.
    **keywords
        As in :func:`~b2m_encoding.figures.score_map`: ``view="zoom"``, ``significant``, ``title`` ...

    Returns
    -------
    FigureResult
        ``.figure`` is a matplotlib figure; ``.save("name")`` writes it with caption and numbers.

    Examples
    --------
    >>> import numpy as np
    >>> figure = plot_flatmap(np.random.default_rng(0).random(20484), label="r")
    >>> figure.table.columns.tolist()
    ['hemisphere', 'vertex', 'region', 'score', 'tested']
    """
    values, where = read_map(image, space)
    signed = bool((values < 0).any())
    low = limits[0] if limits[0] is not None or signed else 0.0
    return score_map(values, where, atlas, label=label, limits=(low, limits[1]), fade=not signed, **keywords)


def plot_preference(
    image_a: MapLike,
    image_b: MapLike = None,
    space: Space | str | None = None,
    atlas: Atlas | str | None = None,
    *,
    names: tuple[str, str] = ("first", "second"),
    label: str = "r",
    **keywords: Unpack[ViewKeywords],
) -> FigureResult:
    """Draw which of two images is larger, and how large, on the flattened cortex.

    Parameters
    ----------
    image_a, image_b : array, image, path, pair of images or paths, data of pycortex
        As in :func:`plot_flatmap`; they may lie in different spaces. One ``Vertex2D`` or ``Volume2D`` holds both.
    space, atlas
        As in :func:`plot_flatmap`.
    names : tuple of str
        Names of the two in the legend.
    label : str
        Name or unit of the values.
    **keywords
        As in :func:`~b2m_encoding.figures.preference`.
    """
    if image_b is None and hasattr(image_a, "dim1"):
        image_a, image_b = image_a.dim1, image_a.dim2
    return preference(image_a, image_b, space, atlas, names=names, label=label, **keywords)
