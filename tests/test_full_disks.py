"""A disk that is full: one error that names the folder, its room and what to do; nothing half-written is left."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from b2m_encoding.decoding.generators.files import write_sound
from b2m_encoding.decoding.retrieval.build import build_corpus
from b2m_encoding.decoding.retrieval.embedding_space import AudioEmbeddingSpace
from b2m_encoding.errors import InputError
from b2m_encoding.features.store import Store, where_required
from b2m_encoding.figures import FigureResult, Style
from b2m_encoding.figures.page import Page
from b2m_encoding.io.tensors import write_tensors
from b2m_encoding.io.writing import reported_as_input_error, write_all
from b2m_encoding.models.solver.out_of_core import DiskStatistics
from b2m_encoding.phantom import simulate_arrays
from b2m_encoding.results.reader import Results
from b2m_encoding.results.report import write_report
from b2m_encoding.study import load_study
from b2m_encoding.workflow.run import run_study

from .small_disk import SmallDisk, mounted

B2M = Callable[..., tuple[int, str]]
TOLD = re.compile(r"the disk is full.*No space left on device; [0-9.]+ [kM]B free.*free space there", re.DOTALL)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with mounted(tmp_path / "disk", 32) as small:
        if small is None:
            pytest.skip("this process may not mount")
        yield small


def is_told(text: str, disk: SmallDisk) -> bool:
    return TOLD.search(text) is not None and str(disk.path) in text and "Traceback" not in text


def test_figure_report_and_view(disk: SmallDisk, finished: Path, b2m: B2M) -> None:
    disk.fill(60_000)
    for command in (("figure", finished, "accuracy"), ("view", finished)):
        out = disk.path / "new" / ("figures" if command[0] == "figure" else "view.html")
        code, printed = b2m(*command, "--out", out)
        assert code == 2
        assert is_told(printed, disk), printed
        assert "expected:" in printed  # how much is needed
    with pytest.raises(InputError) as error:
        write_report(Results.open(finished), disk.path / "new")
    assert is_told(str(error.value), disk)
    assert disk.names() == set()


def test_a_figure_of_which_only_the_picture_fits_is_not_written(disk: SmallDisk) -> None:
    with Style(width_mm=89).context():
        page = Page(Style(width_mm=89), 20)
    figure = FigureResult(page, "caption", pd.DataFrame({"r": np.arange(20_000) / 7}))
    disk.fill(100_000)
    with pytest.raises(InputError) as error:
        figure.save(disk.path / "map")
    assert is_told(str(error.value), disk)
    assert disk.names() == set()
    disk.clear()
    assert len(figure.save(disk.path / "map")) == 4


def test_study_files_and_the_demonstration(disk: SmallDisk, b2m: B2M) -> None:
    disk.fill(0)
    for command in (("init", "musicgenre"), ("init", "arrays"), ("demo",)):
        code, printed = b2m(*command, disk.path / "new")
        assert code == 2
        assert is_told(printed, disk), printed
        assert disk.names() <= {"new"}  # the demonstration may have marked its folder


@pytest.mark.parametrize("room", [0, 12_000, 60_000, 300_000])
def test_a_run_goes_on_when_there_is_room_again(disk: SmallDisk, tmp_path: Path, room: int) -> None:
    study = simulate_arrays(tmp_path / "study", n_subjects=1, n_targets=12, n_samples=60)
    settings = load_study(study).model_copy(update={"output": disk.path / "results"})
    disk.fill(room)
    with pytest.raises(InputError) as error:
        run_study(settings, study)
    assert is_told(str(error.value), disk)
    assert {name.split("/")[0] for name in disk.names()} <= {".results.work"}
    assert not [name for name in disk.names() if ".partial-" in name]
    disk.clear()
    run_study(settings, study)


def test_a_corpus_goes_on_when_there_is_room_again(disk: SmallDisk, tmp_path: Path) -> None:
    """Vectors that do not fit into a memory map would end the process."""
    audio, rng = tmp_path / "audio", np.random.default_rng(0)
    audio.mkdir()
    for number in range(3):
        soundfile.write(audio / f"{number}.wav", 0.1 * rng.standard_normal(6 * 8000), 8000)
    space = AudioEmbeddingSpace.of_model("acoustic", length=2.0, step=6.5)
    out = disk.path / "corpus"
    for room in (0, 8192, 16384):
        disk.fill(room)
        with pytest.raises(InputError) as error:
            build_corpus(audio, out, space)
        assert is_told(str(error.value), disk)
        assert not (out / "corpus.json").exists()
        assert not [name for name in disk.names() if "partial-" in name]
    disk.clear()
    assert len(build_corpus(audio, out, space)) == 3


def test_features_that_are_to_be_stored(disk: SmallDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("B2M_CACHE", str(disk.path / "cache"))
    store, arrays = Store({"of": "a test"}), {"a": np.ones((100, 1000), np.float32)}
    disk.fill(50_000)
    store.add(arrays)  # a run goes on without
    with pytest.raises(InputError) as error, where_required():
        store.add(arrays)
    assert is_told(str(error.value), disk)
    assert not [name for name in disk.names() if name.endswith("safetensors")]


@pytest.mark.parametrize("suffix", [".wav", ".mp3"])
def test_sounds_and_their_records_are_both_there_or_neither(disk: SmallDisk, suffix: str) -> None:
    wave = 0.1 * np.random.default_rng(0).standard_normal(20 * 8000).astype(np.float32)
    disk.fill(16_384)
    with pytest.raises(InputError) as error:
        write_sound(disk.path / f"sub-01/a{suffix}", wave, 8000, {})
    assert is_told(str(error.value), disk)
    assert disk.names() == set()


def test_tensors_and_statistics(disk: SmallDisk) -> None:
    disk.fill(50_000)
    with pytest.raises(InputError) as error, reported_as_input_error("not written", disk.path):
        write_tensors({"a": torch.ones(100_000)}, disk.path / "a.safetensors")
    assert is_told(str(error.value), disk)
    rng = np.random.default_rng(0)
    statistics = DiskStatistics(disk.path, {"a": 10}, 5000)
    with pytest.raises(InputError) as error:
        statistics.update("1", slice(0, 5000), rng.standard_normal((20, 10)), rng.standard_normal((20, 5000)))
    assert is_told(str(error.value), disk)


def test_an_array_of_numpy_and_a_copied_folder(disk: SmallDisk, tmp_path: Path) -> None:
    """These errors have no number; that of a copy names the file that is read."""
    import shutil

    (tmp_path / "folder").mkdir()
    np.save(tmp_path / "folder/a.npy", np.zeros(50_000))
    disk.fill(50_000)
    for write in (
        lambda: np.save(disk.path / "a.npy", np.zeros(50_000)),
        lambda: shutil.copytree(tmp_path / "folder", disk.path / "copy"),
        lambda: shutil.copy2(tmp_path / "folder/a.npy", disk.path / "copy.npy"),
    ):
        with pytest.raises(InputError) as error, reported_as_input_error("not written", disk.path):
            write()
        assert "the disk is full" in str(error.value)
        assert f"file:     {disk.path}\n" in str(error.value)


def test_files_that_are_written_together(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    with pytest.raises(InputError, match="not written"):
        write_all({tmp_path / "new/a": "1", tmp_path / "b": "2"}, "not written")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    write_all({tmp_path / "new/a": "1", tmp_path / "c": b"2"}, "not written")
    (tmp_path / "link").symlink_to("c")
    (tmp_path / "dangling").symlink_to("new/d")
    write_all({tmp_path / "link": "3", tmp_path / "dangling": "4"}, "not written")
    assert [(tmp_path / name).read_text() for name in ("new/a", "c", "new/d")] == ["1", "3", "4"]
    assert os.readlink(tmp_path / "link") == "c"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
@pytest.mark.parametrize("arguments", ["atlases", "--version", "figure --list"])
def test_what_is_printed_does_not_fit(arguments: str) -> None:
    code = "from b2m_encoding.cli import main; main()"
    with open("/dev/full", "w") as full:
        run = subprocess.run(
            [sys.executable, "-c", code, *arguments.split()],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert run.returncode == 2
    assert run.stderr.startswith("error: a file, or what the command prints, cannot be written")
    assert "Traceback" not in run.stderr
