"""What the rows of `faults.py` share: children to kill, hashes of folders, a study with what its results should be."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from b2m_encoding.errors import InputError
from b2m_encoding.io.hashes import sha256
from b2m_encoding.phantom import simulate_arrays
from b2m_encoding.results.manifest import changed_files, read_manifest
from b2m_encoding.study import load_study
from b2m_encoding.workflow.run import run_study

TIMES = {"provenance.json", "manifest.json", "report.html", "study.json"}
"""Files that tell when or where a run was."""
REFUSED, BROKEN, LONGEST = 2, 3, 1200
"""Exit codes of a child; seconds after which one counts as hanging."""
Found = dict[str, Any]


def run(study: Path) -> None:
    """What the command does."""
    run_study(load_study(study), study)


def in_child(work: Callable[..., object], *arguments: object) -> int:
    """Fork a process that does something; its number."""
    child = os.fork()
    if child:
        return child
    code = 0
    signal.alarm(LONGEST)
    try:
        work(*arguments)
    except InputError as error:
        code = REFUSED
        print(error, file=sys.stderr)
    except BaseException:
        code = BROKEN
        traceback.print_exc()
    sys.stderr.flush()
    os._exit(code)


def exit_code(child: int) -> int:
    """Wait for a child; minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def call(work: Callable[..., object], *arguments: object) -> int:
    """Exit code of something done in a child."""
    return exit_code(in_child(work, *arguments))


def refused(work: Callable[..., object], *arguments: object) -> bool:
    """Whether something ends in an error for the user, which is not shown."""

    def silent() -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        work(*arguments)

    return call(silent) == REFUSED


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


def tree(folder: Path) -> dict[str, str]:
    """Hash of every file below a folder; links as they are."""
    return {
        path.relative_to(folder).as_posix(): os.readlink(path) if path.is_symlink() else sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def partial_names(folder: Path) -> list[str]:
    """Names of what is half-written below a folder."""
    return [path.name for path in folder.rglob("*") if "partial-" in path.name]


@contextmanager
def disk(folder: Path, megabytes: int) -> Iterator[bool]:
    """A small file system at a folder; False where this process may not mount one."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


class Bench:
    """A study, what its results should be, and a way back to the state before it was run."""

    def __init__(self, folder: Path, statistics: bool = True, **sizes: int) -> None:
        self.study = simulate_arrays(folder / "study", **sizes)
        text = self.study.read_text(encoding="utf-8")
        if statistics:
            self.study.write_text(text + "\n[results]\nstatistics = true\n", encoding="utf-8")
        self.results, self.work = folder / "study/results", folder / "study/.results.work"
        start = time.perf_counter()
        assert call(run, self.study) == 0
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
        code = call(run, self.study)
        left = [path.name for path in self.study.parent.glob(".results.*") if path != self.work]
        parts = partial_names(self.work)
        found = content(self.results) if code == 0 else {}
        if found != self.expected:
            print(f"exit code {code}; other than expected: {differing(found, self.expected)}", file=sys.stderr)
        return found == self.expected and self.whole() and not left and not parts


def differing(found: dict[str, str], expected: dict[str, str]) -> str:
    """Names of files that are in one only, or differ."""
    return ", ".join(sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))[:10])


def killed(
    prepare: Callable[[], object], work: Callable[[], object], check: Callable[[bool], bool], n_kills: int
) -> Found:
    """SIGKILL at random moments of a command, each followed by the same command to its end.

    Parameters
    ----------
    prepare : callable
        Goes back to the state before the command.
    work : callable
        The command.
    check : callable
        Called after the kill with False, and after the end of the second call with True: whether all is as it should.
    n_kills : int
    """
    prepare()
    start = time.perf_counter()
    survived = [call(work) == 0 and check(True)]
    seconds, rng, interrupted = time.perf_counter() - start, np.random.default_rng(0), 0
    for _ in range(n_kills):
        prepare()
        child = in_child(work)
        time.sleep(rng.uniform(0, seconds))
        os.kill(child, signal.SIGKILL)
        interrupted += exit_code(child) == -signal.SIGKILL
        survived.append(check(False) and call(work) == 0 and check(True))
    lost = len(survived) - sum(survived)
    return {"survived": all(survived), "kills": n_kills, "in_the_run": interrupted, "lost": lost}
