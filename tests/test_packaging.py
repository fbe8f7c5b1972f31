"""What is in the wheel."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import b2m_encoding

ROOT = Path(__file__).resolve().parents[1]


def test_the_wheel_holds_what_is_not_code(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    assert wheel.name == f"b2m_encoding-{b2m_encoding.__version__}-py3-none-any.whl"
    names = zipfile.ZipFile(wheel).namelist()
    page = [f"figures/interactive/{name}" for name in ("page.html.j2", "style.css", "main.js")]
    hcp = [f"spaces/hcp/{name}" for name in ("fsaverage5_sphere_on_fsLR.npz", "Atlas_ROIs.2.nii.gz", "LICENSE.md")]
    data = (*hcp, "_atlases/hcp-mmp1.toml", "features/weights/catalogue.toml", "workflow/templates/demo.toml")
    for needed in (*data, "results/report/references.bib", "results/report/templates/page.html.j2", *page):
        assert f"b2m_encoding/{needed}" in names
    assert not [name for name in names if name.startswith(("tests/", "shared/", "docs/"))]


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
