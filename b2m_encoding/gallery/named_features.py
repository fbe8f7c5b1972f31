"""Figures of features that have names, such as tags."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from b2m_encoding import figures
from b2m_encoding.errors import InputError
from b2m_encoding.figures import FigureResult
from b2m_encoding.gallery.context import FigureContext
from b2m_encoding.results.schema import maps
from b2m_encoding.results.schema.tables import named_table


def _named(context: FigureContext, subject: str) -> tuple[pd.DataFrame, str]:
    """Rows of the requested feature space with names, by default the last one, and its name."""
    name = named_table(subject)
    if not context.results.has(name):
        raise InputError(
            "the results hold no features with names",
            file=context.results.path / name,
            fix="add a feature space with names: acoustic, or the layer tags of musicnn; eight clips must be held out",
        )
    table = context.results.table(name)
    spaces = list(dict.fromkeys(table["feature_space"]))
    chosen = next(iter(context.request.models), spaces[-1])
    if chosen not in spaces:
        raise InputError("this feature space has no names", found=chosen, expected=", ".join(spaces))
    return table[table["feature_space"] == chosen], chosen


def draw_of_names(draw: Callable[..., FigureResult]) -> Callable[[FigureContext, str], FigureResult]:
    """A kind of figure that is drawn from the table of features with names."""

    def drawn(context: FigureContext, subject: str) -> FigureResult:
        table, chosen = _named(context, subject)
        keywords = context.page_keywords(subject) | {"title": f"sub-{subject}: {chosen}"}
        return draw(table, q=context.statistics.q, **keywords)

    return drawn


def draw_tag_map(context: FigureContext, subject: str) -> FigureResult:
    """Draw the feature with a name that each target prefers."""
    _, chosen = _named(context, subject)
    if not context.results.has_map(subject, chosen, maps.TAG.stat):
        raise InputError("no target is predicted: there is no map of its features", found=chosen)
    [share] = context.on_surface(subject, [(chosen, maps.TAG_SHARE.stat)])
    index, tested = context.levels(subject, chosen, maps.TAG.stat), context.tested(subject)
    keywords = context.view_keywords(subject) | {"title": f"sub-{subject}: {chosen}", "tested": tested}
    keywords["significant"] = index >= 0
    names = context.results.sidecar(subject, chosen, maps.TAG.stat)["Levels"]
    share, index = (np.where(tested, np.nan_to_num(values, nan=nothing), np.nan) for values, nothing in
                    ((share, 0.0), (index, -2.0)))  # fmt: skip
    return figures.tag_map(index, share, names, *context.cortex(subject), **keywords)
