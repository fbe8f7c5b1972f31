"""The interactive page of a results folder: its maps, colours, numbers and sounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from b2m_encoding._typing import Booleans, Floating
from b2m_encoding.data.sources import GROUP_MEAN
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
from b2m_encoding.figures.plots.tag_map import OTHERS_COLOUR, TAG_COLOURS, common_levels
from b2m_encoding.figures.style import OKABE_ITO
from b2m_encoding.gallery.context import FigureContext, FigureRequest
from b2m_encoding.gallery.explorer_group import SCORES, group_maps, group_subject
from b2m_encoding.gallery.explorer_sounds import page_clips
from b2m_encoding.io.writing import write_all
from b2m_encoding.results.clip_responses import ClipResponses, clip_responses_name
from b2m_encoding.results.manifest import note_written
from b2m_encoding.results.place import results_kept
from b2m_encoding.results.reader import Results
from b2m_encoding.results.schema import JOINT, maps
from b2m_encoding.results.schema.files import REPORT, VIEW
from b2m_encoding.results.schema.maps import COMPONENTS
from b2m_encoding.spaces import SurfaceSpace, drawing_surface, resample

N_BEST = 5
BOTH_WAYS = "RdBu_r"
"""Colours of components, whose sign has no meaning."""
IN_ORDER = "viridis"
"""Colours of delays, of which none is nothing."""
PREFERRED = "preferred"
TAG, TAG_SHARE, LAG = maps.TAG.stat, maps.TAG_SHARE.stat, maps.LAG.stat

Stored = tuple[str, str]


def write_view(
    results: str | Path,
    out: str | Path | None = None,
    *,
    subjects: Sequence[str] = (),
    sounds: str | Path | None = None,
) -> Path:
    """Write the interactive page of a results folder.

    Parameters
    ----------
    results : Path
    out : Path, optional
        The HTML file; default: ``view.html`` in the results.
    subjects : sequence of str
        Subjects to show; default: all that can be drawn.
    sounds : Path, optional
        Folder of the stimuli (``blues.00017.wav`` anywhere below it); they become part of the page.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If there are no results, none that can be drawn on a cortex, or another process works on them.
    """
    results = Path(results)
    out = None if out is None else Path(out)
    sounds = None if sounds is None else Path(sounds)
    target = out or results / VIEW
    if target.is_dir():
        raise InputError("the page needs the name of a file", file=target, expected=f"for instance {target / VIEW}")
    Results.open(results)
    with results_kept(results, target):
        page = write_page(results, target, subjects, sounds)
        note_written(results, [page])
    return page


def write_page(results: Path, target: Path, subjects: Sequence[str] = (), sounds: Path | None = None) -> Path:
    """Write the interactive page while the results are locked; see :func:`write_view`."""
    beside = target.parent.resolve() == results.resolve()
    view = replace(build_view(results, subjects, sounds), report=REPORT if beside else "")
    page = interactive_page(view)
    [path] = write_all({target: page}, "the page cannot be written")
    return path


def build_view(results: Path, subjects: Sequence[str] = (), sounds: Path | None = None) -> View:
    """Content of the page of a results folder; subjects that cannot be drawn on a cortex are left out."""
    context = FigureContext.open(results, FigureRequest(subjects=tuple(subjects)), {})
    drawn = [name for name in context.subjects if drawing_surface(context.results.space(name)) is not None]
    if not drawn:
        raise InputError("no subject has maps that can be drawn on a cortex", file=results, found=context.subjects)
    responses = {name: stored for name in drawn if (stored := _clip_responses(context, name)) is not None}
    names = list(dict.fromkeys(str(clip) for stored in responses.values() for clip in stored.clips))
    clips = page_clips(names, responses, sounds, context.results, drawn)
    tags = _common_tags(context, drawn)
    maps = [_SubjectMaps.of(context, name, tags) for name in drawn]
    several = [subject for subject in maps if subject.name != GROUP_MEAN]
    group = group_subject(context, [one.name for one in several], [one.surface for one in several],
                          [one.scores for one in several], [one.significant for one in several])  # fmt: skip
    own = [_view_subject(context, subject, responses.get(subject.name), names) for subject in maps]
    shown = [*own, *([group] if group is not None else [])]
    scores = [score for score in _scores(context) if any(score.key in subject.scores for subject in shown)]
    pictured = [*_maps(context, maps, [score.key for score in scores]), *_tag_maps(tags)]
    if group is not None:
        pictured += group_maps(context, group, len(several))
    return View(
        str(context.results.study.get("name", results.name)),
        shown,
        scores,
        pictured,
        note=context.note,
        caption=f"{context.origin(drawn[0])} {_masks(context, drawn)}{_about(group)}",
        level=context.statistics.q,
        interval=f"{context.statistics.level:.0%} interval",
        feature_spaces=context.results.feature_spaces,
        zoom=context.maps.zoom,
        clips=clips,
    )


def _about(group: ViewSubject | None) -> str:
    """Sentence on the maps of the group."""
    if group is None:
        return ""
    how = "every tested target" if group.q is None else "one-sample t of Fisher's z over subjects, one-sided, FDR"
    return f" Group: means over subjects; shown: {how}."


def _masks(context: FigureContext, drawn: Sequence[str]) -> str:
    """Sentence on which significance masks which map."""
    joint = context.criterion(drawn[0]).removeprefix("significant at ")
    if not all(_own(context, name) for name in drawn):
        return f"Significance: {joint}."
    return f"Significance: {joint}; maps of the accuracy of single feature spaces by that of each of them alone."


def _own(context: FigureContext, subject: str) -> tuple[str, ...]:
    """Feature spaces whose own significance is stored; none where there is only one."""
    names = context.results.feature_spaces
    return tuple(n for n in names if len(names) > 1 and context.results.has_map(subject, n, maps.Q.stat))


def _scores(context: FigureContext) -> list[Score]:
    """Scores that results may contain, in the order of the page."""
    names = context.results.feature_spaces
    several = [Score(f"r-{name}", name) for name in names] if len(names) > 1 else []
    parts = [
        Score(_part(part), " and ".join(part) if len(part) > 1 else f"{part[0]} alone", "R2 explained")
        for part in all_subsets(names)
    ]
    components = [Score(kind.stat, f"component {i}", "weights") for i, kind in enumerate(COMPONENTS, start=1)]
    joint = Score("r-joint", "all feature spaces" if several else names[0])
    tags = [Score(f"{kind}-{name}", f"{kind} of {name}", "") for name in names for kind in (TAG, TAG_SHARE)]
    lag = Score(LAG, "largest weights", "delay (s)")
    return [joint, *several, Score("ceiling", "noise ceiling"), *parts, *components, lag, *SCORES,
            Score(PREFERRED, "preferred", measure=""), *tags]  # fmt: skip


def _part(names: Sequence[str]) -> str:
    """Key of a unique or shared part of the explained variance."""
    return f"{'unique' if len(names) == 1 else 'shared'}-{'_'.join(names)}"


def _stored(context: FigureContext) -> dict[str, Stored]:
    """Model and statistic of every score in the results."""
    names = context.results.feature_spaces
    parts = {_part(part): ("_".join(part), _part(part).split("-")[0]) for part in all_subsets(names)}
    return {
        "r-joint": (JOINT, maps.R.stat),
        **{f"r-{name}": (name, maps.R.stat) for name in names},
        "ceiling": (JOINT, maps.CEILING.stat),
        **{kind.stat: (JOINT, kind.stat) for kind in (*COMPONENTS, maps.LAG)},
        **(parts if len(names) > 1 else {}),
        "q": (JOINT, maps.Q.stat),
        "low": (JOINT, maps.R_LOW.stat),
        "high": (JOINT, maps.R_HIGH.stat),
    }


@dataclass(frozen=True, eq=False)
class _SubjectMaps:
    """Maps of a subject on its drawing surface."""

    name: str
    surface: SurfaceSpace
    scores: Mapping[str, Floating]
    significant: Booleans
    preference: Floating | None
    own_q: Mapping[str, Floating]
    """Adjusted p by the key of a map that is masked by models of its own."""
    level: float

    def shown(self, key: str) -> Booleans:
        """Targets that a map shows."""
        return self.own_q[key] < self.level if key in self.own_q else self.significant

    @classmethod
    def of(cls, context: FigureContext, name: str, tags: Mapping[str, Sequence[str]]) -> _SubjectMaps:
        stored = {key: names for key, names in _stored(context).items() if context.results.has_map(name, *names)}
        values = dict(zip(stored, context.on_surface(name, list(stored.values())), strict=True))
        surface = context.surface(name)
        preference = None
        if context.results.has_map(name, maps.PREFERENCE, maps.PREFERRED.stat):
            preference = values[PREFERRED] = context.levels(name, maps.PREFERENCE, maps.PREFERRED.stat)
        for space in tags:
            if context.results.has_map(name, space, maps.TAG.stat):
                values[f"{TAG}-{space}"] = _levels_of_tags(context, name, space, tags[space])
                [values[f"{TAG_SHARE}-{space}"]] = context.on_surface(name, [(space, maps.TAG_SHARE.stat)])
        significant, level = context.significant(name), context.statistics.q
        assert significant is not None
        own = {f"r-{model}": _masking_q(context, name, model) for model in _own(context, name)}
        return cls(name, surface, values, significant, preference, own, level)


def _masking_q(context: FigureContext, subject: str, model: str) -> Floating:
    """Adjusted p of a model on the drawing surface, below the level where the resampled mask is, and only there."""
    level = context.statistics.q
    significant = context.significant(subject, (model,))
    assert significant is not None
    [q] = context.on_surface(subject, [(model, maps.Q.stat)])
    return np.where(significant, np.minimum(q, np.nextafter(level, 0)), np.where(q < level, level, q))


def _view_subject(
    context: FigureContext, subject: _SubjectMaps, stored: ClipResponses | None, names: Sequence[str]
) -> ViewSubject:
    """A subject of the page: maps, q, intervals, preference and responses to clips."""
    # the mean of q over voxels may disagree with the resampled mask of significance
    q = _masking_q(context, subject.name, JOINT) if "q" in subject.scores else None
    intervals = {}
    if "low" in subject.scores and "high" in subject.scores:
        intervals["r-joint"] = (subject.scores["low"], subject.scores["high"])
    shown = {key: values for key, values in subject.scores.items() if key not in ("q", "low", "high")}
    atlas = context.atlas(subject.surface)
    return ViewSubject(
        subject.name, atlas, shown, q, intervals, subject.preference,
        _courses(context, subject, stored) if stored else None,
        _best(context, subject, stored, names) if stored and len(stored.clips) else None,
        subject.own_q,
    )  # fmt: skip


def _maps(context: FigureContext, subjects: Sequence[_SubjectMaps], keys: Sequence[str]) -> list[ViewMap]:
    """Accuracy of all models with common limits, preference, and parts of the variance."""
    style, names = context.settings, context.results.feature_spaces
    titles = {score.key: score.title for score in _scores(context)}

    def drawn(key: str, masked_as: str = "") -> list[Floating]:
        return [subject.scores[key][subject.shown(masked_as or key)] for subject in subjects if key in subject.scores]

    maps, accuracies = [], [key for key in keys if key.startswith("r-")]
    limits = shared_limits([values for key in accuracies for values in drawn(key)], *context.limits)
    for key in accuracies:
        colours = ScalarColours(limits.vmin, limits.vmax, style.colour_map)
        title = f"Accuracy: {titles[key]}"
        maps.append(ViewMap(key, title, "prediction accuracy (r)", (key,), colours))
    if len(names) == 2:
        first, second = (np.concatenate(drawn(f"r-{name}", "difference")) for name in names)  # joint mask
        difference = shared_limits([np.abs(second - first)], 0.0, None, percentile=97.0)
        larger = shared_limits([np.maximum(first, second)], 0.0, None)
        ends = (style.colours[0], style.colours[1]) if len(style.colours) > 1 else OKABE_ITO[:2]
        pair = PreferenceColours(difference.vmax, larger.vmax, ends=ends)
        maps.insert(
            1,
            ViewMap(
                "difference",
                f"{names[0]} against {names[1]}",
                "r",
                tuple(f"r-{n}" for n in names),
                pair,
                undecided=PREFERRED if PREFERRED in keys else None,
            ),
        )
    if PREFERRED in keys and 2 < len(names) <= len(style.colours):
        levels = LevelColours(names, style.colours)
        maps.insert(1, ViewMap(PREFERRED, "Preferred feature space", "", (PREFERRED,), levels, strength="r-joint"))
    parts = [key for key in keys if key.startswith(("unique-", "shared-"))]
    limits = shared_limits([values for key in parts for values in drawn(key)], 0.0)
    for key in parts:
        colours = ScalarColours(limits.vmin, limits.vmax, style.colour_map, limits.faded)
        maps.append(ViewMap(key, f"Variance: {titles[key]}", "R2 explained", (key,), colours))
    if drawn("ceiling"):
        limits = shared_limits([subject.scores["ceiling"] for subject in subjects if "ceiling" in subject.scores], 0.0)
        colours = ScalarColours(limits.vmin, limits.vmax, style.colour_map, limits.faded)
        maps.append(ViewMap("ceiling", "Noise ceiling", "noise ceiling (r)", ("ceiling",), colours, masked=False))
    components = [kind.stat for kind in COMPONENTS if kind.stat in keys]
    if components:
        limits = shared_limits([np.abs(values) for key in components for values in drawn(key)], 0.0, percentile=98.0)
        colours = ScalarColours(-limits.vmax, limits.vmax, BOTH_WAYS)
        maps += [
            ViewMap(key, f"Weights: {titles[key]}", "component of the weights", (key,), colours) for key in components
        ]
    for subject in [one for one in subjects if LAG in one.scores][:1]:  # delays are the same in all
        delays = context.results.sidecar(subject.name, JOINT, LAG)["Delays"]
        colours = ScalarColours(delays[0], delays[-1], IN_ORDER)
        maps.append(ViewMap(LAG, "Delay of the largest weights", "delay (s)", (LAG,), colours, strength="r-joint"))
    return maps


def _common_tags(context: FigureContext, subjects: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Names of the most frequent tags (or other features with names) over subjects, by feature space."""
    found = {}
    for space in context.results.feature_spaces:
        own = [name for name in subjects if context.results.has_map(name, space, maps.TAG.stat)]
        if own:
            names = context.results.sidecar(own[0], space, maps.TAG.stat)["Levels"]
            numbers = np.concatenate([context.results.map(name, space, maps.TAG.stat) for name in own])
            found[space] = common_levels(numbers, names)[0]
    return found


def _levels_of_tags(context: FigureContext, subject: str, space: str, common: Sequence[str]) -> Floating:
    """Place of the tag of every target among the common ones, the last of which stands for all others."""
    names = context.results.sidecar(subject, space, maps.TAG.stat)["Levels"]
    numbers = context.levels(subject, space, maps.TAG.stat)
    place = np.array([*(common.index(one) if one in common else len(common) - 1 for one in names), -2.0])
    return np.where(np.isfinite(numbers), place[np.nan_to_num(np.maximum(numbers, -1)).astype(int)], np.nan)


def _tag_maps(tags: Mapping[str, Sequence[str]]) -> list[ViewMap]:
    """Maps of tags; the threshold is that of their certainty."""
    return [
        ViewMap(
            f"{TAG}-{space}",
            f"Preferred among {space}",
            "",
            (f"{TAG}-{space}",),
            LevelColours(tuple(names), (*TAG_COLOURS[: len(names) - 1], OTHERS_COLOUR)),
            strength=f"{TAG_SHARE}-{space}",
        )
        for space, names in tags.items()
    ]


def _clip_responses(context: FigureContext, subject: str) -> ClipResponses | None:
    """Stored responses of a subject to clips, if there are any."""
    path = context.results.path / f"sub-{subject}" / clip_responses_name(subject)
    if not path.is_file():
        return None
    context.results.check(path)
    return ClipResponses.load(path)


def _best(context: FigureContext, subject: _SubjectMaps, stored: ClipResponses, names: Sequence[str]) -> BestClips:
    """Clips with the largest responses of significant targets; the order of other targets would be noise."""
    responses = resample(stored.responses, context.results.space(subject.name), subject.surface)
    responses = np.where(subject.significant, responses, np.nan)
    best = BestClips.of(responses, N_BEST)
    place = np.array([*(names.index(str(clip)) for clip in stored.clips), -1])
    return BestClips(place[best.clips], best.responses, best.unit)


def _courses(context: FigureContext, subject: _SubjectMaps, stored: ClipResponses) -> TimeCourses | None:
    """Time courses of the best target of each region, shown for all its targets where that target is significant."""
    if subject.surface != context.results.space(subject.name):
        return None
    shown = subject.significant[stored.targets]
    if not shown.any():
        return None
    atlas, row = context.atlas(subject.surface), np.full(subject.surface.n_targets, -1)
    left = subject.surface.in_hemisphere("L")
    for number, target in enumerate(stored.targets[shown]):
        row[(atlas.labels == atlas.labels[target]) & (left == left[target])] = number
    row[~np.isfinite(subject.scores["r-joint"])] = -1
    return TimeCourses(
        row, stored.measured[shown], stored.predicted[shown], stored.step, "held-out samples, best vertex of the region"
    )
