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
from b2m_encoding.gallery.context import Source
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
        Makes it from a source and a subject (None: of all subjects together).
    per_subject : bool
        Whether there is one for every subject.
    """

    text: str
    draw: Callable[[Source, str], FigureResult]
    per_subject: bool = True


def make_figure(source: Source, kind: str, subject: str = "") -> FigureResult:
    """Draw one figure; its caption ends with where the numbers come from."""
    found = KINDS[kind].draw(source, subject)
    return replace(found, caption=f"{found.caption} {source.origin(subject or None)}")


def _label(source: Source) -> str:
    label = LABELS.get(source.wish.score, source.wish.score)
    return label if source.model == JOINT else f"{label} of {source.model}"


def _scored(source: Source, subject: str) -> tuple[np.ndarray, dict[str, object]]:
    """The score that is asked for, and how it is drawn."""
    [scores] = source.on_surface(subject, [(source.model, source.wish.score)])
    common = source.common(subject)
    if source.wish.score in UNMASKED:
        common["significant"] = None
    common["tested"] = common["tested"] & np.isfinite(scores)
    return scores, {**common, "label": _label(source), "limits": source.limits}


def _accuracy(source: Source, subject: str) -> FigureResult:
    scores, options = _scored(source, subject)
    if source.results.has_map(subject, JOINT, "ceiling") and source.wish.score in ("r", "rnormalised"):
        [options["ceiling"]] = source.on_surface(subject, [(JOINT, "ceiling")])
    if source.wish.score == "rnormalised":
        options["missing"] = "no noise ceiling"
    surface = source.surface(subject)
    return figures.accuracy(
        scores, surface, source.atlas(surface), view=source.wish.view, zoom=source.zoom, contour=source.wish.contour,
        **options,  # type: ignore[arg-type]
    )  # fmt: skip


def _surface(source: Source, subject: str) -> FigureResult:
    scores, options = _scored(source, subject)
    surface = source.surface(subject)
    return figures.surface(scores, surface, source.atlas(surface), **options)  # type: ignore[arg-type]


def _models(source: Source, n: int, kind: str) -> tuple[str, ...]:
    """So many feature spaces: those asked for, or the first ones."""
    names = source.models if source.wish.models else source.models[:n]
    if len(names) != n:
        raise InputError(f"{kind} shows {n} feature spaces", found=", ".join(names), fix="name them with --model")
    return names


def _several(source: Source, subject: str, names: tuple[str, ...]) -> list[np.ndarray]:
    return list(source.on_surface(subject, [(name, source.wish.score) for name in names]))


def _preference(source: Source, subject: str) -> FigureResult:
    first, second = _models(source, 2, "preference")
    a, b = _several(source, subject, (first, second))
    surface = source.surface(subject)
    return figures.preference(
        a, b, surface, source.atlas(surface), names=(first, second), view=source.wish.view, zoom=source.zoom,
        label=SHORT_LABELS.get(source.wish.score, source.wish.score), **source.common(subject),
    )  # fmt: skip


def _ternary(source: Source, subject: str) -> FigureResult:
    a, b, c = _models(source, 3, "ternary")
    first, second, third = _several(source, subject, (a, b, c))
    surface = source.surface(subject)
    return figures.ternary(
        (first, second, third), surface, source.atlas(surface), names=(a, b, c), view=source.wish.view,
        zoom=source.zoom, limits=source.limits, label=SHORT_LABELS.get(source.wish.score, source.wish.score),
        **source.common(subject),
    )  # fmt: skip


def _hierarchy(source: Source, subject: str) -> FigureResult:
    names = source.models
    surface = source.surface(subject)
    scores = dict(zip(names, _several(source, subject, names), strict=True))
    return figures.hierarchy(
        scores, surface, source.atlas(surface), view=source.wish.view, zoom=source.zoom,
        label=SHORT_LABELS.get(source.wish.score, source.wish.score), **source.common(subject),
    )  # fmt: skip


def _partition(source: Source, subject: str) -> FigureResult:
    found = {desc: stats for desc, stats in source.results.stats(subject).items() if {"unique", "shared"} & {*stats}}
    if not found:
        raise InputError(
            "the results hold no parts of variance",
            file=source.results.path,
            fix="set statistics.partition = true in the study, and run it again",
        )
    keys = [(desc, "unique" if "unique" in stats else "shared") for desc, stats in found.items()]
    names = [tuple(source.results.sidecar(subject, *key)["FeatureSpaces"]) for key in keys]
    order = {name: i for i, name in enumerate(source.results.feature_spaces)}
    parts = {
        tuple(sorted(part, key=order.__getitem__)): values
        for part, values in zip(names, source.on_surface(subject, keys), strict=True)
    }
    parts = dict(sorted(parts.items(), key=lambda item: [order[name] for name in item[0]]))
    surface = source.surface(subject)
    return figures.partition(
        parts, surface, source.atlas(surface), zoom=source.zoom_only, limits=source.limits, **source.common(subject)
    )


def _weights(source: Source, subject: str) -> FigureResult:
    keys = [(source.model, f"pc{i}") for i in (1, 2, 3)]
    if not all(source.results.has_map(subject, *key) for key in keys):
        raise InputError(
            "the results hold no components of the weights",
            file=source.results.path,
            expected=", ".join(f"{desc}/{stat}" for desc, stat in keys),
            fix="set results.weights = true and run again; they are made where three or more targets are predicted",
        )
    surface = source.surface(subject)
    first, second, third = (float(source.results.sidecar(subject, *key)["Explained"]) for key in keys)
    return figures.weights(
        np.stack(source.on_surface(subject, keys)), surface, source.atlas(surface), view=source.wish.view,
        zoom=source.zoom, explained=(first, second, third), **source.common(subject),
    )  # fmt: skip


def _scatter(source: Source, subject: str) -> FigureResult:
    x, y = _models(source, 2, "scatter")
    first, second = (source.results.map(subject, name, source.wish.score) for name in (x, y))
    space = source.results.space(subject)
    what = "vertices" if isinstance(space, SurfaceSpace) else "voxels" if isinstance(space, VolumeSpace) else "targets"
    return figures.scatter(
        first, second, names=(x, y), targets=what, title=f"sub-{subject}", mark=source.wish.mark,
        limits=source.settings.limits or (None, None), label=SHORT_LABELS.get(source.wish.score, source.wish.score),
        **source.style,
    )  # fmt: skip


def _subjects(source: Source, _: str) -> FigureResult:
    surfaces = {subject: source.surface(subject) for subject in source.subjects}
    surface = next(iter(surfaces.values()))
    if other := [subject for subject, one in surfaces.items() if one != surface]:
        raise InputError("subjects lie on different surfaces", found=", ".join(other), fix="draw them one by one")
    keys = [(source.model, source.wish.score)]
    names = {subject: f"sub-{subject}" for subject in surfaces}
    masked = source.wish.score not in UNMASKED
    return figures.subjects(
        {name: source.on_surface(subject, keys)[0] for subject, name in names.items()},
        surface,
        source.atlas(surface),
        tested={name: source.tested(subject) for subject, name in names.items()},
        significant={name: source.significant(subject) for subject, name in names.items()} if masked else None,
        label=_label(source),
        limits=source.limits,
        zoom=source.zoom_only,
        criterion=source.criterion,
        **source.style,
    )


def _regions(source: Source, _: str) -> FigureResult:
    table = source.results.table(tables.REGIONS)
    wanted = table["subject"].isin(source.wish.subjects) if source.wish.subjects else table["subject"] != GROUP_MEAN
    shown = table[wanted & table["score"].notna()]
    if source.wish.models:
        shown = shown[shown["feature_space"].isin(source.wish.models)]
    has_tests = source.results.has(tables.REGION_TESTS) and not source.wish.subjects
    tests = source.results.table(tables.REGION_TESTS) if has_tests else None
    return figures.regions(
        shown, tests=tests, q=source.statistics.q, ceiling=region_ceilings(source, tuple(shown["region"].unique())),
        level=source.statistics.level, **source.style,
    )  # fmt: skip


def region_ceilings(source: Source, names: tuple[str, ...]) -> pd.DataFrame | None:
    """Lowest and highest mean ceiling of a subject in every region; None where no subject has one."""
    rows = []
    for subject in source.subjects:
        if not source.results.has_map(subject, JOINT, "ceiling"):
            continue
        ceiling, space = source.results.map(subject, JOINT, "ceiling"), source.results.space(subject)
        if isinstance(space, RegionSpace):
            rows += [(name, ceiling[space.regions.index(name)]) for name in names]
        elif isinstance(space, SurfaceSpace | GrayordinateSpace | VolumeSpace):
            atlas = load_atlas(source.maps.atlas, space)
            for name in names:
                sides = [ceiling[atlas.mask(name, hemi)] for hemi in HEMISPHERES]
                means = [np.mean(side[np.isfinite(side)]) for side in sides if np.isfinite(side).any()]
                rows += [(name, float(np.mean(means)))] if means else []
    table = pd.DataFrame(rows, columns=["region", "ceiling"]).dropna()
    if not len(table):
        return None
    return table.groupby("region", sort=False)["ceiling"].agg(lower="min", upper="max").reset_index()


def _decoding(source: Source, _: str) -> FigureResult:
    table = source.results.table(tables.IDENTIFICATION)
    if source.wish.subjects:
        table = table[table["subject"].isin(source.wish.subjects)]
    if source.wish.models:
        table = table[table["target"].isin(source.wish.models)]
    for column, of in (("genre", "clip"), ("identified_genre", "identified")):
        if of in table:
            found = table[of].astype(str).str.fullmatch(GENRE.pattern)
            if found.all():
                table = table.assign(**{column: table[of].astype(str).str.replace(r"\.\d+$", "", regex=True)})
    table, left_out = fewer_decoders(table, len(source.settings.style.colours))
    shown = {*zip(table["subject"], table["target"], strict=True)}
    intervals = {
        (row["subject"], row["feature_space"]): tuple(row["chance_interval_95"])
        for row in source.results.json(IDENTIFICATION_SUMMARY)["subjects"]
        if (row["subject"], row["feature_space"]) in shown
    }
    found = figures.decoding(table, intervals=intervals, **source.style)
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


def _stimulus(source: Source, _: str) -> FigureResult:
    if not source.wish.sounds:
        raise InputError("no sound to draw", fix="name sound files: --sound heard=a.wav --sound retrieved=b.wav")
    sounds = {name: read_audio(path, SOUND_RATE) for name, path in source.wish.sounds.items()}
    return figures.stimulus(sounds, SOUND_RATE, **source.style)


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
