"""What every benchmark shares: the machine, fair timing, memory, a table and a file of results."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

# Threads wait for each other asleep, not spinning: on a busy machine both sides would else be timed at random.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
RESULTS = Path(__file__).parent / "results"
PACKAGES = ("b2m-encoding", "numpy", "scipy", "torch", "scikit-learn", "himalaya", "nilearn", "pycortex")


@dataclass
class Row:
    """One line of a benchmark; what does not apply is None."""

    case: str
    ours: str | None = None
    peer: str | None = None
    ours_s: float | None = None
    peer_s: float | None = None
    ratio: float | None = None
    agreement: dict[str, Any] | None = None
    peak_mb: float | None = None


@dataclass
class Peak:
    """Largest resident memory seen while measuring."""

    mb: float | None = field(default=None)


def arguments(description: str, *more: Callable[[argparse.ArgumentParser], Any]) -> argparse.Namespace:
    """Parse ``--quick`` and whatever else the benchmark adds."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="under 60 seconds: fewer targets, the same shapes")
    for add in more:
        add(parser)
    return parser.parse_args()


def environment(**more: Any) -> dict[str, Any]:
    """Machine and versions."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": os.getloadavg()[0],
        "omp_wait_policy": os.environ["OMP_WAIT_POLICY"],
        "date": time.strftime("%Y-%m-%d %H:%M:%S"),
        "packages": found,
        **more,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def gemm_rate(size: int = 2048, repeats: int = 5) -> float:
    """Best float32 matrix product rate of this machine, GFLOP/s."""
    import torch

    a, b = torch.randn(size, size), torch.randn(size, size)
    return max(2 * size**3 / seconds(lambda: a @ b) / 1e9 for _ in range(repeats))


def seconds(work: Callable[[], Any]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def alternate(ours: Callable[[], Any], peer: Callable[[], Any], repeats: int) -> tuple[float, float, float]:
    """Time both in turns A B A B; medians of each, and of the ratios peer / ours of neighbours."""
    pairs = [(seconds(ours), seconds(peer)) for _ in range(repeats)]
    return median(a for a, _ in pairs), median(b for _, b in pairs), median(b / a for a, b in pairs)


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """Largest resident memory of this process inside the block, in MB; None where the system does not tell."""
    peak = Peak()
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        yield peak
        return
    yield peak
    status = Path("/proc/self/status").read_text()
    peak.mb = int(status.split("VmHWM:")[1].split()[0]) / 1024


def show(rows: list[Row]) -> None:
    """Print a table."""
    print(f"\n{'case':<10}{'ours s':>10}{'peer s':>10}{'ratio':>9}{'peak MB':>9}  agreement; ours; peer")
    for row in rows:
        numbers = [_number(row.ours_s, 10), _number(row.peer_s, 10), _number(row.ratio, 9), _number(row.peak_mb, 9)]
        agreement = ", ".join(f"{k} {_short(v)}" for k, v in (row.agreement or {}).items())
        print(f"{row.case:<10}{''.join(numbers)}  {agreement}; {row.ours}; {row.peer}")


def _number(value: float | None, width: int) -> str:
    return f"{'-':>{width}}" if value is None else f"{value:>{width}.{0 if value >= 1000 else 2}f}"


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def save(name: str, rows: list[Row], env: dict[str, Any], *, quick: bool) -> Path:
    """Write ``results/NAME.json``, or ``NAME-quick.json``; call it after every case, so that none is lost.

    Rows of other cases stay, if the machine and the packages are the same.
    """
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}{'-quick' if quick else ''}.json"
    new = {row.case for row in rows}
    kept = [row for row in _rows_before(path, env) if row["case"] not in new]
    path.write_text(json.dumps({"environment": env, "rows": kept + [asdict(row) for row in rows]}, indent=1) + "\n")
    return path


def _rows_before(path: Path, env: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of an earlier run on the same machine, with the same packages."""
    if not path.exists():
        return []
    before = json.loads(path.read_text())
    same = all(before["environment"].get(key) == env[key] for key in ("processor", "cores", "python", "packages"))
    return before["rows"] if same else []


def finish(name: str, rows: list[Row], env: dict[str, Any], *, agreed: bool, quick: bool) -> None:
    """Save, print the table, exit 1 if results differ."""
    path = save(name, rows, env, quick=quick)
    show(rows)
    print(f"\nwritten to {path}")
    if not agreed:
        print("results do not agree", file=sys.stderr)
        sys.exit(1)
