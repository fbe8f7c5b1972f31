"""Figures, pages and reports of finished results load no solver."""

from __future__ import annotations

import subprocess
import sys

SOLVERS = ("sklearn", "statsmodels", "torch", "transformers")


def loaded(modules: tuple[str, ...], packages: tuple[str, ...]) -> list[str]:
    """Packages that a fresh interpreter holds after importing modules of b2m_encoding."""
    imports = ", ".join(f"b2m_encoding.{module}" for module in modules)
    code = f"import sys, {imports}; print(*[name for name in {packages!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return result.stdout.split()


def test_the_gallery_loads_no_solver() -> None:
    modules = ("gallery.kinds", "gallery.draw", "gallery.explorer", "gallery.report", "cli.figures")
    assert loaded(modules, SOLVERS) == []


def test_the_look_of_figures_is_read_without_matplotlib() -> None:
    assert loaded(("figures.settings", "study", "cli.figures"), ("matplotlib",)) == []


def test_the_comparison_sees_a_solver() -> None:
    assert "torch" in loaded(("models.model",), SOLVERS)
