"""Responses of some targets in a temporary file, so that slices of them are read without reading runs again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.data.responses import Responses
from b2m_encoding.io.writing import reported_as_input_error


@contextmanager
def staged(responses: Responses, targets: slice) -> Iterator[Responses]:
    """Read and clean every run at most once; the responses of the block load slices of ``targets`` from a file.

    Parameters
    ----------
    responses : Responses
    targets : slice
        All other targets are 0 in the responses of the block, and take no room on most disks.

    Raises
    ------
    InputError
        When a run is read, if the folder for temporary files (``TMPDIR``) cannot hold it.
    """
    slices, shape = responses.runs.slices, (len(responses.runs), responses.n_targets)
    with TemporaryDirectory(prefix="b2m-responses-") as folder:
        path, known = Path(folder, "responses.npy"), set[str]()

        def read_run(name: str) -> NDArray[np.float32]:
            with reported_as_input_error("responses cannot be kept in the folder for temporary files", path.parent):
                if name not in known:
                    values = responses.load_run(name, targets)
                    if known:
                        stored = np.lib.format.open_memmap(path, mode="r+")
                    else:
                        stored = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
                    stored[slices[name], targets] = values
                    stored.flush()
                    known.add(name)
                return np.asarray(np.load(path, mmap_mode="r")[slices[name]])

        yield replace(responses, read_run=read_run, cleaning=None, confounds={}, kept=None)
