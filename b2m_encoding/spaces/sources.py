"""Search for the label files of an atlas on this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from b2m_encoding.errors import InputError
from b2m_encoding.io.packages import package_file
from b2m_encoding.io.presence import require_file
from b2m_encoding.spaces.definition import AtlasDefinition, LabelSource
from b2m_encoding.spaces.folders import nilearn_folders, subjects_folders
from b2m_encoding.spaces.labels import (
    READERS,
    Labelled,
    Labels,
    names_beside,
    per_hemisphere,
    read_cifti,
    read_npz,
    read_volume,
)
from b2m_encoding.spaces.meshes import FreeSurferFiles
from b2m_encoding.spaces.surface import STANDARD, SurfaceSpace

SUBJECTS = ("fsaverage", "fsaverage6", "fsaverage5")
PACKAGE = "package:"


def read_source(definition: AtlasDefinition, path: Path, space: Labelled) -> Labels:
    """Labels of an atlas, from the first of its sources that is on this machine.

    Raises
    ------
    InputError
        If none is, with what to fetch.
    """
    for source in definition.source:
        if files := locate(source, path, space):
            return _read(source, files, path, space)
    raise InputError(
        f"the labels of the atlas {definition.name} are not on this machine",
        file=path,
        expected=" or ".join(f"{source.file} ({source.root})" for source in definition.source),
        fix=" or ".join(source.fetch for source in definition.source if source.fetch) or None,
    )


def locate(source: LabelSource, path: Path, space: Labelled | None) -> dict[str, Path] | None:
    """Files of a source, one or one per hemisphere; None if any is missing.

    For the surface of a single subject this is the subject's own annotation.
    """
    for folder in _folders(source, path, space):
        for subject in _subjects(source, space):
            pattern = str(folder / source.file.replace("{subject}", subject))
            files = per_hemisphere(pattern) if source.kind in READERS else {"": Path(pattern)}
            if all(file.is_file() for file in files.values()):
                return files
    return None


def label_files(name: str) -> tuple[Path, ...]:
    """Label files of the user that :func:`read_label_file` reads, with the table of names beside a volume."""
    path = Path(name).expanduser()
    if name.endswith((".annot", ".gii")):
        return tuple(per_hemisphere(str(path)).values())
    return (path,) if name.endswith(".dlabel.nii") else (path, *(file for file in names_beside(path) if file.is_file()))


def source_files(definition: AtlasDefinition, path: Path, space: Labelled) -> tuple[Path, ...]:
    """Files that :func:`read_source` reads; none if no source is on this machine."""
    for source in definition.source:
        if files := locate(source, path, space):
            if source.kind != "volume":
                return tuple(files.values())
            table = [files[""].parent / source.table] if source.table else names_beside(files[""])
            return (files[""], *(file for file in table if file.is_file()))
    return ()


def read_label_file(name: str, space: Labelled) -> Labels:
    """Read label files of the user, in the format of their suffix."""
    path = Path(name).expanduser()
    if name.endswith((".annot", ".gii")):
        files = per_hemisphere(str(path))
        for file in files.values():
            require_file(file, "a label file", folder=False)
        return READERS["annot" if name.endswith(".annot") else "gifti"](files, space)
    require_file(path, "a label file", folder=False)
    if name.endswith(".dlabel.nii"):
        return read_cifti(path)
    return read_volume(path, None, LabelSource.model_fields["reference"].default)


def _read(source: LabelSource, files: dict[str, Path], path: Path, space: Labelled) -> Labels:
    if source.kind in READERS:
        return READERS[source.kind](files, space)
    readers: dict[str, Callable[[Path], Labels]] = {"npz": read_npz, "cifti": read_cifti}
    if source.kind in readers:
        return readers[source.kind](files[""])
    table = Path(files[""].parent, source.table) if source.table else None
    return read_volume(files[""], table, source.reference)


def _folders(source: LabelSource, path: Path, space: Labelled | None) -> list[Path]:
    if source.root.startswith(PACKAGE):
        try:
            return [package_file(source.root.removeprefix(PACKAGE))]
        except InputError:
            return []
    if source.root == "nilearn":
        return nilearn_folders()
    if source.root == "freesurfer":
        subject = _subject_folder(space)
        return [subject.parent] if subject else subjects_folders()
    return [path.parent / Path(source.root).expanduser()]


def _subjects(source: LabelSource, space: Labelled | None) -> tuple[str, ...]:
    if "{subject}" not in source.file:
        return ("",)
    subject = _subject_folder(space)
    return (subject.name,) if subject else SUBJECTS


def _subject_folder(space: Labelled | None) -> Path | None:
    """Folder of the subject of FreeSurfer whose surface a space is; None for other spaces."""
    if isinstance(space, SurfaceSpace) and isinstance(space.files, FreeSurferFiles) and space.name not in STANDARD:
        return space.files.folder
    return None
