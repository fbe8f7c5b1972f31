"""Faults: commands killed, files damaged, disks full, names hostile, many at once. Each row says whether all survived.

    python benchmarks/faults.py [--quick] [--kills N] [--case NAME]

Small simulated studies are run once undisturbed; after every fault the same command is given again, and maps, tables
and weights must equal those of the undisturbed run bit for bit. Files of the user must be as they were. Children are
forked from a process that has imported everything, so that a kill falls into the command and not into Python's start.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from faults_bench import REFUSED, Bench, Found, call, content, exit_code, in_child, killed, run
from faults_changes import edits, midrun_change, worker_death
from faults_commands import COMMANDS, report
from faults_outputs import disk_full, formats_run, privacy
from faults_places import fifo, foreign_files, mounts, traversal
from faults_sizes import many_events, many_regions, many_subjects, wide_view
from harness import Row, arguments, environment, finish, save

from b2m_encoding.errors import InputError
from b2m_encoding.phantom import simulate_arrays
from b2m_encoding.results.reader import Results

GROWTH_MB = 100.0
"""Of memory over 200 studies, once ten have been done."""


def kills(bench: Bench, n_kills: int) -> Found:
    """SIGKILL at random moments of a run from the start, each followed by a run to the end."""

    def check(ended: bool) -> bool:
        left = [path.name for path in bench.study.parent.glob(".results.*") if path != bench.work]
        return bench.whole() and (not ended or (content(bench.results) == bench.expected and not left))

    return killed(bench.reset, partial(run, bench.study), check, n_kills)


def flips(bench: Bench, n_files: int) -> Found:
    """One byte changed in files of every kind: the next run finds it, and a reader refuses it."""
    rng = np.random.default_rng(0)
    stored = [
        p for folder in (bench.results, bench.work) for p in folder.rglob("*") if p.is_file() and p.stat().st_size
    ]
    kinds: dict[str, list[Path]] = {}
    for path in sorted(stored):
        if path.name != "lock":
            own = path.relative_to(bench.study.parent).parts
            kinds.setdefault(f"{own[0]}/{own[1] if own[0].startswith('.') else ''}/{path.suffix}", []).append(path)
    chosen = [paths[rng.integers(len(paths))] for paths in kinds.values()]
    others = [path for path in stored if path not in chosen and path.name != "lock"]
    chosen += [others[i] for i in rng.permutation(len(others))[: max(0, n_files - len(chosen))]]
    chosen = [chosen[i] for i in sorted(rng.permutation(len(chosen))[:n_files])]
    survived = []
    for path in chosen:
        damaged = bytearray(path.read_bytes())
        damaged[rng.integers(len(damaged))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        refused = path.is_relative_to(bench.work) or path.name == "manifest.json" or refuses(bench.results, path)
        survived.append(refused and bench.recovers())
    return {"survived": all(survived), "files": len(chosen), "kinds": len(kinds)}


def refuses(results: Path, path: Path) -> bool:
    """Whether a reader of the results refuses a damaged file."""
    try:
        Results.open(results).check(path)
    except InputError:
        return True
    return path.name == "dataset_description.json" and not (results / path.name).is_file()


def read_only(bench: Bench) -> Found:
    """A folder that may not be written: told before anything is computed."""
    bench.reset()
    folder = bench.study.parent
    mode = folder.stat().st_mode

    def as_nobody() -> None:
        if os.getuid() == 0:
            os.setuid(65534)
        run(bench.study)

    parents = [one for one in folder.parents if one.stat().st_mode & 0o055 != 0o055]
    for one in parents:
        one.chmod(0o755)
    folder.chmod(0o555)
    try:
        code = call(as_nobody)
    finally:
        folder.chmod(mode)
    return {"survived": code == REFUSED and bench.recovers()}


def two_writers(bench: Bench) -> Found:
    """Two runs of one study at once: one works, the other is told so."""
    bench.reset()
    children = [in_child(run, bench.study) for _ in range(2)]
    codes = sorted(exit_code(child) for child in children)
    return {"survived": codes in ([0, REFUSED], [0, 0]) and content(bench.results) == bench.expected, "codes": codes}


def clocks(bench: Bench) -> Found:
    """Times of files in the past and in the future change nothing; changed content under an old time is seen."""
    before = {path: path.stat().st_mtime_ns for path in bench.work.rglob("record.json")}
    for i, path in enumerate(path for path in bench.study.parent.rglob("*") if path.is_file()):
        os.utime(path, (1e9, 1e9) if i % 2 else (4e9, 4e9))
    kept = {path: path.stat().st_mtime_ns for path in before}
    same = bench.recovers() and all(path.stat().st_mtime_ns == time for path, time in kept.items())
    source = bench.study.parent / "features/sound_train-1.npy"
    about, old = source.stat(), source.read_bytes()
    middle = len(old) // 2  # the last sample of a run predicts nothing
    source.write_bytes(old[:middle] + bytes([old[middle] ^ 64]) + old[middle + 1 :])
    os.utime(source, ns=(about.st_atime_ns, about.st_mtime_ns))
    seen = call(run, bench.study) == 0 and content(bench.results) != bench.expected
    source.write_bytes(old)
    return {"survived": same and seen and bench.recovers()}


def deleted(bench: Bench) -> Found:
    """The work folder deleted, then half of it, then the results."""
    shutil.rmtree(bench.work)
    survived = [bench.recovers()]
    for path in sorted(bench.work.rglob("record.json"))[::2]:
        shutil.rmtree(path.parent)
    survived.append(bench.recovers())
    shutil.rmtree(bench.results)
    return {"survived": all([*survived, bench.recovers()])}


def soak(folder: Path, n_studies: int) -> Found:
    """Many studies in one process: memory and open files after the first ten, and at the end."""
    study = simulate_arrays(folder / "soak", n_subjects=1)

    def once() -> None:
        run(study)
        for path in study.parent.glob("*results*"):
            shutil.rmtree(path)

    def used() -> tuple[float, int]:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, len(list(Path("/proc/self/fd").iterdir()))

    for _ in range(10):
        once()
    memory, files = used()
    for _ in range(n_studies - 10):
        once()
    grown, opened = used()[0] - memory, used()[1] - files
    return {"survived": grown < GROWTH_MB and opened <= 0, "studies": n_studies, "grown_mb": grown, "opened": opened}


def rows_of(folder: Path, kills_in_all: int, quick: bool) -> dict[str, Callable[[], Found]]:
    """Rows by name. Most of the kills are of runs; the others are shared among the other commands."""
    bench = Bench(folder / "bench")
    small = Bench(folder / "small", statistics=False, n_subjects=1, n_targets=12, n_samples=60)
    share = kills_in_all // 8
    rows: dict[str, Callable[[], Found]] = {
        "killed": lambda: kills(small, kills_in_all - 5 * share - kills_in_all // 20),
        **{name: partial(command, new_folder(folder, name), share) for name, command in COMMANDS.items()},
        "kill report": lambda: report(small, share),
        "mounts": lambda: mounts(small, folder, kills_in_all // 40),
        "workers": lambda: worker_death(folder, 1 if quick else 5),
        "byte flipped": lambda: flips(bench, 10 if quick else 100),
        "read-only": lambda: read_only(bench),
        "two writers": lambda: two_writers(bench),
        "clock": lambda: clocks(bench),
        "deleted": lambda: deleted(bench),
        "foreign_files": lambda: foreign_files(small, folder, 2 if quick else 25),
        "traversal": lambda: traversal(folder, 4 if quick else 1),
        "midrun_change": lambda: midrun_change(small, 2 if quick else 24),
        "formats_run": lambda: formats_run(folder),
        "fifo": lambda: fifo(folder),
        "disk_full": lambda: disk_full(small, folder, 1 if quick else 12),
        "privacy": lambda: privacy(small, folder),
        "edits": lambda: edits(folder, 3 if quick else 40),
        "subjects": lambda: many_subjects(folder, 10 if quick else 200),
        "events": lambda: many_events(folder, 1000 if quick else 10_000),
        "regions": lambda: many_regions(folder, 50 if quick else 500),
        "view": lambda: wide_view(folder, 2 if quick else 20),
        "soak": lambda: soak(folder, 12 if quick else 200),
    }
    return rows


def new_folder(folder: Path, name: str) -> Path:
    """Folder of a row."""
    (folder / name).mkdir()
    return folder / name


def main() -> None:
    options = arguments(
        __doc__ or "",
        lambda parser: parser.add_argument("--kills", type=int, help="number of kills, in all"),
        lambda parser: parser.add_argument("--case", action="append", help="only this one; may be repeated"),
    )
    rows, cache = [], os.environ.get("B2M_CACHE")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        os.environ["B2M_CACHE"] = f"{name}/cache"  # of this benchmark alone: rows fill and empty it
        faults = rows_of(Path(name), options.kills or (24 if options.quick else 1000), options.quick)
        for case, fault in faults.items():
            if options.case and case not in options.case:
                continue
            begun = time.perf_counter()
            found = fault()
            rows.append(Row(case, ours="b2m", ours_s=time.perf_counter() - begun, agreement=found))
            print(f"{case}: {found}, {rows[-1].ours_s:.0f} s", flush=True)
            save("faults", rows, environment(), quick=options.quick)
    if cache:
        os.environ["B2M_CACHE"] = cache
    agreed = all(row.agreement is not None and row.agreement["survived"] for row in rows)
    kept = json.loads(save("faults", rows, environment(), quick=options.quick).read_text())["rows"]
    about = {key: sum((row["agreement"] or {}).get(key, 0) for row in kept) for key in ("kills", "lost")}
    finish("faults", rows, environment(**about), agreed=agreed, quick=options.quick)


if __name__ == "__main__":
    main()
