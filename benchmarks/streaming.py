"""A fit to responses on disk against the same fit in memory: the same results, and how much memory it took.

    python benchmarks/streaming.py [--quick]

Each fit runs in a process of its own, so that its peak is its own.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from harness import Row, arguments, environment, finish, peak_memory, seconds

from b2m_encoding.models import EncodingModel
from b2m_encoding.runs import Runs

N_RUNS, N_SAMPLES, N_FEATURES, N_TARGETS, QUICK_TARGETS = 18, 1600, 512, 60_000, 3000
ALPHAS = np.logspace(-1, 7, 20)
LIMIT_GB = 2.0


class OnDisk:
    """One .npy file per run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = Runs.from_lengths({f"run-{i:02d}": N_SAMPLES for i in range(N_RUNS)}, tr=1.5)
        self.n_targets = np.load(folder / "run-00.npy", mmap_mode="r").shape[1]

    def load_run(self, name: str, targets: slice | None = None) -> Any:
        return np.load(self.folder / f"{name}.npy", mmap_mode="r")[:, targets or slice(None)].copy()


def write_data(folder: Path, n_targets: int) -> None:
    """Features with a 1 / rank spectrum; responses of many signal-to-noise ratios."""
    rng = np.random.default_rng(0)
    spectrum = 1 / np.sqrt(np.arange(1, N_FEATURES + 1, dtype=np.float32))
    X = rng.standard_normal((N_RUNS * N_SAMPLES, N_FEATURES), dtype=np.float32) * spectrum
    B = rng.standard_normal((N_FEATURES, n_targets), dtype=np.float32) * rng.uniform(0, 0.5, n_targets).astype("f")
    np.save(folder / "features.npy", X)
    for i, x in enumerate(np.split(X, N_RUNS)):
        np.save(folder / f"run-{i:02d}.npy", x @ B + rng.standard_normal((N_SAMPLES, n_targets), dtype=np.float32))


def fit(folder: Path, way: str, limit: float) -> None:
    """Fit, and write what came out."""
    responses, X = OnDisk(folder), np.load(folder / "features.npy")
    model = EncodingModel(None, alphas=ALPHAS, cv=6, form="gram", memory_limit=limit, device="cpu")
    with peak_memory() as peak:
        if way == "streamed":
            took = seconds(lambda: model.fit_responses({"x": X}, responses))
        else:
            Y = np.concatenate([responses.load_run(name) for name in responses.runs.names])
            took = seconds(lambda: model.fit({"x": X}, Y, runs=responses.runs))
    mb = peak.mb or 0.0
    np.savez(folder / f"{way}.npz", alphas=model.best_alphas_, coef=model.coef_["x"], took=took, mb=mb)


def main() -> None:
    options = arguments(__doc__ or "", lambda parser: parser.add_argument("--fit", nargs=3))
    if options.fit:
        fit(Path(options.fit[0]), options.fit[1], float(options.fit[2]))
        return
    n_targets = QUICK_TARGETS if options.quick else N_TARGETS
    limit = LIMIT_GB * n_targets / N_TARGETS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_data(folder, n_targets)
        for way in ("streamed", "memory"):
            subprocess.run([sys.executable, __file__, "--fit", name, way, str(limit)], check=True)
        ours, whole = (np.load(folder / f"{way}.npz") for way in ("streamed", "memory"))
        equal = ours["alphas"] == whole["alphas"]
        size = np.linalg.norm(whole["coef"], axis=(0, 1))
        difference = np.linalg.norm(ours["coef"] - whole["coef"], axis=(0, 1)) / size
        agreement = {
            "alpha_equal": float(equal.mean()),
            "coef_relative": float(difference[equal].max()),
            "memory_mb_in_memory": float(whole["mb"]),
        }
        took, their = float(ours["took"]), float(whole["took"])
        shape = f"{N_RUNS * N_SAMPLES:,} x {N_FEATURES}, {n_targets:,} targets"
        row = Row("streaming", f"streamed, {limit:g} GB limit; {shape}", "in memory", took, their, their / took)
        row.agreement, row.peak_mb = agreement, float(ours["mb"])
    agreed = equal.mean() > 0.999 and agreement["coef_relative"] < 1e-4 and row.peak_mb < 3000
    finish("streaming", [row], environment(), agreed=bool(agreed), quick=options.quick)


if __name__ == "__main__":
    main()
