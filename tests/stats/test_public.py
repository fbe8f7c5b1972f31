"""The public interface of the statistics: light to import, complete, documented."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from b2m_encoding import stats

HEAVY = "torch", "statsmodels", "sklearn", "scipy"


def test_import_loads_no_solver() -> None:
    code = f"import b2m_encoding.stats, sys; print(sorted({set(HEAVY)!r} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_names_are_listed_before_they_are_loaded() -> None:
    assert set(stats.__all__) <= set(dir(stats))
    with pytest.raises(AttributeError, match="attribute prefers"):
        _ = stats.prefers


@pytest.mark.parametrize("name", stats.__all__)
def test_public_names_are_documented(name: str) -> None:
    thing = getattr(stats, name)
    assert callable(thing)  # a module of the same name would hide it
    text = inspect.getdoc(thing) or ""
    assert "Parameters\n----------" in text
    parameters = [p for p in inspect.signature(thing).parameters if p not in ("self", "options")]
    section = text.split("Parameters\n----------\n")[1]
    assert [p for p in parameters if p not in section] == []
    nothing = inspect.isclass(thing) or inspect.signature(thing).return_annotation == "None"
    assert nothing or "Returns\n-------" in text
