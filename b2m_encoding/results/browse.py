"""Results in a notebook: maps and tables by name, with tab completion, and a summary with a picture."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import pandas as pd

from b2m_encoding._typing import Float32
from b2m_encoding.errors import InputError
from b2m_encoding.notebook import html_table
from b2m_encoding.spaces import Space

T = TypeVar("T")
WIDEST = 640
"""Width of the picture, pixels."""


class ReadResults(Protocol):
    """Part of :class:`~b2m_encoding.results.reader.Results` that is read here."""

    @property
    def path(self) -> Path:
        """The results folder."""

    @property
    def files(self) -> dict[tuple[str, str, str], Path]:
        """One file of every map, by subject, description and statistic."""

    @property
    def subjects(self) -> tuple[str, ...]:
        """Labels of the subjects."""

    @property
    def feature_spaces(self) -> tuple[str, ...]:
        """Names of the feature spaces."""

    def map(self, subject: str, desc: str, stat: str) -> Float32:
        """A map."""

    def table(self, table: str) -> pd.DataFrame:
        """A table."""

    def stats(self, subject: str) -> dict[str, tuple[str, ...]]:
        """Statistics of each description."""

    @property
    def study(self) -> dict[str, Any]:
        """The tables of the study file."""

    def space(self, subject: str) -> Space:
        """The space of the maps of a subject."""

    def map_files(self, subject: str, desc: str, stat: str) -> tuple[Path, ...]:
        """Files of a map."""

    def sidecar(self, subject: str, desc: str, stat: str) -> dict[str, Any]:
        """Sidecar of a map."""

    def json(self, name: str) -> Any:
        """The content of a JSON file."""

    def check(self, *paths: Path) -> None:
        """Raise if a file differs from its recorded hash."""


class Shelf(Mapping[str, T], Generic[T]):
    """Things by name, each read when it is asked for; names complete as attributes and as keys.

    Parameters
    ----------
    what : str
        What they are, for errors.
    readers : dict of str to callable

    Examples
    --------
    >>> shelf = Shelf("map", {"r": lambda: 0.5, "01": lambda: 1.0})
    >>> shelf.r, shelf["01"], "r" in dir(shelf), shelf
    (0.5, 1.0, True, <2 maps: r, 01>)
    """

    def __init__(self, what: str, readers: Mapping[str, Callable[[], T]]) -> None:
        self._what, self._readers = what, readers

    def __getitem__(self, name: str) -> T:
        if name not in self._readers:
            raise InputError(f"no such {self._what}", found=name, expected=", ".join(self._readers))
        return self._readers[name]()

    def __getattr__(self, name: str) -> T:
        if name.startswith("_") or name not in self._readers:
            raise AttributeError(f"no such {self._what}: {name}; there are {', '.join(self._readers)}")
        return self[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._readers)

    def __len__(self) -> int:
        return len(self._readers)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(name for name in self._readers if name.isidentifier())]

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._readers)

    def __repr__(self) -> str:
        return f"<{len(self)} {self._what}{'s' if len(self) != 1 else ''}: {', '.join(self._readers)}>"


def maps_shelf(results: ReadResults) -> Shelf[Shelf[Shelf[Float32]]]:
    """All maps by subject, description and statistic."""

    def of_model(subject: str, desc: str) -> Shelf[Float32]:
        names = results.stats(subject)[desc]
        return Shelf("map", {stat: partial(results.map, subject, desc, stat) for stat in names})

    def of_subject(subject: str) -> Shelf[Shelf[Float32]]:
        return Shelf("model", {desc: partial(of_model, subject, desc) for desc in results.stats(subject)})

    subjects = dict.fromkeys(subject for subject, _, _ in results.files)
    return Shelf("subject", {subject: partial(of_subject, subject) for subject in subjects})


def maps_of_subject(results: ReadResults, subject: str) -> dict[str, Float32]:
    """All maps of a subject by description and statistic: ``joint_r``.

    Raises
    ------
    InputError
        If there is no such subject.
    """
    label = subject.removeprefix("sub-")
    if not (stats := results.stats(label)):
        raise InputError("the results hold no such subject", found=subject, expected=", ".join(results.subjects))
    return {f"{desc}_{stat}": results.map(label, desc, stat) for desc, names in stats.items() for stat in names}


def table_files(results: ReadResults) -> dict[str, str]:
    """File of every table by its name: ``regions``, ``sub-01/...``."""
    found = sorted(path.relative_to(results.path).as_posix() for path in results.path.glob("*.tsv"))
    return {name.removesuffix(".tsv"): name for name in found}


def tables_shelf(results: ReadResults) -> Shelf[pd.DataFrame]:
    """All tables of the results by name."""
    return Shelf("table", {name: partial(results.table, file) for name, file in table_files(results).items()})


def results_html(results: ReadResults) -> str:
    """Summarise results: what there is, and the first figure of prediction accuracy."""
    models = dict.fromkeys(desc for _, desc, _ in results.files)
    rows = [
        ("subjects", ", ".join(results.subjects)),
        ("feature spaces", ", ".join(results.feature_spaces)),
        ("maps of", ", ".join(models)),
        ("tables", ", ".join(table_files(results))),
    ]
    pictures = sorted((results.path / "figures").glob("*accuracy*.png"))
    if not pictures:
        return html_table(("Results", str(results.path)), rows)
    encoded = b64encode(pictures[0].read_bytes()).decode()
    picture = f'<img style="max-width:{WIDEST}px" alt="{pictures[0].stem}" src="data:image/png;base64,{encoded}">'
    return html_table(("Results", str(results.path)), rows) + picture
