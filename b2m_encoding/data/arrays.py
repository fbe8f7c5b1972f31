"""Plain arrays: ``.npy``, HDF5 and zarr, opened without reading them; pickles are refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.data.files import first_line, reading, require_file
from b2m_encoding.data.recording import Recording, Series, assemble
from b2m_encoding.errors import InputError, Problems
from b2m_encoding.spaces.space import Space, Unplaced
from b2m_encoding.spaces.surface import surface_space

SEPARATOR = "::"


def read_arrays(
    files: Mapping[str, Path], subject: str, *, tr: float, transposed: bool = False, space: str | Space = "unplaced"
) -> Recording:
    """Open one array per run.

    Parameters
    ----------
    files : mapping of run name to Path
        ``x.npy``, ``x.h5::dataset`` or ``x.zarr::array``; shape (n_samples, n_targets).
    tr : float
        Seconds.
    transposed : bool
        The arrays are (n_targets, n_samples).
    space : str or Space
        Name of a surface whose vertices the targets are (left, then right), ``unplaced``, or a space.

    Raises
    ------
    InputError, ProblemList
        If an array is missing, damaged, not a table of numbers, or has another number of targets.
    """
    problems, series, widths = Problems(), {}, {}
    for name, path in files.items():
        with problems.collect():
            array = open_array(path)
            n_samples, widths[name] = array.shape[::-1] if transposed else array.shape
            series[name] = Series(n_samples, None, _reader(path, transposed), (_split(path)[0],))
    if len(set(widths.values())) > 1:
        problems.found.append(InputError("runs differ in their number of targets", found=widths))
    problems.raise_any()
    return assemble(subject, series, _place(space, next(iter(widths.values()))), tr=tr)


def open_array(path: Path) -> Any:
    """Open a two-dimensional array of numbers; it is read when it is indexed.

    Raises
    ------
    InputError
        If it is missing, damaged, or holds anything but finite-sized numbers (an object array would be a pickle).
    """
    file, key = _split(path)
    require_file(file, "an array")
    opener = _opener(file)
    try:
        array = opener(file, key)
    except InputError:
        raise
    except Exception as error:  # no package documents its errors for damaged files
        raise InputError("an array cannot be read", file=path, found=first_line(error)) from error
    if not hasattr(array, "shape") or len(array.shape) != 2 or np.dtype(array.dtype).kind not in "iufb":
        found = f"shape {array.shape} of {array.dtype}" if hasattr(array, "shape") else f"a group: {sorted(array)}"
        raise InputError("expected a two-dimensional array of numbers", file=path, found=found)
    if 0 in array.shape:
        raise InputError("an array is empty", file=path, found=f"shape {array.shape}")
    return array


def _opener(file: Path) -> Callable[[Path, str], Any]:
    if file.suffix == ".npy":
        return lambda file, _key: np.load(file, mmap_mode="r", allow_pickle=False)
    if file.suffix in (".h5", ".hdf5", ".hdf"):
        return lambda file, key: _package("h5py").File(file, "r")[key or "/"]
    if file.suffix == ".zarr":
        return lambda file, key: _package("zarr").open(str(file), mode="r", path=key or None)
    raise InputError("unknown kind of array", file=file, found=file.suffix, expected=".npy, .h5::dataset, .zarr")


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise InputError(f"the package {name} is not installed", fix='pip install "b2m-encoding[arrays]"') from error


def _reader(path: Path, transposed: bool) -> Callable[[], NDArray[np.float32]]:
    def read() -> NDArray[np.float32]:
        with reading(_split(path)[0]):
            values = np.asarray(open_array(path)[:], dtype=np.float32)
        return values.T if transposed else values

    return read


def _split(path: Path) -> tuple[Path, str]:
    file, _, key = str(path).partition(SEPARATOR)
    return Path(file), key


def _place(space: str | Space, n_targets: int) -> Space:
    if not isinstance(space, str):
        place = space
    elif space == "unplaced":
        return Unplaced(n_targets)
    else:
        place = surface_space(space)
    if place.n_targets != n_targets:
        raise InputError(f"the arrays are no responses on {place.name}", found=n_targets, expected=place.n_targets)
    return place
