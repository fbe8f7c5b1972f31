"""Draw figures of a results folder: those of the report, and single kinds."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import get_args

import numpy as np

from b2m_encoding.data.sources import GROUP_MEAN
from b2m_encoding.errors import InputError
from b2m_encoding.figures.settings import Format
from b2m_encoding.gallery import diagnostics
from b2m_encoding.gallery.context import Changes, FigureContext, FigureRequest
from b2m_encoding.gallery.kinds import KINDS
from b2m_encoding.io.names import safe_name
from b2m_encoding.results.manifest import note_written
from b2m_encoding.results.place import results_kept
from b2m_encoding.results.reader import Results
from b2m_encoding.results.schema import JOINT, maps, tables
from b2m_encoding.results.schema.files import FIGURES
from b2m_encoding.spaces import Unplaced, VolumeSpace, drawing_surface
from b2m_encoding.study import Study

OTHER_PICTURES = ("jpg", "jpeg", "gif", "webp", "bmp", "eps", "ps", "tif")


def draw_figures(results: Results, study: Study, folder: Path) -> None:
    """Draw and save the figures of the report: maps where subjects have a cortex, regions and decoding where tabled."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = study.figures.model_copy(update={"note": study.figures.note or study.note})
    context = FigureContext(results, study.maps, study.statistics, settings)
    formats: tuple[Format, ...] = ("png", *(kind for kind in study.figures.formats if kind != "png"))
    wanted = KINDS if settings.report is None else settings.report
    for kind, subject in _reported(context):
        if kind not in wanted:
            continue
        figure = KINDS[kind].draw(context, subject)
        figure.save(folder / _stem(kind, subject, FigureRequest()), formats=formats)


def _reported(context: FigureContext) -> Iterator[tuple[str, str]]:
    """Kinds and subjects of the figures of the report, kind by kind: pictures of one kind share their pixel maps."""
    results = context.results
    pairs = [(kind, subject) for subject in results.subjects for kind in _reported_of(context, subject)]
    for wanted in dict.fromkeys(kind for kind, _ in pairs):
        yield from ((kind, subject) for kind, subject in pairs if kind == wanted)
    surfaces = {drawing_surface(results.space(subject)) for subject in results.subjects}
    if len(results.subjects) > 1 and len(surfaces) == 1 and None not in surfaces:
        yield "group", ""
    regions = results.table(tables.REGIONS)
    if (regions["score"].notna() & (regions["subject"] != GROUP_MEAN)).any():
        yield "regions", ""
    if results.has(tables.LEARNING) and results.table(tables.LEARNING)["r"].notna().any():
        yield "learning", ""
    if results.has(tables.IDENTIFICATION):
        yield "decoding", ""
        if "accuracy_unheard" in results.table(tables.IDENTIFICATION):
            yield "unheard", ""


def _reported_of(context: FigureContext, subject: str) -> Iterator[str]:
    """Kinds of the figures of one subject."""
    results = context.results
    space = results.space(subject)
    yield from diagnostics.available(context, subject)
    if not np.isfinite(results.map(subject, JOINT, maps.R.stat)).any():
        return  # no target was tested
    if results.has(tables.named_table(subject)):
        yield from ("tags", "tagprofile")
    if isinstance(space, VolumeSpace):
        yield "slices"
    if isinstance(space, Unplaced):
        yield "distribution"
    if drawing_surface(space) is None:
        return  # there is no cortex to draw on
    yield "accuracy"
    if any(maps.TAG.stat in stats for stats in results.stats(subject).values()):
        yield "tagmap"
    if len(results.feature_spaces) > 1:
        yield "preference"
    if any(maps.UNIQUE.stat in stats for stats in results.stats(subject).values()):
        yield "partition"


def draw_kind(
    path: str | Path, kind: str, request: FigureRequest, changes: Changes, out: str | Path | None = None
) -> list[Path]:
    """Draw a kind of figure from a results folder and save it, for every subject or for all together.

    Parameters
    ----------
    path : Path
        The results folder; nothing is computed anew.
    kind : str
        A key of :data:`~b2m_encoding.gallery.kinds.KINDS`.
    request : FigureRequest
    changes : FigureSettings or dict
        Keys of ``[figures]`` that replace those of the study.
    out : Path, optional
        Folder to write into, or one file (``map.png``); ``figures`` in the results by default.

    Returns
    -------
    list of Path
        The pictures, each with its numbers (TSV) and caption beside it.

    Raises
    ------
    InputError
        If there is no such kind, it cannot be drawn of these results, or another process works on them.
    """
    path = Path(path)
    out = path / FIGURES if out is None else Path(out)
    if kind not in KINDS:
        raise InputError(
            "unknown kind of figure", found=kind, expected=", ".join(get_close_matches(kind, KINDS, n=1) or KINDS)
        )
    Results.open(path)
    own = None if out.is_dir() else _format_of(out)
    folder = out if own is None else out.parent
    written = []
    with results_kept(path, folder):
        context = FigureContext.open(path, request, changes)
        subjects = context.subjects if KINDS[kind].per_subject else ("",)
        if own is not None and len(subjects) > 1:
            raise InputError(
                f"one file cannot hold the figures of {len(subjects)} subjects",
                file=out,
                fix=f"name a folder, or one subject (--subject {subjects[0]})",
            )
        for subject in subjects:
            stem = folder / _stem(kind, subject, request) if own is None else out.with_suffix("")
            figure = KINDS[kind].draw(context, subject)
            written += figure.save(stem, formats=context.settings.formats if own is None else own)
        note_written(path, written)
    return written


def _format_of(out: Path) -> Format | None:
    """Format of a file to write, by its ending; None for a folder."""
    ending = out.suffix.lower().removeprefix(".")
    if ending in OTHER_PICTURES:
        raise InputError("figures are not written in this format", file=out, expected=", ".join(get_args(Format)))
    return next((known for known in get_args(Format) if known == ending), None)


def _stem(kind: str, subject: str, request: FigureRequest) -> str:
    """Stem of the files: it contains every choice that is not the default, and no path separator."""
    parts = [f"sub-{subject}" if subject else "", kind, *(name for name in request.models if name != JOINT)]
    parts += [request.score] if request.score != maps.R.stat else []
    parts += (
        [request.view if request.zoom is None else f"{request.view}-{request.zoom}"]
        if request.view != "overview"
        else []
    )
    parts += [f"mask-{request.mask}"] if request.mask else []
    return safe_name("_".join(part for part in parts if part))
