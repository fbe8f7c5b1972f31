"""What is shared names no folder, user or machine; it still works elsewhere."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
import socket
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from zipfile import ZipFile, is_zipfile

import numpy as np
import pytest
import soundfile

from b2m_encoding.decoding.retrieval.build import build_corpus
from b2m_encoding.decoding.retrieval.corpus import Corpus
from b2m_encoding.decoding.retrieval.embedding_space import AudioEmbeddingSpace
from b2m_encoding.io.cache import cache_folder
from b2m_encoding.io.paths import portable_arguments, portable_path
from b2m_encoding.phantom import simulate_arrays
from b2m_encoding.results.reader import Results
from b2m_encoding.study import load_study
from b2m_encoding.workflow.run import run_study

from ..conftest import without_figures

B2m = Callable[..., tuple[int, str]]
USER = "zaphodq"


def pieces(content: bytes) -> Iterator[bytes]:
    """Content as it is, and what is compressed or encoded in it."""
    yield content
    if content[:2] == b"\x1f\x8b":
        yield gzip.decompress(content)
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL):  # PDF
        try:
            yield zlib.decompress(stream)
        except zlib.error:
            yield stream
    for encoded in re.findall(rb"base64,([A-Za-z0-9+/=]+)", content):  # HTML
        yield base64.b64decode(encoded)


def told(folder: Path, *words: str) -> list[str]:
    """Files below a folder that hold one of the words, or have it in their name."""
    wanted = [word.encode() for word in words if len(word) > 3]
    found = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        contents = [str(path.relative_to(folder)).encode(), *pieces(path.read_bytes())]
        if is_zipfile(path):
            with ZipFile(path) as archive:
                contents += [archive.read(name) for name in archive.namelist()]
        found += [f"{path.relative_to(folder)}: {word!r}" for word in wanted if any(word in one for one in contents)]
    return found


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Home folder of a user with a name that occurs nowhere else."""
    folder = tmp_path / USER
    folder.mkdir()
    monkeypatch.setenv("B2M_CACHE", str(cache_folder()))
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USER", USER)
    monkeypatch.setenv("LOGNAME", USER)
    return folder


def words(tmp_path: Path) -> tuple[str, ...]:
    return str(tmp_path), USER, socket.gethostname()


@pytest.mark.slow
def test_results_name_no_folder_and_work_after_the_project_is_moved(
    home: Path, surface_study: Path, tmp_path: Path, b2m: B2m, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = home / "project"
    shutil.move(surface_study.parent, project)
    monkeypatch.chdir(home)
    code, printed = b2m("run", "project/study.toml")
    assert code == 0, printed
    assert told(project / "results", *words(tmp_path)) == []
    record = json.loads((project / "results/provenance.json").read_text())
    assert record["command"] == ["b2m", "run", "study.toml"]
    assert {"study.toml", "responses/01_train-1.npy", "features/sound_test-1.npy", "hemi-L.label.gii"} <= set(
        record["inputs"]
    )
    settings = json.loads((project / "results/study.json").read_text())
    assert settings["maps"]["atlas"] == "hemi-{hemi}.label.gii"
    assert settings["features"]["sound"]["files"] == record["features"]["sound"]["files"] == "features/sound_{run}.npy"
    moved = tmp_path / "elsewhere"
    shutil.move(project, moved)
    monkeypatch.chdir(tmp_path)
    for name, *rest in (("report",), ("view",), ("figure", "accuracy")):
        code, printed = b2m(name, "elsewhere/results", *rest)
        assert code == 0, printed
    assert told(moved / "results", *words(tmp_path)) == []
    assert Results.open("elsewhere/results").study_folder == moved


def test_inputs_and_results_in_other_places_are_named_without_their_folder(home: Path, tmp_path: Path) -> None:
    study = simulate_arrays(home / "study", n_subjects=1, n_targets=12, n_samples=60)
    shutil.move(study.parent / "responses", tmp_path / "bold")
    text = study.read_text().replace('"responses/', '"../../bold/').replace('"results"', '"../out/results"')
    study.write_text(text)
    run_study(load_study(study), study)
    results = Results.open(home / "out/results")
    assert told(results.path, *words(tmp_path)) == []
    outside = [name for name in results.provenance["inputs"] if re.fullmatch(r"01_train-1\.npy-[0-9a-f]{8}", name)]
    assert len(outside) == 1
    assert len(results.provenance["inputs"]) == 1 + 5 + 10
    assert results.study_folder == study.parent


WAYS = {
    "absolute": lambda home, study: f'"{study}/responses/',
    "literal": lambda home, study: f"'{study}/responses/",
    "home": lambda home, study: '"~/study/responses/',
    "elsewhere": lambda home, study: f'"{home.parent}/{USER}s_data/',
    "relative": lambda home, study: f'"../../{USER}s_data/',
    "home elsewhere": lambda home, study: f'"~/../{USER}s_data/',
    "variable": lambda home, study: '"${HOME}/study/responses/',
    "escaped": lambda home, study: f'"{study}/responses/'.replace("study", "stud\\u0079"),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_study_file_of_results_names_no_folder(home: Path, tmp_path: Path, way: str) -> None:
    study = without_figures(simulate_arrays(home / "study", n_subjects=1, n_targets=12, n_samples=60))
    shutil.copytree(study.parent / "responses", tmp_path / f"{USER}s_data")
    begin = WAYS[way](home, study.parent)
    text = study.read_text().replace('"responses/', begin)
    text = text.replace('.npy"', ".npy'") if way == "literal" else text
    text = text.replace(".npy'\n", '.npy"\n') if way == "literal" else text
    comment = f"# from {tmp_path}/{USER}/x.npy, and ~{USER}/y; 1/f noise and sound/words stay\n"
    study.write_text(comment + text.replace('output = "results"', f'output = "results"  # not {home}/other/results'))
    loaded = load_study(study)
    run_study(loaded, study)
    results = Results.open(study.parent / "results")
    assert told(results.path, *words(tmp_path)) == []
    kept = results.path / "study.toml"
    assert "1/f noise and sound/words stay" in kept.read_text() or way == "escaped"
    tables = results.study
    assert set(tables) == set(loaded.model_fields_set)
    assert tables["features"]["sound"]["files"] == "features/sound_{run}.npy"
    named = next(value for value in str(tables["data"]["files"]).split("'") if ".npy" in value)
    file = "{subject}_train-1.npy"
    kept_as = {"home": "~/study/responses/", "variable": "${HOME}/study/responses/"}
    if way in ("elsewhere", "relative", "home elsewhere"):
        assert re.fullmatch(re.escape(file) + "-[0-9a-f]{8}", named)
    else:
        assert named == kept_as.get(way, "responses/") + file
    assert results.find_path(named).parent.samefile(Path(str(loaded.data.files["train-1"])).parent)
    assert results.find_path("features").samefile(study.parent / "features")
    before = {path: path.stat().st_mtime_ns for path in results.path.rglob("*")}
    run_study(loaded, study)
    assert {path: path.stat().st_mtime_ns for path in results.path.rglob("*")} == before


def test_the_study_file_of_results_is_the_same_where_no_path_leads_out(home: Path) -> None:
    study = without_figures(simulate_arrays(home / "study", n_subjects=1, n_targets=12, n_samples=60))
    study.write_bytes(study.read_bytes().replace(b"\n", b"\r\n") + b'# a comment with "responses/x" and 1/2/3\n')
    run_study(load_study(study), study)
    assert (home / "study/results/study.toml").read_bytes() == study.read_bytes()


def test_an_atlas_elsewhere_is_found_again(
    home: Path, surface_study: Path, tmp_path: Path, b2m: B2m, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, atlas = home / "project", tmp_path / "atlases"
    shutil.move(surface_study.parent, project)
    atlas.mkdir()
    for path in project.glob("hemi-*"):
        shutil.move(path, atlas)
    study = project / "study.toml"
    study.write_text(study.read_text().replace('"hemi-{hemi}', f'"{atlas}/hemi-{{hemi}}'))
    code, printed = b2m("run", study)
    assert code == 0, printed
    assert told(project / "results", *words(tmp_path)) == []
    code, printed = b2m("figure", project / "results", "accuracy")
    assert code == 0, printed
    shutil.rmtree(project / ".results.work")
    code, printed = b2m("figure", project / "results", "accuracy")
    assert code == 0, printed


def test_a_corpus_names_no_folder(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("B2M_CACHE", str(tmp_path / "cache"))
    audio, rng = home / "recordings", np.random.default_rng(0)
    audio.mkdir()
    for name in ("a", "b"):
        soundfile.write(audio / f"{name}.wav", 0.1 * rng.standard_normal(12 * 8000), 8000)
    space = AudioEmbeddingSpace.of_model("acoustic")
    for folder in (home / "corpus", tmp_path / "shared/corpus"):
        assert build_corpus(audio, folder, space).path(0) == audio / "a.wav"
        assert told(folder, *words(tmp_path)) == []
    assert Corpus.open(home / "corpus").record["audio"] == "../recordings"
    shutil.move(home, tmp_path / "moved")
    assert Corpus.open(tmp_path / "moved/corpus").path(0) == tmp_path / "moved/recordings/a.wav"
    assert not Corpus.open(tmp_path / "shared/corpus").audio.is_dir()


def test_paths_and_arguments_as_they_are_shared(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "study")
    folder = tmp_path / "study"
    folder.mkdir()
    assert portable_path(folder / "a/../b.npy", folder) == "b.npy"
    assert portable_path(tmp_path / "link/b.npy", folder) == "b.npy"
    assert portable_path(folder, folder) == "."
    assert re.fullmatch(r"b\.npy-[0-9a-f]{8}", portable_path(tmp_path / "b.npy", folder))
    assert portable_path(tmp_path / "b.npy", folder) != portable_path(tmp_path / "c/b.npy", folder)
    arguments = [
        "/opt/bin/b2m",
        "run",
        f"{tmp_path}/s.toml",
        "--cluster",
        f"tcp://{USER}.host:8786",
        f"--out={tmp_path}/x",
    ]
    assert portable_arguments(arguments) == ["b2m", "run", "s.toml", "--cluster", "tcp", "--out=x"]
