"""Hashed captions, and caption tables with the quirks of the published one."""

import logging
from pathlib import Path

import numpy as np
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.features.captions import caption_features, read_captions


def test_embedding_is_stateless_and_normalised() -> None:
    captions = ["A slow piano ballad with strings.", "Fast drums, loud guitars!", "Überraschend sanft"]
    features = caption_features(captions, n_features=64)
    assert features.shape == (3, 64)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(features[1], caption_features(captions[1:2], n_features=64)[0])
    assert caption_features([], n_features=64).shape == (0, 64)


@pytest.mark.parametrize("caption", ["", " ... ", "the and with"])
def test_caption_without_words(caption: str) -> None:
    with pytest.raises(InputError, match="position 1"):
        caption_features(["fine music", caption])


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode("utf-8-sig"))
    return path


def test_table_with_its_quirks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(
        tmp_path / "captions.csv",
        'ID,DescEN\r\nblues.00017_15s," A guitar, a voice.\nAnd ""drums"". "\r\ndisco.000011_15s,Strings\r\n',
    )
    with caplog.at_level(logging.WARNING):
        captions = read_captions(path, wanted=["disco.00011_15s"])
    assert captions == {"blues.00017_15s": 'A guitar, a voice.\nAnd "drums".', "disco.00011_15s": "Strings"}
    assert "disco.000011_15s read as disco.00011_15s" in caplog.text
    assert read_captions(write(tmp_path / "c.tsv", "ID\tDescEN\na\tb, c\n")) == {"a": "b, c"}


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("ID,DescEN\na,x\na,y\n", r"twice(?s:.*)a \(line 3\)"),
        ("ID,DescEN\na,\n", r"empty(?s:.*)a \(line 2\)"),
        ("ID,Worte\na,x\n", "lacks a column"),
        ("", "lacks a column"),
        ("ID,DescEN\nb,x\n", r"missing(?s:.*)none for a"),
    ],
)
def test_unusable_tables(tmp_path: Path, table: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        read_captions(write(tmp_path / "captions.csv", table), wanted=["a"])


def test_missing_table_and_other_encodings(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not found"):
        read_captions(tmp_path / "none.csv")
    for encoding in ("latin-1", "utf-16", "utf-8-sig"):
        (tmp_path / "other.csv").write_bytes("ID,DescEN\na,caf\xe9\n".encode(encoding))
        assert read_captions(tmp_path / "other.csv") == {"a": "caf\xe9"}
