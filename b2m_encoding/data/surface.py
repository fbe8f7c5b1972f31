"""GIfTI time series on a cortical surface, one file per hemisphere."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, BinaryIO

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from b2m_encoding.data.files import damaged, open_image, reading
from b2m_encoding.data.recording import Series
from b2m_encoding.errors import InputError
from b2m_encoding.io.presence import require_file
from b2m_encoding.spaces.files import check_self_contained
from b2m_encoding.spaces.gifti import NODES, STRUCTURE, check_structure, chosen_arrays, gifti_arrays
from b2m_encoding.spaces.meshes import HEMISPHERES, Hemisphere
from b2m_encoding.spaces.surface import SurfaceSpace

HEADER_BYTES = 100_000
TAIL_BYTES = 100_000
TAG = re.compile(rb"<DataArray\b[^>]*>")


def open_gifti(left: Path, right: Path, space: SurfaceSpace) -> Series:
    """Open both hemispheres of one run; only the beginning and the end of the files are read.

    Parameters
    ----------
    left, right : Path
        ``func.gii``, one array per volume, or one array of shape (n_vertices, n_volumes).
    space : SurfaceSpace

    Raises
    ------
    InputError
        If a file is missing, cut short, on another surface or of the other hemisphere, or the hemispheres differ.
    """
    for path in (left, right):
        if not path.exists() and not path.is_symlink():
            raise InputError("one hemisphere of a run is missing", file=path)
    files = zip((left, right), HEMISPHERES, strict=True)
    lengths, seconds = zip(*(_header(path, hemi, space) for path, hemi in files), strict=True)
    if lengths[0] != lengths[1]:
        raise InputError("hemispheres differ in length", file=left, found=list(lengths))
    stated = [tr for tr in seconds if tr is not None]
    if len(set(stated)) > 1:
        raise InputError("hemispheres differ in repetition time", file=left, found=[f"{tr:g} s" for tr in stated])
    return Series(
        lengths[0], stated[0] if stated else None, lambda: read_hemispheres(left, right, space), (left, right)
    )


def read_hemispheres(left: Path, right: Path, space: SurfaceSpace) -> NDArray[np.float32]:
    """Responses of both hemispheres, shape (n_samples, n_targets)."""
    halves = [_read(path, hemi, space) for path, hemi in zip((left, right), HEMISPHERES, strict=True)]
    if len(halves[0]) != len(halves[1]):
        raise InputError("hemispheres differ in length", file=left, found=[len(half) for half in halves])
    return np.concatenate(halves, axis=1)


def other_hemisphere(left: Path, hemi: str) -> Path:
    """The file of a hemisphere that belongs to the left one's."""
    return left.with_name(re.sub(r"(?<=hemi-)L(?=[_.])|(?<=\.)L(?=\.func)", hemi, left.name))


def _header(path: Path, hemi: Hemisphere, space: SurfaceSpace) -> tuple[int, float | None]:
    """Volumes and repetition time (s, if stated) of a file, from its first bytes.

    The whole file is searched, but not decoded, unless its first array is one of a time series.
    """
    require_file(path, "one hemisphere of a run")
    with path.open("rb") as stream:
        head = _until_data(stream)
        stream.seek(max(0, path.stat().st_size - TAIL_BYTES), os.SEEK_SET)
        tail = stream.read()
    tags = TAG.findall(head)
    check_self_contained(head, path)
    count = re.search(rb"""NumberOfDataArrays=["'](\d+)["']""", head)
    if count is None or not tags or not all(_dimensions(tag) for tag in tags[:1]):
        raise InputError("not a GIfTI time series, or a damaged one", file=path, fix="fetch or copy it again")
    if b"</GIFTI>" not in tail:
        raise damaged(path, "the closing tag is missing")
    check_structure(_metadata(head, STRUCTURE) or "", hemi, path)
    number = int(count[1])
    if number > 1 and _intent(tags[0]) != "TIME_SERIES":
        tags = [tag for tag in _tags(path) if _dimensions(tag)]
        chosen = chosen_arrays([_intent(tag) for tag in tags], "series")
        if not chosen:
            raise InputError("a GIfTI file holds no series", file=path, found=", ".join(map(_intent, tags)))
        tags, number, sparse = [tags[chosen[0]]], len(chosen), any(_intent(tag) == NODES for tag in tags)
    else:
        sparse = False
    shape = _dimensions(tags[0])
    n_vertices = space.counts[HEMISPHERES.index(hemi)]
    length = number
    if number == 1 and len(shape) > 1:
        shape = shape if shape[0] == n_vertices or sparse else shape[::-1]
        length = shape[1]
    if not sparse:
        _check_vertices(shape[0], hemi, space, path)
    return length, _repetition_time(head, path)


def _until_data(stream: BinaryIO) -> bytes:
    """The beginning of a file to the values of its first array: all metadata of the file and of that array."""
    head = b""
    while piece := stream.read(HEADER_BYTES):
        start = max(0, len(head) - 10)
        head += piece
        if (end := head.find(b"<Data>", start)) >= 0 or (end := head.find(b"<Data/>", start)) >= 0:
            return head[:end]
    return head


def _tags(path: Path) -> list[bytes]:
    """Opening tags of all arrays of a file."""
    with path.open("rb") as stream:
        return TAG.findall(stream.read())


def _intent(tag: bytes) -> str:
    found = re.search(rb"""Intent=["'](?:NIFTI_INTENT_)?(\w+)["']""", tag)
    return found[1].decode() if found else "NONE"


def _dimensions(tag: bytes) -> list[int]:
    found = {int(axis): int(size) for axis, size in re.findall(rb"""Dim(\d)=["'](\d+)["']""", tag)}
    sizes = [found[axis] for axis in sorted(found)]
    return sizes[:-1] if len(sizes) > 1 and sizes[-1] == 1 else sizes


def _metadata(head: bytes, name: str) -> str | None:
    """The first value of a name among the metadata of a file."""
    pattern = rb"%b(?:\]\]>)?</Name>\s*<Value>\s*(?:<!\[CDATA\[)?([^<\]]*)" % name.encode()
    found = re.search(pattern, head)
    return found[1].decode("utf-8", "replace").strip() if found else None


def _repetition_time(head: bytes, path: Path) -> float | None:
    """``TimeStep`` of the metadata (milliseconds) in seconds."""
    if not (step := _metadata(head, "TimeStep")):
        return None
    try:
        return float(step) / 1000
    except ValueError as error:
        raise InputError("a TimeStep is not a number", file=path, found=step, expected="milliseconds") from error


def _read(path: Path, hemi: Hemisphere, space: SurfaceSpace) -> NDArray[np.float32]:
    n_vertices = space.counts[HEMISPHERES.index(hemi)]
    with reading(path):
        arrays = gifti_arrays(_open(path), hemi, path, kind="series", n_vertices=n_vertices)
        values = arrays[0] if len(arrays) == 1 and arrays[0].ndim == 2 else np.stack(arrays)
    if len(arrays) == 1 and arrays[0].ndim == 2 and values.shape[0] == n_vertices:
        values = values.T
    _check_vertices(values.shape[1], hemi, space, path)
    return np.asarray(values, dtype=np.float32)


def _open(path: Path) -> Any:
    """Open a GIfTI file; what follows its closing tag is no part of it."""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - TAIL_BYTES), os.SEEK_SET)
        tail = stream.read()
    if tail.rpartition(b"</GIFTI>")[2].strip():
        content = path.read_bytes()
        check_self_contained(content, path)
        return nib.gifti.GiftiImage.from_bytes(content[: content.rindex(b"</GIFTI>") + len(b"</GIFTI>")])
    return open_image(path)


def _check_vertices(found: int, hemi: Hemisphere, space: SurfaceSpace, path: Path) -> None:
    if found != (expected := space.counts[HEMISPHERES.index(hemi)]):
        raise InputError(f"not a series on {space.name}", file=path, found=found, expected=expected)
