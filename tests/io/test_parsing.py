"""JSON and TOML that are nested without end are errors of the file, wherever they are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.io.parsing import load_toml, parse_json
from b2m_encoding.io.toml import read_toml
from b2m_encoding.results.manifest import read_manifest

DEEP = "[" * 100_000


def test_deep_nesting_is_an_error_of_the_content(tmp_path: Path) -> None:
    for parse, text in ((parse_json, DEEP), (load_toml, f"a = {DEEP}"), (parse_json, '{"a":' * 100_000)):
        with pytest.raises(ValueError, match="nested too deeply"):
            parse(text)
    for parse, text in ((parse_json, "{"), (load_toml, "a = ")):
        with pytest.raises(ValueError, match=r"line 1|end of document"):
            parse(text)
    (tmp_path / "study.toml").write_text(f"a = {DEEP}")
    with pytest.raises(InputError, match="not valid TOML"):
        read_toml(tmp_path / "study.toml", "the study file")
    (tmp_path / "manifest.json").write_text(DEEP)
    assert read_manifest(tmp_path) is None
