"""What figures are drawn from: a results folder, the tables of its study, and what a user asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from b2m_encoding.config import Config
from b2m_encoding.errors import InputError
from b2m_encoding.figures import FigureSettings
from b2m_encoding.figures.maps import View
from b2m_encoding.results.reader import Results
from b2m_encoding.results.schema import CORRECTIONS, JOINT
from b2m_encoding.results.schema.files import STUDY
from b2m_encoding.spaces import Atlas, SurfaceSpace, drawing_surface, load_atlas, resample
from b2m_encoding.study import MapsTable, StatisticsTable

Table = TypeVar("Table", bound=Config)


@dataclass(frozen=True)
class FigureRequest:
    """What a user asks of a figure; what is left out is what the study says, or usual.

    Parameters
    ----------
    subjects : tuple of str
        Only these.
    models : tuple of str
        Feature spaces, or ``joint``.
    score : str
        A statistic of the maps: ``r``, ``r2``, ``rnormalised``, ``ceiling``, ``unique`` ...
    view : {"whole", "zoom", "overview"}
    zoom : str, optional
        Region or region set.
    contour : bool
        Outline what is significant instead of hiding the rest.
    mark : float, optional
        Score to mark in a scatter.
    sounds : mapping of str to Path
        Sound files by what they are.
    """

    subjects: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    score: str = "r"
    view: View = "overview"
    zoom: str | None = None
    contour: bool = False
    mark: float | None = None
    sounds: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class FigureContext:
    """Maps of a results folder as figures need them: on a surface, with what was tested and what is significant."""

    results: Results
    maps: MapsTable
    statistics: StatisticsTable
    settings: FigureSettings
    request: FigureRequest = FigureRequest()

    @classmethod
    def open(cls, path: Path, request: FigureRequest, changes: Mapping[str, Any]) -> FigureContext:
        """Open a results folder; ``changes`` go before the ``[figures]`` of its study.

        Raises
        ------
        InputError
            If there are no results, or something that is asked for does not exist.
        """
        results = Results.open(path)
        study, folder = results.study, results.study_folder
        tables = {name: dict(study.get(name, {})) for name in ("maps", "statistics", "figures")}
        tables["figures"] |= changes
        context = cls(
            results,
            _table(MapsTable, tables["maps"], results, folder),
            _table(StatisticsTable, tables["statistics"], results, folder),
            _table(FigureSettings, tables["figures"], results, folder),
            request,
        )
        _ = context.subjects, context.models
        return context

    @property
    def subjects(self) -> tuple[str, ...]:
        """Subjects to draw."""
        return _known(self.request.subjects, self.results.subjects, "the results hold no such subject")

    @property
    def models(self) -> tuple[str, ...]:
        """Feature spaces to draw; all by default."""
        known = self.results.feature_spaces
        _known(self.request.models, (*known, JOINT), "the results hold no such feature space")
        return self.request.models or known

    @property
    def model(self) -> str:
        """The one model whose scores are drawn."""
        return self.request.models[0] if self.request.models else JOINT

    def surface(self, subject: str) -> SurfaceSpace:
        """The surface that maps of a subject are drawn on."""
        space = self.results.space(subject)
        if (found := drawing_surface(space)) is None:
            raise InputError(
                f"sub-{subject} has no maps that can be drawn on a cortex",
                file=self.results.path,
                found=space.name,
                fix="draw regions or scatter",
            )
        return found

    def atlas(self, surface: SurfaceSpace) -> Atlas:
        """The atlas of the study on a surface."""
        return load_atlas(self.maps.atlas, surface)

    def on_surface(self, subject: str, maps: Sequence[tuple[str, str]]) -> list[NDArray[np.float32]]:
        """Maps of a subject, by model and statistic, on its surface."""
        values = np.stack([self.results.map(subject, desc, stat) for desc, stat in maps])
        return list(resample(values, self.results.space(subject), self.surface(subject)))

    def tested(self, subject: str) -> NDArray[np.bool_]:
        """What was tested, on the surface."""
        return np.isfinite(self.on_surface(subject, [(JOINT, "r")])[0])

    def significant(self, subject: str) -> NDArray[np.bool_]:
        """What the joint model predicts, on the surface."""
        below = (self.results.map(subject, JOINT, "q") < self.statistics.q).astype(np.float32)
        [moved] = resample(below, self.results.space(subject), self.surface(subject))
        return np.asarray(np.nan_to_num(moved) > 0.5)

    @property
    def criterion(self) -> str:
        """What significant means."""
        controls = CORRECTIONS[self.statistics.correction].controls
        return f"significant at q < {self.statistics.q:g} ({controls}) in the joint model"

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
        """Region set of figures that show a zoom or the whole cortex, not both."""
        return self.zoom if self.request.view == "zoom" else None

    @property
    def limits(self) -> tuple[float | None, float | None]:
        """Colour limits of scores."""
        return self.settings.limits or (0.0, None)

    @cached_property
    def style(self) -> dict[str, Any]:
        """Note and style of every figure."""
        return {"note": self.note, "style": self.settings}

    def common(self, subject: str) -> dict[str, Any]:
        """What every map of a subject is drawn with."""
        return {**self.style, "title": f"sub-{subject}", "tested": self.tested(subject),
                "significant": self.significant(subject), "criterion": self.criterion}  # fmt: skip

    def origin(self, subject: str | None) -> str:
        """Where the numbers come from, for a caption: samples, test, versions."""
        text = [f"Study: {self.results.study.get('name', 'unnamed')}."]
        if subject is not None and self.results.has_map(subject, JOINT, "q"):
            about = self.results.sidecar(subject, JOINT, "q")
            known = {
                key: about[key] for key in ("SamplesTrained", "SamplesTested", "Test", "Permutations") if key in about
            }
            if len(known) == 4:
                text.append(
                    f"Models trained on {known['SamplesTrained']} and judged on {known['SamplesTested']} samples; "
                    f"significance: {known['Test']}, {known['Permutations']} permutations."
                )
        versions = self.results.provenance.get("versions", {})
        shown = [f"{name} {versions[name]}" for name in ("b2m-encoding", "numpy", "torch") if versions.get(name)]
        if shown:
            text.append(f"Computed with {', '.join(shown)}, seed {self.results.provenance.get('seed')}.")
        return " ".join(text)


def _known(wanted: tuple[str, ...], known: tuple[str, ...], problem: str) -> tuple[str, ...]:
    for name in wanted:
        if name not in known:
            raise InputError(problem, found=name, expected=", ".join(known))
    return wanted or known


def _table(kind: type[Table], table: Mapping[str, Any], results: Results, folder: Path) -> Table:
    """One table of the study; what is wrong with it as our error."""
    try:
        return kind.model_validate(table, context={"folder": folder})
    except ValidationError as error:
        detail = error.errors()[0]
        cause = detail.get("ctx", {}).get("error")
        if isinstance(cause, InputError):
            raise cause from error
        where = ".".join(str(part) for part in detail["loc"])
        message = str(detail["msg"]).removeprefix("Value error, ")
        file = results.path / STUDY
        raise InputError(message, file=file, found=f"{where} = {detail['input']!r}" if where else None) from error
