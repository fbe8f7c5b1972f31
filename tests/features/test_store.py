"""Features on disk: the same recipe finds them, damage is found and repaired, nobody sees half a file."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.features.store import Store, array_key, check_store

RECIPE = {"network": {"name": "some", "revision": "abc"}, "layer": 7}
ROOT = Path(__file__).parents[2]


def arrays(seed: int, n: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {f"{seed}-{i}": rng.standard_normal((4, 8)).astype(np.float32) for i in range(n)}


def equal(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> bool:
    return found.keys() == expected.keys() and all(np.array_equal(found[key], expected[key]) for key in expected)


def test_what_was_kept_is_found_by_the_same_recipe_alone() -> None:
    Store(RECIPE, {"packages": "1"}).add(arrays(0))
    assert equal(Store(RECIPE, {"packages": "2"}).find([*arrays(0), "other"]), arrays(0))
    for other in ({"layer": 8}, {"network": {"name": "some", "revision": "abd"}}, {"window": 5.0}):
        assert Store({**RECIPE, **other}).find(arrays(0)) == {}


def test_the_recipe_lies_beside_the_arrays() -> None:
    store = Store(RECIPE, {"packages": "1"})
    store.add(arrays(0))
    record = json.loads((store.folder / "recipe.json").read_text())
    assert {key: record[key] for key in RECIPE} == RECIPE
    assert record["notes"] == {"packages": "1"}
    assert {path.suffix for path in store.folder.iterdir()} == {".json", ".safetensors"}


@pytest.mark.parametrize("damage", ["flipped", "truncated", "empty", "header"])
def test_damage_is_found_reported_and_repaired(damage: str, caplog: pytest.LogCaptureFixture) -> None:
    store = Store(RECIPE)
    store.add(arrays(0))
    store.add(arrays(1))
    path = next(p for p in store.folder.glob("*.safetensors") if b"0-1" in p.read_bytes())
    content = bytearray(path.read_bytes())
    content[-5 if damage == "flipped" else 3] ^= 0xFF
    size = {"truncated": len(content) // 2, "empty": 0}.get(damage, len(content))
    path.write_bytes(content[:size])
    with caplog.at_level(logging.WARNING):
        assert equal(store.find([*arrays(0), *arrays(1)]), arrays(1))
    assert path.name in caplog.text
    store.add(arrays(0))
    assert equal(store.find([*arrays(0), *arrays(1)]), {**arrays(0), **arrays(1)})


WRITER = """
import sys
import numpy as np
from b2m_encoding.features.store import Store
name, count = sys.argv[1], int(sys.argv[2])
store = Store({"layer": 7})
for i in range(count):
    store.add({f"{name}-{i}": np.full((50, 50), i, np.float32)})
    print(i, flush=True)
"""


def writer(name: str, count: int) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, name, str(count)], stdout=subprocess.PIPE, text=True, env=environment
    )


def test_two_processes_fill_one_store_and_one_is_killed() -> None:
    """What the killed one had announced is there; nothing half-written is ever read."""
    with writer("patient", 40) as patient, writer("killed", 100_000) as killed:
        assert killed.stdout is not None
        announced = [int(killed.stdout.readline()) for _ in range(20)]
        killed.kill()
        assert patient.wait() == 0
    keys = [f"patient-{i}" for i in range(40)] + [f"killed-{i}" for i in announced]
    found = Store({"layer": 7}).find(keys)
    assert set(found) == set(keys)
    assert all((array == int(key.rpartition("-")[2])).all() for key, array in found.items())


def test_a_folder_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("B2M_CACHE", "/proc/b2m")
    with caplog.at_level(logging.WARNING):
        Store(RECIPE).add(arrays(0))
    assert "cannot be stored" in caplog.text
    with pytest.raises(InputError, match=r"(?s)cannot be stored.*B2M_CACHE"):
        check_store()


def test_keys_tell_parts_apart() -> None:
    spans = np.array([[0.0, 1.5]])
    assert array_key("ab", "c") != array_key("a", "bc")
    assert array_key("a", spans) != array_key("a", spans + 1e-6)
    assert array_key("a", spans) == array_key("a", spans.copy())


def test_files_of_the_user_in_a_store_are_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    store = Store(RECIPE)
    store.add(arrays(0))
    mine = store.folder / "mine.safetensors"
    mine.write_bytes(b"years of work")
    with caplog.at_level(logging.WARNING):
        assert equal(store.find(arrays(0)), arrays(0))
    assert mine.read_bytes() == b"years of work"
    assert not caplog.text
    (check_store() / ".writable").write_text("mine")
    assert (check_store() / ".writable").read_text() == "mine"
