"""Figures, pages and reports of finished results load no solver."""

from __future__ import annotations

import subprocess
import sys

import pytest

SOLVERS = ("sklearn", "statsmodels", "torch", "transformers")
MODULES = ("gallery.kinds", "gallery.draw", "gallery.explorer", "gallery.report", "cli.figures")


def loaded(module: str, packages: tuple[str, ...]) -> list[str]:
    """Packages that a fresh interpreter holds after importing a module of b2m_encoding."""
    code = f"import sys, b2m_encoding.{module}; print(*[name for name in {packages!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return result.stdout.split()


@pytest.mark.parametrize("module", MODULES)
def test_the_gallery_loads_no_solver(module: str) -> None:
    assert loaded(module, SOLVERS) == []


@pytest.mark.parametrize("module", ["figures.settings", "study", "cli.figures"])
def test_the_look_of_figures_is_read_without_matplotlib(module: str) -> None:
    assert loaded(module, ("matplotlib",)) == []


def test_the_comparison_sees_a_solver() -> None:
    assert "torch" in loaded("models.model", SOLVERS)
