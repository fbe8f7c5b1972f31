"""What is in the wheel."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import b2m_encoding

ROOT = Path(__file__).resolve().parents[1]


def build(kind: str, folder: Path) -> Path:
    """Build the wheel or the sdist, without network."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [built] = folder.glob(f"b2m_encoding-{b2m_encoding.__version__}*")
    return built


def test_the_wheel_holds_every_file_that_the_package_reads(tmp_path: Path) -> None:
    """Atlases, templates, surfaces, fonts, pages: whatever lies in the package beside its modules, and nothing else."""
    wheel = build("wheel", tmp_path)
    assert wheel.name == f"b2m_encoding-{b2m_encoding.__version__}-py3-none-any.whl"
    package = ROOT / "b2m_encoding"
    files = [path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    wanted = {f"b2m_encoding/{path.relative_to(package).as_posix()}" for path in files}
    wanted |= {f"b2m_encoding/_atlases/{path.name}" for path in (ROOT / "atlases").iterdir()}
    assert {Path(name).suffix for name in wanted} > {
        ".py",
        ".toml",
        ".j2",
        ".js",
        ".css",
        ".npz",
        ".gz",
        ".ttf",
        ".bib",
    }
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == wanted


def test_the_sdist_holds_what_the_wheel_is_made_of(tmp_path: Path) -> None:
    with tarfile.open(build("sdist", tmp_path)) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "CITATION.cff", "b2m_encoding/__init__.py"} <= names
    assert {f"atlases/{path.name}" for path in (ROOT / "atlases").iterdir()} <= names


def test_one_version_is_told_everywhere() -> None:
    version = b2m_encoding.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    first = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert first is not None
    assert first[1] == version


def test_importing_is_light_and_leaves_no_file(tmp_path: Path) -> None:
    """No torch, no plotting, no network and no file in the home folder before they are needed."""
    code = "import sys, b2m_encoding; print([m for m in ('torch', 'matplotlib', 'nilearn') if m in sys.modules])"
    environment = {"HOME": str(tmp_path), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
    assert not list(tmp_path.iterdir())


HEAVY = ("torch", "sklearn", "pandas", "matplotlib", "nilearn", "scipy.sparse", "scipy.signal", "scipy.ndimage")


@pytest.mark.parametrize("room", ["io.removal", "spaces", "data", "data.sources"])
def test_opening_a_study_loads_no_heavy_package(room: str) -> None:
    code = f"import sys, b2m_encoding.{room}; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


TORCH = re.compile(r"'(torch==[\d.]+)'")
CONDA = {"lazy-loader": "lazy_loader", "matplotlib": "matplotlib-base", "soundfile": "pysoundfile",
         "soxr": "soxr-python", "torch": "pytorch"}  # fmt: skip
"""Packages that conda-forge names otherwise."""


@pytest.mark.parametrize(
    ("name", "copied"), [("Dockerfile", r"^COPY (.*) \S+$"), ("apptainer.def", r"^    (\S+) /opt/b2m-encoding/\S+$")]
)
def test_containers_copy_what_is_there_and_install_the_tested_versions(name: str, copied: str) -> None:
    text = (ROOT / "containers" / name).read_text()
    files = {file for line in re.findall(copied, text, re.MULTILINE) for file in line.split()}
    assert [file for file in files if not (ROOT / file).exists()] == []
    built = {"pyproject.toml", "constraints.txt", "README.md", "LICENSE", "atlases", "b2m_encoding"}
    assert files == built  # what the wheel is made of
    assert text.count("pip install") == text.count("--constraint constraints.txt") == 2
    assert TORCH.findall(text) == TORCH.findall((ROOT / "Makefile").read_text())
    assert f"\n{TORCH.findall(text)[0]}" in (ROOT / "constraints.txt").read_text()


def test_the_conda_recipe_has_the_dependencies_of_the_package() -> None:
    text = (ROOT / "conda" / "recipe.yaml").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f'version: "{b2m_encoding.__version__}"' in text
    run = re.findall(r"^    - (\S+) (\S+)$", text.split("  run:")[1].split("tests:")[0], re.MULTILINE)
    wanted = [re.split(r"(?=[>=<])", one, maxsplit=1) for one in project["dependencies"]]
    assert run == [("python", project["requires-python"]), *((CONDA.get(one, one), bound) for one, bound in wanted)]
    [(command, target)] = project["scripts"].items()
    assert f"- {command} = {target}" in text
    assert all((ROOT / file).is_file() for file in project["license-files"])
