"""Weights and statistics in Zarr: every chunk is written, so that a missing one is damage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr

from b2m_encoding.errors import InputError
from b2m_encoding.results.bundle import BundleFiles
from b2m_encoding.results.weights import CHUNK, read_weights, write_weights


def test_weights_of_zero_come_back_and_a_missing_chunk_does_not(tmp_path: Path) -> None:
    weights = {"sound": np.zeros((2, 3, CHUNK + 5), dtype=np.float32)}
    write_weights(BundleFiles(tmp_path), "01", weights, [1.5, 3.0])
    np.testing.assert_array_equal(read_weights(tmp_path, "01")["sound"], weights["sound"])
    [store] = tmp_path.glob("sub-01/*.zarr")
    assert zarr.open_group(store, mode="r")["sound"].nchunks_initialized == 2  # type: ignore[union-attr]
    (store / "sound/c/0/0/1").unlink()
    with pytest.raises(InputError, match="chunks of sound are missing"):
        read_weights(tmp_path, "01")
