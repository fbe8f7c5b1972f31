"""Weights and sufficient statistics in Zarr: arrays that are read in pieces, by any language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from b2m_encoding._typing import Float32
from b2m_encoding.errors import InputError
from b2m_encoding.results.bundle import BundleFiles
from b2m_encoding.results.schema.files import STATISTICS, WEIGHTS

CHUNK = 4096
"""Targets of a chunk."""
EVERY_CHUNK: Any = {"write_empty_chunks": True}
"""Write chunks of zeros too, so that a missing one is damage."""


def weights_name(subject: str) -> str:
    """Name of the array store in the folder of a subject."""
    return WEIGHTS.format(subject=subject)


def write_weights(
    bundle: BundleFiles,
    subject: str,
    weights: Mapping[str, Float32],
    delays: Sequence[float],
    note: str | None = None,
) -> None:
    """Write the weights of the joint model, an array (n_delays, n_features, n_targets) per feature space.

    Parameters
    ----------
    bundle : BundleFiles
    subject : str
    weights : dict of str to array
        In the units of the features; NaN where a target was not tested.
    delays : sequence of float
        Seconds.
    note : str, optional
    """
    import zarr

    store = zarr.open_group(bundle.file(f"sub-{subject}", weights_name(subject)), mode="w")
    store.attrs.update({"Description": "Ridge weights of the joint model", "Note": note, "Delays": list(delays)})
    for name, values in weights.items():
        chunks = (*values.shape[:2], min(CHUNK, values.shape[2]))
        names = ["delay", "feature", "target"]
        array = store.create_array(
            name, shape=values.shape, dtype=values.dtype, chunks=chunks, dimension_names=names, config=EVERY_CHUNK
        )
        for start in range(0, values.shape[2], CHUNK):
            array[..., start : start + CHUNK] = values[..., start : start + CHUNK]


def read_weights(folder: Path, subject: str) -> dict[str, Float32]:
    """Weights that :func:`write_weights` wrote, shape (n_delays, n_features, n_targets) each.

    Raises
    ------
    InputError
        If the results hold none, or they are damaged.
    """
    import zarr

    path = folder / f"sub-{subject}" / weights_name(subject)
    if not path.is_dir():
        raise InputError("the results hold no weights", file=path, fix="set results.weights = true and run again")
    try:
        store: Any = zarr.open_group(path, mode="r")
        arrays = dict(sorted(store.arrays()))
        if missing := [name for name, array in arrays.items() if array.nchunks_initialized < array.nchunks]:
            raise ValueError(f"chunks of {', '.join(missing)} are missing")
        return {name: np.asarray(array[:], dtype=np.float32) for name, array in arrays.items()}
    except Exception as error:  # zarr documents no exception for a damaged store
        raise InputError("weights cannot be read", file=path, found=repr(error), fix="run the study again") from error


def write_statistics_zarr(bundle: BundleFiles, subject: str, runs: Mapping[str, Path]) -> None:
    """Write the sufficient statistics of every training run: a group per run and block, an array per moment.

    Parameters
    ----------
    bundle : BundleFiles
    subject : str
    runs : dict of str to Path
        File of each run, as :class:`~b2m_encoding.models.SufficientStatistics` saves it.
    """
    import zarr
    from safetensors import safe_open

    store = zarr.open_group(bundle.file(f"sub-{subject}", STATISTICS.format(subject=subject)), mode="w")
    for run, path in runs.items():
        with safe_open(str(path), framework="np") as file:
            group = store.create_group(run)
            group.attrs.update(dict(sorted((file.metadata() or {}).items())))
            for key in file.keys():  # noqa: SIM118  (no mapping)
                group.create_array(key, data=file.get_tensor(key), config=EVERY_CHUNK)
