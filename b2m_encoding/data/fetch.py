"""Downloading a data set from OpenNeuro, through openneuro-py or datalad, when the user asks for it."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from b2m_encoding.errors import InputError

VERSION = "1.0.0"
SUBJECTS = ("001", "002", "003", "004", "005")
BYTES_PER_SUBJECT = 18 * 513_884_512 + 54_526_304  # 18 BOLD images and one T1w
LICENCE = "CC0; its README asks for research use only, and forbids attempts to re-identify participants"
SOURCE = "https://github.com/OpenNeuroDatasets/{dataset}.git"


@dataclass(frozen=True)
class Download:
    """Data set, subjects and folder of a download.

    Parameters
    ----------
    dataset : str
        Only ``ds003720``.
    subjects : tuple of str
        Labels; all five, if empty.
    folder : Path
        The data set's folder. Both tools continue where they stopped.

    Raises
    ------
    InputError
        If a subject is not in the data set, or the disk has too little room.
    """

    dataset: str
    subjects: tuple[str, ...]
    folder: Path

    def __post_init__(self) -> None:
        labels = tuple(label.removeprefix("sub-") for label in self.subjects) or SUBJECTS
        object.__setattr__(self, "subjects", labels)
        if unknown := sorted(set(labels) - set(SUBJECTS)):
            raise InputError("a subject is not in the data set", found=unknown, expected=", ".join(SUBJECTS))

    @property
    def n_bytes(self) -> int:
        """Size of all files of the subjects, in bytes."""
        return len(self.subjects) * BYTES_PER_SUBJECT

    @property
    def free_bytes(self) -> int:
        """Room on the disk of the folder, what was fetched before counted as room."""
        parent = next(path for path in (self.folder, *self.folder.absolute().parents) if path.exists())
        here = [p for label in self.subjects for p in (self.folder / f"sub-{label}").rglob("*.nii") if p.is_file()]
        return shutil.disk_usage(parent).free + sum(path.stat().st_size for path in here)

    def describe(self) -> str:
        """Text on size, licence and tool, shown before the download."""
        return "\n".join(
            [
                f"{self.dataset} {VERSION}, Music Genre fMRI data set (doi 10.18112/openneuro.ds003720.v1.0.0)",
                f"subjects: {', '.join(self.subjects)}",
                f"size:     {self.n_bytes / 1e9:.1f} GB; {self.free_bytes / 1e9:.1f} GB free",
                f"licence:  {LICENCE}",
                f"to:       {self.folder}",
                f"with:     {tool() or 'neither openneuro-py nor datalad is installed'}",
            ]
        )

    def run(self) -> None:
        """Fetch; a second call continues where the first one stopped.

        Raises
        ------
        InputError
            If neither tool is installed, the disk has too little room, or the download fails.
        """
        if self.free_bytes < self.n_bytes:
            raise InputError(
                "too little room on the disk",
                file=self.folder,
                found=f"{self.free_bytes / 1e9:.1f} GB free",
                expected=f"{self.n_bytes / 1e9:.1f} GB",
            )
        way = {"openneuro-py": self._openneuro, "datalad": self._datalad}.get(tool() or "")
        if way is None:
            raise InputError(
                "neither openneuro-py nor datalad is installed",
                fix='pip install "b2m-encoding[fetch]", or install datalad with git-annex',
            )
        way()

    def _openneuro(self) -> None:
        openneuro = import_module("openneuro")
        try:
            openneuro.download(
                dataset=self.dataset,
                tag=VERSION,
                target_dir=str(self.folder),
                include=[f"sub-{label}" for label in self.subjects],
            )
        except (RuntimeError, OSError, ValueError) as error:
            raise InputError(
                "the download failed", file=self.folder, found=error, fix="run the same command again: it goes on"
            ) from error

    def _datalad(self) -> None:
        """Clone the tree of links, go to the version, then get the content of the subjects."""
        if not (self.folder / ".datalad").is_dir():
            self._call("datalad", "clone", SOURCE.format(dataset=self.dataset), str(self.folder))
        self._call("git", "-C", str(self.folder), "checkout", "--quiet", VERSION)
        names = [f"sub-{label}" for label in self.subjects]
        self._call("datalad", "get", "--dataset", str(self.folder), *(str(self.folder / name) for name in names))

    def _call(self, *command: str) -> None:
        try:
            subprocess.run(command, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise InputError(
                "the download failed", found=" ".join(command), fix="run the same command again: it goes on"
            ) from error


def tool() -> str | None:
    """Name of the tool that downloads: openneuro-py if it is installed, else datalad with git-annex, else None."""
    if find_spec("openneuro") is not None:
        return "openneuro-py"
    return "datalad" if shutil.which("datalad") and shutil.which("git-annex") else None
