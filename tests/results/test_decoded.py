"""Decoded embeddings come back as they were written."""

from pathlib import Path

import numpy as np
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.results.decoded import Decoded, DecodedWindows, read_decoded
from b2m_encoding.results.reranking_model import RerankingModel, read_reranking_model


def test_decoded_embeddings_come_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    predicted, true = rng.standard_normal((2, 3, 4)).astype(np.float32)
    windows = DecodedWindows(np.repeat(predicted, 2, axis=0), np.repeat(["blues 1", "é", "rock/2"], 2), np.arange(6.0))
    written = Decoded("muq_mulan", "regions", np.array(["blues 1", "é", "rock/2"]), predicted, true, windows)
    path = written.save(tmp_path, "01")
    found = read_decoded(tmp_path, "01", "muq_mulan")
    assert found.clips.tolist() == ["blues 1", "é", "rock/2"]
    np.testing.assert_array_equal(found.predicted, predicted)
    np.testing.assert_array_equal(found.true, true)
    starts, vectors = found.windows.of("é")
    assert starts.tolist() == [2.0, 3.0]
    np.testing.assert_array_equal(vectors, predicted[[1, 1]])
    assert [file.name for file in path.parent.iterdir()] == ["sub-01_desc-MuqMulan_decoder-regions_decoded.npz"]


def test_a_damaged_or_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing was decoded"):
        read_decoded(tmp_path, "01", "text")
    one, name = np.ones((1, 2), np.float32), np.array(["a"])
    path = Decoded("text", "ridge", name, one, one, DecodedWindows(one, name, np.zeros(1))).save(tmp_path, "01")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="decoded embeddings cannot be read"):
        read_decoded(tmp_path, "01", "text", "ridge")


def test_an_encoder_comes_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    written = RerankingModel(
        np.array([3, 5]), rng.random(2), rng.random(4), rng.random((4, 2)), np.array(["é", "b"]), rng.random((2, 2)),
        np.array(["c"]),
    )  # fmt: skip
    path = written.save(tmp_path, "01", "muq_mulan")
    assert path.name == "sub-01_desc-MuqMulan_encoder.npz"
    found = read_reranking_model(tmp_path, "01", "muq_mulan")
    for name, values in vars(written).items():
        np.testing.assert_array_equal(getattr(found, name), values)
    np.testing.assert_array_equal(found.of("b"), written.measured[1])
    with pytest.raises(InputError, match="b2m decode the study again"):
        read_reranking_model(tmp_path, "02", "muq_mulan")
