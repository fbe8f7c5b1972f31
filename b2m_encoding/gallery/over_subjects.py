"""Figures of several subjects: maps, a group, regions and decoding."""

from __future__ import annotations

import numpy as np
import pandas as pd

from b2m_encoding import figures
from b2m_encoding.data.sources import GROUP_MEAN
from b2m_encoding.errors import InputError
from b2m_encoding.figures import FigureResult
from b2m_encoding.gallery.context import FigureContext
from b2m_encoding.gallery.requested import score_label
from b2m_encoding.gallery.tables import fewer_decoders, masked_regions, region_ceilings, t_of_group, with_groups
from b2m_encoding.io.names import in_words
from b2m_encoding.results.schema import JOINT, UNMASKED, tables
from b2m_encoding.results.schema.files import IDENTIFICATION_SUMMARY

MOST_PANELS = 4
"""Regions of a figure of learning curves."""


def draw_subjects(context: FigureContext, _: str) -> FigureResult:
    """Draw a score in all subjects."""
    surfaces = {subject: context.surface(subject) for subject in context.subjects}
    surface = next(iter(surfaces.values()))
    if other := [subject for subject, space in surfaces.items() if space != surface]:
        raise InputError("subjects lie on different surfaces", found=", ".join(other), fix="draw them one by one")
    keys = [(context.model, context.request.score)]
    names = {subject: f"sub-{subject}" for subject in surfaces}
    found = {name: context.significant(subject, (context.model,)) for subject, name in names.items()}
    shown = {name: mask for name, mask in found.items() if mask is not None}
    return figures.subjects(
        {name: context.on_surface(subject, keys)[0] for subject, name in names.items()},
        surface,
        context.atlas(surface),
        tested={name: context.tested(subject) for subject, name in names.items()},
        significant=shown if shown and context.request.score not in UNMASKED else None,
        criterion=context.criterion(next(iter(surfaces)), (context.model,)),
        label=score_label(context),
        limits=context.limits,
        zoom=context.zoom_only,
        **context.page_keywords(),
    )


def draw_group(context: FigureContext, _: str) -> FigureResult:
    """Draw the mean, t and overlap of a group."""
    surface = context.surface(context.subjects[0])
    named = {f"sub-{name}": name for name in context.subjects if name != GROUP_MEAN}
    if other := [name for name in named.values() if context.surface(name) != surface]:
        raise InputError("subjects lie on different surfaces", found=", ".join(other), fix="a group needs one surface")
    key = (context.model, context.request.score)
    scores = {label: context.on_surface(name, [key])[0] for label, name in named.items()}
    found = {label: context.significant(name, (context.model,)) for label, name in named.items()}
    t, q = t_of_group(np.stack(list(scores.values())))
    return figures.group(
        scores,
        surface,
        context.atlas(surface),
        t=t,
        t_significant=None if q is None else q < context.statistics.q,
        significant={label: np.isfinite(scores[label]) if mask is None else mask for label, mask in found.items()},
        criterion=context.criterion(context.subjects[0], (context.model,)),
        label=score_label(context),
        zoom=context.zoom_only,
        limits=context.limits,
        **context.page_keywords(),
    )


def draw_regions(context: FigureContext, _: str) -> FigureResult:
    """Draw the scores of regions."""
    table, subjects = context.results.table(tables.REGIONS), context.request.subjects
    masked = context.request.mask in ("own", "joint")
    if masked:
        table = masked_regions(context, table)
    wanted = table["subject"].isin(subjects) if subjects else table["subject"] != GROUP_MEAN
    shown = table[wanted & table["score"].notna()]
    if context.request.models:
        shown = shown[shown["feature_space"].isin(context.request.models)]
    has_tests = context.results.has(tables.REGION_TESTS) and not subjects and not masked
    compared = tuple(name for name in shown["feature_space"].unique() if name != JOINT)
    criterion = context.criterion(context.subjects[0], compared) if masked else "tested, predicted or not"
    return figures.regions(
        shown,
        tests=context.results.table(tables.REGION_TESTS) if has_tests else None,
        q=context.statistics.q,
        ceiling=region_ceilings(context, tuple(shown["region"].unique())),
        level=context.statistics.level,
        criterion=criterion,
        **context.page_keywords(models=tuple(shown["feature_space"].unique())),
    )


def draw_learning(context: FigureContext, _: str) -> FigureResult:
    """Draw the accuracy of regions by minutes of training data."""
    if not context.results.has(tables.LEARNING):
        raise InputError(
            "the results hold no learning curves",
            file=context.results.path / tables.LEARNING.file,
            fix="set statistics.learning_curve = 5 in the study, and run it again",
        )
    table = context.results.table(tables.LEARNING).dropna(subset="r")
    for column, wanted in (("subject", context.request.subjects), ("feature_space", context.request.models)):
        table = table[table[column].isin(wanted)] if wanted else table
    regions, whole = list(dict.fromkeys(table["region"])), table["draw"] == 0
    every = [table[whole].assign(draw=draw) for draw in table.loc[~whole, "draw"].unique()]  # all runs end every draw
    table = pd.concat([table[~whole], *every], ignore_index=True)
    several = table["subject"].nunique() > 1
    drawn = table[table["region"].isin(regions[:MOST_PANELS])].assign(
        panel=table["region"].map(in_words),
        condition=table.groupby("runs")["minutes"].transform("mean").round(2),
        series=table["feature_space"],
        subject=table["subject"] if several else table["draw"].astype(str),
        value=table["r"],
    )
    further = f" {len(regions) - MOST_PANELS} further regions are in the table." if regions[MOST_PANELS:] else ""
    return figures.conditions(
        drawn,
        label="prediction accuracy (r)",
        about="Mean r on the same test runs, by minutes of training: models of nested subsets of the training runs; "
        f"{table['draw'].nunique()} draws of subsets.{further}",
        lines=True,
        axis="minutes",
        each="subject" if several else "draw",
        spread="sem" if several else "sd",
        **context.page_keywords(models=tuple(drawn["series"].unique())),
    )


def draw_decoding(context: FigureContext, _: str) -> FigureResult:
    """Draw identification by decoded features."""
    table = context.results.table(tables.IDENTIFICATION)
    if context.request.subjects:
        table = table[table["subject"].isin(context.request.subjects)]
    if context.request.models:
        table = table[table["target"].isin(context.request.models)]
    table, group_name = with_groups(table, context.results)
    table, left_out = fewer_decoders(table, len(context.settings.colours))
    shown = {*zip(table["subject"], table["target"], strict=True)}
    intervals = {
        (row["subject"], row["feature_space"]): tuple(row["chance_interval_95"])
        for row in context.results.json(IDENTIFICATION_SUMMARY)["subjects"]
        if (row["subject"], row["feature_space"]) in shown
    }
    one_decoder = "decoder" not in table or table["decoder"].nunique() == 1
    keywords = context.page_keywords(models=tuple(table["target"].unique()) if one_decoder else ())
    if left_out:
        keywords["origin"] = f"Not shown: {', '.join(left_out)}. {keywords['origin']}"
    return figures.decoding(table, intervals=intervals, group_name=group_name, **keywords)
