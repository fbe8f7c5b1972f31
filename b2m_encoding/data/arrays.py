"""Plain arrays: ``.npy``, ``.npz``, MATLAB, HDF5 and zarr, opened without reading them; pickles are refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.data.files import first_line, reading
from b2m_encoding.data.recording import Recording, Series, assemble
from b2m_encoding.errors import InputError, Problems
from b2m_encoding.io.narrowing import narrowed
from b2m_encoding.io.presence import require_file
from b2m_encoding.io.text_tables import check_no_clock, first_fields, is_number, numbers, read_text_table
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
        ``x.npy``, ``x.npz::array``, ``x.mat::variable``, ``x.h5::dataset`` or ``x.zarr::array``; shape
        (n_samples, n_targets). Variables of MATLAB have the shape that MATLAB shows, in files of any version.
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
            array = open_array(path, None if transposed else tr)
            n_samples, widths[name] = array.shape[::-1] if transposed else array.shape
            series[name] = Series(n_samples, None, _reader(path, transposed), (_split(path)[0],))
    if len(set(widths.values())) > 1:
        problems.found.append(InputError("runs differ in their number of targets", found=widths))
    problems.raise_any()
    return assemble(subject, series, _place(space, next(iter(widths.values()))), tr=tr)


def open_array(path: Path, step: float | None = None) -> Any:
    """Open a two-dimensional array of numbers; it is read when it is indexed.

    Parameters
    ----------
    path : Path
    step : float, optional
        Time from row to row (s), by which a column of times is known in a table of text.

    Raises
    ------
    InputError
        If it is missing, damaged, lacks chunks, has values in another file, or holds anything but finite-sized numbers
        (an object array would be a pickle).
    """
    file, key = _split(path)
    require_file(file, "an array")
    opener = _opener(file, step)
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


def _opener(file: Path, step: float | None) -> Callable[[Path, str], Any]:
    suffix = file.suffix.lower()
    if suffix == ".npy":
        return lambda file, _key: np.load(file, mmap_mode="r", allow_pickle=False)
    if suffix == ".npz":
        return _open_npz
    if suffix == ".mat":
        return _open_mat
    if suffix in (".h5", ".hdf5", ".hdf"):
        return lambda file, key: _open_hdf5(file, key or _only(key, _variables(file), file))
    if suffix == ".zarr":
        return _open_zarr
    if suffix in (".csv", ".tsv", ".txt"):
        return lambda file, _key: _read_text(file, step)
    raise InputError(
        "unknown kind of array",
        file=file,
        found=file.suffix,
        expected=".npy, .npz::array, .mat::variable, .h5::dataset, .zarr, .csv, .tsv, .txt",
    )


def _read_text(file: Path, step: float | None) -> NDArray[np.float64]:
    """Read a table of numbers, with or without names of its columns."""
    first = first_fields(file, "an array")
    # pandas writes numbers from 0 on for columns without names
    header = not all(map(is_number, first)) or (len(first) > 1 and first == [str(i) for i in range(len(first))])
    table = read_text_table(file, "an array", header=header)
    columns = [
        numbers(fields, file, str(i + 1), missing=True) for i, fields in enumerate(zip(*table.rows, strict=True))
    ]
    values = np.stack(columns, axis=1) if columns else np.zeros((0, 0))
    check_no_clock(table.header, values, file, step)
    return values


def _open_npz(file: Path, key: str) -> Any:
    """Open an array of an archive; the only one needs no name."""
    with np.load(file, allow_pickle=False) as stored:
        return stored[_only(key, list(stored.files), file)]


def _open_mat(file: Path, key: str) -> Any:
    """Open a variable of a MATLAB file: of version 4 to 7 by scipy, of 7.3, which is HDF5, by h5py."""
    with file.open("rb") as stream:
        head = stream.read(128)
    if b"MATLAB 7.3" in head or head.startswith(b"\x89HDF"):
        found = _open_hdf5(file, key or _only(key, _variables(file), file))
        return _Transposed(found) if hasattr(found, "shape") else found
    from scipy.io import loadmat, whosmat

    name = _only(key, [one for one, _, _ in whosmat(file)], file)
    found = loadmat(file, variable_names=[name])[name]
    return found.toarray() if hasattr(found, "toarray") else found  # a sparse matrix


def list_variables(file: Path) -> list[str]:
    """Names of the arrays in a file that may hold several.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        return _variables(file)
    except Exception as error:  # no package documents its errors for damaged files
        raise InputError("the arrays of a file cannot be listed", file=file, found=first_line(error)) from error


def _variables(file: Path) -> list[str]:
    suffix = file.suffix.lower()
    if suffix == ".npz":
        with np.load(file, allow_pickle=False) as stored:
            return list(stored.files)
    if suffix == ".zarr":
        opened = _package("zarr").open(str(file), mode="r")
        return [""] if hasattr(opened, "shape") else sorted(name for name, _ in opened.arrays())
    if suffix == ".mat":
        with file.open("rb") as stream:
            head = stream.read(128)
        if not (b"MATLAB 7.3" in head or head.startswith(b"\x89HDF")):
            from scipy.io import whosmat

            return [name for name, _, _ in whosmat(file)]
    if suffix in (".mat", ".h5", ".hdf5", ".hdf"):
        names: list[str] = []
        with _package("h5py").File(file, "r") as opened:
            opened.visititems(lambda name, one: names.append(name) if hasattr(one, "shape") else None)
        return [name for name in names if not name.startswith("#")]
    return [""]


def _only(key: str, names: list[str], file: Path) -> str:
    """The named array, or the only one."""
    if key in names or (not key and len(names) == 1):
        return key or names[0]
    raise InputError(
        "a file holds several arrays" if not key else "a file holds no such array",
        file=_joined(file, key),
        found=", ".join(names[:20]) or "none",
        expected=f"one of them by name: {file.name}{SEPARATOR}NAME",
    )


class _Transposed:
    """An array of HDF5 as MATLAB shows it, whose axes are in the other order."""

    def __init__(self, array: Any) -> None:
        self._array, self.dtype = array, array.dtype
        self.shape = tuple(array.shape[::-1])

    def __getitem__(self, key: Any) -> Any:
        if key == slice(None):
            return np.asarray(self._array[:]).T
        rows, columns = key
        return np.asarray(self._array[columns, rows]).T


def _open_hdf5(file: Path, key: str) -> Any:
    """Open a data set; one whose values lie in another file is refused, because only this file is hashed."""
    opened = _package("h5py").File(file, "r")
    try:
        found = opened[key or "/"]
        if found.file != opened:
            other = Path(found.file.filename).name
            found.file.close()
            raise _elsewhere(file, key, f"an external link to {other}")
        if hasattr(found, "shape"):
            _check_hdf5(found, file, key)
    except BaseException:
        opened.close()
        raise
    return found


def _check_hdf5(found: Any, file: Path, key: str) -> None:
    """Raise if values of a data set lie in another file, or were never written."""
    if found.is_virtual:
        raise _elsewhere(file, key, "a virtual data set")
    if found.external:
        raise _elsewhere(file, key, "external raw storage")
    if found.size and found.chunks:
        n_chunks = prod(-(-size // chunk) for size, chunk in zip(found.shape, found.chunks, strict=True))
        _check_chunks(found.id.get_num_chunks(), n_chunks, file, key)
    elif found.size:
        _check_chunks(min(found.id.get_storage_size(), 1), 1, file, key)


def _open_zarr(file: Path, key: str) -> Any:
    """Open an array, of format 2 or 3, all of whose chunks are there."""
    found = _package("zarr").open(str(file), mode="r", path=key or None)
    if hasattr(found, "nchunks"):
        _check_chunks(found.nchunks_initialized, found.nchunks, file, key)
    return found


def _check_chunks(n_found: int, n_chunks: int, file: Path, key: str) -> None:
    """Raise if chunks are missing: they would be read as zeros."""
    if n_found < n_chunks:
        raise InputError(
            "chunks of an array are missing",
            file=_joined(file, key),
            found=f"{n_found} of {n_chunks} chunks",
            fix="fetch or copy it again; if these chunks hold the fill value only, write them all the same "
            "(zarr: write_empty_chunks = True)",
        )


def _elsewhere(file: Path, key: str, found: str) -> InputError:
    return InputError(
        "the values of an array lie in another file",
        file=_joined(file, key),
        found=found,
        fix="copy them into this file, or name the other file in the study",
    )


def _joined(file: Path, key: str) -> str:
    return f"{file}{SEPARATOR}{key}" if key else str(file)


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise InputError(f"the package {name} is not installed", fix='pip install "b2m-encoding[arrays]"') from error


def _reader(path: Path, transposed: bool) -> Callable[[], NDArray[np.floating]]:
    def read() -> NDArray[np.floating]:
        with reading(_split(path)[0]):
            values = narrowed(np.asarray(open_array(path)[:]), axis=int(transposed))
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
