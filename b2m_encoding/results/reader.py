"""Reader of the results folder: maps as arrays, their spaces, tables and the study."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd

from b2m_encoding._typing import Float32
from b2m_encoding.errors import InputError
from b2m_encoding.io.parsing import load_toml, parse_json
from b2m_encoding.results.browse import Shelf, maps_of_subject, maps_shelf, results_html, table_files, tables_shelf
from b2m_encoding.results.bundle import read_map
from b2m_encoding.results.decoded import Decoded, read_decoded
from b2m_encoding.results.manifest import changed_files, counted, is_intact, read_manifest
from b2m_encoding.results.map_space import space_of_map
from b2m_encoding.results.place import is_results, no_results
from b2m_encoding.results.provenance import find_path, find_study_folder
from b2m_encoding.results.reranking_model import RerankingModel, read_reranking_model
from b2m_encoding.results.schema.brain2music import with_preset
from b2m_encoding.results.schema.files import (
    BEING_WRITTEN,
    GROUP,
    JOINT,
    MANIFEST,
    MAP_FILE,
    PROVENANCE,
    STUDY,
    entity,
)
from b2m_encoding.results.schema.maps import MAPS, R
from b2m_encoding.results.schema.tables import RECONSTRUCTION, TEXT_COLUMNS, Table
from b2m_encoding.results.weights import read_weights, weights_name
from b2m_encoding.spaces import GrayordinateSpace, Space, SurfaceSpace, VolumeSpace, target_table, to_dataset
from b2m_encoding.spaces.meshes import HEMISPHERES


@dataclass(frozen=True, eq=False)
class Results:
    """Results of a study, read on demand; see :meth:`open`.

    Parameters
    ----------
    path : Path
        The results folder.
    spaces : dict of str to Space
        Spaces of some subjects; those of the others follow from their maps.

    Examples
    --------
    >>> results = Results.open("demo/results")  # doctest: +SKIP
    >>> r = results.map("01", "joint", "r")  # doctest: +SKIP
    >>> results.space("01").name, r.shape  # doctest: +SKIP
    ('fsaverage5', (20484,))
    """

    path: Path
    spaces: dict[str, Space] = field(default_factory=dict)

    @classmethod
    def open(cls, path: str | Path, spaces: Mapping[str, Space] | None = None) -> Results:
        """Open a results folder.

        Raises
        ------
        InputError
            If the folder holds no results of this package.
        """
        path = Path(path)
        if not is_results(path):
            raise no_results(path)
        return cls(path, dict(spaces or {}))

    def __repr__(self) -> str:
        names = ", ".join(self.subjects[:3]) + (", ..." if len(self.subjects) > 3 else "")
        return (
            f"<Results {self.path}: {len(self.subjects)} subjects ({names}), feature spaces "
            f"{', '.join(self.feature_spaces)}; .maps, .tables, .to_frame(subject)>"
        )

    def _repr_html_(self) -> str:
        return results_html(self)

    @property
    def maps(self) -> Shelf[Shelf[Shelf[Float32]]]:
        """All maps by subject, model and statistic, with tab completion: ``results.maps["01"].joint.r``."""
        return maps_shelf(self)

    @property
    def tables(self) -> Shelf[pd.DataFrame]:
        """All tables by name, with tab completion: ``results.tables.regions``."""
        return tables_shelf(self)

    def to_frame(self, subject: str) -> pd.DataFrame:
        """All maps of a subject as a table: one row per target with its coordinates, columns such as ``joint_r``."""
        return target_table(self.space(subject)).assign(**maps_of_subject(self, subject))

    def to_xarray(self, subject: str) -> Any:
        """All maps of a subject as an ``xarray.Dataset`` with the dimension ``target``."""
        return to_dataset(maps_of_subject(self, subject), self.space(subject), {"subject": subject})

    @cached_property
    def files(self) -> dict[tuple[str, str, str], Path]:
        """One file of every map, by subject, description and statistic as in the file names."""
        files: dict[tuple[str, str, str], Path] = {}
        for path in sorted(self.path.glob("sub-*/*_statmap.*")):
            if (match := MAP_FILE.match(path.name)) and path.suffix != ".json":
                files.setdefault((match["subject"], match["desc"], match["stat"]), path)
        return files

    @property
    def subjects(self) -> tuple[str, ...]:
        """Labels of the subjects that have maps."""
        return tuple(dict.fromkeys(subject for subject, _, _ in self.files if subject != GROUP))

    @cached_property
    def study(self) -> dict[str, Any]:
        """The tables of the study file, completed by its preset."""
        tables: dict[str, Any] = with_preset(self._parsed(STUDY, load_toml))
        if not isinstance(tables.get("features", {}), dict):
            raise _damaged(self.path / STUDY, "features is no table")
        return tables

    @property
    def note(self) -> str | None:
        """The note that every figure and page carries (``"simulated data"``)."""
        note = self.study.get("note")
        return None if note is None else str(note)

    @property
    def study_folder(self) -> Path:
        """Folder of the study file, which its relative paths refer to; otherwise the folder above the results."""
        return find_study_folder(self.path, self.provenance)

    def find_path(self, named: str) -> Path:
        """File or folder that the study file names, such as that of the stimuli; it need not exist."""
        return find_path(self.path, self.provenance, named)

    @property
    def feature_spaces(self) -> tuple[str, ...]:
        """Names of the feature spaces, in the order of the study."""
        return tuple(self.study.get("features", {}))

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """Versions, platform, seed, input hashes and times; empty while a study is still running."""
        if not (self.path / PROVENANCE).is_file():
            return {}
        record = self._parsed(PROVENANCE, parse_json)
        if not isinstance(record, dict):
            raise _damaged(self.path / PROVENANCE, "no JSON object")
        return record

    @cached_property
    def hashes(self) -> dict[str, str]:
        """Hashes of the files as they were written; empty for results that have no manifest."""
        return dict((read_manifest(self.path) or {"files": {}})["files"])

    @property
    def unverified(self) -> str:
        """Reason why it cannot be verified that the results are as they were written; "" if it can."""
        if BEING_WRITTEN.fullmatch(self.path.name):  # the manifest comes last
            return ""
        if not self.hashes:
            return f"{MANIFEST}, which holds the hash of every file, is missing or damaged"
        files = [name for name in self.hashes if not name.endswith(".html")]  # pages are written again
        missing = [name for name in files if not (self.path / name).exists()]
        if not missing:
            read = {name: self.hashes[name] for name in files if ".zarr/" not in name}  # weights: where they are read
            changed = changed_files(self.path, read)
            return counted(changed, "not as written") if changed else ""
        return counted(missing, "missing")

    def check(self, *paths: Path) -> None:
        """Raise if a file, or one in a folder, differs from its recorded hash or is missing.

        Raises
        ------
        InputError
            If a file is damaged, was edited, or was removed.
        """
        for path in paths:
            name = path.relative_to(self.path).as_posix()
            for known in [key for key in self.hashes if key == name or key.startswith(f"{name}/")]:
                self._check_file(self.path / known, self.hashes[known])

    def _check_file(self, path: Path, known: str) -> None:
        if not is_intact(path, known):
            problem = "is not as it was written" if path.is_file() else "is missing"
            fix = "b2m run the study again (it restores the file), or keep your own version elsewhere"
            raise InputError(f"a file of the results {problem}", file=path, fix=fix)

    def has_map(self, subject: str, desc: str, stat: str) -> bool:
        """Whether there is such a map."""
        return self.key(subject, desc, stat) in self.files

    def key(self, subject: str, desc: str, stat: str) -> tuple[str, str, str]:
        """Key of a map in :attr:`files`."""
        return _label(subject), entity(desc), entity(stat)

    def map(self, subject: str, desc: str, stat: str) -> Float32:
        """Read a map, shape (n_targets,); NaN where a target was not tested.

        Parameters
        ----------
        subject : str
        desc : str
            Entity of the map: a feature space, ``joint``, ``preference`` ...
        stat : str
            ``r``, ``r2``, ``q``, ``unique`` ...

        Raises
        ------
        InputError
            If there is no such map; the message lists those that exist.
        """
        subject = _label(subject)
        self.check(*self.map_files(subject, desc, stat))
        return read_map(self.path, subject, desc, stat, self.space(subject))

    def map_files(self, subject: str, desc: str, stat: str) -> tuple[Path, ...]:
        """Files of a map: both hemispheres of a surface, else one.

        Raises
        ------
        InputError
            If there is no such map; the message lists those that exist.
        """
        path = self._file(_label(subject), desc, stat)
        pair = (path.with_name(path.name.replace("_hemi-L_", f"_hemi-{hemi}_")) for hemi in HEMISPHERES)
        return tuple(dict.fromkeys(pair))

    def to_image(self, subject: str, desc: str, stat: str) -> Any:
        """Read a map as an image: ``SurfaceImage`` of nilearn; of nibabel, NIfTI for volumes, CIFTI for grayordinates.

        Raises
        ------
        InputError
            If there is no such map, or its targets have no place in a brain.
        """
        space, values = self.space(subject), self.map(subject, desc, stat)
        if isinstance(space, SurfaceSpace):
            return space.to_surface_image(values)
        if isinstance(space, VolumeSpace | GrayordinateSpace):
            return space.to_image(values)
        raise InputError(f"the maps of sub-{_label(subject)} have no image", file=self.path, found=space.name)

    def to_bids(self, out: str | Path, subjects: Sequence[str] = ()) -> Path:
        """Write the maps as a data set of BIDS derivatives; see :func:`b2m_encoding.results.to_bids`."""
        from b2m_encoding.results.bids import to_bids

        return to_bids(self, out, subjects)

    def to_pycortex(
        self, subject: str, filestore: str | Path, *, name: str | None = None, file: str | Path | None = None
    ) -> Any:
        """Give pycortex the surface and all maps of a subject; see :func:`b2m_encoding.results.to_pycortex`."""
        from b2m_encoding.results.pycortex import to_pycortex

        return to_pycortex(self, subject, filestore, name=name, file=file)

    def weights(self, subject: str) -> dict[str, Float32]:
        """Weights of the joint model per feature space, shape (n_delays, n_features, n_targets)."""
        self.check(self.path / f"sub-{subject}" / weights_name(subject))
        return read_weights(self.path, subject)

    def decoded(self, subject: str, target: str, decoder: str = "regions") -> Decoded:
        """Decoded features of the test clips."""
        self.check(*(self.path / f"sub-{subject}").glob("*_decoded.npz"))
        return read_decoded(self.path, subject, target, decoder)

    def encoder(self, subject: str, target: str) -> RerankingModel:
        """Encoding model of the windows that were decoded, and the responses to the test clips."""
        self.check(*(self.path / f"sub-{subject}").glob("*_encoder.npz"))
        return read_reranking_model(self.path, subject, target)

    def sidecar(self, subject: str, desc: str, stat: str) -> dict[str, Any]:
        """Sidecar of a map."""
        path = self._file(subject, desc, stat)
        name = path.with_name(f"{path.name.split('.')[0]}.json").relative_to(self.path)
        content: dict[str, Any] = self._parsed(str(name), parse_json)
        return content

    def stats(self, subject: str) -> dict[str, tuple[str, ...]]:
        """Statistics of each description of a subject, as in the file names."""
        stats: dict[str, tuple[str, ...]] = {}
        for label, desc, stat in self.files:
            if label == subject:
                stats[desc] = (*stats.get(desc, ()), stat)
        return stats

    def space(self, subject: str) -> Space:
        """The space of the maps of a subject."""
        subject = _label(subject)
        if subject not in self.spaces:
            paths = [path for (label, _, _), path in self.files.items() if label == subject]
            if not paths:
                raise InputError("the results hold no such subject", found=subject, expected=", ".join(self.subjects))
            self.spaces[subject] = space_of_map(self.files.get((subject, JOINT, R.stat), paths[0]))
        return self.spaces[subject]

    def table(self, table: Table | str) -> pd.DataFrame:
        """Read a table; ``n/a`` becomes NaN, labels of subjects stay text.

        Parameters
        ----------
        table : Table or str
            Of :mod:`b2m_encoding.results.schema.tables`, or a file name (``regions.tsv``, or ``regions``).

        Raises
        ------
        InputError
            If there is no such table, or it is damaged.
        """

        def parse(text: str) -> pd.DataFrame:
            widths = sorted({line.count("\t") + 1 for line in text.split("\n") if line})
            if len(widths) > 1 and '"' not in text:
                raise ValueError(f"rows of {', '.join(map(str, widths))} fields")
            kinds = dict.fromkeys(TEXT_COLUMNS, str)
            return pd.read_csv(StringIO(text), sep="\t", na_values=["n/a"], keep_default_na=False, dtype=kinds)

        frame: pd.DataFrame = self._parsed(self._table_name(table), parse)
        return frame

    def _table_name(self, table: Table | str) -> str:
        name = _file_name(table)
        if (self.path / name).is_file() or not isinstance(table, str):
            return name
        known = table_files(self)
        if table.removesuffix(".tsv") not in known:
            expected = ", ".join(known) or None
            raise InputError("the results hold no such table", file=self.path, found=table, expected=expected)
        return known[table.removesuffix(".tsv")]

    def has(self, file: Table | str) -> bool:
        """Whether there is a table, or a file of this name."""
        return (self.path / _file_name(file)).is_file()

    def json(self, name: str) -> Any:
        """The content of a JSON file."""
        return self._parsed(name, parse_json)

    def _text(self, name: str) -> str:
        if not self.has(name):
            fix = "b2m reconstruct RESULTS --corpus CORPUS" if name == RECONSTRUCTION.file else None
            raise InputError("the results hold no such file", file=self.path / name, fix=fix)
        self.check(self.path / name)
        try:
            return (self.path / name).read_text(encoding="utf-8")
        except ValueError as error:
            raise _damaged(self.path / name, error) from error

    def _parsed(self, name: str, parse: Callable[[str], Any]) -> Any:
        text = self._text(name)
        try:
            return parse(text)
        except ValueError as error:
            raise _damaged(self.path / name, error) from error

    def _file(self, subject: str, desc: str, stat: str) -> Path:
        subject = _label(subject)
        if not self.has_map(subject, desc, stat):
            known = [f"{of}/{name}" for of, names in self.stats(subject).items() for name in names]
            absent = known and not any(name.endswith(f"/{stat}") for name in known)
            needs = {kind.stat: kind.needs for kind in MAPS}.get(stat) if absent else None
            near = [] if needs else get_close_matches(f"{desc}/{stat}", known, n=3, cutoff=0.75)
            near = near or [name for name in known if name.startswith(f"{desc}/")] or known
            raise InputError(
                "the results hold no such map",
                file=self.path,
                found=f"sub-{subject}, {desc}/{stat}",
                expected=", ".join(near) or f"one of the subjects {', '.join(self.subjects)}",
                fix=f"this map needs {needs}; results of a version without it: b2m run them again" if needs else None,
            )
        return self.files[subject, entity(desc), entity(stat)]


def _damaged(path: Path, found: object) -> InputError:
    fix = "b2m run the study again (it restores the file)"
    return InputError("a file of the results is damaged", file=path, found=found, fix=fix)


def _label(subject: str) -> str:
    """Label of a subject, with or without ``sub-``."""
    return str(subject).removeprefix("sub-")


def _file_name(file: Table | str) -> str:
    return file.file if isinstance(file, Table) else file
