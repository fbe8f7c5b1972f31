"""The contract of the results folder: what a study writes is in the schema, and named nowhere else."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import b2m_encoding
from b2m_encoding.results.bundle import ResultsWriter
from b2m_encoding.results.reader import Results
from b2m_encoding.results.schema import GROUP, MAPS, TABLES, MapKind, Table, files, tables
from b2m_encoding.results.schema.files import entity

PACKAGE = Path(b2m_encoding.__file__).parent
KNOWN = {getattr(files, name) for name in vars(files) if name.isupper() and isinstance(getattr(files, name), str)}


def kinds_of(results: Results) -> dict[tuple[str, str, bool], MapKind]:
    """Every map that the schema allows, by the names in its file."""
    names = results.feature_spaces
    return {(entity(desc), kind.stat, kind.group): kind for kind in MAPS for desc in kind.descs(names)}


def pattern(description: str) -> str:
    return re.sub(r"\\\{\w+\\\}", ".+", re.escape(description))


def table_of(path: Path, root: Path) -> Table:
    subject = path.parent.name.removeprefix("sub-") if path.parent != root else ""
    return next(table for table in TABLES if table.file.format(subject=subject) == path.name)


def test_every_map_of_a_study_is_in_the_schema(finished: Path) -> None:
    results = Results.open(finished)
    kinds = kinds_of(results)
    assert len(results.files) > 15
    for subject, desc, stat in results.files:
        kind = kinds[desc, stat, subject == GROUP]
        sidecar = results.sidecar(subject, desc, stat)
        assert re.fullmatch(pattern(kind.description), sidecar["Description"]), (desc, stat)


def test_every_table_and_column_of_a_study_is_in_the_schema(finished: Path) -> None:
    paths = [path for path in finished.rglob("*.tsv") if path.parent.name != "figures"]
    assert len(paths) > 10
    for path in paths:
        table, columns = table_of(path, finished), list(pd.read_csv(path, sep="\t", nrows=0))
        assert columns == [name for name in table.columns if name in columns], path.name
        optional = {"accuracy_within", "accuracy_unheard", "accuracy_unheard_within"}
        assert set(table.columns) - set(columns) <= optional, path.name
        if table.described:
            described = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            assert described == {name: {"Description": text} for name, text in table.columns.items()}


def test_every_other_file_of_a_study_is_in_the_schema(finished: Path) -> None:
    allowed = KNOWN | {table.file for table in TABLES} | {table.sidecar for table in TABLES if table.described}
    patterns = "|".join(pattern(name) for name in allowed)
    others = [path.name for path in finished.iterdir() if not re.fullmatch(patterns, path.name)]
    assert others == []
    inside = [path.name for path in (finished / "sub-01").iterdir() if "_statmap" not in path.name]
    assert [name for name in inside if not re.fullmatch(patterns, re.sub(r"\.json$", ".npz", name))] == []


def literals(path: Path) -> Iterator[str]:
    """Strings of a module, those within f-strings too; docstrings left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value


def test_no_other_module_names_a_table() -> None:
    names = {table.file for table in TABLES} | {files.IDENTIFICATION_SUMMARY, files.REGION_MODEL_SUMMARY, files.ATLAS}
    names |= {files.PROVENANCE, files.MANIFEST}
    modules = [path for path in PACKAGE.rglob("*.py") if "schema" not in path.parts]
    assert len(modules) > 200
    found = {(path.name, text) for path in modules for text in literals(path) for name in names if name in text}
    assert found == {("corpus.py", tables.CLIPS.file)}  # the table of a corpus, which is no table of results


def test_names_are_unique() -> None:
    assert len({(kind.of, kind.stat, kind.group) for kind in MAPS if kind.of != "sets"}) == len(MAPS) - 2
    assert len({table.file for table in TABLES}) == len(TABLES)


def test_columns_are_those_of_the_schema(tmp_path: Path) -> None:
    with ResultsWriter(tmp_path / "results", "test") as writer:
        writer.write_table(tables.BREAKDOWN, [{"subject": "01", "score": 0.5}])
        writer.write_table(tables.REGIONS, pd.DataFrame({"score": [np.nan], "subject": ["01"]}))
        with pytest.raises(ValueError, match=r"breakdown.tsv: the schema describes no column r"):
            writer.write_table(tables.BREAKDOWN, [{"subject": "01", "r": 0.5}])
    text = (tmp_path / "results" / tables.BREAKDOWN.file).read_text()
    assert text == "subject\tby\tlabel\tscore\ttargets\tsamples\n01\tn/a\tn/a\t0.5\tn/a\tn/a\n"
    assert (tmp_path / "results" / tables.REGIONS.file).read_text() == "subject\tscore\n01\tn/a\n"
