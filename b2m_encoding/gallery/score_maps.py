"""Figures of scores on the cortex of one subject."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from b2m_encoding import figures
from b2m_encoding._typing import Booleans, Float32
from b2m_encoding.errors import InputError
from b2m_encoding.figures import FigureResult
from b2m_encoding.gallery.context import FigureContext
from b2m_encoding.gallery.requested import requested_models, requested_score, requested_scores, score_label, score_unit
from b2m_encoding.io.shares import counted_share
from b2m_encoding.results.schema import JOINT, LABELS, UNMASKED, maps
from b2m_encoding.spaces import RegionSpace, SurfaceSpace, VolumeSpace


def draw_accuracy(context: FigureContext, subject: str) -> FigureResult:
    """Draw a score on the flatmap, with its significance and ceiling."""
    scores, keywords = requested_score(context, subject)
    ceiling, remarks = None, []
    has_ceiling = context.results.has_map(subject, JOINT, maps.CEILING.stat)
    if has_ceiling and context.request.score in (maps.R.stat, maps.R_NORMALISED.stat):
        [ceiling] = context.on_surface(subject, [(JOINT, maps.CEILING.stat)])
    if context.request.score == maps.R_NORMALISED.stat:  # no hole where only the ceiling is unknown
        unknown = context.tested(subject) & ~np.isfinite(scores)
        scores = np.where(unknown, np.float32(0), scores)
        remarks = ["1 is the ceiling, which is an estimate: values above it are possible, and have the last colour."]
        significant = keywords["significant"]
        keywords["significant"] = ~unknown if significant is None else significant & ~unknown
        keywords["criterion"] += " and have a noise ceiling"
    return figures.score_map(
        scores, *context.cortex(subject), label=score_label(context), limits=context.limits, ceiling=ceiling,
        contour=context.request.contour, view=context.request.view, zoom=context.zoom, remarks=remarks, **keywords,
    )  # fmt: skip


def draw_surface(context: FigureContext, subject: str) -> FigureResult:
    """Draw a score on the inflated cortex."""
    scores, keywords = requested_score(context, subject)
    outline = context.zoom if context.request.view != "whole" else None
    return figures.surface(
        scores, *context.cortex(subject), label=score_label(context), limits=context.limits, outline=outline, **keywords
    )


def draw_slices(context: FigureContext, subject: str) -> FigureResult:
    """Draw a score in slices through a volume."""
    space = context.results.space(subject)
    if not isinstance(space, VolumeSpace):
        raise InputError(f"sub-{subject} has no volumes", found=space.name, fix="draw accuracy or distribution")
    models = (context.model,)
    masking = () if context.request.score in UNMASKED else context.masking(subject, models)
    return figures.slices(
        context.results.map(subject, context.model, context.request.score),
        space,
        label=score_label(context),
        limits=context.limits,
        background=_mean_image(context, subject, space),
        significant=context.predicted(subject, masking) if masking else None,
        criterion=context.criterion(subject, models),
        **(context.page_keywords(subject, models) | {"title": f"sub-{subject}"}),
    )


def _mean_image(context: FigureContext, subject: str, space: VolumeSpace) -> Float32 | None:
    """The mean volume of a subject on the grid of its mask; none in MNI space, which has a template."""
    if space.in_mni or not context.results.has_map(subject, maps.MEASURED, maps.MEAN.stat):
        return None
    image = np.zeros(space.mask.shape, dtype=np.float32)
    image[space.mask] = context.results.map(subject, maps.MEASURED, maps.MEAN.stat)
    return image


def draw_distribution(context: FigureContext, subject: str) -> FigureResult:
    """Draw the distributions of scores."""
    names = tuple(dict.fromkeys((context.model, *context.models)))[: len(context.settings.colours)]
    masking = () if context.request.score in UNMASKED else context.masking(subject, (context.model,))
    space = context.results.space(subject)
    held = [name for name in names if context.results.has_map(subject, name, context.request.score)]
    return figures.distribution(
        {name: context.results.map(subject, name, context.request.score) for name in held},
        significant=context.predicted(subject, masking) if masking else None,
        names=space.regions if isinstance(space, RegionSpace) else None,
        label=LABELS.get(context.request.score, context.request.score),
        criterion=context.criterion(subject, (context.model,)),
        **(context.page_keywords(subject, held) | {"title": f"sub-{subject}"}),
    )


def draw_preference(context: FigureContext, subject: str) -> FigureResult:
    """Draw two feature spaces in one colour."""
    first, second = requested_models(context, 2, "preference")
    score_a, score_b = requested_scores(context, subject, (first, second))
    return figures.preference(
        score_a, score_b, *context.cortex(subject), names=(first, second), label=score_unit(context),
        undecided=_undecided(context, subject),
        **context.view_keywords(subject, (first, second)),
    )  # fmt: skip


def _undecided(context: FigureContext, subject: str) -> Booleans | None:
    """Where a study of two feature spaces finds no preference, on the drawing surface; None: it was not tested."""
    tested = (maps.PREFERENCE, maps.PREFERRED.stat)
    if len(context.results.feature_spaces) != 2 or not context.results.has_map(subject, *tested):
        return None
    return np.asarray(context.levels(subject, *tested) < 0)


def draw_ternary(context: FigureContext, subject: str) -> FigureResult:
    """Draw three feature spaces in one colour."""
    a, b, c = requested_models(context, 3, "ternary")
    first, second, third = requested_scores(context, subject, (a, b, c))
    return figures.ternary(
        (first, second, third), *context.cortex(subject), names=(a, b, c), limits=context.limits,
        label=score_unit(context), **context.view_keywords(subject, (a, b, c)),
    )  # fmt: skip


def draw_hierarchy(context: FigureContext, subject: str) -> FigureResult:
    """Draw the layer, or feature space, with the best predictions."""
    scores = dict(zip(context.models, requested_scores(context, subject, context.models), strict=True))
    keywords = context.view_keywords(subject, context.models)
    return figures.hierarchy(
        scores, *context.cortex(subject), label=score_unit(context), cmap=_colours_of(context), **keywords
    )


def _colours_of(context: FigureContext) -> str | tuple[str, ...]:
    """Colours of the feature spaces if there are enough, else those of ordered layers."""
    colours = context.colours(context.models)
    return colours if len(colours) == len(context.models) else "viridis"


def draw_stacking(context: FigureContext, subject: str) -> FigureResult:
    """Draw the weight of every member of the stacked joint model."""
    spaces = context.results.feature_spaces
    keys = {name: (name, maps.STACK.stat) for name in spaces}
    if len(spaces) > 2:
        keys |= {f"all but {name}": (name, maps.STACK_WITHOUT.stat) for name in reversed(spaces)}
    keys["all"] = (JOINT, maps.STACK.stat)
    drawn = context.on_surface(subject, [*keys.values()])
    tested, significant = context.tested(subject), context.significant(subject)
    return figures.subjects(
        dict(zip(keys, drawn, strict=True)), *context.cortex(subject),
        tested=dict.fromkeys(keys, tested),
        significant=None if significant is None else dict.fromkeys(keys, significant),
        criterion=context.criterion(subject), label=maps.STACK.label, zoom=context.zoom_only,
        limits=context.asked or (0.0, 1.0), each="member",
        remarks=[
            "The joint model is their weighted mean. Where training samples cannot tell, they share the weight: "
            "that of a feature space is not what it adds."
        ],
        **(context.page_keywords(subject) | {"title": f"sub-{subject}"}),
    )  # fmt: skip


def draw_weights(context: FigureContext, subject: str) -> FigureResult:
    """Draw three components of the weights."""
    keys = [(context.model, kind.stat) for kind in maps.COMPONENTS]
    if not all(context.results.has_map(subject, *key) for key in keys):
        raise InputError(
            "the results hold no components of the weights",
            file=context.results.path,
            expected=", ".join(f"{desc}/{stat}" for desc, stat in keys),
            fix="set results.weights = true and run again; they are made where three or more targets are predicted",
        )
    first, second, third = (float(context.results.sidecar(subject, *key)["Explained"]) for key in keys)
    return figures.weights(
        np.stack(context.on_surface(subject, keys)), *context.cortex(subject), explained=(first, second, third),
        **context.view_keywords(subject),
    )  # fmt: skip


def draw_lag(context: FigureContext, subject: str) -> FigureResult:
    """Draw the delay of the largest weights, where the model (of a feature space: it alone as well) predicts."""
    model, kind = context.model, maps.LAG
    if not context.results.has_map(subject, model, kind.stat):
        raise InputError("the results hold no delays of the largest weights", file=context.results.path,
                         found=f"{model}/{kind.stat}", fix=f"a study needs {kind.needs}")  # fmt: skip
    [lags] = context.on_surface(subject, [(model, kind.stat)])
    about = context.results.sidecar(subject, model, kind.stat)
    first, *_, last = about["Delays"]
    masked = replace(context, request=replace(context.request, mask=context.request.mask or "own"))
    keywords = masked.view_keywords(subject, (model,))
    keywords["style"] = keywords["style"].model_copy(update={"colour_map": "viridis"})
    known = np.isfinite(lags)
    bare = bool((context.tested(subject) & ~known).any())
    keywords["tested"] = known
    shown = lags[known if keywords["significant"] is None else known & keywords["significant"]]
    ends = int(((shown <= first) | (shown >= last)).sum())
    remarks = [
        f"Delays were {first:g} to {last:g} s"
        + (f"; in {counted_share(ends, shown.size)} vertices in colour the peak may lie beyond." if ends else "."),
        "The delay is of neurons and of blood vessels together: differences are no neural latencies.",
    ]
    if about["DelayPrior"] == "hrf":
        remarks.append("The prior draws weak responses towards 5 s.")
    return figures.score_map(
        lags, *context.cortex(subject), label=kind.label if model == JOINT else f"{kind.label} of {model}",
        limits=context.asked or (first, last), contour=False, fade=False, remarks=remarks,
        missing="not tested, or no weights" if bare else "not tested", **keywords,
    )  # fmt: skip


def draw_scatter(context: FigureContext, subject: str) -> FigureResult:
    """Draw the scores of one model against those of another."""
    models = requested_models(context, 2, "scatter")
    score_x, score_y = (context.results.map(subject, model, context.request.score) for model in models)
    space, keywords = context.results.space(subject), context.page_keywords(subject)
    keywords["title"] = f"sub-{subject}"
    targets = "voxels" if isinstance(space, VolumeSpace) else "targets"
    masking = context.masking(subject, models) if context.request.mask else ()
    return figures.scatter(
        score_x, score_y, names=(models[0], models[1]), mark=context.request.mark, label=score_unit(context),
        tested=context.predicted(subject, masking) if masking else None,
        significant=None if context.request.mask else context.predicted(subject, context.masking(subject, models)),
        chosen=context.criterion(subject, models),
        criterion=context.criterion(subject, models) if masking else "tested, predicted or not",
        targets="vertices" if isinstance(space, SurfaceSpace) else targets,
        limits=context.settings.limits or (None, None), **keywords,
    )  # fmt: skip
