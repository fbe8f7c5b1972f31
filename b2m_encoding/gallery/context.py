"""Context of figures: a results folder, the tables of its study, and the request of a user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
from pydantic import ValidationError

from b2m_encoding._typing import Booleans, Float32
from b2m_encoding.config import Config
from b2m_encoding.errors import InputError
from b2m_encoding.figures import FigureSettings, MapKeywords, PageKeywords, ViewKeywords
from b2m_encoding.figures.options import View
from b2m_encoding.figures.style import GREY
from b2m_encoding.io.paths import without_hash
from b2m_encoding.results.reader import Results
from b2m_encoding.results.schema import CORRECTIONS, GROUP, JOINT, counted_from, maps
from b2m_encoding.results.schema.files import STUDY
from b2m_encoding.spaces import Atlas, SurfaceSpace, drawing_surface, load_atlas, resample
from b2m_encoding.spaces.atlas import LABEL_FILES
from b2m_encoding.study import MapsTable, StatisticsTable

Table = TypeVar("Table", bound=Config)
Mask = Literal["own", "joint", "tested"]
OF_MODELS = (*(kind.stat for kind in maps.MAPS if kind.of == "models"), maps.R_OWN.stat)
"""Statistics that describe one model each."""


Changes: TypeAlias = FigureSettings | Mapping[str, Any]
"""Keys of ``[figures]`` that replace those of the study."""


@dataclass(frozen=True)
class FigureRequest:
    """Choices of a user for one figure; by default those of the study.

    Parameters
    ----------
    subjects : tuple of str
        Subjects to draw; default: all.
    models : tuple of str
        Feature spaces, or ``joint``.
    score : str
        A statistic of the maps: ``r``, ``r2``, ``rnormalised``, ``ceiling``, ``unique`` ...
    view : {"whole", "zoom", "overview"}
    zoom : str, optional
        Region or region set.
    contour : bool
        In zooms of a score, outline significant targets instead of hiding the others.
    mark : float, optional
        Score to mark in a scatter.
    sounds : mapping of str to Path
        Sound files by their labels ("heard", "retrieved").
    mask : {"own", "joint", "tested"}, optional
        Targets that are shown: those that one of the drawn models predicts by itself, those that the joint model
        predicts, or all that were tested. Default: ``own`` for maps of r and R2 of one model, ``joint`` for other maps
        and where feature spaces are compared, whose differences it does not select; a scatter and regions show all
        tested targets.
    """

    subjects: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    score: str = "r"
    view: View = "overview"
    zoom: str | None = None
    contour: bool = True
    mark: float | None = None
    sounds: Mapping[str, Path] = field(default_factory=dict)
    mask: Mask | None = None


@dataclass(frozen=True, eq=False)
class FigureContext:
    """Maps of a results folder on drawing surfaces, with masks and options of figures.

    Parameters
    ----------
    results : Results
    maps : MapsTable
        ``[maps]`` of the study: atlas and zoom.
    statistics : StatisticsTable
        ``[statistics]`` of the study: threshold of q and correction.
    settings : FigureSettings
    request : FigureRequest
    asked : tuple of float, optional
        Colour limits asked for this figure: they hold whatever it shows, those of the study for scores only.
    """

    results: Results
    maps: MapsTable
    statistics: StatisticsTable
    settings: FigureSettings
    request: FigureRequest = FigureRequest()
    asked: tuple[float, float] | None = None

    @classmethod
    def open(cls, path: str | Path, request: FigureRequest, changes: Changes) -> FigureContext:
        """Open a results folder.

        Parameters
        ----------
        path : Path
        request : FigureRequest
        changes : FigureSettings or mapping
            Keys of ``[figures]`` that replace those of the study.

        Raises
        ------
        InputError
            If there are no results, or they lack a requested subject or model.
        """
        path = Path(path)
        results = Results.open(path)
        study, folder = results.study, results.study_folder
        tables = {name: dict(study.get(name, {})) for name in ("maps", "statistics", "figures")}
        if not isinstance(changes, FigureSettings):
            changes = _table(FigureSettings, changes, None, folder)  # by itself: its mistakes are not the study's
        settings = _table(FigureSettings, tables["figures"], results.path / STUDY, folder)
        if without_hash(atlas := str(tables["maps"].get("atlas", ""))).endswith((".toml", *LABEL_FILES)):
            tables["maps"]["atlas"] = str(results.find_path(atlas))
        context = cls(
            results,
            _table(MapsTable, tables["maps"], results.path / STUDY, folder),
            _table(StatisticsTable, tables["statistics"], results.path / STUDY, folder),
            settings.model_copy(update={name: getattr(changes, name) for name in changes.model_fields_set}),
            request,
            changes.limits,
        )
        _ = context.subjects, context.models
        return context

    @property
    def subjects(self) -> tuple[str, ...]:
        """Subjects to draw."""
        return _selected(self.request.subjects, self.results.subjects, "the results hold no such subject")

    @property
    def models(self) -> tuple[str, ...]:
        """Feature spaces to draw; all by default."""
        stored = self.results.feature_spaces
        _selected(self.request.models, (*stored, JOINT), "the results hold no such feature space")
        return self.request.models or stored

    @property
    def model(self) -> str:
        """The model of figures that draw one model."""
        return self.request.models[0] if self.request.models else JOINT

    def surface(self, subject: str) -> SurfaceSpace:
        """The drawing surface of a subject."""
        space = self.results.space(subject)
        if (surface := drawing_surface(space)) is None:
            raise InputError(
                f"sub-{subject} has no maps that can be drawn on a cortex",
                file=self.results.path,
                found=space.name,
                fix="draw regions or scatter",
            )
        return surface

    def atlas(self, surface: SurfaceSpace) -> Atlas:
        """The atlas of the study on a surface."""
        return load_atlas(self.maps.atlas, surface)

    def cortex(self, subject: str) -> tuple[SurfaceSpace, Atlas]:
        """The drawing surface of a subject and the atlas on it."""
        surface = self.surface(subject)
        return surface, self.atlas(surface)

    def on_surface(self, subject: str, maps: Sequence[tuple[str, str]]) -> list[Float32]:
        """Maps of a subject, named by model and statistic, on its drawing surface."""
        values = np.stack([self.results.map(subject, desc, stat) for desc, stat in maps])
        return list(resample(values, self.results.space(subject), self.surface(subject)))

    def levels(self, subject: str, desc: str, stat: str) -> Float32:
        """A map of whole numbers on the drawing surface: every vertex gets the number with the largest weight."""
        index, space, surface = (
            self.results.map(subject, desc, stat),
            self.results.space(subject),
            self.surface(subject),
        )
        if space == surface:
            return index
        finite = np.isfinite(index)
        if not len(levels := np.unique(index[finite])):
            return np.full(surface.n_targets, np.nan, dtype=np.float32)
        weights = resample(np.where(finite, index == levels[:, None], np.nan), space, surface)
        chosen = levels[np.argmax(np.nan_to_num(weights), axis=0)]
        return np.where(np.isfinite(weights).all(axis=0), chosen, np.float32(np.nan))

    def tested(self, subject: str) -> Booleans:
        """Tested targets, on the drawing surface."""
        return np.isfinite(self.on_surface(subject, [(JOINT, maps.R.stat)])[0])

    def masking(self, subject: str, models: Sequence[str] = ()) -> tuple[str, ...]:
        """Models whose significance masks a figure of some models; none: every tested target is shown."""
        alone = len(models) == 1 and self.request.score in OF_MODELS
        mask = self.request.mask or ("own" if alone else "joint")
        if mask == "tested":
            return ()
        own = mask == "own" and models and all(self.results.has_map(subject, one, maps.Q.stat) for one in models)
        return tuple(dict.fromkeys(models)) if own else (JOINT,)

    def predicted(self, subject: str, masking: Sequence[str]) -> Booleans:
        """Targets that one of the models predicts significantly, in the space of the subject."""
        own = maps.Q_OWN.stat if self.request.score == maps.R_OWN.stat else maps.Q.stat
        stats = {one: own if self.results.has_map(subject, one, own) else maps.Q.stat for one in masking}
        below = [self.results.map(subject, one, stat) < self.statistics.q for one, stat in stats.items()]
        return np.asarray(np.any(below, axis=0))

    def significant(self, subject: str, models: Sequence[str] = ()) -> Booleans | None:
        """Targets that are shown in a figure of some models, on the drawing surface; None: every tested one."""
        if not (masking := self.masking(subject, models)):
            return None
        below = self.predicted(subject, masking).astype(np.float32)
        [moved] = resample(below, self.results.space(subject), self.surface(subject))
        return np.asarray(np.nan_to_num(moved) > 0.5)

    def criterion(self, subject: str, models: Sequence[str] = ()) -> str:
        """Definition of significance in a figure of some models, for captions."""
        controls = CORRECTIONS[self.statistics.correction].controls
        masking = self.masking(subject, models)
        by = "the joint model" if masking == (JOINT,) else f"the model of {' or of '.join(masking)}"
        each = ", each alone" if len(masking) > 1 else " alone" if masking != (JOINT,) else ""
        return f"significant at q < {self.statistics.q:g} ({controls}) in {by}{each}" if masking else "tested"

    @property
    def note(self) -> str | None:
        """The note on every figure."""
        return self.settings.note or self.results.note

    @property
    def zoom(self) -> str:
        """Region set of the zooms."""
        return self.request.zoom or self.maps.zoom

    @property
    def zoom_only(self) -> str | None:
        """Region set of figures that show a zoom or, on request, the whole cortex, not both."""
        return None if self.request.view == "whole" else self.zoom

    @property
    def limits(self) -> tuple[float | None, float | None]:
        """Colour limits of scores; a share of the noise ceiling has its natural end at 1."""
        return self.settings.limits or (0.0, 1.0 if self.request.score == maps.R_NORMALISED.stat else None)

    def page_keywords(self, subject: str = "", models: Sequence[str] = ()) -> PageKeywords:
        """Options of every figure: note, style with the colours of the models drawn, and origin of the numbers."""
        style = self.settings.model_copy(update={"colours": self.colours(models)}) if models else self.settings
        return {"note": self.note, "style": style, "origin": self.origin(subject)}

    def colours(self, models: Sequence[str]) -> tuple[str, ...]:
        """Colours of models, the same in every figure: those of the study's feature spaces in order, grey for all."""
        stored, known = self.results.feature_spaces, self.settings.colours
        named = dict(zip(stored, known, strict=False)) | {JOINT: GREY}
        free = [colour for colour in known if colour not in [named.get(name) for name in models]]
        return tuple(named[name] if name in named else free.pop(0) for name in models if name in named or free)

    def map_keywords(self, subject: str, models: Sequence[str] = ()) -> MapKeywords:
        """Options of every figure of maps of a subject, masked by the significance of some models."""
        return {
            **self.page_keywords(subject, models),
            "title": f"sub-{subject}",
            "tested": self.tested(subject),
            "significant": self.significant(subject, models),
            "criterion": self.criterion(subject, models),
        }

    def view_keywords(self, subject: str, models: Sequence[str] = ()) -> ViewKeywords:
        """Options of figures that show the whole cortex, a zoom, or both."""
        return {**self.map_keywords(subject, models), "view": self.request.view, "zoom": self.zoom}

    def origin(self, subject: str = "") -> str:
        """Origin of the numbers, for captions: study, samples and test of a subject, versions."""
        text = [f"Study: {self.results.study.get('name', 'unnamed')}."]
        if subject and self.results.has_map(subject, JOINT, maps.Q.stat):
            about = self.results.sidecar(subject, JOINT, maps.Q.stat)
            if {"SamplesTrained", "SamplesTested", "Test", "Permutations"} <= about.keys():
                text.append(
                    f"Models trained on {about['SamplesTrained']} and tested on {about['SamplesTested']} samples; "
                    f"significance: {counted_from(about['Test'], about['Permutations'], about.get('Refits', 0))}."
                )
        versions = self.results.provenance.get("versions", {})
        shown = [f"{name} {versions[name]}" for name in ("b2m-encoding", "numpy", "torch") if versions.get(name)]
        if shown:
            text.append(f"Computed with {', '.join(shown)}, seed {self.results.provenance.get('seed')}.")
        return " ".join(text)


def _selected(requested: tuple[str, ...], stored: tuple[str, ...], problem: str) -> tuple[str, ...]:
    """The requested names, by default all; each must be stored."""
    for name in requested:
        if name not in stored:
            fix = "for all subjects together: b2m figure RESULTS group" if name == GROUP else None
            raise InputError(problem, found=name, expected=", ".join(stored), fix=fix)
    return requested or stored


def _table(kind: type[Table], table: Mapping[str, Any], file: Path | None, folder: Path) -> Table:
    """One table of the study; errors name the key, and the file that it stands in."""
    try:
        return kind.model_validate(table, context={"folder": folder})
    except ValidationError as error:
        detail = error.errors()[0]
        cause = detail.get("ctx", {}).get("error")
        if isinstance(cause, InputError):
            raise cause from error
        where = ".".join(str(part) for part in detail["loc"])
        message = str(detail["msg"]).removeprefix("Value error, ")
        raise InputError(message, file=file, found=f"{where} = {detail['input']!r}" if where else None) from error
