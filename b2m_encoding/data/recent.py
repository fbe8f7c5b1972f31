"""Runs that were read last, kept in memory: most steps of a study read the same few files, and decoding takes long."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

LIMIT = 128_000_000
"""Bytes that all kept runs of the process may take together."""

_kept: OrderedDict[tuple[object, str], NDArray[Any]] = OrderedDict()
_lock = Lock()


def recent(readers: Mapping[str, Callable[[], NDArray[np.floating]]]) -> Callable[[str], NDArray[np.floating]]:
    """Make a reader of runs by name that reads a run again only after larger or more recent ones took its place.

    What is read is not writeable. Arrays that are mapped from a file are not kept: the system does that.

    Examples
    --------
    >>> read = recent({"run-1": lambda: np.zeros((2, 3))})
    >>> read("run-1") is read("run-1")
    True
    """
    owner = object()

    def read(name: str) -> NDArray[np.floating]:
        with _lock:
            if (values := _kept.get((owner, name))) is not None:
                _kept.move_to_end((owner, name))
                return values
        values = readers[name]()
        whole = _whole(values)
        if isinstance(whole, np.memmap) or whole.nbytes > LIMIT:
            return values
        values.flags.writeable = False
        with _lock:
            _kept[owner, name] = values
            while sum(_whole(one).nbytes for one in _kept.values()) > LIMIT:
                _kept.popitem(last=False)
        return values

    return read


def _whole(values: NDArray[Any]) -> NDArray[Any]:
    """The array that holds the memory of a view."""
    while isinstance(values.base, np.ndarray):
        values = values.base
    return values
