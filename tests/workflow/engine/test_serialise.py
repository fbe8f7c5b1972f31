"""Objects come back from files as they were, and nothing but objects of the package does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from b2m_encoding.errors import InputError
from b2m_encoding.io.stored_arrays import StoredArray
from b2m_encoding.runs import Runs
from b2m_encoding.stats.ceilings import NoCeiling
from b2m_encoding.stats.sums.blocks import BlockSums, Predicted
from b2m_encoding.stats.sums.join import join_targets, merge_blocks
from b2m_encoding.workflow.engine.serialise import load_tree, save_tree, size_in_memory

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
NUMBERS = arrays.arrays(st.sampled_from(["f4", "f8", "i8", "?", "U3"]), arrays.array_shapes(min_side=0, max_dims=2))
KEYS = st.text() | st.tuples(st.text(), st.integers())
TREES = st.recursive(
    LEAVES | NUMBERS,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(KEYS, inner),
    max_leaves=8,
)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@given(TREES)
def test_what_is_saved_comes_back(tmp_path_factory: pytest.TempPathFactory, tree: Any) -> None:
    folder = tmp_path_factory.mktemp("tree")
    save_tree(tree, folder)
    assert same(load_tree(folder), tree)


def test_objects_of_the_package_come_back(tmp_path: Path) -> None:
    runs = Runs.from_labels(["a", "a", "b"], 1.5, clip=["x", "", "é"])
    save_tree({("mulan",): [runs, NoCeiling("one presentation")]}, tmp_path)
    found, ceiling = load_tree(tmp_path)["mulan",]
    assert found.names == ("a", "b")
    assert found.clip.tolist() == ["x", "", "é"]
    assert found.tr == 1.5
    assert ceiling == NoCeiling("one presentation")


@pytest.mark.parametrize(
    "name", ["os:system", "builtins:eval", "b2m_encoding.runs:np", "b2m_encoding.errors:InputError"]
)
def test_other_types_are_refused(tmp_path: Path, name: str) -> None:
    save_tree(NoCeiling("x"), tmp_path)
    structure = json.loads((tmp_path / "value.json").read_text())
    (tmp_path / "value.json").write_text(json.dumps({**structure, "class": name}))
    with pytest.raises(InputError, match="unknown type"):
        load_tree(tmp_path)


def test_what_cannot_come_back_is_not_saved(tmp_path: Path) -> None:
    for value in (object(), np.array([{}], dtype=object), {"a": {1, 2}}):
        with pytest.raises(TypeError, match="cannot be stored"):
            save_tree(value, tmp_path)


def test_large_arrays_stay_in_their_file_until_they_are_used(tmp_path: Path, rng: np.random.Generator) -> None:
    y, p = rng.standard_normal((2, 3, 5))
    sums = BlockSums(np.ones(3), np.zeros(3, int), y, y**2, {("a",): Predicted(p, p**2, p * y)}, np.array(["x"] * 3))
    save_tree(sums, tmp_path)
    stored = load_tree(tmp_path, large=False)
    assert isinstance(stored.y, StoredArray)
    assert isinstance(stored.models["a",].py, StoredArray)
    assert stored.labels.tolist() == ["x"] * 3
    assert size_in_memory(stored) == sums.n.nbytes + sums.split.nbytes + sums.labels.nbytes
    assert size_in_memory(load_tree(tmp_path)) == size_in_memory(sums)
    joined = join_targets([stored, stored])
    twice = BlockSums(sums.n, sums.split, *(np.tile(one, 2) for one in (y, y**2)),
                      {("a",): Predicted(*(np.tile(one, 2) for one in (p, p**2, p * y)))}, sums.labels)  # fmt: skip
    for measure in ("r", "r2"):
        np.testing.assert_array_equal(joined.scores(measure)["a",], twice.scores(measure)["a",])
        np.testing.assert_array_equal(joined.contributions(("a",), measure), twice.contributions(("a",), measure))
    np.testing.assert_array_equal(joined.take_targets(slice(3, 8)).y, twice.y[:, 3:8])
    runs = Runs.from_lengths([6], 1.5)
    merged, expected = (
        merge_blocks(one, runs, 2, 4) for one in (replace(joined, n=2 * sums.n), replace(twice, n=2 * sums.n))
    )
    assert merged.n.tolist() == [6.0]
    np.testing.assert_array_equal(np.asarray(merged.y), expected.y)
    np.testing.assert_array_equal(merged.scores()["a",], expected.scores()["a",])
