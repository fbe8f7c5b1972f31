"""From a results folder to the interactive page: which maps it shows, with which colours, numbers and sounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.features.space import all_subsets
from b2m_encoding.figures.colours import PreferenceColours, ScalarColours, shared_limits
from b2m_encoding.figures.interactive import (
    BestClips,
    LevelColours,
    Score,
    TimeCourses,
    View,
    ViewMap,
    ViewSubject,
    interactive_page,
)
from b2m_encoding.gallery.context import FigureContext, FigureRequest
from b2m_encoding.gallery.explorer_sounds import page_clips
from b2m_encoding.io.writing import write_whole
from b2m_encoding.results.clip_responses import ClipResponses, clip_responses_name
from b2m_encoding.results.schema import JOINT
from b2m_encoding.spaces import SurfaceSpace, drawing_surface
from b2m_encoding.spaces.projection import resample

PAGE = "view.html"
N_BEST = 5
PREFERRED = "preferred"

Floats = NDArray[np.floating]
Stored = tuple[str, str]


def write_view(
    results: Path, out: Path | None = None, *, subjects: Sequence[str] = (), sounds: Path | None = None
) -> Path:
    """Write the interactive page of a results folder.

    Parameters
    ----------
    results : Path
    out : Path, optional
        The HTML file; default: ``view.html`` in the results.
    subjects : sequence of str
        Only these.
    sounds : Path, optional
        Folder of the stimuli (``blues.00017.wav`` anywhere below it); they become part of the page.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If there are no results, or none that can be drawn on a cortex.
    """
    target = out or results / PAGE
    if target.is_dir():
        raise InputError("the page needs the name of a file", file=target, expected=f"for instance {target / PAGE}")
    page = interactive_page(build_view(results, subjects, sounds))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, page)
    except OSError as error:
        raise InputError("the page cannot be written", file=target, found=error.strerror) from error
    return target


def build_view(results: Path, subjects: Sequence[str] = (), sounds: Path | None = None) -> View:
    """What the page of a results folder shows; subjects that cannot be drawn on a cortex are left out."""
    context = FigureContext.open(results, FigureRequest(subjects=tuple(subjects)), {})
    drawn = [one for one in context.subjects if drawing_surface(context.results.space(one)) is not None]
    if not drawn:
        raise InputError("no subject has maps that can be drawn on a cortex", file=results, found=context.subjects)
    heard = {one: kept for one in drawn if (kept := _heard(context, one)) is not None}
    names = list(dict.fromkeys(str(clip) for kept in heard.values() for clip in kept.clips))
    clips = page_clips(names, heard, sounds, context.results, drawn)
    found = [_Subject.of(context, one) for one in drawn]
    scores = [one for one in _scores(context) if any(one.key in subject.scores for subject in found)]
    maps = _maps(context, found, [one.key for one in scores])
    return View(
        str(context.results.study.get("name", results.name)),
        [_with_heard(context, subject, heard.get(subject.name), names) for subject in found],
        scores,
        maps,
        note=context.note,
        caption=f"{context.origin(drawn[0])} Significance: {context.criterion.removeprefix('significant at ')}.",
        level=context.statistics.q,
        interval=f"{context.statistics.level:.0%} interval",
        feature_spaces=context.results.feature_spaces,
        zoom=context.maps.zoom,
        clips=clips,
    )


def _scores(context: FigureContext) -> list[Score]:
    """All scores that results may hold, in the order of the page."""
    names = context.results.feature_spaces
    several = [Score(f"r-{name}", name) for name in names] if len(names) > 1 else []
    parts = [
        Score(_part(some), " and ".join(some) if len(some) > 1 else f"{some[0]} alone", "R2 explained")
        for some in all_subsets(names)
    ]
    joint = Score("r-joint", "all feature spaces" if several else names[0])
    return [joint, *several, Score("ceiling", "noise ceiling"), *parts, Score(PREFERRED, "preferred", measure="")]


def _part(names: Sequence[str]) -> str:
    return f"{'unique' if len(names) == 1 else 'shared'}-{'_'.join(names)}"


def _stored(context: FigureContext) -> dict[str, Stored]:
    """Model and statistic, as in the results, of every score."""
    names = context.results.feature_spaces
    parts = {_part(some): ("_".join(some), _part(some).split("-")[0]) for some in all_subsets(names)}
    return {
        "r-joint": (JOINT, "r"),
        **{f"r-{name}": (name, "r") for name in names},
        "ceiling": (JOINT, "ceiling"),
        **(parts if len(names) > 1 else {}),
        "q": (JOINT, "q"),
        "low": (JOINT, "rlow"),
        "high": (JOINT, "rhigh"),
    }


@dataclass(frozen=True, eq=False)
class _Subject:
    """Maps of a subject on its surface."""

    name: str
    surface: SurfaceSpace
    scores: Mapping[str, Floats]
    significant: NDArray[np.bool_]
    preference: Floats | None

    @classmethod
    def of(cls, context: FigureContext, name: str) -> _Subject:
        there = {key: where for key, where in _stored(context).items() if context.results.has_map(name, *where)}
        values = dict(zip(there, context.on_surface(name, list(there.values())), strict=True))
        surface = context.surface(name)
        chosen = None
        if context.results.has_map(name, "preference", "index"):
            index = context.results.map(name, "preference", "index")
            chosen = values[PREFERRED] = levels_on_surface(index, context, name)
        return cls(name, surface, values, context.significant(name), chosen)


def levels_on_surface(index: Floats, context: FigureContext, subject: str) -> Floats:
    """Whole numbers on the surface of a subject: the level with the largest weight, never a mean of two."""
    space, surface = context.results.space(subject), context.surface(subject)
    if space == surface:
        return index
    levels = np.unique(index[np.isfinite(index)])
    known = np.isfinite(index)
    weights = resample(np.where(known, index == levels[:, None], np.nan), space, surface)
    chosen = levels[np.argmax(np.nan_to_num(weights), axis=0)] if len(levels) else np.full(surface.n_targets, np.nan)
    return np.where(np.isfinite(weights).all(axis=0), chosen, np.nan)


def _with_heard(
    context: FigureContext, found: _Subject, kept: ClipResponses | None, names: Sequence[str]
) -> ViewSubject:
    level = context.statistics.q
    q = found.scores.get("q")
    if q is not None:  # a mean of q over voxels need not say what the map of significance says
        q = np.where(found.significant, np.minimum(q, np.nextafter(level, 0)), np.where(q < level, level, q))
    intervals = {}
    if "low" in found.scores and "high" in found.scores:
        intervals["r-joint"] = (found.scores["low"], found.scores["high"])
    shown = {key: values for key, values in found.scores.items() if key not in ("q", "low", "high")}
    atlas = context.atlas(found.surface)
    return ViewSubject(
        found.name, atlas, shown, q, intervals, found.preference,
        _courses(context, found, kept) if kept else None,
        _best(context, found, kept, names) if kept and len(kept.clips) else None,
    )  # fmt: skip


def _maps(context: FigureContext, subjects: Sequence[_Subject], keys: Sequence[str]) -> list[ViewMap]:
    """Accuracy of all models with common limits, preference, and parts of the variance."""
    style, names, titles = (
        context.settings,
        context.results.feature_spaces,
        {one.key: one for one in _scores(context)},
    )

    def drawn(key: str) -> list[Floats]:
        return [one.scores[key][one.significant] for one in subjects if key in one.scores]

    maps, accuracies = [], [key for key in keys if key.startswith("r-")]
    limits = shared_limits([values for key in accuracies for values in drawn(key)], *context.limits)
    for key in accuracies:
        colours = ScalarColours(limits.vmin, limits.vmax, style.colour_map)
        title = f"Accuracy: {titles[key].title}"
        maps.append(ViewMap(key, title, "prediction accuracy (r)", (key,), colours))
    if len(names) == 2:
        first, second = (np.concatenate(drawn(f"r-{name}")) for name in names)
        difference = shared_limits([np.abs(second - first)], 0.0, None, percentile=97.0)
        pair = PreferenceColours(difference.vmax, shared_limits([np.maximum(first, second)], 0.0, None).vmax)
        maps.insert(
            1, ViewMap("difference", f"{names[0]} against {names[1]}", "r", tuple(f"r-{n}" for n in names), pair)
        )
    if PREFERRED in keys and 2 < len(names) <= len(style.colours):
        levels = LevelColours(names, style.colours)
        maps.insert(1, ViewMap(PREFERRED, "Preferred feature space", "", (PREFERRED,), levels, strength="r-joint"))
    parts = [key for key in keys if key.startswith(("unique-", "shared-"))]
    limits = shared_limits([values for key in parts for values in drawn(key)], 0.0)
    for key in parts:
        colours = ScalarColours(limits.vmin, limits.vmax, style.colour_map, limits.faded)
        maps.append(ViewMap(key, f"Variance: {titles[key].title}", "R2 explained", (key,), colours))
    return maps


def _heard(context: FigureContext, subject: str) -> ClipResponses | None:
    path = context.results.path / f"sub-{subject}" / clip_responses_name(subject)
    if not path.is_file():
        return None
    context.results.check(path)
    return ClipResponses.load(path)


def _best(context: FigureContext, found: _Subject, kept: ClipResponses, names: Sequence[str]) -> BestClips:
    """The clips with the largest response, of significant targets: the order of the others would be noise."""
    responses = resample(kept.responses, context.results.space(found.name), found.surface)
    responses = np.where(found.significant, responses, np.nan)
    best = BestClips.of(responses, N_BEST)
    place = np.array([*(names.index(str(clip)) for clip in kept.clips), -1])
    return BestClips(place[best.clips], best.responses, best.unit)


def _courses(context: FigureContext, found: _Subject, kept: ClipResponses) -> TimeCourses | None:
    """The time course of the best target of each region stands for every target of it, if that is significant."""
    if found.surface != context.results.space(found.name):
        return None
    shown = found.significant[kept.targets]
    if not shown.any():
        return None
    atlas, row = context.atlas(found.surface), np.full(found.surface.n_targets, -1)
    left = found.surface.in_hemisphere("L")
    for number, target in enumerate(kept.targets[shown]):
        row[(atlas.labels == atlas.labels[target]) & (left == left[target])] = number
    row[~np.isfinite(found.scores["r-joint"])] = -1
    return TimeCourses(
        row, kept.measured[shown], kept.predicted[shown], kept.step, "held-out samples, best vertex of the region"
    )
