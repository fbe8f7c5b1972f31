"""GIfTI time series on a cortical surface, one file per hemisphere."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.data.files import damaged, open_image, reading, require_file
from b2m_encoding.data.recording import Series
from b2m_encoding.errors import InputError
from b2m_encoding.spaces.gifti import STRUCTURE, check_structure, gifti_arrays
from b2m_encoding.spaces.meshes import HEMISPHERES, Hemisphere
from b2m_encoding.spaces.surface import SurfaceSpace

HEADER_BYTES = 100_000


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
    return left.with_name(re.sub(r"hemi-L(?=[_.])", f"hemi-{hemi}", left.name))


def _header(path: Path, hemi: Hemisphere, space: SurfaceSpace) -> tuple[int, float | None]:
    """Volumes and repetition time (s, if stated) of a file, from its first bytes."""
    require_file(path, "one hemisphere of a run")
    with path.open("rb") as stream:
        head = stream.read(HEADER_BYTES)
        stream.seek(max(0, path.stat().st_size - 200), os.SEEK_SET)
        tail = stream.read()
    count = re.search(rb'NumberOfDataArrays="(\d+)"', head)
    dimensions = [int(size) for size in re.findall(rb'Dim\d="(\d+)"', head.partition(b"</DataArray>")[0])]
    if count is None or not dimensions:
        raise InputError("not a GIfTI time series, or a damaged one", file=path, fix="fetch or copy it again")
    if b"</GIFTI>" not in tail:
        raise damaged(path, "the closing tag is missing")
    check_structure(_metadata(head, STRUCTURE) or "", hemi, path)
    _check_vertices(dimensions[0], hemi, space, path)
    one_array = int(count[1]) == 1 and len(dimensions) > 1
    return dimensions[1] if one_array else int(count[1]), _repetition_time(head, path)


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
    with reading(path):
        arrays = gifti_arrays(open_image(path), hemi, path)
        values = arrays[0].T if len(arrays) == 1 and arrays[0].ndim == 2 else np.stack(arrays)
    _check_vertices(values.shape[1], hemi, space, path)
    return np.asarray(values, dtype=np.float32)


def _check_vertices(found: int, hemi: Hemisphere, space: SurfaceSpace, path: Path) -> None:
    if found != (expected := space.counts[HEMISPHERES.index(hemi)]):
        raise InputError(f"not a series on {space.name}", file=path, found=found, expected=expected)
