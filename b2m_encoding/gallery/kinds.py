"""The kinds of figures: which maps and tables of a results folder each one draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from b2m_encoding import figures
from b2m_encoding._typing import Booleans, Float32
from b2m_encoding.data.sources import GROUP_MEAN
from b2m_encoding.errors import InputError
from b2m_encoding.features.audio import read_audio
from b2m_encoding.figures import FigureResult, MapKeywords
from b2m_encoding.gallery import diagnostics
from b2m_encoding.gallery.context import FigureContext
from b2m_encoding.gallery.reconstruction import classes, penalties, reconstruction, unheard
from b2m_encoding.gallery.tables import fewer_decoders, masked_regions, region_ceilings, t_of_group, with_groups
from b2m_encoding.results.partition_doubts import ONE_PENALTY, doubted_parts
from b2m_encoding.results.schema import JOINT, LABELS, SHORT_LABELS, UNMASKED, maps, tables
from b2m_encoding.results.schema.files import IDENTIFICATION_SUMMARY, SETTINGS
from b2m_encoding.results.schema.tables import named_table
from b2m_encoding.spaces import RegionSpace, SurfaceSpace, VolumeSpace

PARTS = {maps.UNIQUE.stat, maps.SHARED.stat}
SOUND_RATE = 16_000
"""Sampling rate of spectrograms, Hz."""


@dataclass(frozen=True)
class Kind:
    """A kind of figure.

    Parameters
    ----------
    description : str
        Content of the figure, in one line.
    draw : callable
        Draws the figure from a context and a subject ("": all subjects together).
    per_subject : bool
        Whether every subject has a figure of this kind.
    """

    description: str
    draw: Callable[[FigureContext, str], FigureResult]
    per_subject: bool = True


def _label(context: FigureContext) -> str:
    """Label of the requested score and model."""
    label = LABELS.get(context.request.score, context.request.score)
    return label if context.model == JOINT else f"{label} of {context.model}"


def _unit(context: FigureContext) -> str:
    """Short name of the requested score."""
    return SHORT_LABELS.get(context.request.score, context.request.score)


def _requested_score(context: FigureContext, subject: str) -> tuple[Float32, MapKeywords]:
    """The requested score on the surface, with the options of its map."""
    [scores] = context.on_surface(subject, [(context.model, context.request.score)])
    keywords = context.map_keywords(subject, (context.model,))
    if context.request.score in UNMASKED:
        keywords["significant"] = None
    return scores, keywords


def _requested_models(context: FigureContext, n: int, kind: str) -> tuple[str, ...]:
    """The requested feature spaces, by default the first n."""
    names = context.models if context.request.models else context.models[:n]
    if len(names) != n:
        raise InputError(f"{kind} shows {n} feature spaces", found=", ".join(names), fix="name them with --model")
    return names


def _scores(context: FigureContext, subject: str, models: tuple[str, ...]) -> list[Float32]:
    """The requested score of several models on the surface."""
    return context.on_surface(subject, [(model, context.request.score) for model in models])


def _accuracy(context: FigureContext, subject: str) -> FigureResult:
    scores, keywords = _requested_score(context, subject)
    ceiling = None
    has_ceiling = context.results.has_map(subject, JOINT, maps.CEILING.stat)
    if has_ceiling and context.request.score in (maps.R.stat, maps.R_NORMALISED.stat):
        [ceiling] = context.on_surface(subject, [(JOINT, maps.CEILING.stat)])
    if context.request.score == maps.R_NORMALISED.stat:  # no hole where only the ceiling is unknown
        unknown = context.tested(subject) & ~np.isfinite(scores)
        scores = np.where(unknown, np.float32(0), scores)
        significant = keywords["significant"]
        keywords["significant"] = ~unknown if significant is None else significant & ~unknown
        keywords["criterion"] += " and have a noise ceiling"
    return figures.score_map(
        scores, *context.cortex(subject), label=_label(context), limits=context.limits, ceiling=ceiling,
        contour=context.request.contour, view=context.request.view, zoom=context.zoom, **keywords,
    )  # fmt: skip


def _surface(context: FigureContext, subject: str) -> FigureResult:
    scores, keywords = _requested_score(context, subject)
    outline = context.zoom if context.request.view != "whole" else None
    return figures.surface(
        scores, *context.cortex(subject), label=_label(context), limits=context.limits, outline=outline, **keywords
    )


def _slices(context: FigureContext, subject: str) -> FigureResult:
    space = context.results.space(subject)
    if not isinstance(space, VolumeSpace):
        raise InputError(f"sub-{subject} has no volumes", found=space.name, fix="draw accuracy or distribution")
    models = (context.model,)
    masking = () if context.request.score in UNMASKED else context.masking(subject, models)
    return figures.slices(
        context.results.map(subject, context.model, context.request.score),
        space,
        label=_label(context),
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


def _distribution(context: FigureContext, subject: str) -> FigureResult:
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


def _preference(context: FigureContext, subject: str) -> FigureResult:
    first, second = _requested_models(context, 2, "preference")
    score_a, score_b = _scores(context, subject, (first, second))
    return figures.preference(
        score_a, score_b, *context.cortex(subject), names=(first, second), label=_unit(context),
        undecided=_undecided(context, subject),
        **context.view_keywords(subject, (first, second)),
    )  # fmt: skip


def _undecided(context: FigureContext, subject: str) -> Booleans | None:
    """Where a study of two feature spaces finds no preference, on the drawing surface; None: it was not tested."""
    tested = (maps.PREFERENCE, maps.PREFERRED.stat)
    if len(context.results.feature_spaces) != 2 or not context.results.has_map(subject, *tested):
        return None
    return np.asarray(context.levels(subject, *tested) < 0)


def _ternary(context: FigureContext, subject: str) -> FigureResult:
    a, b, c = _requested_models(context, 3, "ternary")
    first, second, third = _scores(context, subject, (a, b, c))
    return figures.ternary(
        (first, second, third), *context.cortex(subject), names=(a, b, c), limits=context.limits,
        label=_unit(context), **context.view_keywords(subject, (a, b, c)),
    )  # fmt: skip


def _hierarchy(context: FigureContext, subject: str) -> FigureResult:
    scores = dict(zip(context.models, _scores(context, subject, context.models), strict=True))
    keywords = context.view_keywords(subject, context.models)
    return figures.hierarchy(
        scores, *context.cortex(subject), label=_unit(context), cmap=_colours_of(context), **keywords
    )


def _colours_of(context: FigureContext) -> str | tuple[str, ...]:
    """Colours of the feature spaces if there are enough, else those of ordered layers."""
    colours = context.colours(context.models)
    return colours if len(colours) == len(context.models) else "viridis"


def _partition(context: FigureContext, subject: str) -> FigureResult:
    stored = {desc: stats for desc, stats in context.results.stats(subject).items() if PARTS & {*stats}}
    if not stored:
        raise InputError(
            "the results hold no parts of variance",
            file=context.results.path,
            fix="set statistics.partition = true in the study, and run it again",
        )
    keys = [(desc, next(stat for stat in stats if stat in PARTS)) for desc, stats in stored.items()]
    names = [tuple(context.results.sidecar(subject, *key)["FeatureSpaces"]) for key in keys]
    order = {name: i for i, name in enumerate(context.results.feature_spaces)}
    parts = {
        tuple(sorted(part, key=order.__getitem__)): values
        for part, values in zip(names, context.on_surface(subject, keys), strict=True)
    }
    parts = dict(sorted(parts.items(), key=lambda item: [order[name] for name in item[0]]))
    return figures.partition(
        parts, *context.cortex(subject), zoom=context.zoom_only, limits=context.limits,
        remarks=_partition_remarks(context, subject), **context.map_keywords(subject),
    )  # fmt: skip


def _partition_remarks(context: FigureContext, subject: str) -> list[str]:
    """What a reader of the parts of variance should doubt."""
    remarks = []
    if context.results.has(tables.PARTITION):
        rows = context.results.table(tables.PARTITION)
        if doubted := doubted_parts(rows[rows["subject"] == subject], limit=2):
            remarks.append(f"Parts to doubt: {doubted}.")
    if context.results.has(SETTINGS) and context.results.json(SETTINGS)["model"].get("solver") == "ridge":
        remarks.append(f"Beware of {ONE_PENALTY}.")
    return remarks


def _weights(context: FigureContext, subject: str) -> FigureResult:
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


def _scatter(context: FigureContext, subject: str) -> FigureResult:
    models = _requested_models(context, 2, "scatter")
    score_x, score_y = (context.results.map(subject, model, context.request.score) for model in models)
    space, keywords = context.results.space(subject), context.page_keywords(subject)
    keywords["title"] = f"sub-{subject}"
    targets = "voxels" if isinstance(space, VolumeSpace) else "targets"
    masking = context.masking(subject, models) if context.request.mask else ()
    return figures.scatter(
        score_x, score_y, names=(models[0], models[1]), mark=context.request.mark, label=_unit(context),
        tested=context.predicted(subject, masking) if masking else None,
        significant=None if context.request.mask else context.predicted(subject, context.masking(subject, models)),
        chosen=context.criterion(subject, models),
        criterion=context.criterion(subject, models) if masking else "tested, predicted or not",
        targets="vertices" if isinstance(space, SurfaceSpace) else targets,
        limits=context.settings.limits or (None, None), **keywords,
    )  # fmt: skip


def _subjects(context: FigureContext, _: str) -> FigureResult:
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
        label=_label(context),
        limits=context.limits,
        zoom=context.zoom_only,
        **context.page_keywords(),
    )


def _group(context: FigureContext, _: str) -> FigureResult:
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
        label=_label(context),
        zoom=context.zoom_only,
        limits=context.limits,
        **context.page_keywords(),
    )


def _regions(context: FigureContext, _: str) -> FigureResult:
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


def _decoding(context: FigureContext, _: str) -> FigureResult:
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


def _of_names(draw: Callable[..., FigureResult]) -> Callable[[FigureContext, str], FigureResult]:
    """A kind of figure that is drawn from the table of features with names."""

    def drawn(context: FigureContext, subject: str) -> FigureResult:
        table, chosen = _named(context, subject)
        keywords = context.page_keywords(subject) | {"title": f"sub-{subject}: {chosen}"}
        return draw(table, q=context.statistics.q, **keywords)

    return drawn


def _tag_map(context: FigureContext, subject: str) -> FigureResult:
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


def _stimulus(context: FigureContext, _: str) -> FigureResult:
    if not context.request.sounds:
        raise InputError("no sound to draw", fix="name sound files: --sound heard=a.wav --sound retrieved=b.wav")
    sounds = {name: read_audio(path, SOUND_RATE) for name, path in context.request.sounds.items()}
    return figures.stimulus(sounds, SOUND_RATE, **context.page_keywords())


KINDS = {
    "accuracy": Kind("a score on the flatmap, whole cortex and zoom, with significance and ceiling", _accuracy),
    "preference": Kind("two feature spaces in one colour, with legend and joint histogram", _preference),
    "ternary": Kind("three feature spaces in one colour, and each by itself", _ternary),
    "partition": Kind("unique and shared variance: maps and a Venn diagram with numbers", _partition),
    "scatter": Kind("density of targets, one model against another", _scatter),
    "subjects": Kind("a score in all subjects with the same limits", _subjects, per_subject=False),
    "group": Kind("a group: mean, t, overlap and outlines of all subjects", _group, per_subject=False),
    "regions": Kind("regions: subjects, means, intervals, ceiling, differences", _regions, per_subject=False),
    "hierarchy": Kind("layer, or feature space, with the best predictions", _hierarchy),
    "weights": Kind("three components of the weights as red, green and blue", _weights),
    "decoding": Kind("identification by group of clips, confusion, ranks", _decoding, per_subject=False),
    "reconstruction": Kind("identification by reconstructions: methods, corpora, groups", reconstruction, False),
    "classes": Kind("agreement of the classes of presented and reconstructed sounds", classes, False),
    "unheard": Kind("identification with and without the group of a clip in training", unheard, False),
    "penalties": Kind("scores of decoders at every penalty, fitted and left out", penalties, False),
    "tags": Kind("tags, or other features with names, that regions respond to", _of_names(figures.tags)),
    "tagprofile": Kind("all features with names by region: a profile of the tags", _of_names(figures.tag_profile)),
    "tagmap": Kind("the tag, or other feature with a name, that each target prefers, and how certain it is", _tag_map),
    "quality": Kind("head motion over time, and signal-to-noise ratio of every run", diagnostics.draw_quality),
    "design": Kind("features over time, and their correlations", diagnostics.draw_design),
    "ceiling": Kind("the noise ceiling on the cortex", diagnostics.draw_ceiling),
    "delays": Kind("weights over delays, by region", diagnostics.draw_delays),
    "timecourses": Kind("measured and predicted responses of the best targets", diagnostics.draw_timecourses),
    "profile": Kind("scores of all models in the regions that are predicted best", diagnostics.draw_profile),
    "slices": Kind("a score in slices through a volume, and a glass brain", _slices),
    "distribution": Kind("distributions of scores, and the best targets", _distribution),
    "surface": Kind("a score on the inflated cortex", _surface),
    "stimulus": Kind("spectrograms of presented, retrieved and generated sounds", _stimulus, per_subject=False),
}
"""All kinds, by their names on the command line."""
