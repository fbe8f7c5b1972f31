"""Rows of `faults.py`: inputs that change during a run, random edits of a study, workers that die."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from faults_bench import Bench, Found, call, content, differing, run

from b2m_encoding.phantom import simulate_arrays
from b2m_encoding.results.reader import Results
from b2m_encoding.study import load_study
from b2m_encoding.workflow.engine.cluster import ClusterSpec
from b2m_encoding.workflow.run import run_study, work_folder

EDITS: dict[str, tuple[Any, ...]] = {
    "name": ("a", "b"),
    "note": ("simulated data", "simulated, too"),
    "seed": (0, 1, 2),
    "model.delays": ([1.5, 3.0], [0.0, 1.5], [3.0]),
    "model.solver": ("ridge", "banded"),
    "model.scalings": (5, 8),
    "model.alphas": ({"number": 5}, {"low": 1.0, "high": 1e4, "number": 7}),
    "model.alpha_per": ("target", "all"),
    "model.center": ("all", "block"),
    "model.folds": (2, 3),
    "model.parts": (1, 3),
    "model.memory": (2.0, 0.0001),
    "cleaning.detrend": ("cosine", "linear", "none"),
    "cleaning.zscore": (True, False),
    "data.discard": (0.0, 3.0, 6.0),
    "data.subjects": (["01", "02"], ["02", "01"]),
    "evaluation.kind": ("test", "cross-validation"),
    "evaluation.test_runs": ("test*", "test-1", "t*-2"),
    "statistics.test": ("auto", "shift", "block", "paper"),
    "statistics.permutations": (200, 300),
    "statistics.bootstraps": (100, 150),
    "statistics.block": (15.0, 6.0),
    "statistics.q": (0.05, 0.2),
    "statistics.level": (0.95, 0.9),
    "statistics.correction": ("bh", "by", "fwe"),
    "statistics.preference": ("r", "unique"),
    "statistics.partition": (True, False),
    "statistics.intervals": (True, False),
    "statistics.audit": (True, False),
    "statistics.inter_subject": (True, False),
    "results.weights": (True, False),
    "results.statistics": (True, False),
    "figures.dpi": (100, 150),
    "figures.width_mm": (89, 183),
    "features.sound.pca": (2, 3),
    "features.extra": ({"extractor": "array", "files": "features/sound_{run}.npy", "pca": 1},),
    "windows": (),
    "file": ("responses/01_train-1.npy", "responses/02_test-1.npy", "features/words_train-2.npy"),
}
"""Values of the keys of a study; None, which removes the key, may follow each."""


def midrun_change(bench: Bench, n_rounds: int) -> Found:
    """An input or the study file changed after a random unit: nothing wrong is published, the next run is right."""
    rng, survived = np.random.default_rng(0), []
    names = ("responses/01_train-1.npy", "responses/01_test-1.npy", "features/sound_train-2.npy", "study.toml")
    n_units = len(list(bench.work.rglob("record.json"))) + 1
    for number in range(n_rounds):
        path, moment = bench.study.parent / names[number % len(names)], int(rng.integers(0, n_units))
        old = path.read_bytes()
        new = (
            old + b"\n# edited\n"
            if path.suffix == ".toml"
            else old[:-4] + rng.standard_normal(1).astype("<f4").tobytes()
        )
        if number // len(names) % 2 == 0:
            bench.reset()

        def progress(_: str, done: int, __: int, path: Path = path, new: bytes = new, moment: int = moment) -> None:
            if done >= moment and path.read_bytes() != new:
                path.write_bytes(new)

        before = content(bench.results) if bench.results.exists() else {}
        code = call(lambda: run_study(load_study(bench.study), bench.study, progress=progress))
        after = content(bench.results) if bench.results.exists() else {}
        path.write_bytes(new)
        right = call(run, bench.study) == 0
        found = content(bench.results)
        bench.reset()
        right = right and call(run, bench.study) == 0 and content(bench.results) == found
        wrong = (code != 0 and after != before) or (code == 0 and after not in (before, bench.expected, found))
        survived.append(right and not wrong)
        path.write_bytes(old)
    return {"survived": all(survived) and bench.recovers(), "rounds": len(survived), "failed": survived.count(False)}


def edits(folder: Path, n_edits: int) -> Found:
    """A random walk of single edits: each incremental result equals one from scratch, and the first one again."""
    rng, wrong, refused = np.random.default_rng(0), [], 0
    study = simulate_arrays(folder / "edits/study", n_targets=24, n_samples=60)
    fresh, keys = folder / "edits/fresh", list(EDITS)
    tables = first = tomllib.loads(study.read_text(encoding="utf-8"))
    assert call(run, study) == 0
    begin, done = content(study.parent / "results"), 0
    for _ in range(4 * n_edits):
        if done == n_edits:
            break
        key = keys[rng.integers(len(keys))]
        new = _edited(study.parent, tables, key, rng)
        if new is None:
            continue
        study.write_text(_toml(new), encoding="utf-8")
        if call(_silently, study) != 0:  # a study that is impossible, or refused because subjects would be lost
            refused += 1
            study.write_text(_toml(tables), encoding="utf-8")
            continue
        tables, done = new, done + 1
        if call(_from_scratch, study, fresh) != 0 or content(fresh / "results") != content(study.parent / "results"):
            wrong.append(f"{key}: {differing(content(fresh / 'results'), content(study.parent / 'results'))}")
            print("edit", wrong[-1], flush=True)
    for path in fresh.glob("*/*.npy"):
        if path.name.endswith(".first.npy"):
            shutil.copy(path, study.parent / path.parent.name / path.name)
    _restore(study.parent)
    study.write_text(_toml(first), encoding="utf-8")
    again = call(run, study) == 0 and _without_study(content(study.parent / "results")) == _without_study(begin)
    return {"survived": not wrong and again, "edits": done, "refused": refused, "wrong": "; ".join(wrong) or "none"}


def _without_study(found: dict[str, str]) -> dict[str, str]:
    return {name: digest for name, digest in found.items() if name != "study.toml"}


def _silently(study: Path) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    run(study)


def _from_scratch(study: Path, fresh: Path) -> None:
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(study.parent, fresh, ignore=shutil.ignore_patterns("results", ".results*"))
    run(fresh / study.name)


def _edited(folder: Path, tables: dict[str, Any], key: str, rng: np.random.Generator) -> dict[str, Any] | None:
    """Tables with another value of a key, or with another file; None where nothing would change."""
    if key == "file":
        path = folder / EDITS[key][rng.integers(len(EDITS[key]))]
        kept = path.with_name(f".{path.name}.first")
        if not kept.exists():
            shutil.copy(path, kept)
        values = np.load(path)
        values[rng.integers(len(values)), rng.integers(values.shape[1])] += 1
        np.save(path, values)
        return tables
    new = json.loads(json.dumps(tables))
    *parents, last = key.split(".")
    place = new
    for part in parents:
        place = place.setdefault(part, {})
    values = [value for value in (*EDITS[key], None) if value != place.get(last)]
    value = values[rng.integers(len(values))] if values else None
    if value is None and (last in ("name", "subjects", "kind") or last not in place):
        return None
    place.pop(last, None) if value is None else place.update({last: value})
    return new


def _restore(folder: Path) -> None:
    for kept in folder.rglob(".*.first"):
        shutil.move(kept, kept.with_name(kept.name.removeprefix(".").removesuffix(".first")))


def _toml(tables: dict[str, Any]) -> str:
    return "".join(f"{json.dumps(key)} = {_inline(value)}\n" for key, value in tables.items())


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_inline(item)}" for key, item in value.items()) + " }"
    return "[" + ", ".join(map(_inline, value)) + "]" if isinstance(value, list) else json.dumps(value)


def worker_death(folder: Path, n_kills: int) -> Found:
    """A worker of `--cluster local:2` killed at random moments: its units are computed again by another one."""
    rng, survived, died = np.random.default_rng(0), [], 0
    here, there = (simulate_arrays(folder / "workers" / name, n_subjects=1) for name in ("here", "there"))
    assert call(run, here) == 0
    expected = content(here.parent / "results")
    for _ in range(n_kills):
        for path in there.parent.glob("*results*"):
            shutil.rmtree(path)

        def work() -> None:
            victims: list[int] = []

            def kill_one() -> None:
                records = work_folder(load_study(there)).path
                wanted = int(rng.integers(1, 8))
                while sum("record.json" in files for _, _, files in os.walk(records)) < wanted:
                    time.sleep(0.005)
                found = [
                    one for one in psutil.Process().children(recursive=True) if "spawn_main" in " ".join(one.cmdline())
                ]
                found[-1].kill()
                victims.append(found[-1].pid)

            killer = threading.Thread(target=kill_one, daemon=True)
            killer.start()
            run_study(load_study(there), there, cluster=ClusterSpec("local:2"))
            (there.parent / "killed").write_text(str(len(victims)))

        rng.integers(8)  # the child has a copy of the generator
        code = call(work)
        died += int((there.parent / "killed").read_text() or 0) if code == 0 else 0
        survived.append(code == 0 and content(there.parent / "results") == expected)
    r = [Results.open(one.parent / "results").map("01", "joint", "r") for one in (here, there)]
    largest = float(np.nanmax(np.abs(r[0] - r[1])))
    return {"survived": all(survived) and died == n_kills, "kills": died, "largest difference": largest}
