"""Tables that spreadsheets open: no cell is a formula, no cell shifts a column, numbers stay numbers."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from b2m_encoding.decoding.retrieval.build import build_corpus
from b2m_encoding.decoding.retrieval.embedding_space import AudioEmbeddingSpace
from b2m_encoding.figures import FigureResult, Style
from b2m_encoding.figures.page import Page
from b2m_encoding.io.tables import tsv
from b2m_encoding.reconstruction.listening_page import merge_table
from b2m_encoding.results.bundle import ResultsWriter
from b2m_encoding.results.schema.tables import REGIONS
from b2m_encoding.spaces import RegionSpace

HOSTILE = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(1,1)", "\t=1+1", "\r=1+1", "  =1+1", "a\tb", "a\n=1+1", "a\x00b"]


def check(text: str, n_columns: int) -> None:
    lines = text.splitlines()
    assert {line.count("\t") for line in lines} == {n_columns - 1}
    for cell in (cell for line in lines for cell in line.replace('"', "").split("\t")):
        assert not cell.strip().startswith(("=", "@")), cell
        assert not cell.strip().startswith(("+", "-")) or pd.notna(pd.to_numeric(cell, errors="coerce")), cell
        assert all(sign >= " " for sign in cell)


def test_text_that_begins_as_a_formula_is_marked_as_text() -> None:
    table = pd.DataFrame({"=name": HOSTILE, "r": np.linspace(-1, 1, len(HOSTILE)), "n": range(len(HOSTILE))})
    text = tsv(table)
    check(text, 3)
    read = pd.read_csv(io.StringIO(text), sep="\t")
    assert read["'=name"][:2].tolist() == ["'=cmd|' /C calc'!A0", "'+1+1"]
    assert np.allclose(read["r"], table["r"])
    assert read["n"].tolist() == list(range(len(HOSTILE)))


def test_other_cells_are_as_pandas_writes_them() -> None:
    table = pd.DataFrame({
        "text": ["blues.00017", "sub-01", None, "n/a", "-0.5"],
        "r": [0.1234567, np.nan, -1, 1e-12, 2],
        "mixed": ["a", 1, 0.5, None, True],
        "kind": pd.Categorical(["x", "y", "x", "y", "x"]),
        "flag": [True, False, True, False, True],
    })  # fmt: skip
    assert tsv(table) == table.to_csv(sep="\t", index=False, na_rep="n/a", float_format="%.6g")
    again = pd.read_csv(io.StringIO(tsv(pd.DataFrame({"a": HOSTILE}))), sep="\t")
    assert tsv(again) == tsv(pd.DataFrame({"a": HOSTILE}))  # what is marked once stays


def test_every_writer_of_tables(tmp_path: Path) -> None:
    region = HOSTILE[0]
    with ResultsWriter(tmp_path / "results", "test", ["01"]) as writer:
        writer.write_map("01", "joint", "r", np.ones(2), RegionSpace((region, "V1")), {})
        writer.write_table(REGIONS, [{"subject": "01", "region": region, "score": 0.5}])
    with Style(width_mm=89).context():
        page = Page(Style(width_mm=89), 20)
    FigureResult(page, "caption", pd.DataFrame({region: [region], "r": [1.0]})).save(tmp_path / "figure")
    merge_table(tmp_path / "merged.tsv", pd.DataFrame({"subject": ["01"], "about": [region]}), ("subject",))
    tables = sorted(tmp_path.rglob("*.tsv"))
    assert len(tables) == 4
    for path in tables:
        text = path.read_text()
        assert "'=cmd" in text
        check(text, text.splitlines()[0].count("\t") + 1)


@pytest.mark.parametrize("separator", [",", "\t"])
def test_a_table_of_recordings_with_formulas(tmp_path: Path, separator: str) -> None:
    audio, rng = tmp_path / "audio", np.random.default_rng(0)
    audio.mkdir()
    for name in ("=a.wav", "@b.wav", "-c.wav"):
        soundfile.write(audio / name, 0.1 * rng.standard_normal(6 * 8000), 8000)
    table = pd.DataFrame({"path": ["=a.wav", "@b.wav", "-c.wav"], "title": HOSTILE[:3], "genre": HOSTILE[3:6]})
    table.to_csv(tmp_path / "table.csv", sep=separator, index=False)
    space = AudioEmbeddingSpace.of_model("acoustic", length=2.0, step=6.5)
    made = build_corpus(audio, tmp_path / "corpus", space, metadata=tmp_path / "table.csv")
    assert made.table["path"].tolist() == ["./-c.wav", "./=a.wav", "./@b.wav"]
    assert made.table["title"].tolist() == ["'-2+3", "'=cmd|' /C calc'!A0", "'+1+1"]
    assert made.path(0).is_file()
    check((made.folder / "clips.tsv").read_text(), len(made.table.columns))
