"""All 2^k - 1 models of a variance partition: one pass over the samples, against one fit per model."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import harness
import numpy as np
from harness import Row, alternate, peak_memory

from b2m_encoding.models import EncodingModel
from b2m_encoding.models.bands import all_subsets
from b2m_encoding.models.subsets import fit_subsets
from b2m_encoding.runs import Runs

N_FEATURES, DELAYS = 24, (3.0, 4.5, 6.0, 7.5)


class FromDisk:
    """Responses that are read from a file run by run, as in a study."""

    def __init__(self, folder: Path, values: np.ndarray, runs: Runs) -> None:
        self.runs, self.n_targets, self.folder, self.reads = runs, values.shape[1], folder, 0
        for name, rows in runs.slices.items():
            np.save(folder / f"{name}.npy", values[rows])

    def load_run(self, name: str, targets: slice | None = None) -> np.ndarray:
        """One run."""
        self.reads += 1
        values = np.load(self.folder / f"{name}.npy")
        return values if targets is None else values[:, targets]


def case(k: int, n_runs: int, n_targets: int, repeats: int, folder: Path) -> Row:
    """``k`` feature spaces of equal width in runs of 400 samples."""
    rng = np.random.default_rng(0)
    runs = Runs.from_lengths([400] * n_runs, 1.5)
    spaces = {f"space{i}": rng.standard_normal((len(runs), N_FEATURES)).astype(np.float32) for i in range(k)}
    values = rng.standard_normal((len(runs), n_targets)).astype(np.float32)
    values += sum(s @ rng.standard_normal((N_FEATURES, n_targets)).astype(np.float32) for s in spaces.values()) / 5
    responses = FromDisk(folder, values, runs)
    model = EncodingModel(DELAYS, device="cpu", memory_limit=20.0)

    def ours() -> dict[Any, Any]:
        return {names: fitted.best_alphas_ for names, fitted in fit_subsets(model, spaces, responses)}

    def refitted() -> dict[Any, Any]:
        found = {}
        for names in all_subsets(spaces):
            own = EncodingModel(**model.get_params())
            found[names] = own.fit_responses({name: spaces[name] for name in names}, responses).best_alphas_
        return found

    before = responses.reads
    with peak_memory() as peak:
        first = ours()
    reads = responses.reads - before
    second = refitted()
    same = float(np.mean([np.mean(first[names] == second[names]) for names in first]))
    agreement = {"same_penalty": same, "runs_read": reads, "runs_read_peer": responses.reads - before - reads}
    mine, peer, ratio = alternate(ours, refitted, repeats)
    what = f"{2**k - 1} models, {len(runs)} samples, {k} x {N_FEATURES} features x {len(DELAYS)} delays"
    return Row(f"k{k}", f"fit_subsets, {what}, {n_targets} targets", "fit_responses once per model",
               mine, peer, ratio, agreement, peak.mb)  # fmt: skip


def main() -> None:
    """Run the cases."""
    quick = harness.arguments(__doc__ or "").quick
    env, rows = harness.environment(), []
    for k in (2, 3):
        with tempfile.TemporaryDirectory() as folder:
            rows.append(case(k, 4 if quick else 12, 1000 if quick else 8000, 1 if quick else 3, Path(folder)))
    agreed = all(row.agreement is not None and row.agreement["same_penalty"] > 0.999 for row in rows)
    harness.finish("partition", rows, env, agreed=agreed, quick=quick)


if __name__ == "__main__":
    main()
