"""Names of BIDS files: entities, suffix, extension, and the run they belong to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from b2m_encoding.errors import InputError

RUN_ENTITIES = ("ses", "task", "acq", "ce", "rec", "dir", "run", "echo", "part")
DROPPED = ("run", "echo", "part")
"""Entities that the name of a derivative may lack: of the only run, of echoes that were combined."""
OTHER_TABLES = {"tsv.gz": "unpack it (gunzip)", "csv": "save it with tabs, or rename it if it is no table"}
"""Endings of event tables that BIDS does not know, and what to do."""
BEFORE_1_2 = {"preproc": ("preproc", "bold"), "brainmask": ("brain", "mask"), "confounds": ("confounds", "regressors")}
"""Last parts of names of fMRIPrep before 1.2 (``..._space-T1w_preproc``), and the desc and suffix of later ones."""
ENTITY = re.compile(r"([a-zA-Z]+)-([a-zA-Z0-9+]+)")


@dataclass(frozen=True)
class BidsFile:
    """A file with the entities of its name.

    Examples
    --------
    >>> file = BidsFile.parse(Path("sub-01_ses-2_task-rest_run-1_space-T1w_desc-preproc_bold.nii.gz"))
    >>> file.run, file.entities["space"], file.suffix, file.extension
    ('ses-2_task-rest_run-01', 'T1w', 'bold', 'nii.gz')
    """

    path: Path
    entities: Mapping[str, str]
    suffix: str
    extension: str

    @classmethod
    def parse(cls, path: Path) -> BidsFile:
        """Parse a name; ``run-1`` and ``run-01`` are the same run, names of fMRIPrep before 1.2 those of later ones."""
        stem, _, extension = path.name.partition(".")
        parts = stem.split("_")
        entities = {match[1]: match[2] for part in parts if (match := ENTITY.fullmatch(part))}
        if entities.get("run", "").isdigit():
            entities["run"] = f"{int(entities['run']):02d}"
        suffix = "" if "-" in parts[-1] else parts[-1]
        if "bold" in parts[:-1]:
            if suffix in BEFORE_1_2:
                entities["desc"], suffix = BEFORE_1_2[suffix]
                entities["desc"] = entities.pop("variant", entities["desc"])
            elif extension in ("L.func.gii", "R.func.gii"):
                entities["hemi"], extension = extension[0], extension[2:]
        return cls(path, entities, suffix, extension)

    @property
    def run(self) -> str:
        """Name of the run, ``ses-02_task-Test_run-01``: all entities that distinguish runs of a subject."""
        return "_".join(f"{key}-{self.entities[key]}" for key in RUN_ENTITIES if key in self.entities)

    def of_run(self) -> BidsFile:
        """The run that it belongs to: with the entities alone that distinguish runs."""
        own = {key: value for key, value in self.entities.items() if key in ("sub", *RUN_ENTITIES)}
        return BidsFile(self.path, own, "", "")

    def applies_to(self, other: BidsFile) -> bool:
        """Whether this file (events, a sidecar) may belong to another: the inheritance principle of BIDS."""
        return all(other.entities.get(key) == value for key, value in self.entities.items())


def subject_files(root: Path, subject: str) -> list[BidsFile]:
    """Functional files of one subject, in all sessions."""
    folder = root / f"sub-{subject}"
    return _parsed([*folder.glob("func/sub-*"), *folder.glob("ses-*/func/sub-*")])


def inherited(root: Path, file: BidsFile, suffix: str, extension: str) -> list[Path]:
    """Files of the raw data set that apply to a run, closest first (its own folder, session, subject, root).

    Parameters
    ----------
    root : Path
        The raw data set.
    file : BidsFile
        Response file of the run; only entities that distinguish runs are compared, so that it may be a derivative.
    suffix, extension : str
        ``events``, ``tsv``; ``bold``, ``json``.

    Where none applies, those of the runs and echoes that the response file does not tell apart are returned.
    """
    own = file.of_run()
    subject = root / f"sub-{own.entities['sub']}"
    session = [subject / f"ses-{own.entities['ses']}"] if "ses" in own.entities else []
    found: list[Path] = []
    others: list[BidsFile] = []
    for folder in (*(level / "func" for level in (*session, subject)), *session, subject, root):
        there = _parsed(folder.glob(f"*_{suffix}.{extension}"))
        here = [f for f in there if f.applies_to(own)]
        found += [f.path for f in sorted(here, key=lambda f: -len(f.entities))]
        others += [f for f in there if _differs_in(f, own, DROPPED)]
    at_root = root / f"{suffix}.{extension}"
    found += [at_root] if at_root.exists() else []
    return found or [f.path for f in others]


def event_table(root: Path, file: BidsFile) -> dict[str, Path]:
    """The event table that applies to a run, if there is one."""
    tables = inherited(root, file, "events", "tsv")
    own = [table for table in tables if BidsFile.parse(table).applies_to(file.of_run())]
    if not own and len(tables) > 1:
        raise InputError(
            "several event tables could be of a run whose name does not tell them apart",
            file=file.path,
            found=", ".join(table.name for table in tables),
            expected="one table of this run",
            fix="responses of several runs joined in one file cannot be read; use those of single runs",
        )
    if not tables:
        for ending, fix in OTHER_TABLES.items():
            if others := inherited(root, file, "events", ending):
                raise InputError(
                    "the events of a run are in a format that BIDS does not know",
                    file=others[0],
                    expected=f"{others[0].name.removesuffix(ending)}tsv, with tabs between the columns",
                    fix=fix,
                )
    twins = [t for t in tables[1:] if t.parent == tables[0].parent and _entities(t) == _entities(tables[0])]
    if twins:
        raise InputError(
            "two event tables claim to be of the same run", file=tables[0], found=twins[0].name, fix="remove one"
        )
    return {file.run: tables[0]} if tables else {}


def _entities(path: Path) -> Mapping[str, str]:
    return BidsFile.parse(path).entities


def _differs_in(file: BidsFile, other: BidsFile, keys: tuple[str, ...]) -> bool:
    """Whether a file would apply to another but for entities that the other lacks."""
    return file.applies_to(other) is False and all(
        other.entities.get(key, value if key in keys else None) == value for key, value in file.entities.items()
    )


def _parsed(paths: Iterable[Path]) -> list[BidsFile]:
    """Parse names; those that begin with a dot are leftovers of systems and editors, and no files of BIDS."""
    return [BidsFile.parse(path) for path in sorted(paths) if not path.name.startswith(".")]
