"""Figures of how a study was done and how its models work: data, design, ceiling, delays, time courses, regions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from b2m_encoding import figures
from b2m_encoding._typing import Booleans
from b2m_encoding.errors import InputError
from b2m_encoding.figures import FigureResult
from b2m_encoding.gallery.context import FigureContext
from b2m_encoding.gallery.tables import region_masks
from b2m_encoding.io.names import in_words
from b2m_encoding.results.clip_responses import ClipResponses, clip_responses_name
from b2m_encoding.results.design_summary import DesignSummary, design_name
from b2m_encoding.results.reader import Results
from b2m_encoding.results.schema import JOINT, LABELS, maps, tables
from b2m_encoding.results.schema.tables import of_subject
from b2m_encoding.spaces import (
    HEMISPHERES,
    Hemisphere,
    RegionSpace,
    SurfaceSpace,
    drawing_surface,
    is_labelled,
    load_atlas,
)

BEST = 5
"""Targets with time courses."""
RERUN = "run the study again with this version: b2m run STUDY"


def available(context: FigureContext, subject: str) -> list[str]:
    """Kinds of these figures that the results of a subject hold the numbers of, in the order of the report."""
    results, found = context.results, []
    space = results.space(subject)
    if results.has(tables.QUALITY):
        runs = results.table(tables.QUALITY)
        known = bool(np.isfinite(runs.loc[runs["subject"] == subject, "tsnr"].astype(float)).any())
        if known or results.has(of_subject(tables.MOTION, subject)):
            found.append("quality")
    if results.has(design_name(subject)):
        found.append("design")
    if results.has_map(subject, JOINT, maps.CEILING.stat) and isinstance(space, SurfaceSpace):
        found.append("ceiling")
    if results.has(of_subject(tables.DELAYS, subject)):
        found.append("delays")
    if results.has_map(subject, JOINT, maps.LAG.stat) and drawing_surface(space) is not None:
        found.append("lag")
    if (stored := _responses(results, subject)) is not None and len(stored.targets):
        found.append("timecourses")
    if is_labelled(space) and _region_means(context, subject, (JOINT,), maps.R.stat)["score"].notna().any():
        found.append("profile")
    return found


def draw_quality(context: FigureContext, subject: str) -> FigureResult:
    """Head motion over time, and temporal signal-to-noise ratio of every run."""
    results = context.results
    runs = results.table(tables.QUALITY)
    runs = runs[runs["subject"] == subject]
    runs = runs.assign(tsnr=runs["tsnr"].astype(float))
    has_motion = results.has(of_subject(tables.MOTION, subject))
    motion = results.table(of_subject(tables.MOTION, subject)) if has_motion else None
    return figures.quality(runs, motion, **_titled(context, subject))


def draw_design(context: FigureContext, subject: str) -> FigureResult:
    """Features over time, and their correlations."""
    path = context.results.path / design_name(subject)
    if not path.is_file():
        raise InputError("the results hold no summary of the features", file=path, fix=RERUN)
    context.results.check(path)
    kept = DesignSummary.load(path)
    spaces = tuple(dict.fromkeys(kept.spaces.tolist()))
    return figures.design(
        kept.values, kept.correlations, spaces=kept.spaces.tolist(), names=kept.names.tolist(), times=kept.times,
        run=kept.run, reduced=kept.reduced.tolist(), **_titled(context, subject, spaces),
    )  # fmt: skip


def draw_ceiling(context: FigureContext, subject: str) -> FigureResult:
    """The noise ceiling, in the zoom unless the whole cortex is asked for."""
    if not context.results.has_map(subject, JOINT, maps.CEILING.stat):
        raise InputError("the results hold no noise ceiling", file=context.results.path,
                         fix="it needs stimuli that are repeated in the held-out samples")  # fmt: skip
    context = replace(context, request=replace(context.request, score=maps.CEILING.stat))
    [ceiling] = context.on_surface(subject, [(JOINT, maps.CEILING.stat)])
    keywords = context.map_keywords(subject, (JOINT,)) | {"significant": None}
    return figures.score_map(
        ceiling, *context.cortex(subject), label=LABELS[maps.CEILING.stat], limits=context.limits,
        view="whole" if context.request.view == "whole" else "zoom", zoom=context.zoom, **keywords,
    )  # fmt: skip


def draw_delays(context: FigureContext, subject: str) -> FigureResult:
    """Weights over delays in every region."""
    name = of_subject(tables.DELAYS, subject)
    if not context.results.has(name):
        raise InputError("the results hold no delay curves", file=context.results.path / name,
                         fix="set results.weights = true, and two or more delays, and run again")  # fmt: skip
    criterion = context.criterion(subject)
    return figures.delays(context.results.table(name), criterion=criterion, **_titled(context, subject))


def draw_timecourses(context: FigureContext, subject: str) -> FigureResult:
    """Measured and predicted responses of the best targets, each of another region."""
    stored = _responses(context.results, subject)
    if stored is None or not len(stored.targets):
        raise InputError("the results hold no time courses", file=context.results.path, found=f"sub-{subject}",
                         fix="they are kept of regions of a surface")  # fmt: skip
    r = context.results.map(subject, JOINT, maps.R.stat)[stored.targets]
    space = context.results.space(subject)
    assert isinstance(space, SurfaceSpace)  # time courses are kept of surfaces
    atlas, courses = context.atlas(space), {}
    for row in np.argsort(-r, kind="stable")[:BEST].tolist():
        target = int(stored.targets[row])
        side = "left" if space.in_hemisphere("L")[target] else "right"
        vertex = target - (0 if side == "left" else space.counts[0])
        name = f"{in_words(atlas.regions[atlas.labels[target] - 1])}, {side}, vertex {vertex}"
        courses[name] = (stored.measured[row], stored.predicted[row])
    return figures.timecourses(courses, stored.step, **_titled(context, subject))


def draw_profile(context: FigureContext, subject: str) -> FigureResult:
    """Scores of every model in the regions of the atlas that are predicted best."""
    score = context.request.score
    models = (JOINT, *context.models) if len(context.results.feature_spaces) > 1 else (JOINT,)
    models = tuple(name for name in models if context.results.has_map(subject, name, score))
    label = LABELS.get(score, score)
    table = _region_means(context, subject, models, score)
    return figures.profile(table, models=models, label=label, **_titled(context, subject, models))


def _region_means(context: FigureContext, subject: str, models: tuple[str, ...], score: str) -> pd.DataFrame:
    """Mean scores of the regions of the atlas, in both hemispheres."""
    space = context.results.space(subject)
    sides: tuple[Hemisphere | None, ...]
    if isinstance(space, RegionSpace):
        names, sides = space.regions, (None,)
    elif is_labelled(space):
        names, sides = load_atlas(context.maps.atlas, space).regions, HEMISPHERES
    else:
        raise InputError("no atlas labels these targets", found=space.name, fix="draw distribution")
    inside = region_masks(context, space)
    scores = {model: context.results.map(subject, model, score) for model in models}
    rows = [
        row for region in names for side in sides
        for row in _means(region, side, inside(region, side), scores)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _means(
    region: str, side: str | None, inside: Booleans, scores: dict[str, np.ndarray]
) -> list[dict[str, object]]:  # fmt: skip
    """Rows of a region: the mean over its tested targets, by model."""
    rows: list[dict[str, object]] = []
    for model, values in scores.items():
        tested = values[inside]
        tested = tested[np.isfinite(tested)]
        mean = float(tested.mean()) if len(tested) else float("nan")
        rows.append({"region": region, "hemisphere": side, "model": model, "score": mean, "targets": len(tested)})
    return rows


def _responses(results: Results, subject: str) -> ClipResponses | None:
    """Held-out responses of a subject in short, if they are stored."""
    path = results.path / f"sub-{subject}" / clip_responses_name(subject)
    if not path.is_file():
        return None
    results.check(path)
    return ClipResponses.load(path)


def _titled(context: FigureContext, subject: str, models: tuple[str, ...] = ()) -> figures.PageKeywords:
    return context.page_keywords(subject, models) | {"title": f"sub-{subject}"}
