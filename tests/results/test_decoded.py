"""Decoded embeddings come back as they were written."""

from pathlib import Path

import numpy as np
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.results.decoded import Decoded, read_decoded


def test_decoded_embeddings_come_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    predicted, true = rng.standard_normal((2, 3, 4)).astype(np.float32)
    written = Decoded("muq_mulan", "regions", np.array(["blues 1", "é", "rock/2"]), predicted, true)
    path = written.save(tmp_path, "01")
    found = read_decoded(tmp_path, "01", "muq_mulan")
    assert found.clips.tolist() == ["blues 1", "é", "rock/2"]
    np.testing.assert_array_equal(found.predicted, predicted)
    np.testing.assert_array_equal(found.true, true)
    assert [file.name for file in path.parent.iterdir()] == ["sub-01_desc-MuqMulan_decoder-regions_decoded.npz"]


def test_a_damaged_or_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing was decoded"):
        read_decoded(tmp_path, "01", "text")
    path = Decoded("text", "ridge", np.array(["a"]), np.ones((1, 2), np.float32), np.ones((1, 2), np.float32)).save(
        tmp_path, "01"
    )
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="damaged file"):
        read_decoded(tmp_path, "01", "text", "ridge")
