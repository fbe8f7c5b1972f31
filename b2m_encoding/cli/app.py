"""The application that all commands join, and how they print and show progress."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

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

from b2m_encoding.io.toml import STUDY_FILE, read_toml

HELP = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, context_settings=HELP,
    epilog="Begin with: b2m demo, then open demo/results/report.html. Documentation: README.md, make docs.",
)  # fmt: skip
console = Console(highlight=False)


def _readable(path: Path) -> Path:
    """Refuse a study file that is missing or no TOML before the package is loaded to read it."""
    read_toml(path, *STUDY_FILE)
    return path


def _labels(subjects: list[str] | None) -> list[str] | None:
    """Labels of subjects, as they stand in names of files or without ``sub-``."""
    return subjects and [label.removeprefix("sub-") for label in subjects]


StudyFile = Annotated[Path, typer.Argument(help="The study file (TOML).", show_default=False, callback=_readable)]
Subjects = Annotated[
    list[str] | None,
    typer.Option(metavar="LABEL", help="Only this subject; may be repeated.", callback=_labels),
]
ResultsFolder = Annotated[Path, typer.Argument(help="The results folder of a study.", show_default=False)]


class _Bar(Progress):
    """A bar that is gone where an error ends the command before anything was counted."""

    def __exit__(self, kind: type[BaseException] | None, *more: Any) -> None:
        if kind is not None and all(task.total is None for task in self.tasks):
            self.live.transient = True
            for task in self.tasks:
                self.update(task.id, visible=False)
        super().__exit__(kind, *more)


def progress_bar() -> Progress:
    """A bar with counts, time taken and time left."""
    return _Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def reporter(bar: Progress) -> Callable[[str, int, int], None]:
    """Progress of a study as (what is done now, steps done, steps in all)."""
    task = bar.add_task("starting", total=None)

    def report(what: str, done: int, total: int) -> None:
        bar.update(task, description=what, completed=done, total=total)

    return report


def finish(bar: Progress, what: str = "done") -> None:
    """End every bar at its full count; one that had nothing to count disappears."""
    for task in bar.tasks:
        bar.update(task.id, description=what, completed=task.total or 0, visible=bool(task.total))


def short(path: Path) -> Path:
    """A path as it is easiest to type: relative to the working directory where it lies below it."""
    full = Path(os.path.normpath(path.absolute()))
    return full.relative_to(Path.cwd()) if full.is_relative_to(Path.cwd()) else full


def clip_reporter(bar: Progress) -> Callable[[str, int, int], None]:
    """Progress of features as (feature space, clips done, clips to do): a bar for each, with the time that is left."""
    tasks: dict[str, TaskID] = {}

    def report(what: str, done: int, total: int) -> None:
        if total and what not in tasks:
            tasks[what] = bar.add_task(what, total=total)
        if what in tasks:
            bar.update(tasks[what], completed=done, total=total)

    return report
