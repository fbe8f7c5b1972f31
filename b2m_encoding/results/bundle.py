"""Writer of the results folder: maps and tables under BIDS-derivatives names, all or nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from b2m_encoding import __version__
from b2m_encoding._typing import Float32
from b2m_encoding.errors import InputError
from b2m_encoding.io.names import inside
from b2m_encoding.io.removal import temporary_folder
from b2m_encoding.io.swapping import finish_replacing, place_of, put_in_place, staging_place
from b2m_encoding.io.tables import tsv
from b2m_encoding.io.writing import reported_as_input_error
from b2m_encoding.results.additions import keep_additions
from b2m_encoding.results.place import GENERATOR, check_writable, is_results, remove_half_written
from b2m_encoding.results.schema.files import (
    BIDS_IGNORE,
    DESCRIPTION,
    IGNORED_BY_BIDS,
    MAP,
    README,
    README_TEXT,
    entity,
)
from b2m_encoding.results.schema.tables import Table
from b2m_encoding.spaces import RegionSpace, Space, SurfaceSpace, image_suffix, read_maps, write_maps
from b2m_encoding.spaces.images import ImageSpace


class BundleFiles:
    """Write files of results into a folder, under BIDS-derivatives names.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, *parts: str) -> Path:
        """Path of a file of the results; creates its folder.

        Raises
        ------
        InputError
            If it leads out of the folder.
        """
        path = inside(self.folder, *parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON file."""
        self.file(*Path(name).parts).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")

    def write_table(self, table: Table, rows: pd.DataFrame | Sequence[Mapping[str, Any]], subject: str = "") -> None:
        """Write a table of the schema, with the JSON sidecar that describes its columns.

        Parameters
        ----------
        table : Table
        rows : DataFrame or sequence of dict
            A DataFrame is written with the columns that it has; dicts with every column, n/a where they lack it.
        subject : str
            Of a table in the folder of a subject.

        Raises
        ------
        ValueError
            If a row has a column that the schema does not describe.
        """
        frame = pd.DataFrame(rows)
        if unknown := [str(name) for name in frame.columns if name not in table.columns]:
            raise ValueError(f"{table.file}: the schema describes no column {', '.join(unknown)}")
        columns = [name for name in table.columns if name in frame.columns or not isinstance(rows, pd.DataFrame)]
        folder = f"sub-{subject}/" if subject else ""
        self._write_tsv(folder + table.file.format(subject=subject), frame.reindex(columns=columns))
        if table.described:
            self.write_json(folder + table.sidecar.format(subject=subject), table.descriptions)

    def _write_tsv(self, name: str, table: pd.DataFrame) -> None:
        """Write a tab-separated file; missing values are n/a, as BIDS has it."""
        self.file(*Path(name).parts).write_text(tsv(table), encoding="utf-8")

    def write_map(
        self, subject: str, desc: str, stat: str, values: NDArray[Any], space: Space, sidecar: Mapping[str, Any]
    ) -> None:
        """Write one map in the format of its space, with a JSON sidecar.

        Parameters
        ----------
        subject, desc, stat : str
            Entities of the file name; see :mod:`b2m_encoding.results.schema.maps`.
        values : array, shape (n_targets,)
            NaN where a target was not tested. Written in single precision.
        space : Space
        sidecar : dict
        """
        values = np.asarray(values, dtype=np.float32)
        name = _map_name(subject, desc, stat, space)
        target = self.file(f"sub-{subject}", name)
        if isinstance(space, ImageSpace):
            files = write_maps(space, target, values, names=[stat])
        else:
            regions = space.regions if isinstance(space, RegionSpace) else range(space.n_targets)
            self._write_tsv(f"sub-{subject}/{name}", pd.DataFrame({"target": list(regions), stat: values}))
            files = (target,)
        for file in files:
            self.write_json(f"sub-{subject}/{file.name.split('.')[0]}.json", sidecar)


class ResultsWriter(BundleFiles):
    """Write a results folder so that it either appears complete or not at all.

    Use it as a context: files go to a hidden folder that takes the place of ``path`` at the end. An older results
    folder is replaced, but for what others put into it; any other folder with content is refused. Where ``path`` is a
    link, the folder behind it is replaced; where it is a mount point, its content is.

    Parameters
    ----------
    path : Path
    name : str
        Name of the study.
    subjects : iterable of str
        Subjects that will be written; earlier results may hold no other.
    sources : sequence of mapping
        ``SourceDatasets`` of the description.
    """

    def __init__(
        self, path: Path, name: str, subjects: Iterable[str] = (), sources: Sequence[Mapping[str, str]] = ()
    ) -> None:
        super().__init__(path)
        self.path = path
        self.name = name
        self.subjects = tuple(subjects)
        self.sources = list(sources)
        self._stack = ExitStack()

    def __enter__(self) -> ResultsWriter:
        check_writable(self.path, self.subjects)
        with reported_as_input_error("the results cannot be written", self.path), ExitStack() as stack:
            self.folder = stack.enter_context(temporary_folder(staging_place(place_of(self.path))))
            self._describe()
            self._stack = stack.pop_all()
        return self

    def _describe(self) -> None:
        """Write the description and the files beside it."""
        description = {
            "Name": self.name,
            "BIDSVersion": "1.10.0",
            "DatasetType": "derivative",
            "GeneratedBy": [{"Name": GENERATOR, "Version": __version__}],
            **({"SourceDatasets": self.sources} if self.sources else {}),
        }
        self.write_json(DESCRIPTION, description)
        self.file(BIDS_IGNORE).write_text(IGNORED_BY_BIDS, encoding="utf-8")
        self.file(README).write_text(README_TEXT.format(version=__version__, name=self.name), encoding="utf-8")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with reported_as_input_error("the results cannot be written", self.path), self._stack:
            if isinstance(error, OSError):
                raise error
            if error is None:
                put_in_place(self.folder, place_of(self.path), keep_additions)


def recover(path: Path) -> None:
    """Clean up after a command that was killed while it wrote: restore results that it had moved, remove partial ones.

    Call it only while the lock of :func:`results_locked` is held.
    """
    finish_replacing(place_of(path), keep_additions, is_results)
    remove_half_written(place_of(path))


def read_map(folder: Path, subject: str, desc: str, stat: str, space: Space) -> Float32:
    """Read a map back as an array, shape (n_targets,)."""
    path = folder / f"sub-{subject}" / _map_name(subject, desc, stat, space)
    if isinstance(space, ImageSpace):
        values: Float32 = read_maps(space, path)[0]
        return values
    if not path.is_file():
        raise InputError("the results hold no such map", file=path)
    table = pd.read_csv(path, sep="\t", na_values="n/a")
    return np.asarray(table[stat], dtype=np.float32)


def _map_name(subject: str, desc: str, stat: str, space: Space) -> str:
    """File name of a map; ``{hemi}`` stands for the hemisphere of a surface."""
    return MAP.format(
        subject=subject,
        hemi="_hemi-{hemi}" if isinstance(space, SurfaceSpace) else "",
        space=space.name,
        desc=entity(desc),
        stat=entity(stat),
        suffix=image_suffix(space) if isinstance(space, ImageSpace) else ".tsv",
    )
