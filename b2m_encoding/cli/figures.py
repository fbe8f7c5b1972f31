"""Commands of results: figures, the interactive page, the report, and the atlases they are drawn with."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from b2m_encoding.cli.app import ResultsFolder, Subjects, app, console, finish, progress_bar, reporter, short
from b2m_encoding.errors import InputError

if TYPE_CHECKING:
    from b2m_encoding.figures import FigureSettings

OPTIONS = {"width_mm": "--width", "dpi": "--dpi", "limits": "--limits", "formats": "--format"}
"""Options of a figure by the keys of ``[figures]`` that they stand for."""


@app.command()
def figure(
    results: Annotated[Path | None, typer.Argument(help="The results folder of a study.", show_default=False)] = None,
    kind: Annotated[str | None, typer.Argument(help="What to draw; see --list.", show_default=False)] = None,
    show: Annotated[bool, typer.Option("--list", help="List the kinds of figures.")] = False,
    subject: Subjects = None,
    model: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Feature space, or joint; may be repeated.")
    ] = None,
    score: Annotated[str, typer.Option(help="Statistic: r, r2, rnormalised, ceiling ...")] = "r",
    whole: Annotated[bool, typer.Option("--whole", help="Only the whole cortex.")] = False,
    zoom: Annotated[bool, typer.Option("--zoom", help="Only the zoom.")] = False,
    region: Annotated[str | None, typer.Option(help="Region or region set to zoom into.")] = None,
    contour: Annotated[
        bool, typer.Option("--contour/--masked", help="Outline significant targets in zooms, or hide the others.")
    ] = True,
    limits: Annotated[str | None, typer.Option(metavar="LOW,HIGH", help="Lowest and highest colour: 0,0.5.")] = None,
    mark: Annotated[float | None, typer.Option(help="Score to mark in a scatter.")] = None,
    sound: Annotated[list[str] | None, typer.Option(metavar="NAME=FILE", help="A sound; may be repeated.")] = None,
    width: Annotated[float | None, typer.Option(help="Width in mm: 89, 120, 183.")] = None,
    dpi: Annotated[int | None, typer.Option(help="Resolution.")] = None,
    files: Annotated[str | None, typer.Option("--format", help="png, pdf, svg, tiff; several with commas.")] = None,
    mask: Annotated[
        Literal["own", "joint", "tested"] | None, typer.Option(help="Targets to show: predicted by a drawn model, ...")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder, or one file (map.png); default: figures in the results.")
    ] = None,
) -> None:
    """Draw one kind of figure at journal size.

    With its caption and the plotted numbers; --list names the kinds.
    """
    from b2m_encoding.gallery.context import FigureRequest
    from b2m_encoding.gallery.draw import draw_kind
    from b2m_encoding.gallery.kinds import KINDS

    if show or results is None or kind is None:
        for name, content in KINDS.items():
            console.print(f"{name:<{max(map(len, KINDS))}} {content.description}", markup=False, soft_wrap=True)
        if not show:
            raise InputError("name a results folder and a kind of figure", expected="b2m figure RESULTS KIND")
        return
    view: Literal["whole", "zoom", "overview"] = (
        "overview" if whole == (zoom or bool(region)) else "whole" if whole else "zoom"
    )
    if mark is not None and not isfinite(mark):
        raise InputError("--mark takes a score, a number", found=mark, expected="such as 0.2")
    request = FigureRequest(
        tuple(subject or ()), tuple(model or ()), score, view, region, contour, mark, _named_files(sound or []), mask
    )
    asked = {
        "width_mm": width,
        "dpi": dpi,
        "limits": None if limits is None else _two_numbers(limits),
        "formats": None if files is None else tuple(files.replace(",", " ").split()),
    }
    for path in draw_kind(results, kind, request, _settings(asked), out):
        console.print(f"wrote {short(path)}", soft_wrap=True, markup=False)


def _two_numbers(text: str) -> tuple[float, float]:
    """Two numbers from LOW,HIGH."""
    try:
        low, high = (float(part) for part in text.split(","))
        if not -inf < low < high < inf:
            raise ValueError
    except ValueError:
        expected = "LOW,HIGH, the lower number first, for instance 0,0.5"
        raise InputError("--limits takes two numbers", found=text, expected=expected) from None
    return low, high


def _settings(asked: Mapping[str, object]) -> FigureSettings:
    """Settings that were asked for; an error names the option in question."""
    from pydantic import ValidationError

    from b2m_encoding.figures import FigureSettings

    try:
        return FigureSettings.model_validate({key: value for key, value in asked.items() if value is not None})
    except ValidationError as error:
        detail = error.errors()[0]
        key, expected = str(detail["loc"][0]), str(detail["msg"]).removeprefix("Input should be ")
        if key == "formats":
            expected = "png, pdf, svg, tiff; several with commas"
        raise InputError(
            f"{OPTIONS[key]} does not take this value", found=detail["input"], expected=expected
        ) from error


def _named_files(texts: list[str]) -> dict[str, Path]:
    """Files by name, from NAME=FILE."""
    pairs = [text.partition("=") for text in texts]
    for name, equals, file in pairs:
        if not (name and equals and file):
            raise InputError(
                "--sound takes a name and a file", found=name, expected="NAME=FILE, for instance heard=clip.wav"
            )
    return {name: Path(file) for name, _, file in pairs}


@app.command()
def view(
    results: ResultsFolder,
    out: Annotated[Path | None, typer.Option(help="The HTML file; default: view.html in the results.")] = None,
    subject: Subjects = None,
    sounds: Annotated[Path | None, typer.Option(help="Folder of the stimuli: the page plays them.")] = None,
) -> None:
    """Write one HTML page with interactive maps.

    It works from a file, without network.
    """
    from b2m_encoding.gallery.explorer import write_view

    page = write_view(results, out, subjects=tuple(subject or ()), sounds=sounds)
    console.print(f"wrote {short(page)} ({page.stat().st_size / 1e6:.1f} MB)", soft_wrap=True, markup=False)


@app.command()
def report(results: ResultsFolder) -> None:
    """Write the report of results again.

    Pages of the study and of each subject, with all existing figures.
    """
    from b2m_encoding.gallery.report import write_pages
    from b2m_encoding.results.reader import Results

    for page in write_pages(Results.open(results)):
        console.print(f"wrote {short(page)} ({page.stat().st_size / 1e6:.1f} MB)", soft_wrap=True, markup=False)


@app.command()
def paper(
    results: Annotated[Path, typer.Argument(help="Results of a study, or its study file.", show_default=False)],
) -> None:
    """Set results beside everything that Brain2Music published.

    Its tables, figures and numbers, in its order, into paper/ of the results: a page, figures and tables.
    """
    from b2m_encoding.gallery.paper.page import write_paper
    from b2m_encoding.study import load_study

    folder = load_study(results).output if results.is_file() else results
    with progress_bar() as bar:
        page, found = write_paper(folder, reporter(bar))
        finish(bar)
    for verdict, count in found["verdict"].value_counts().items():
        console.print(f"{verdict}: {count} of {len(found)}", markup=False)
    console.print(f"wrote {short(page)}", soft_wrap=True, markup=False)


@app.command()
def atlases(
    name: Annotated[str | None, typer.Argument(help="An atlas: list its sets and regions.")] = None,
) -> None:
    """List the atlases, with licences and citations."""
    from b2m_encoding.spaces import atlas_states, grayordinate_space, load_atlas

    if name is not None:
        atlas = load_atlas(name, grayordinate_space())
        for key, content in atlas.sets.items():
            console.print(f"{key}: {content.title}", style="bold", markup=False)
            console.print(f"  {' '.join(atlas.members(key))}", markup=False)
        console.print(f"{len(atlas.regions)} regions", style="bold")
        console.print(f"  {' '.join(atlas.regions)}", markup=False)
        return
    for state in atlas_states():
        console.print(f"{state.definition.name}: {state.definition.title}", style="bold", markup=False)
        labels = f"here, {state.found}" if state.found else f"missing; {state.fetch}"
        rows = {"labels": labels, "licence": state.definition.licence, "citation": state.definition.citation}
        for key, value in rows.items():
            console.print(f"  {key + ':':<9} {value}", soft_wrap=True, markup=False)
