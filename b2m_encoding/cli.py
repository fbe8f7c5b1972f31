"""The command ``b2m``: parse, call, print."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from b2m_encoding import __version__
from b2m_encoding.errors import InputError, ProblemList

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
models = typer.Typer(no_args_is_help=True, help="Pretrained networks: what is here, and fetching their weights.")
app.add_typer(models, name="models")
console = Console(highlight=False)
BAD_INPUT = 2
# On shared cores, threads that spin while they wait slow small eigenproblems down fifty-fold.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
_debug = False

StudyFile = Annotated[Path, typer.Argument(help="The study file (TOML).", show_default=False)]


def _version(wanted: bool) -> None:
    if wanted:
        console.print(f"b2m_encoding {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,
) -> None:
    """Voxel-wise encoding models for music: map auditory cortex, compare feature spaces, decode what was heard."""
    global _debug
    _debug = debug


@app.command()
def demo(
    out: Annotated[Path, typer.Argument(help="Folder to write into.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Seed of the simulation.")] = 0,
    null: Annotated[bool, typer.Option("--null", help="Simulate responses that follow no stimulus.")] = False,
) -> None:
    """Simulate a small listening study and analyse it, end to end, in under two minutes."""
    from b2m_encoding.pipeline.demo import run_demo

    with _bar() as bar:
        summary = run_demo(out, seed=seed, null=null, progress=_reporter(bar))
    table = Table("measure", "value", title="SIMULATED study: what was found, against the known truth")
    for key, value in summary.items():
        table.add_row(key, f"{value:.3g}" if isinstance(value, float) else str(value))
    console.print(table)
    for label, path in {"report": "results/report.html", "figures": "results/figures", "study": "study.toml"}.items():
        console.print(f"{label + ':':<9}{out / path}", soft_wrap=True, markup=False)


@app.command()
def init(
    kind: Annotated[Literal["musicgenre", "bids", "arrays"], typer.Argument(help="What the data look like.")],
    folder: Annotated[Path, typer.Argument(help="Where to put study.toml; a BIDS data set is looked at.")] = Path(),
    out: Annotated[Path | None, typer.Option(help="Put study.toml there instead.")] = None,
) -> None:
    """Write a commented study.toml to edit; in a BIDS folder, a study of what is there."""
    from b2m_encoding.pipeline.templates import write_template

    for path in write_template(kind, folder, out):
        console.print(f"wrote {path}", soft_wrap=True, markup=False)


@app.command()
def check(study: StudyFile) -> None:
    """Report every problem of a study at once; nothing is computed."""
    from b2m_encoding.pipeline.check import check_study, no_maps
    from b2m_encoding.study import load_study

    recordings = check_study(load_study(study))
    for subject, recording in recordings.items():
        responses, runs = recording.responses, recording.responses.runs
        size = f"{len(runs.names)} runs, {len(runs)} samples of {runs.tr:g} s, {responses.n_targets} targets"
        console.print(f"sub-{subject}: {size} on {responses.space.name}", markup=False)
    spaces = {recording.responses.space.name: recording.responses for recording in recordings.values()}
    for responses in spaces.values():
        for step in responses.steps:
            console.print(f"cleaning: {step}", markup=False, soft_wrap=True)
        if reason := no_maps(responses.space):
            console.print(reason, markup=False, soft_wrap=True)
    console.print("no problems found")


@app.command()
def fetch(
    dataset: Annotated[Literal["ds003720"], typer.Argument(help="The data set (OpenNeuro).")],
    subject: Annotated[list[str] | None, typer.Option(help="Only this subject; may be repeated.")] = None,
    to: Annotated[Path, typer.Option(help="Folder of the data set.")] = Path("ds003720"),
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Download a data set; what has been fetched before is not fetched again."""
    from b2m_encoding.data.fetch import Download

    download = Download(dataset, tuple(subject or ()), to)
    console.print(download.describe(), markup=False, soft_wrap=True)
    if not yes and not typer.confirm("Download?"):
        raise typer.Exit(1)
    download.run()
    console.print(f"downloaded to {to}", soft_wrap=True, markup=False)


@app.command()
def run(
    study: StudyFile,
    subject: Annotated[list[str] | None, typer.Option(help="Only this subject; may be repeated.")] = None,
) -> None:
    """Run the analysis of a study file."""
    from b2m_encoding.pipeline import run_study
    from b2m_encoding.study import load_study

    loaded = load_study(study)
    with _bar() as bar:
        run_study(loaded, study, subjects=tuple(subject or ()), progress=_reporter(bar))
    console.print(f"results: {loaded.output}", soft_wrap=True, markup=False)
    console.print(f"report:  {loaded.output / 'report.html'}", soft_wrap=True, markup=False)


@app.command()
def features(
    study: StudyFile,
    subject: Annotated[list[str] | None, typer.Option(help="Only this subject; may be repeated.")] = None,
    stimuli: Annotated[Path | None, typer.Option(help="Write the clips as they were heard into this folder.")] = None,
) -> None:
    """Compute the features of a study and keep them; every run and every other study then only reads them."""
    from b2m_encoding.features.store import check_store
    from b2m_encoding.pipeline.features import fill_features, write_stimuli
    from b2m_encoding.study import load_study

    loaded, chosen = load_study(study), tuple(subject or ())
    if stimuli is not None:
        written = write_stimuli(loaded, stimuli, chosen)
        console.print(f"{len(written)} clips written to {stimuli}", markup=False, soft_wrap=True)
    with _bar() as bar:
        filled = fill_features(loaded, chosen, _clip_reporter(bar))
    table = Table("feature space", "samples x features", "computed", "seconds")
    for name, found in filled.items():
        size = " x ".join(f"{n:,}" for n in found.shape)
        table.add_row(name, size, f"{found.computed} clips" if found.computed else "-", f"{found.seconds:.0f}")
    console.print(table)
    console.print(f"kept in {check_store()}", markup=False, soft_wrap=True)


@app.command()
def atlases(
    name: Annotated[str | None, typer.Argument(help="An atlas: list its sets and regions.")] = None,
) -> None:
    """List the atlases: whether their labels are here or what to fetch, their licence and citation."""
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


@models.command("list")
def list_models() -> None:
    """List the models: whether their weights are here or how to get them, licence, what they take and give."""
    from b2m_encoding.features.weights import catalogue, is_here

    for entry in catalogue().values():
        console.print(f"{entry.name}: {entry.title}", style="bold", markup=False)
        weights = "here" if is_here(entry) else f"missing; {entry.command}"
        licence = f"{entry.licence}; commercial use: {entry.commercial_use}"
        rows = {"weights": f"{weights} ({entry.size})", "licence": licence, "gives": entry.output, "for": entry.role}
        for key, value in rows.items():
            console.print(f"  {key + ':':<9} {value}", soft_wrap=True, markup=False)


@models.command("fetch")
def fetch_model(
    name: Annotated[str, typer.Argument(help="A name of the list, or a repository of huggingface.co.")],
    revision: Annotated[str | None, typer.Option(help="Commit, tag or branch, instead of the known one.")] = None,
    allow_pickle: Annotated[bool, typer.Option("--allow-pickle", help="Convert pickled weights, once.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Download the weights of a model, with a record of their commit and hashes; all other commands work offline."""
    from b2m_encoding.features.weights import entry_of
    from b2m_encoding.features.weights.fetch import Fetch

    fetching = Fetch(entry_of(name, revision), allow_pickle)
    console.print(fetching.describe(), markup=False, soft_wrap=True)
    if not yes and not typer.confirm("Fetch?"):
        raise typer.Exit(1)
    console.print(f"fetched to {fetching.run()}", soft_wrap=True, markup=False)


@app.command()
def doctor() -> None:
    """Look at the machine: versions, GPU, broken optional packages, writable folders."""
    table = Table("what", "found")
    table.add_row("pycortex", _installed("pycortex"))  # importing it would write into the home folder
    for package in ("numpy", "torch", "nilearn", "nibabel", "matplotlib", "transformers", "diffusers"):
        table.add_row(package, _import_state(package))
    for package in ("torchaudio", "torchvision"):
        state = _import_state(package)
        table.add_row(package, "absent, as it should be" if state == "not installed" else f"{state}; pip uninstall it")
    table.add_row("device", _device())
    for folder in (Path.cwd(), Path(tempfile.gettempdir()), Path.home()):
        table.add_row(f"write to {folder}", "yes" if os.access(folder, os.W_OK) else "NO")
    console.print(table)


def main() -> None:
    """Entry point: an error a user can put right ends with exit code 2 and no traceback."""
    try:
        app(standalone_mode=True)
    except InputError as error:
        if _debug:
            raise
        problems = error.problems if isinstance(error, ProblemList) else [error]
        errors = Console(stderr=True, highlight=False)
        for problem in problems:
            errors.print("error: ", style="bold red", end="")
            errors.print(str(problem), markup=False, soft_wrap=True)
        sys.exit(BAD_INPUT)


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def _reporter(bar: Progress) -> Callable[[str, int, int], None]:
    """Progress of a study as (what is done now, steps done, steps in all)."""
    task = bar.add_task("starting", total=None)

    def report(what: str, done: int, total: int) -> None:
        bar.update(task, description=what, completed=done, total=total)

    return report


def _clip_reporter(bar: Progress) -> Callable[[str, int, int], None]:
    """Progress of features as (feature space, clips done, clips to do): a bar for each, with the time that is left."""
    tasks: dict[str, TaskID] = {}

    def report(what: str, done: int, total: int) -> None:
        if total and what not in tasks:
            tasks[what] = bar.add_task(what, total=total)
        if what in tasks:
            bar.update(tasks[what], completed=done, total=total)

    return report


def _import_state(package: str) -> str:
    if importlib.util.find_spec(package) is None:
        return "not installed"
    try:
        return str(getattr(importlib.import_module(package), "__version__", "installed"))
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        return f"BROKEN: {type(error).__name__}: {str(error).splitlines()[0]}"


def _installed(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _device() -> str:
    torch: Any = importlib.import_module("torch")
    if torch.cuda.is_available():
        return f"CUDA: {torch.cuda.get_device_name()}"
    return f"CPU, {torch.get_num_threads()} threads"
