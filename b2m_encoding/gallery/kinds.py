"""The kinds of figures: what each one reads from a results folder."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from b2m_encoding import figures
from b2m_encoding.data.sources import GROUP_MEAN
from b2m_encoding.errors import InputError
from b2m_encoding.features.audio import read_audio
from b2m_encoding.figures import FigureResult
from b2m_encoding.gallery.context import FigureContext
from b2m_encoding.results.schema import JOINT, LABELS, SHORT_LABELS, UNMASKED, tables
from b2m_encoding.results.schema.files import IDENTIFICATION_SUMMARY
from b2m_encoding.spaces import HEMISPHERES, GrayordinateSpace, RegionSpace, SurfaceSpace, VolumeSpace, load_atlas

SOUND_RATE = 16_000
GENRE = re.compile(r"(?P<genre>[^\W\d_][^.]*)\.\d+")
"""Names of clips of the Music Genre data set: ``blues.00017``."""


@dataclass(frozen=True)
class Kind:
    """A kind of figure.

    Parameters
    ----------
    text : str
        What it shows, in one line.
    draw : callable
        Makes it from a context and a subject (None: of all subjects together).
    per_subject : bool
        Whether there is one for every subject.
    """

    text: str
    draw: Callable[[FigureContext, str], FigureResult]
    per_subject: bool = True


def make_figure(context: FigureContext, kind: str, subject: str = "") -> FigureResult:
    """Draw one figure; its caption ends with where the numbers come from."""
    found = KINDS[kind].draw(context, subject)
    return replace(found, caption=f"{found.caption} {context.origin(subject or None)}")


def _label(context: FigureContext) -> str:
    label = LABELS.get(context.request.score, context.request.score)
    return label if context.model == JOINT else f"{label} of {context.model}"


def _scored(context: FigureContext, subject: str) -> tuple[np.ndarray, dict[str, object]]:
    """The score that is asked for, and how it is drawn."""
    [scores] = context.on_surface(subject, [(context.model, context.request.score)])
    common = context.common(subject)
    if context.request.score in UNMASKED:
        common["significant"] = None
    common["tested"] = common["tested"] & np.isfinite(scores)
    return scores, {**common, "label": _label(context), "limits": context.limits}


def _accuracy(context: FigureContext, subject: str) -> FigureResult:
    scores, options = _scored(context, subject)
    if context.results.has_map(subject, JOINT, "ceiling") and context.request.score in ("r", "rnormalised"):
        [options["ceiling"]] = context.on_surface(subject, [(JOINT, "ceiling")])
    if context.request.score == "rnormalised":
        options["missing"] = "no noise ceiling"
    surface = context.surface(subject)
    return figures.score_map(
        scores, surface, context.atlas(surface), view=context.request.view, zoom=context.zoom,
        contour=context.request.contour, **options,  # type: ignore[arg-type]
    )  # fmt: skip


def _surface(context: FigureContext, subject: str) -> FigureResult:
    scores, options = _scored(context, subject)
    surface = context.surface(subject)
    return figures.surface(scores, surface, context.atlas(surface), **options)  # type: ignore[arg-type]


def _models(context: FigureContext, n: int, kind: str) -> tuple[str, ...]:
    """So many feature spaces: those asked for, or the first ones."""
    names = context.models if context.request.models else context.models[:n]
    if len(names) != n:
        raise InputError(f"{kind} shows {n} feature spaces", found=", ".join(names), fix="name them with --model")
    return names


def _several(context: FigureContext, subject: str, names: tuple[str, ...]) -> list[np.ndarray]:
    return list(context.on_surface(subject, [(name, context.request.score) for name in names]))


def _preference(context: FigureContext, subject: str) -> FigureResult:
    first, second = _models(context, 2, "preference")
    a, b = _several(context, subject, (first, second))
    surface = context.surface(subject)
    return figures.preference(
        a, b, surface, context.atlas(surface), names=(first, second), view=context.request.view, zoom=context.zoom,
        label=SHORT_LABELS.get(context.request.score, context.request.score), **context.common(subject),
    )  # fmt: skip


def _ternary(context: FigureContext, subject: str) -> FigureResult:
    a, b, c = _models(context, 3, "ternary")
    first, second, third = _several(context, subject, (a, b, c))
    surface = context.surface(subject)
    return figures.ternary(
        (first, second, third), surface, context.atlas(surface), names=(a, b, c), view=context.request.view,
        zoom=context.zoom, limits=context.limits, label=SHORT_LABELS.get(context.request.score, context.request.score),
        **context.common(subject),
    )  # fmt: skip


def _hierarchy(context: FigureContext, subject: str) -> FigureResult:
    names = context.models
    surface = context.surface(subject)
    scores = dict(zip(names, _several(context, subject, names), strict=True))
    return figures.hierarchy(
        scores, surface, context.atlas(surface), view=context.request.view, zoom=context.zoom,
        label=SHORT_LABELS.get(context.request.score, context.request.score), **context.common(subject),
    )  # fmt: skip


def _partition(context: FigureContext, subject: str) -> FigureResult:
    found = {desc: stats for desc, stats in context.results.stats(subject).items() if {"unique", "shared"} & {*stats}}
    if not found:
        raise InputError(
            "the results hold no parts of variance",
            file=context.results.path,
            fix="set statistics.partition = true in the study, and run it again",
        )
    keys = [(desc, "unique" if "unique" in stats else "shared") for desc, stats in found.items()]
    names = [tuple(context.results.sidecar(subject, *key)["FeatureSpaces"]) for key in keys]
    order = {name: i for i, name in enumerate(context.results.feature_spaces)}
    parts = {
        tuple(sorted(part, key=order.__getitem__)): values
        for part, values in zip(names, context.on_surface(subject, keys), strict=True)
    }
    parts = dict(sorted(parts.items(), key=lambda item: [order[name] for name in item[0]]))
    surface = context.surface(subject)
    return figures.partition(
        parts, surface, context.atlas(surface), zoom=context.zoom_only, limits=context.limits, **context.common(subject)
    )


def _weights(context: FigureContext, subject: str) -> FigureResult:
    keys = [(context.model, f"pc{i}") for i in (1, 2, 3)]
    if not all(context.results.has_map(subject, *key) for key in keys):
        raise InputError(
            "the results hold no components of the weights",
            file=context.results.path,
            expected=", ".join(f"{desc}/{stat}" for desc, stat in keys),
            fix="set results.weights = true and run again; they are made where three or more targets are predicted",
        )
    surface = context.surface(subject)
    first, second, third = (float(context.results.sidecar(subject, *key)["Explained"]) for key in keys)
    return figures.weights(
        np.stack(context.on_surface(subject, keys)), surface, context.atlas(surface), view=context.request.view,
        zoom=context.zoom, explained=(first, second, third), **context.common(subject),
    )  # fmt: skip


def _scatter(context: FigureContext, subject: str) -> FigureResult:
    x, y = _models(context, 2, "scatter")
    first, second = (context.results.map(subject, name, context.request.score) for name in (x, y))
    space = context.results.space(subject)
    what = "vertices" if isinstance(space, SurfaceSpace) else "voxels" if isinstance(space, VolumeSpace) else "targets"
    return figures.scatter(
        first, second, names=(x, y), targets=what, title=f"sub-{subject}", mark=context.request.mark,
        limits=context.settings.limits or (None, None),
        label=SHORT_LABELS.get(context.request.score, context.request.score), **context.style,
    )  # fmt: skip


def _subjects(context: FigureContext, _: str) -> FigureResult:
    surfaces = {subject: context.surface(subject) for subject in context.subjects}
    surface = next(iter(surfaces.values()))
    if other := [subject for subject, one in surfaces.items() if one != surface]:
        raise InputError("subjects lie on different surfaces", found=", ".join(other), fix="draw them one by one")
    keys = [(context.model, context.request.score)]
    names = {subject: f"sub-{subject}" for subject in surfaces}
    masked = context.request.score not in UNMASKED
    return figures.subjects(
        {name: context.on_surface(subject, keys)[0] for subject, name in names.items()},
        surface,
        context.atlas(surface),
        tested={name: context.tested(subject) for subject, name in names.items()},
        significant={name: context.significant(subject) for subject, name in names.items()} if masked else None,
        label=_label(context),
        limits=context.limits,
        zoom=context.zoom_only,
        criterion=context.criterion,
        **context.style,
    )


def _regions(context: FigureContext, _: str) -> FigureResult:
    table = context.results.table(tables.REGIONS)
    wanted = (
        table["subject"].isin(context.request.subjects) if context.request.subjects else table["subject"] != GROUP_MEAN
    )
    shown = table[wanted & table["score"].notna()]
    if context.request.models:
        shown = shown[shown["feature_space"].isin(context.request.models)]
    has_tests = context.results.has(tables.REGION_TESTS) and not context.request.subjects
    tests = context.results.table(tables.REGION_TESTS) if has_tests else None
    return figures.regions(
        shown, tests=tests, q=context.statistics.q, ceiling=region_ceilings(context, tuple(shown["region"].unique())),
        level=context.statistics.level, **context.style,
    )  # fmt: skip


def region_ceilings(context: FigureContext, names: tuple[str, ...]) -> pd.DataFrame | None:
    """Lowest and highest mean ceiling of a subject in every region; None where no subject has one."""
    rows = []
    for subject in context.subjects:
        if not context.results.has_map(subject, JOINT, "ceiling"):
            continue
        ceiling, space = context.results.map(subject, JOINT, "ceiling"), context.results.space(subject)
        if isinstance(space, RegionSpace):
            rows += [(name, ceiling[space.regions.index(name)]) for name in names]
        elif isinstance(space, SurfaceSpace | GrayordinateSpace | VolumeSpace):
            atlas = load_atlas(context.maps.atlas, space)
            for name in names:
                sides = [ceiling[atlas.mask(name, hemi)] for hemi in HEMISPHERES]
                means = [np.mean(side[np.isfinite(side)]) for side in sides if np.isfinite(side).any()]
                rows += [(name, float(np.mean(means)))] if means else []
    table = pd.DataFrame(rows, columns=["region", "ceiling"]).dropna()
    if not len(table):
        return None
    return table.groupby("region", sort=False)["ceiling"].agg(lower="min", upper="max").reset_index()


def _decoding(context: FigureContext, _: str) -> FigureResult:
    table = context.results.table(tables.IDENTIFICATION)
    if context.request.subjects:
        table = table[table["subject"].isin(context.request.subjects)]
    if context.request.models:
        table = table[table["target"].isin(context.request.models)]
    for column, of in (("genre", "clip"), ("identified_genre", "identified")):
        if of in table:
            found = table[of].astype(str).str.fullmatch(GENRE.pattern)
            if found.all():
                table = table.assign(**{column: table[of].astype(str).str.replace(r"\.\d+$", "", regex=True)})
    table, left_out = fewer_decoders(table, len(context.settings.colours))
    shown = {*zip(table["subject"], table["target"], strict=True)}
    intervals = {
        (row["subject"], row["feature_space"]): tuple(row["chance_interval_95"])
        for row in context.results.json(IDENTIFICATION_SUMMARY)["subjects"]
        if (row["subject"], row["feature_space"]) in shown
    }
    found = figures.decoding(table, intervals=intervals, **context.style)
    return replace(found, caption=f"{found.caption} Not shown: {', '.join(left_out)}.") if left_out else found


def fewer_decoders(table: pd.DataFrame, most: int) -> tuple[pd.DataFrame, list[str]]:
    """As many feature spaces and decoders as there are colours, the first decoder of every space before the second."""
    if "decoder" not in table:
        return table, []
    pairs = table[["target", "decoder"]].drop_duplicates()
    order = pairs.groupby("target", sort=False).cumcount().sort_values(kind="stable").index
    shown, others = pairs.loc[order[:most]], pairs.loc[order[most:]]
    kept = table.merge(shown, on=["target", "decoder"])
    return kept, [f"{row.target} by {row.decoder}" for row in others.itertuples()]


def _stimulus(context: FigureContext, _: str) -> FigureResult:
    if not context.request.sounds:
        raise InputError("no sound to draw", fix="name sound files: --sound heard=a.wav --sound retrieved=b.wav")
    sounds = {name: read_audio(path, SOUND_RATE) for name, path in context.request.sounds.items()}
    return figures.stimulus(sounds, SOUND_RATE, **context.style)


KINDS = {
    "accuracy": Kind("a score on the flatmap, whole cortex and zoom, with significance and ceiling", _accuracy),
    "preference": Kind("two feature spaces in one colour, with legend and joint histogram", _preference),
    "ternary": Kind("three feature spaces in one colour, and each by itself", _ternary),
    "partition": Kind("unique and shared variance: maps and a Venn diagram with numbers", _partition),
    "scatter": Kind("density of targets, one model against another", _scatter),
    "subjects": Kind("a score in all subjects with the same limits", _subjects, per_subject=False),
    "regions": Kind("regions: subjects, means, intervals, ceiling, differences", _regions, per_subject=False),
    "hierarchy": Kind("which layer, or feature space, predicts best", _hierarchy),
    "weights": Kind("three components of the weights as red, green and blue", _weights),
    "decoding": Kind("identification by genre, confusion, ranks", _decoding, per_subject=False),
    "surface": Kind("a score on the inflated cortex", _surface),
    "stimulus": Kind("spectrograms of sounds heard, retrieved, generated", _stimulus, per_subject=False),
}
"""All kinds, by the name that the command takes."""
