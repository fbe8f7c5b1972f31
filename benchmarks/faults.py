"""Faults: runs killed, files damaged, disks full, two at once, many in a row. Each row says whether the study survived.

    python benchmarks/faults.py [--quick] [--kills N] [--case NAME]

A small simulated study of arrays is run once undisturbed; after every fault it is run again by the same command, and
maps, tables and weights must equal those of the undisturbed run bit for bit. Children are forked from a process that
has imported everything, so that a kill falls into the run and not into Python's start.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from harness import Row, arguments, environment, finish

from b2m_encoding.errors import InputError
from b2m_encoding.io.hashes import sha256
from b2m_encoding.phantom import simulate_arrays
from b2m_encoding.results.manifest import changed_files, read_manifest
from b2m_encoding.results.reader import Results
from b2m_encoding.study import load_study
from b2m_encoding.workflow.run import run_study

TIMES = {"provenance.json", "manifest.json", "report.html", "study.json"}
"""Files that tell when or where a run was."""
REFUSED, BROKEN = 2, 3
GROWTH_MB = 100.0
"""Of memory over 200 studies, once ten have been done."""


def run(study: Path) -> None:
    """What the command does."""
    run_study(load_study(study), study)


def in_child(work: Callable[[], None]) -> int:
    """Fork a process that does something; its number."""
    child = os.fork()
    if child:
        return child
    code = 0
    try:
        work()
    except InputError as error:
        code = REFUSED
        print(error, file=sys.stderr)
    except BaseException:
        code = BROKEN
        traceback.print_exc()
    os._exit(code)


def exit_code(child: int) -> int:
    """Wait for a child; minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def content(folder: Path) -> dict[str, str]:
    """Hash of every file of results, but for those that tell times; of archives, which tell them too, of the arrays.

    Tables that are not as they were written are kept as ``NAME.edited``, beside those that are restored.
    """
    kept = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.suffix.startswith(".edited"))
    files = (path for path in kept if path.name not in TIMES)
    return {str(path.relative_to(folder)): _arrays(path) if path.suffix == ".npz" else sha256(path) for path in files}


def _arrays(path: Path) -> str:
    with np.load(path, allow_pickle=False) as arrays:
        return str([(name, arrays[name].dtype, arrays[name].tobytes()) for name in arrays])


class Bench:
    """A study, what its results should be, and a way back to the state before it was run."""

    def __init__(self, folder: Path) -> None:
        self.study = simulate_arrays(folder / "study")
        text = self.study.read_text(encoding="utf-8")
        self.study.write_text(text + "\n[results]\nstatistics = true\n", encoding="utf-8")
        self.results, self.work = folder / "study/results", folder / "study/.results.work"
        start = time.perf_counter()
        assert exit_code(in_child(lambda: run(self.study))) == 0
        self.seconds = time.perf_counter() - start
        self.expected = content(self.results)

    def reset(self) -> None:
        """Remove all that a run left."""
        for path in self.study.parent.glob(".results*"):
            shutil.rmtree(path)
        shutil.rmtree(self.results, ignore_errors=True)

    def whole(self) -> bool:
        """Whether the results are absent, or complete and undamaged."""
        if not self.results.exists():
            return True
        manifest = read_manifest(self.results)
        return manifest is not None and not changed_files(self.results, manifest["files"])

    def recovers(self) -> bool:
        """Whether the same command ends with the results of an undisturbed run, and leaves nothing half-written."""
        code = exit_code(in_child(lambda: run(self.study)))
        left = [path.name for path in self.study.parent.glob(".results.*") if path != self.work]
        parts = [path for path in self.work.rglob(".*.partial-*")]
        found = content(self.results) if code == 0 else {}
        if found != self.expected:
            names = sorted(name for name in {*found, *self.expected} if found.get(name) != self.expected.get(name))
            print(f"exit code {code}; other than expected: {', '.join(names)}", file=sys.stderr)
        return found == self.expected and self.whole() and not left and not parts


def kills(bench: Bench, n_kills: int) -> dict[str, Any]:
    """SIGKILL at random moments of a run from the start, each followed by a run to the end."""
    rng, survived, interrupted, moments = np.random.default_rng(0), 0, 0, []
    for _ in range(n_kills):
        bench.reset()
        child = in_child(lambda: run(bench.study))
        moment = rng.uniform(0, bench.seconds)
        time.sleep(moment)
        os.kill(child, signal.SIGKILL)
        killed = exit_code(child) == -signal.SIGKILL
        interrupted += killed
        moments.append(round(moment, 2) if killed else None)
        survived += bench.whole() and bench.recovers()
    return {"survived": survived == n_kills, "kills": n_kills, "in_the_run": interrupted}


def flips(bench: Bench, n_files: int) -> dict[str, Any]:
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


def disk_full(bench: Bench, folder: Path) -> dict[str, Any]:
    """A disk that fills up at several places of a run; then there is room again."""
    bench.reset()
    disk = folder / "disk"
    disk.mkdir()
    mounted = (
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk], capture_output=True).returncode == 0
    )
    told, small = [], load_study(bench.study)
    output = disk / "results"
    study = small.model_copy(update={"output": output})
    ballast = disk / "ballast"
    try:
        for room in (20_000, 200_000, 500_000, 800_000):
            if mounted:
                free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
                ballast.write_bytes(b"\0" * max(0, free - room))

            def limited(room: int = room) -> None:
                if not mounted:
                    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                    resource.setrlimit(resource.RLIMIT_FSIZE, (room // 20, room // 20))
                run_study(study, bench.study)

            code = exit_code(in_child(limited))
            ballast.unlink(missing_ok=True)
            told.append(code in (0, REFUSED))
        code = exit_code(in_child(lambda: run_study(study, bench.study)))
        same = code == 0 and content(output) == bench.expected
    finally:
        if mounted:
            subprocess.run(["umount", disk], check=True)
    return {"survived": all(told) and same, "by": "tmpfs" if mounted else "limit of file size"}


def read_only(bench: Bench) -> dict[str, Any]:
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
        code = exit_code(in_child(as_nobody))
    finally:
        folder.chmod(mode)
    return {"survived": code == REFUSED and bench.recovers()}


def two_writers(bench: Bench) -> dict[str, Any]:
    """Two runs of one study at once: one works, the other is told so."""
    bench.reset()
    children = [in_child(lambda: run(bench.study)) for _ in range(2)]
    codes = sorted(exit_code(child) for child in children)
    return {"survived": codes in ([0, REFUSED], [0, 0]) and content(bench.results) == bench.expected, "codes": codes}


def clocks(bench: Bench) -> dict[str, Any]:
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
    seen = exit_code(in_child(lambda: run(bench.study))) == 0 and content(bench.results) != bench.expected
    source.write_bytes(old)
    return {"survived": same and seen and bench.recovers()}


def deleted(bench: Bench) -> dict[str, Any]:
    """The work folder deleted, then half of it, then the results."""
    shutil.rmtree(bench.work)
    survived = [bench.recovers()]
    for path in sorted(bench.work.rglob("record.json"))[::2]:
        shutil.rmtree(path.parent)
    survived.append(bench.recovers())
    shutil.rmtree(bench.results)
    return {"survived": all([*survived, bench.recovers()])}


def soak(folder: Path, n_studies: int) -> dict[str, Any]:
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


def main() -> None:
    options = arguments(
        __doc__ or "",
        lambda parser: parser.add_argument("--kills", type=int, help="number of kills"),
        lambda parser: parser.add_argument("--case", help="only this one"),
    )
    n_kills = options.kills or (4 if options.quick else 40)
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name))
        faults: dict[str, Callable[[], dict[str, Any]]] = {
            "killed": lambda: kills(bench, n_kills),
            "byte flipped": lambda: flips(bench, 20 if options.quick else 60),
            "disk full": lambda: disk_full(bench, Path(name)),
            "read-only": lambda: read_only(bench),
            "two writers": lambda: two_writers(bench),
            "clock": lambda: clocks(bench),
            "deleted": lambda: deleted(bench),
            "soak": lambda: soak(Path(name), 20 if options.quick else 200),
        }
        rows = []
        for case, fault in faults.items():
            if options.case not in (None, case):
                continue
            start = time.perf_counter()
            found = fault()
            rows.append(Row(case, ours="b2m run", ours_s=time.perf_counter() - start, agreement=found))
            print(case, found, flush=True)
    agreed = all(row.agreement is not None and row.agreement["survived"] for row in rows)
    finish("faults", rows, environment(undisturbed_s=bench.seconds), agreed=agreed, quick=options.quick)


if __name__ == "__main__":
    main()
