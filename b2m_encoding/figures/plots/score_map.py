"""Figure of one score: whole cortex, a zoom with named regions, or both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Unpack

import numpy as np

from b2m_encoding._typing import Floating
from b2m_encoding.figures.colours import shared_limits
from b2m_encoding.figures.images import placed
from b2m_encoding.figures.layers import ScoreMap
from b2m_encoding.figures.maps import MapFigure
from b2m_encoding.figures.options import MapOptions, ViewKeywords
from b2m_encoding.figures.page import FigureResult
from b2m_encoding.figures.panels import centred_colour_bar
from b2m_encoding.spaces import Atlas, Space


def score_map(
    scores: Floating,
    space: Space | str | None = None,
    atlas: Atlas | str | None = None,
    *,
    label: str = "prediction accuracy (r)",
    limits: tuple[float | None, float | None] = (0.0, None),
    contour: bool = True,
    ceiling: Floating | None = None,
    missing: str = "not tested",
    fade: bool = True,
    remarks: Sequence[str] = (),
    **keywords: Unpack[ViewKeywords],
) -> FigureResult:
    """A flatmap of one score: the whole cortex, a zoom into a region set with outlines and names, or both.

    Parameters
    ----------
    scores : array, shape (n_targets,)
        Any score; NaN is not tested. Also a ``SurfaceImage``, an image of nibabel or its path, data of pycortex: see
        :func:`~b2m_encoding.figures.images.read_map`. What is not on a surface that has a flat map is moved to one.
    space : Space or str, optional
        Such as ``"fsaverage5"``; by default the standard surface of this size.
    atlas : Atlas or str, optional
        On the surface that is drawn; by default HCP-MMP1 where it can be had there.
    label : str
        Name and unit of the score, on the colour bar.
    limits : tuple of float or None
        Colour limits; None: from the percentiles of what is significant, else of what is drawn.
    contour : bool
        In zooms, outline significant targets and let the others fade by their score; False: hide the others.
    ceiling : array, shape (n_targets,), optional
        Noise ceiling of r: its quartiles stand in the caption, its values in the table.
    missing : str
        Key of the targets without a score ("no noise ceiling", where a share of the ceiling is drawn).
    fade : bool
        Low scores fade into the underlay where no mask of significance is given.
    remarks : sequence of str
        Further sentences of the caption.
    **keywords
        ``title``, ``note``, ``style``, ``tested``, ``significant``, ``criterion``, ``view`` and ``zoom``, as in
        :class:`~b2m_encoding.figures.MapOptions`.
    """
    (scores,), space, atlas = placed([scores], space, atlas, keywords)
    options = MapOptions(**keywords)
    data = ScoreMap.of(space, (scores,), options.tested, options.significant)
    outlined = data.significant if contour else None
    figure = MapFigure(data, space, atlas, options, contour=outlined, missing=missing)
    # of what is significant: the noise around it, which a contour leaves in colour, would let its peaks saturate
    shared = shared_limits([data.scores[0][data.shown]], *limits, drawn=[data.scores[0][figure.coloured]])
    masked = data.significant is not None or not fade
    colours = shared.colours(options.style.colour_map, masked=masked)
    if figure.coloured is data.tested:
        # full colour from the lower scores of what is outlined on, else noise stays pale
        strong = float(np.percentile(data.scores[0][data.shown], 20)) if data.shown.any() else shared.vmax
        colours = replace(colours, fade=max(strong, shared.faded))
    with options.style.context():
        page, lengths = figure.draw(colours)
        centred_colour_bar(page, page.height - figure.footer + 1.5, colours, label, shared.clipped)
    sentences = [f"{label[:1].upper()}{label[1:]}.", *remarks, figure.counts()]
    table = figure.table(("score",))
    if ceiling is not None:
        table["ceiling"] = np.asarray(ceiling, dtype=np.float32)
        sentences.append(_ceiling_sentence(np.asarray(ceiling)[data.shown]))
    return FigureResult(page, figure.caption(sentences, lengths, [shared.sentence()]), table)


def _ceiling_sentence(ceiling: Floating) -> str:
    """Sentence for the caption: noise ceiling of the significant vertices, else of all tested ones."""
    finite = ceiling[np.isfinite(ceiling)]
    if not finite.size:
        return "Their noise ceiling is unknown."
    low, middle, high = np.percentile(finite, [25, 50, 75])
    some = "" if finite.size == ceiling.size else f" ({finite.size:,} have one)"
    return f"Their noise ceiling of r: median {middle:.2f}, middle half {low:.2f} to {high:.2f}{some}."
