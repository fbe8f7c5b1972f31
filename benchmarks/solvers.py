"""Ridge and banded ridge against himalaya: the same inputs, folds and penalties; agreement first, then time.

    python benchmarks/solvers.py [--quick] [--cases mulan wide ...] [--targets N] [--repeats N] [--device cpu|cuda]

himalaya runs with the faster of its backends, tried on few targets (--quick: torch). "wide", "long" and "himalaya" are
not part of --quick: there himalaya needs the better part of a minute however few the targets; "banded" tries three of
its ten scalings. Features are correlated, with the power spectrum of natural ones (1 / rank), which is harder for the
search over penalties than white noise.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from harness import Row, alternate, arguments, environment, finish, gemm_rate, peak_memory, save, seconds
from himalaya.backend import set_backend
from himalaya.kernel_ridge import KernelRidgeCV
from himalaya.ridge import GroupRidgeCV
from himalaya.ridge import RidgeCV as PeerRidgeCV
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneGroupOut
from torch.utils.flop_counter import FlopCounterMode

from b2m_encoding.models import BandedRidgeCV, RidgeCV

warnings.filterwarnings("ignore")
ALPHAS = np.logspace(-1, 7, 20)
FEW_ALPHAS = np.logspace(-1, 7, 10)
SCALINGS = np.random.default_rng(0).dirichlet(np.ones(3), 10)  # none is 0: himalaya divides by them
PEERS = {"ridge": "RidgeCV", "dual": "KernelRidgeCV", "banded": "GroupRidgeCV"}
TIE = 1e-4  # of R2
AGREED = 0.995  # share of targets with the same penalty, or a tie
PROBED = 200


@dataclass(frozen=True)
class Case:
    """A shape, with the number of targets in a full and in a quick run."""

    n: int
    p: int
    targets: int
    quick: int
    kind: str = "ridge"


CASES = {
    "mulan": Case(4800, 128, 20000, 300),
    "delayed": Case(4800, 512, 20000, 100),
    "wide": Case(4800, 2048, 20000, 0),
    "dual": Case(1200, 8192, 20000, 200, "dual"),
    "long": Case(28800, 512, 20000, 0),
    "himalaya": Case(3000, 1000, 20000, 0),
    "banded": Case(4800, 384, 5000, 20, "banded"),
}
QUICK_SCALINGS = 3


def make_data(case: Case, n_targets: int) -> tuple[Any, Any, Any]:
    """Features with a 1 / rank spectrum, responses of many signal-to-noise ratios, six runs."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(6), case.n // 6)
    widths = [case.p // 3] * 3 if case.kind == "banded" else [case.p]
    X = np.hstack([_features(case.n, width, rng) for width in widths])
    B = rng.standard_normal((case.p, n_targets), dtype=np.float32)
    if case.kind == "banded":
        for i, band in enumerate(np.split(np.arange(case.p), 3)):
            B[band] *= rng.random(n_targets, dtype=np.float32) ** (i + 1)
    signal = X @ B
    signal *= rng.uniform(0, 0.7, n_targets).astype(np.float32) / signal.std(0)
    return X, signal + rng.standard_normal((case.n, n_targets), dtype=np.float32), groups


def _features(n: int, p: int, rng: np.random.Generator) -> Any:
    rank = min(n, p)
    X = rng.standard_normal((n, rank), dtype=np.float32) / np.sqrt(np.arange(1, rank + 1, dtype=np.float32))
    X = X @ np.linalg.qr(rng.standard_normal((p, rank)))[0].T.astype(np.float32)
    return np.ascontiguousarray((X - X.mean(0)) / X.std(0))


def scalings(n_targets: int) -> Any:
    """The scalings of a banded search; fewer in a quick run."""
    return SCALINGS[: QUICK_SCALINGS if n_targets == CASES["banded"].quick else None]


def our_fit(case: Case, X: Any, Y: Any, groups: Any, device: str) -> Callable[[], Any]:
    if case.kind == "banded":
        spaces = dict(zip("abc", np.split(X, 3, axis=1), strict=True))
        return lambda: BandedRidgeCV(FEW_ALPHAS, scalings=scalings(Y.shape[1]), device=device).fit(
            spaces, Y, groups=groups
        )
    return lambda: RidgeCV(ALPHAS, device=device).fit(X, Y, groups=groups)


def peer_fit(case: Case, X: Any, Y: Any, groups: Any, backend: str) -> Callable[[], Any]:
    splits = list(LeaveOneGroupOut().split(X, groups=groups))
    if case.kind == "banded":
        parameters = {"n_iter": scalings(Y.shape[1]), "alphas": FEW_ALPHAS, "progress_bar": False}
        model = GroupRidgeCV(groups="input", cv=splits, fit_intercept=True, solver_params=parameters)
        X = np.split(X, 3, axis=1)
    elif case.kind == "dual":
        model = KernelRidgeCV(alphas=ALPHAS, cv=splits, fit_intercept=True)
    else:
        model = PeerRidgeCV(alphas=ALPHAS, cv=splits, fit_intercept=True)

    def fit() -> Any:
        module = set_backend(backend)
        on_device = [module.asarray(part) for part in X] if isinstance(X, list) else module.asarray(X)
        return model.fit(on_device, module.asarray(Y))

    return fit


def best_backend(case: Case, X: Any, Y: Any, groups: Any, device: str, *, quick: bool) -> str:
    """The faster backend on the device, tried on few targets."""
    names = ["torch_cuda"] if device == "cuda" else ["torch", "numpy"]
    if quick or len(names) == 1:
        return names[0]
    few = Y[:, :PROBED]
    return min(names, key=lambda name: seconds(peer_fit(case, X, few, groups, name)))


def compare(case: Case, ours: Any, theirs: Any, X: Any) -> tuple[dict[str, Any], bool]:
    """Chosen penalties; weights where they are equal; how far from a tie where they are not."""
    to_numpy = lambda values: np.asarray(getattr(values, "cpu", lambda: values)())  # noqa: E731
    if case.kind == "banded":
        a, b = ours.deltas_.astype("f8"), to_numpy(theirs.deltas_).astype("f8")
        equal = (np.isclose(a, b, atol=1e-3) | ((a < -50) & (b < -50))).all(0)
        path = ours.model_.cv_path_
        tied = np.ptp(np.sort(path, axis=0)[-2:], axis=0) < TIE
    else:
        b = to_numpy(theirs.best_alphas_).astype("f8")
        equal = np.isclose(ours.best_alphas_, b, rtol=1e-3)
        path = ours.model_.cv_path_
        column = np.arange(path.shape[1])
        their_row = np.abs(np.log(ALPHAS)[:, None] - np.log(b)).argmin(0)
        tied = path.max(0) - path[their_row, column] < TIE
    rows = slice(0, 200)
    mine = ours.predict(
        X[rows] if case.kind != "banded" else dict(zip("abc", np.split(X[rows], 3, axis=1), strict=True))
    )
    their_rows = np.split(X[rows], 3, axis=1) if case.kind == "banded" else X[rows]
    peers = to_numpy(theirs.predict(their_rows))
    difference = float(np.abs(mine - peers)[:, equal].max() / np.abs(peers).max()) if equal.any() else 0.0
    found: dict[str, Any] = {"alpha_equal": float(equal.mean()), "prediction_relative": difference}
    if case.kind == "ridge":
        coef = to_numpy(theirs.coef_)
        size = np.linalg.norm(coef, axis=0)
        found["coef_relative"] = float((np.linalg.norm(ours.coef_ - coef, axis=0) / size)[equal].max())
    found["not_tied"] = int((~equal & ~tied).sum())
    agreed = (equal | tied).mean() >= AGREED and max(found["prediction_relative"], found.get("coef_relative", 0)) < 1e-4
    return found, bool(agreed)


def against_scikit_learn(X: Any, Y: Any, groups: Any) -> float:
    """Largest relative difference of weights between our float64 path and scikit-learn's, for a few targets."""
    few = Y[:, :5].astype(np.float64)
    ours = RidgeCV(ALPHAS, precision="float64").fit(X.astype(np.float64), few, groups=groups)
    theirs = np.stack(
        [Ridge(alpha).fit(X.astype(np.float64), y).coef_ for alpha, y in zip(ours.best_alphas_, few.T, strict=True)], 1
    )
    return float(np.abs(ours.coef_ - theirs).max() / np.abs(theirs).max())


def run_case(name: str, n_targets: int, options: argparse.Namespace) -> tuple[Row, bool]:
    """Agreement, then time; the rate of matrix products is measured beside it, for the machine's speed drifts."""
    case, rate = CASES[name], gemm_rate()
    X, Y, groups = make_data(case, n_targets)
    device = options.device
    backend = best_backend(case, X, Y, groups, device, quick=options.quick)
    ours, theirs = our_fit(case, X, Y, groups, device), peer_fit(case, X, Y, groups, backend)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # operations of other threads are not counted
    with FlopCounterMode(display=False) as flops:
        fitted = ours()
    torch.set_num_threads(threads)
    with peak_memory() as peak:
        ours()
    kept: list[Any] = []
    repeats = 1 if options.quick else options.repeats
    ours_s, peer_s, ratio = alternate(ours, lambda: kept.append(theirs()), repeats)
    rate = max(rate, gemm_rate())
    agreement, agreed = compare(case, fitted, kept[0], X)
    if name == "mulan":
        agreement["float64_scikit_learn"] = against_scikit_learn(X, Y, groups)
        agreed &= agreement["float64_scikit_learn"] < 1e-9
    share = f", {flops.get_total_flops() / ours_s / 1e9 / rate:.0%} of the GEMM rate" if device == "cpu" else ""
    shape = f"{case.n:,} x {case.p:,}, {n_targets:,} targets"
    row = Row(
        name,
        f"{fitted.model_.form_} form, float32; {shape}{share}",
        f"himalaya {PEERS[case.kind]}, {backend} backend",
        ours_s,
        peer_s,
        ratio,
        agreement,
        peak.mb,
    )
    return row, agreed


def main() -> None:
    options = arguments(__doc__ or "", _add_options)
    env = environment(gemm_gflops=round(gemm_rate()), device=options.device)
    rows, agreed = [], True
    for name in options.cases or [name for name, case in CASES.items() if case.quick or not options.quick]:
        case = CASES[name]
        n_targets = (case.quick or 40) if options.quick else min(options.targets or case.targets, case.targets)
        row, fine = run_case(name, n_targets, options)
        print(f"{name}: {row.ratio:.1f} times as fast; {row.agreement}", flush=True)
        rows.append(row)
        save("solvers", rows, env, quick=options.quick)
        agreed &= fine
    finish("solvers", rows, env, agreed=agreed, quick=options.quick)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cases", nargs="+", choices=list(CASES))
    parser.add_argument("--targets", type=int, help="at most so many targets in every case")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")


if __name__ == "__main__":
    main()
