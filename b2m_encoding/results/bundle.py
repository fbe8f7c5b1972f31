"""The results folder: maps and tables under BIDS-derivatives names, written all or nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from b2m_encoding import __version__
from b2m_encoding.errors import InputError
from b2m_encoding.io.writing import locked
from b2m_encoding.spaces import RegionSpace, Space, SurfaceSpace, image_suffix, read_maps, write_maps
from b2m_encoding.spaces.images import ImageSpace

MARKER = "dataset_description.json"
GENERATOR = "b2m_encoding"
GROUP = "group"
"""Label of maps of all subjects."""
IGNORED = """\
# Names that BIDS has not taken up yet: statistical maps, decoded features, weights, and tables of a whole study.
*_statmap.*
*_responses.*
*_decoded.npz
*_encoder.npz
*_components.tsv
*.zarr
/*.tsv
/*.json
!/dataset_description.json
*.html
*.toml
figures
reconstruction
"""
README = """\
Results of an analysis by b2m_encoding {version}: {name}

report.html tells what was found and how. sub-* hold maps (GIfTI, NIfTI, CIFTI or tables, each with a JSON sidecar that
says what it is) and weights (Zarr); the tables here have JSON files that explain their columns. study.toml is the
analysis, provenance.json says which software and which input files it was done with, manifest.json holds the hash of
every file. Python: b2m_encoding.results.reader.Results.open(this folder).
"""
PARTIAL, OLD = ".partial-", ".old-"


def work_folder_of(results: Path) -> Path:
    """Hidden folder beside results where the steps of their study are kept, and the lock that guards both."""
    return results.with_name(f".{results.name}.work")


def results_locked(work: Path) -> AbstractContextManager[None]:
    """Keep other processes out of results and their work folder.

    Raises
    ------
    InputError
        If another process works on them, or the folder cannot be written.
    """
    return locked(work / "lock", "another run is working on these results")


class BundleFiles:
    """Write files of results into a folder, under BIDS-derivatives names.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, *parts: str) -> Path:
        """Path of a file of the results, its folder made."""
        path = self.folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON file."""
        self.file(*Path(name).parts).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")

    def write_table(self, name: str, table: pd.DataFrame) -> None:
        """Write a tab-separated table; missing values are n/a, as BIDS has it."""
        table.to_csv(self.file(*Path(name).parts), sep="\t", index=False, na_rep="n/a", float_format="%.6g")

    def write_map(
        self, subject: str, desc: str, stat: str, values: NDArray[Any], space: Space, sidecar: Mapping[str, Any]
    ) -> None:
        """Write one map in the format of its space, with a JSON sidecar; NaN means not tested."""
        values = np.asarray(values, dtype=np.float32)
        name = _map_name(subject, desc, stat, space)
        target = self.file(f"sub-{subject}", name)
        if isinstance(space, ImageSpace):
            files = write_maps(space, target, values, names=[stat])
        else:
            regions = space.regions if isinstance(space, RegionSpace) else range(space.n_targets)
            self.write_table(f"sub-{subject}/{name}", pd.DataFrame({"target": list(regions), stat: values}))
            files = (target,)
        for file in files:
            self.write_json(f"sub-{subject}/{file.name.split('.')[0]}.json", sidecar)


class ResultsWriter(BundleFiles):
    """Write a results folder so that it either appears complete or not at all.

    Use it as a context: files go to a hidden folder beside ``path`` that takes its place at the end. An older
    results folder is replaced; any other folder with content is refused.

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
        super().__init__(path.with_name(f".{path.name}{PARTIAL}{os.getpid()}"))
        self.path = path
        self.name = name
        self.subjects = tuple(subjects)
        self.sources = list(sources)

    def __enter__(self) -> ResultsWriter:
        check_writable(self.path, self.subjects)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        description = {
            "Name": self.name,
            "BIDSVersion": "1.10.0",
            "DatasetType": "derivative",
            "GeneratedBy": [{"Name": GENERATOR, "Version": __version__}],
            **({"SourceDatasets": self.sources} if self.sources else {}),
        }
        self.write_json(MARKER, description)
        self.file(".bidsignore").write_text(IGNORED, encoding="utf-8")
        self.file("README").write_text(README.format(version=__version__, name=self.name), encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            old = self.path.with_name(f".{self.path.name}{OLD}{os.getpid()}")
            if self.path.exists():
                self.path.rename(old)
            self.folder.rename(self.path)
            shutil.rmtree(old, ignore_errors=True)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)


def recover(path: Path) -> None:
    """Put right what a run left that was killed while it wrote: results that had been moved away come back.

    Only for who knows that nobody else is writing there.
    """
    moved = sorted(path.parent.glob(f".{path.name}{OLD}*"))
    if moved and not path.exists():
        moved.pop().rename(path)
    for left in [*moved, *path.parent.glob(f".{path.name}{PARTIAL}*")]:
        shutil.rmtree(left, ignore_errors=True)


def check_writable(path: Path, subjects: Iterable[str]) -> None:
    """Raise unless results of these subjects can be written at a path, before anything is computed."""
    if path.exists() and not path.is_dir():
        raise InputError("the output is a file", file=path, expected="a folder that may be created")
    if path.is_dir() and any(path.iterdir()) and not is_results(path):
        raise InputError(
            "the output folder holds something else", file=path, expected="a new folder, or earlier results"
        )
    lost = sorted({path.name.removeprefix("sub-") for path in path.glob("sub-*/")} - {GROUP, *subjects})
    if lost:
        raise InputError(
            "earlier results hold subjects that this run would remove",
            file=path,
            found=lost,
            fix="run them together, or write to another output folder",
        )
    parent = next(folder for folder in path.absolute().parents if folder.exists())
    try:
        with TemporaryDirectory(dir=parent):
            pass
    except OSError as error:
        raise InputError(
            "the output cannot be written", file=parent, found=error.strerror, fix="choose another output folder"
        ) from error


def is_results(path: Path) -> bool:
    """Whether a folder is one of our results; raw data and other derivatives have a description too."""
    try:
        description = json.loads((path / MARKER).read_text(encoding="utf-8"))
        return bool(description["GeneratedBy"][0]["Name"] == GENERATOR)
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return False


def read_map(folder: Path, subject: str, desc: str, stat: str, space: Space) -> NDArray[np.float32]:
    """Read a map back as an array, shape (n_targets,)."""
    path = folder / f"sub-{subject}" / _map_name(subject, desc, stat, space)
    if isinstance(space, ImageSpace):
        values: NDArray[np.float32] = read_maps(space, path)[0]
        return values
    if not path.is_file():
        raise InputError("the results hold no such map", file=path)
    table = pd.read_csv(path, sep="\t", na_values="n/a")
    return np.asarray(table[stat], dtype=np.float32)


def _map_name(subject: str, desc: str, stat: str, space: Space) -> str:
    """File name of a map; ``{hemi}`` stands for the hemisphere of a surface."""
    hemi = "_hemi-{hemi}" if isinstance(space, SurfaceSpace) else ""
    suffix = image_suffix(space) if isinstance(space, ImageSpace) else ".tsv"
    entities = f"space-{space.name}_desc-{entity(desc)}_stat-{entity(stat)}"
    return f"sub-{subject}{hemi}_{entities}_statmap{suffix}"


def entity(text: str) -> str:
    """A BIDS entity holds letters and digits only."""
    return "".join(character for character in text.title() if character.isalnum()) if "_" in text else text
