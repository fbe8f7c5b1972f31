"""A table of a results folder, and columns that several tables have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

TEXT_COLUMNS = (
    "subject",
    "hemisphere",
    "region",
    "clip",
    "identified",
    "stimulus",
    "group",
    "grouped_by",
    "label",
    "listener",
    "trial",
    "page",
    "other",
    "genre",
    "run",
    "corpus",
)
"""Columns that are read as text even where they look like numbers."""
SUBJECT = {"subject": "Subject label"}
REGION = {"hemisphere": "L or R; n/a where a region has none", "region": "Region or region set of the atlas"}


@dataclass(frozen=True, eq=False)
class Table:
    """A tab-separated table.

    Parameters
    ----------
    file : str
        Name in the results folder; ``{subject}`` stands for a label.
    columns : dict of str to str
        Description of each column, in the order of the file.
    described : bool
        Written with a JSON sidecar. Not where the name of the sidecar belongs to another file.
    """

    file: str
    columns: Mapping[str, str]
    described: bool = True

    @property
    def sidecar(self) -> str:
        """Name of the JSON file that describes the columns."""
        return PurePath(self.file).with_suffix(".json").as_posix()

    @property
    def descriptions(self) -> dict[str, dict[str, str]]:
        """Content of the sidecar, as BIDS has it."""
        return {name: {"Description": text} for name, text in self.columns.items()}
