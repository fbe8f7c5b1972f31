import errno
import os
import re
import sys

import matplotlib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from b2m_encoding.errors import InputError
from b2m_encoding.figures import FigureResult, Style, score_map
from b2m_encoding.figures.page import Page, shortened, text_width

HARD = "a $ and $x_1$ <script>alert(1)</script> Größe μ – é"


@pytest.fixture(scope="module")
def result(space, atlas, acoustic) -> FigureResult:
    return score_map(acoustic, space, atlas, title=HARD, note="simulated data", style=Style(width_mm=89, dpi=150))


@pytest.fixture(scope="module")
def saved(result, tmp_path_factory):
    paths = result.save(tmp_path_factory.mktemp("figure") / "map.v1", ("png", "pdf", "svg", "tiff"))
    return {path.suffix[1:]: path for path in paths}


def test_all_files_are_written_and_nothing_else(saved):
    assert sorted(saved) == ["pdf", "png", "svg", "tiff", "tsv", "txt"]
    folder = saved["png"].parent
    assert {path.name for path in folder.iterdir()} == {f"map.v1.{suffix}" for suffix in saved}


def test_one_format_is_a_text(result, tmp_path):
    assert [path.suffix for path in result.save(tmp_path / "map", formats="png")] == [".png", ".tsv", ".txt"]


def test_size_in_mm(result, saved):
    assert result.figure.get_figwidth() * 25.4 == pytest.approx(89)
    for kind in ("png", "tiff"):
        with Image.open(saved[kind]) as image:
            assert image.width == pytest.approx(89 / 25.4 * 150, abs=1)
            assert float(image.info["dpi"][0]) == pytest.approx(150, abs=0.1)
            assert kind == "png" or image.mode == "RGB"
    box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+)", saved["pdf"].read_bytes())
    assert float(box[1]) / 72 * 25.4 == pytest.approx(89, abs=0.1)


def test_pdf_embeds_truetype(saved):
    content = saved["pdf"].read_bytes()
    assert b"/FontFile2" in content
    assert b"/Type3" not in content
    assert len(content) < 1_000_000


def test_svg_keeps_text_as_text(saved):
    content = saved["svg"].read_text(encoding="utf-8")
    assert "prediction accuracy (r)" in content
    assert "a $ and $x_1$ &lt;script&gt;" in content
    assert "<script" not in content


def test_numbers_and_caption(result, saved, space):
    table = pd.read_csv(saved["tsv"], sep="\t", na_values="n/a")
    assert len(table) == space.n_targets
    assert np.allclose(table["score"], result.table["score"], atol=1e-5)
    caption = saved["txt"].read_text(encoding="utf-8")
    assert HARD in caption
    assert "Note: simulated data." in caption
    assert f"matplotlib {matplotlib.__version__}" in caption


def test_same_figure_same_bytes(result, tmp_path):
    first = [path.read_bytes() for path in result.save(tmp_path / "a", ("pdf", "svg", "png"))]
    second = [path.read_bytes() for path in result.save(tmp_path / "b", ("pdf", "svg", "png"))]
    assert first == second


def test_a_failed_save_leaves_nothing(result, tmp_path):
    broken = FigureResult(result.figure, "text \ud800", result.table)
    with pytest.raises(UnicodeEncodeError):
        broken.save(tmp_path / "x", ())
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="format"):
        result.save(tmp_path / "x", ("bmp",))


def test_existing_files_are_replaced(result, tmp_path):
    (tmp_path / "x.txt").write_text("old")
    result.save(tmp_path / "x", ())
    assert "prediction" in (tmp_path / "x.txt").read_text().lower()


def test_pyplot_is_not_needed(result):
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_text_width_is_that_of_the_drawn_text():
    style = Style()
    with style.context():
        page = Page(style, 20)
        drawn = page.write(10, 10, "STSdp and more", size=6).get_window_extent(page.canvas.get_renderer()).width
    assert text_width("STSdp and more", 6, style) == pytest.approx(drawn / page.dpi * 25.4, rel=0.03)


def test_long_text_is_shortened(text_problems):
    style = Style(width_mm=89)
    assert shortened("short", 7, 20, style) == "short"
    cut = shortened("a very long name of a feature space", 7, 20, style)
    assert cut.endswith("…")
    assert text_width(cut, 7, style) <= 20
    with style.context():
        page = Page(style, 20, title="A long title, " * 12, note="simulated data")
    assert text_problems(page) == []


@pytest.mark.parametrize("reason", ["full", "read-only", "a folder in the way"])
def test_a_disk_that_cannot_be_written_is_told(result, tmp_path, reason, monkeypatch):
    if reason == "a folder in the way":
        (tmp_path / "map.tsv").mkdir()
    else:
        code = {"full": errno.ENOSPC, "read-only": errno.EROFS}[reason]

        def refuse(*_):
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(InputError, match="a figure cannot be written"):
        result.save(tmp_path / "map")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
