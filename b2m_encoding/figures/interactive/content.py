"""Content of an interactive page: subjects with their scores, and the maps drawn from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

import numpy as np
from matplotlib.colors import to_rgba
from numpy.typing import NDArray

from b2m_encoding._typing import Floating
from b2m_encoding.errors import InputError
from b2m_encoding.figures.colours import Bytes, PreferenceColours, ScalarColours
from b2m_encoding.figures.interactive.clips import BestClips, Clip, TimeCourses
from b2m_encoding.spaces import Atlas, SurfaceSpace

MAX_CLIPS = 65_535
NO_PREFERENCE, NOT_PREDICTED = -1, -2


@dataclass(frozen=True)
class LevelColours:
    """Colours of a few levels: the preferred feature space, the best layer. A value below zero has no colour.

    Parameters
    ----------
    names : tuple of str
        Level 0, 1 ...
    colours : tuple of str
        Colours of the levels, at least one for each.
    """

    names: tuple[str, ...]
    colours: tuple[str, ...]

    def __post_init__(self) -> None:
        if not 0 < len(self.names) <= len(self.colours):
            raise InputError("every level needs a colour", found=len(self.colours), expected=len(self.names))

    @cached_property
    def table(self) -> Bytes:
        """One opaque colour per level."""
        return np.array([np.round(255 * np.array(to_rgba(c))) for c in self.colours[: len(self.names)]], dtype=np.uint8)

    def codes(self, *values: Floating) -> NDArray[np.int32]:
        """The level of every value."""
        return np.clip(np.rint(np.nan_to_num(values[0])), 0, len(self.names) - 1).astype(np.int32)


@dataclass(frozen=True)
class Score:
    """A number that every target has.

    Parameters
    ----------
    key : str
        Key of the score in every subject.
    title : str
        Feature space, model or ceiling.
    measure : str
        Measure ("r", "unique R2"); scores of the same measure are compared as bars. A score without a measure ("")
        is drawn, but not listed among the numbers.
    """

    key: str
    title: str
    measure: str = "r"


@dataclass(frozen=True)
class ViewMap:
    """A map drawn from scores, with the same colours for all subjects that have them.

    Parameters
    ----------
    key : str
        Key in links to a view.
    title : str
    label : str
        Label of the colour bar, with the unit.
    scores : tuple of str
        Keys of scores: two for ``PreferenceColours``, else one.
    colours : ScalarColours, PreferenceColours or LevelColours
        The colour function of the printed figure.
    strength : str, optional
        Score that the threshold applies to; default: the score that is drawn.
    undecided : str, optional
        Score that is -1 where a map of two scores shows no preference.
    masked : bool
        Whether targets that are not significant are hidden; else every tested one is drawn.
    """

    key: str
    title: str
    label: str
    scores: tuple[str, ...]
    colours: ScalarColours | PreferenceColours | LevelColours
    strength: str | None = None
    undecided: str | None = None
    masked: bool = True

    def __post_init__(self) -> None:
        wanted = 2 if isinstance(self.colours, PreferenceColours) else 1
        if len(self.scores) != wanted:
            raise InputError(f"the map {self.key} needs {wanted} score(s)", found=self.scores)

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the scores that the map needs."""
        return tuple(key for key in (*self.scores, self.strength, self.undecided) if key is not None)


@dataclass(frozen=True, eq=False)
class ViewSubject:
    """Scores, responses and atlas of a subject.

    Parameters
    ----------
    name : str
    atlas : Atlas
        Atlas on the drawing surface of the subject.
    scores : mapping of str to array, shape (n_targets,)
        Scores by the key of a :class:`Score`; NaN is not tested.
    q : array, shape (n_targets,), optional
        Adjusted p; without it every tested target is drawn.
    own_q : mapping of str to array, shape (n_targets,)
        Adjusted p that masks a map instead, by the key of a :class:`ViewMap`.
    intervals : mapping of str to (low, high)
        Intervals by the key of a score.
    preference : array, shape (n_targets,), optional
        Index of the preferred feature space; -1 for none, -2 where nothing is predicted.
    courses : TimeCourses, optional
    best : BestClips, optional
    """

    name: str
    atlas: Atlas
    scores: Mapping[str, Floating]
    q: Floating | None = None
    intervals: Mapping[str, tuple[Floating, Floating]] = field(default_factory=dict)
    preference: Floating | None = None
    courses: TimeCourses | None = None
    best: BestClips | None = None
    own_q: Mapping[str, Floating] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.atlas.space, SurfaceSpace):
            raise InputError("a page is drawn on a surface", found=self.atlas.space.name)
        n = self.space.n_targets
        for key, values in self._arrays():
            if np.shape(values)[:1] != (n,):
                found = f"{key}: {np.shape(values)}"
                raise InputError(
                    f"a map of subject {self.name} does not fit {self.space.name}", found=found, expected=n
                )

    @property
    def space(self) -> SurfaceSpace:
        """The drawing surface."""
        assert isinstance(self.atlas.space, SurfaceSpace)
        return self.atlas.space

    def _arrays(self) -> Iterable[tuple[str, NDArray[np.generic]]]:
        yield from self.scores.items()
        yield from ((f"q of {key}", values) for key, values in self.own_q.items())
        yield from chain.from_iterable(((key, low), (key, high)) for key, (low, high) in self.intervals.items())
        for key in ("q", "preference"):
            if (values := getattr(self, key)) is not None:
                yield key, values
        if self.courses is not None:
            yield "courses", self.courses.row
        if self.best is not None:
            yield "best", self.best.clips


@dataclass(frozen=True, eq=False)
class View:
    """Content of the page.

    Parameters
    ----------
    title : str
        Name of the study.
    subjects : sequence of ViewSubject
    scores : sequence of Score
    maps : sequence of ViewMap
    note : str, optional
        Note at the top of the page ("simulated data").
    caption : str
        Text below the map.
    level : float
        Level of q, below which a target is significant.
    interval : str
        Name of the intervals ("95% interval").
    feature_spaces : tuple of str
        Names of the indices of ``preference``.
    zoom : str, optional
        Region or region set of the zoom buttons.
    clips : sequence of Clip
    report : str
        Address of the report, relative to the page; "" without one.
    """

    title: str
    subjects: Sequence[ViewSubject]
    scores: Sequence[Score]
    maps: Sequence[ViewMap]
    note: str | None = None
    caption: str = ""
    level: float = 0.05
    interval: str = "95% interval"
    feature_spaces: tuple[str, ...] = ()
    zoom: str | None = None
    clips: Sequence[Clip] = ()
    report: str = ""

    def __post_init__(self) -> None:
        if not self.subjects or not self.maps:
            raise InputError("a page needs at least one subject and one map")
        titled = {score.key for score in self.scores}
        named = {key for drawn in self.maps for key in drawn.keys}
        named |= {key for subject in self.subjects for key in (*subject.scores, *subject.intervals)}
        if missing := sorted(named - titled):
            raise InputError(
                "a score of the page has no title", found=", ".join(missing), expected="a Score for every key"
            )
        for what, names in (
            ("subjects", [subject.name for subject in self.subjects]),
            ("maps", [drawn.key for drawn in self.maps]),
            ("scores", [score.key for score in self.scores]),
        ):
            if len(set(names)) < len(names):
                raise InputError(f"two {what} have one name", found=", ".join(names))
        for subject in self.subjects:
            if not any(self.drawable(drawn, subject) for drawn in self.maps):
                raise InputError("a subject has no map of the page", found=subject.name)
            if subject.best is not None and subject.best.clips.max(initial=-1) >= min(len(self.clips), MAX_CLIPS):
                raise InputError("a target responds to a clip that the page does not have", found=subject.name)

    def drawable(self, drawn: ViewMap, subject: ViewSubject) -> bool:
        """Whether a subject has the scores of a map."""
        return all(key in subject.scores for key in drawn.keys)
