"""The group on the interactive page: means, t over subjects, and in how many subjects a target is significant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from b2m_encoding._typing import Booleans, Floating
from b2m_encoding.figures.colours import ScalarColours, shared_limits
from b2m_encoding.figures.interactive import Score, ViewMap, ViewSubject
from b2m_encoding.gallery.context import FigureContext
from b2m_encoding.gallery.tables import t_of_group
from b2m_encoding.results.schema import GROUP, maps
from b2m_encoding.spaces import SurfaceSpace

OVERLAP, T = "overlap", "t"
SCORES = (Score(OVERLAP, "subjects with significant r", "subjects"), Score(T, "t over subjects", "t"))


def group_subject(
    context: FigureContext, names: Sequence[str], surfaces: Sequence[SurfaceSpace],
    scores: Sequence[Mapping[str, Floating]], significant: Sequence[Booleans],
) -> ViewSubject | None:  # fmt: skip
    """The group as one more subject; None for one subject, or subjects on different surfaces.

    Parameters
    ----------
    context : FigureContext
    names : sequence of str
        Subjects, without a mean that the study already holds.
    surfaces : sequence of SurfaceSpace
    scores : sequence of dict of str to array
        By subject and key of the page; accuracies and the noise ceiling are averaged.
    significant : sequence of array of bool
    """
    if len(names) < 2 or GROUP in names or any(surface != surfaces[0] for surface in surfaces):
        return None
    keys = [key for key in scores[0] if key.startswith("r-") or key == "ceiling"]
    stacked = {key: np.stack([one[key] for one in scores]) for key in keys if all(key in one for one in scores)}
    found = {key: np.asarray(values.mean(axis=0), dtype=np.float32) for key, values in stacked.items()}
    tested = np.isfinite(stacked["r-joint"])
    count = np.sum(np.stack(significant) & tested, axis=0).astype(np.float32)
    found[OVERLAP] = np.where(tested.any(axis=0), count, np.float32(np.nan))
    t, q = t_of_group(stacked["r-joint"].astype(np.float32))
    if t is not None:
        found[T] = t
    preference = None
    stored = (maps.PREFERENCE, maps.GROUP_PREFERRED.stat)
    if context.results.has_map(GROUP, *stored) and context.results.space(names[0]) == surfaces[0]:
        preference = context.results.map(GROUP, *stored)
    return ViewSubject(GROUP, context.atlas(surfaces[0]), found, q, preference=preference)


def group_maps(context: FigureContext, group: ViewSubject, n_subjects: int) -> list[ViewMap]:
    """Maps that only the group has."""
    colour_map = context.settings.colour_map
    every = ScalarColours(0, n_subjects, colour_map, fade=1)
    drawn = [ViewMap(OVERLAP, "Group: subjects with significant r", "subjects", (OVERLAP,), every, masked=False)]
    if T in group.scores:
        shown = slice(None) if group.q is None else group.q < context.statistics.q
        limits = shared_limits([group.scores[T][shown]], 0.0, drawn=[group.scores[T]])
        colours = ScalarColours(limits.vmin, limits.vmax, colour_map)
        drawn.append(ViewMap(T, "Group: t over subjects", "t of Fisher's z", (T,), colours))
    return drawn
