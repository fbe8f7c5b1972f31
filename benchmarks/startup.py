"""Start-up: CPU seconds of the package and its commands in a fresh interpreter, beside ``import numpy``.

``ratio`` is how many times those of ``python -c "import numpy"`` each takes. The demonstration is made if it is not
there; its study is checked, drawn and shown from a results folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from harness import Row, arguments, environment, finish

B2M = (sys.executable, "-c", "from b2m_encoding.cli import main; main()")
NUMPY = (sys.executable, "-c", "import numpy")
LIMITS = {"import": 3.0, "help": 5.0, "check_missing": 10.0}
"""Times ``import numpy``."""
CHECK_DEMO = 3.0
"""Seconds of CPU."""


def cpu_seconds(command: tuple[str, ...], codes: tuple[int, ...] = (0,)) -> float:
    """CPU seconds of a process and its children, from the system's own count."""
    before = os.times()
    done = subprocess.run(command, capture_output=True, check=False)
    after = os.times()
    if done.returncode not in codes:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr.decode()}")
    return after.children_user + after.children_system - before.children_user - before.children_system


def commands(demo: Path, folder: Path) -> dict[str, tuple[tuple[str, ...], tuple[int, ...]]]:
    """Each case with its command and the exit codes that are right."""
    study, results, page = demo / "study.toml", demo / "results", folder / "view.html"
    return {
        "import": ((sys.executable, "-c", "import b2m_encoding"), (0,)),
        "help": ((*B2M, "--help"), (0,)),
        "check_missing": ((*B2M, "check", str(folder / "missing.toml")), (2,)),
        "check_demo": ((*B2M, "check", str(study)), (0,)),
        "figure": ((*B2M, "figure", str(results), "accuracy", "--subject", "01", "--out", str(folder)), (0,)),
        "view": ((*B2M, "view", str(results), "--out", str(page)), (0,)),
    }


def main() -> None:
    """Time every case in turns with ``import numpy``; medians."""
    options = arguments(
        __doc__ or "",
        lambda parser: parser.add_argument("--demo", type=Path, default=Path("demo"), help="a finished b2m demo"),
    )
    repeats = 3 if options.quick else 9
    if not (options.demo / "results").is_dir():
        subprocess.run((*B2M, "demo", str(options.demo)), check=True)
    rows, agreed = [], True
    with TemporaryDirectory() as temporary:
        for case, (command, codes) in commands(options.demo, Path(temporary)).items():
            cpu_seconds(command, codes)  # byte code is compiled, and files are read, once
            pairs = [(cpu_seconds(command, codes), cpu_seconds(NUMPY)) for _ in range(repeats)]
            ours, numpy = median(a for a, _ in pairs), median(b for _, b in pairs)
            ratio = median(a / b for a, b in pairs)
            limit = CHECK_DEMO if case == "check_demo" else LIMITS.get(case)
            within = limit is None or (ours if case == "check_demo" else ratio) <= limit
            agreed &= within
            agreement = {} if limit is None else {"limit": limit, "within": within}
            rows.append(
                Row(
                    case,
                    " ".join(["b2m", command[3]]) if command[: len(B2M)] == B2M else command[2],
                    "import numpy",
                    ours,
                    numpy,
                    ratio,
                    agreement,
                )
            )
    finish("startup", rows, environment(), agreed=agreed, quick=options.quick)


if __name__ == "__main__":
    main()
