"""Comparison of two results: rates of false positives and power, for a fixed test set and for joined folds.

    python benchmarks/comparison.py [--quick]

Two simulated studies of the same responses are encoded, written as results and compared by ``compare_results``. Their
features are other ones (``other``), or half of them are the same and alone drive responses (``shared``), so that both
predict much alike. Rows ``EVALUATION_FEATURES_KIND``: targets that nothing drives (``empty``), that both models predict
equally well (``weak``, ``strong``), or the first better (``better``). All simulated.

- ``p < .05``, ``p < .001``: rates, over all targets and among those that were chosen for q. Of joined folds all but
  ``better`` are nulls. A fixed test set knows the two fitted models alone, which are not equally good where both
  predict something: there ``outside`` is the share of 95 % intervals without the difference that these models have
  over further test sets.
- ``power``: share of targets whose difference is found (q < .05), and the share of these with the wrong sign.

- ``stated / true error``: of every data set, the error that intervals state over the spread of the differences of
  empty or equal targets. For joined folds the widening is estimated by refits, of as many responses as targets squared:
  with 4,000 refits (``--quick``) by 14 of 14, so that it is off by 5 % of itself (standard error), all targets alike;
  with the 20,000 of a study, by 2 %. Rates of few data sets are too low or too high by that: a widening of 1.1 times
  what is needed makes p < .05 in 3 %.

Agreement (``within``): rates of p < .05, or outside, at most .06, and of empty targets of a fixed test set at least .04
(errors of joined folds are rather too large); power above .3, wrong signs below 1 %.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from harness import Row, arguments, environment, finish
from scipy.signal import lfilter

from b2m_encoding.analysis.encoding.encode import encode_subject
from b2m_encoding.analysis.encoding.kept_blocks import keep_blocks
from b2m_encoding.comparison import compare_results
from b2m_encoding.data import Responses
from b2m_encoding.features.delays import delay
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.results.bundle import ResultsWriter
from b2m_encoding.results.schema import JOINT, maps
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import Unplaced
from b2m_encoding.study import Study

RUNS, LENGTH, TR, DELAYS, WIDTH = 8, 150, 2.0, (2.0, 4.0, 6.0), 8
TESTED, TEST_SETS = 3, 8
"""Runs of the fixed test set, and test sets of the same fits."""
KINDS = {"empty": (0.0, 0.0), "weak": (0.25, 0.25), "strong": (0.5, 0.5), "better": (0.45, 0.25)}
"""Standard deviation of the driven part of a response that follows the features of either model."""
WIDTH_OF_95 = 1.99
"""Student's t of 95 %, of some 70 blocks."""
KEYS = ("p", "q", "difference", "low", "high", "chosen", "first", "second")
EVALUATIONS: dict[str, dict[str, str]] = {
    "fixed": {"kind": "test", "test_runs": f"run-0[{RUNS - TESTED + 1}-{RUNS}]"},
    "joined": {"kind": "cross-validation"},
}


def smooth(draws: tuple[np.random.Generator, np.random.Generator], n: int, rho: float) -> Any:
    """AR(1) series of every run, of unit variance; training and test runs from a generator each."""
    parts = []
    for rng, number in zip(draws, (RUNS - TESTED, TESTED), strict=True):
        white = rng.standard_normal((number, LENGTH + 60, n), dtype=np.float32)
        parts.append(lfilter([np.sqrt(1 - rho**2)], [1, -rho], white, axis=1)[:, 60:].reshape(number * LENGTH, n))
    return np.concatenate(parts).astype(np.float32)


def simulated(seed: int, number: int, runs: Runs, n: int, shared: bool) -> tuple[list[Any], Any]:
    """Features of both models, and responses of n targets of each kind; ``number`` draws other test runs."""
    weights, *draws = (np.random.default_rng([seed, part]) for part in (0, 1, 2 + number))
    common, *own = (smooth((draws[0], draws[1]), WIDTH, 0.6) for _ in range(3))
    features = [np.hstack([common, one]) if shared else one for one in own]
    drives = []
    for one in [common, common] if shared else own:
        drive = delay(one, runs, DELAYS) @ weights.standard_normal((WIDTH * len(DELAYS), n)).astype(np.float32)
        drives.append(drive / drive[: (RUNS - TESTED) * LENGTH].std(axis=0))
    values = smooth((draws[0], draws[1]), len(KINDS) * n, 0.5)
    for kind, (first, second) in enumerate(KINDS.values()):
        part = slice(kind * n, (kind + 1) * n)
        alike = shared and first == second
        signal = first * np.sqrt(2) * drives[0] if alike else first * drives[0] + second * drives[1]
        values[:, part] = signal + np.sqrt(1 - first**2 - second**2) * values[:, part]
    return features, values


def study_of(evaluation: dict[str, str], refits: int) -> Study:
    """A study of one feature space, whose responses are given."""
    return Study.model_validate({
        "name": "simulated", "output": "results", "note": "simulated data",
        "data": {"reader": "table", "files": "{subject}.txt", "regions": ["a"], "tr": TR},
        "features": {"a": {"extractor": "word_rate", "textgrid": "x"}},
        "model": {"delays": DELAYS, "filter_features": False},
        "cleaning": {"detrend": "none"},
        "evaluation": evaluation,
        "statistics": {"permutations": 1000, "refits": refits, "block": 16.0, "audit": False, "intervals": False},
    })  # fmt: skip


def write_results(folder: Path, values: Any, responses: Responses, study: Study) -> Path:
    """Encode and write what a comparison reads."""
    found = encode_subject(responses, {"a": FeatureSpace("a", values, responses.runs)}, study)
    with ResultsWriter(folder, folder.name, ["01"]) as writer:
        writer.file("study.toml").write_text(f'name = "{folder.name}"\n[features.a]\n')
        blocks = keep_blocks(found, study)
        assert blocks is not None
        blocks.save(writer.folder, "01")
        for kind, map_values in ((maps.R, found.r[JOINT]), (maps.P, found.p), (maps.Q, found.q)):
            writer.write_map("01", JOINT, kind.stat, map_values, responses.space, {})
    return folder


def collected(name: str, shared: bool, n: int, seeds: Iterable[int], refits: int) -> dict[str, Any]:
    """Comparisons by one way of evaluation and relation of the features, shape (n_seeds, n_test_sets, n_kinds, n)."""
    study, runs = study_of(EVALUATIONS[name], refits), Runs.from_lengths([LENGTH] * RUNS, TR)
    found: dict[str, list[Any]] = {key: [] for key in KEYS}
    for seed in seeds:
        for number in range(TEST_SETS if name == "fixed" else 1):
            features, values = simulated(seed, number, runs, n, shared)
            responses = Responses.from_array(values, runs, Unplaced(values.shape[1]))
            with tempfile.TemporaryDirectory() as folder:
                paths = [
                    write_results(Path(folder, k), x, responses, study) for k, x in zip("ab", features, strict=True)
                ]
                one = compare_results(*paths).targets["01"]
            for key in KEYS:
                found[key].append(getattr(one if key in ("first", "second") else one.found, key))
    sets = TEST_SETS if name == "fixed" else 1
    return {key: np.reshape(parts, (-1, sets, len(KINDS), n)) for key, parts in found.items()}


def rows_of(name: str, shared: bool, every: dict[str, Any]) -> Iterator[Row]:
    """Rows of what was collected."""
    for number, kind in enumerate(KINDS):
        own = {key: values[:, :, number] for key, values in every.items()}
        if kind != "better" or not shared:
            case = f"{name}_{'shared' if shared else 'other'}_{kind}"
            yield Row(case, agreement=power(own) if kind == "better" else rates(own, kind))


def rates(own: dict[str, Any], kind: str) -> dict[str, Any]:
    """Rates of false positives, or of intervals without the true difference of two fitted models."""
    about: dict[str, Any] = {"r": float(own["first"].mean()), "chosen": float(own["chosen"].mean())}
    if (n_sets := own["p"].shape[1]) > 1 and kind != "empty":
        off = np.abs(own["difference"] - own["difference"].mean(axis=1, keepdims=True)) / np.sqrt(1 - 1 / n_sets)
        outside = off > (own["high"] - own["low"]) / 2
        rate = about["outside"] = float(outside.mean())
        about["outside, chosen"] = float(outside[own["chosen"]].mean())
    else:
        picked = own["p"][own["chosen"]]
        about |= {f"p < {level}": float((own["p"] < level).mean()) for level in (0.05, 0.001)}
        about |= {f"p < {level}, chosen": float((picked < level).mean()) for level in (0.05, 0.001) if len(picked)}
        rate = about["p < 0.05"]
        stated = np.sqrt(np.mean((own["high"] - own["low"]) ** 2, axis=(1, 2))) / (2 * WIDTH_OF_95)
        about["stated / true error"] = [round(float(one), 3) for one in stated / own["difference"].std(axis=(1, 2))]
    return about | {"within": bool((0.04 if n_sets > 1 and kind == "empty" else 0.0) <= rate <= 0.06)}


def power(own: dict[str, Any]) -> dict[str, Any]:
    """Share of targets whose difference is found, and of these with the wrong sign."""
    found = own["q"] < 0.05
    wrong = float((own["difference"][found] < 0).mean()) if found.any() else 0.0
    means = {key: float(own[key].mean()) for key in ("first", "second")}
    return means | {
        "power": float(found.mean()),
        "wrong sign": wrong,
        "within": bool(found.mean() > 0.3 and wrong < 0.01),
    }


def main() -> None:
    """Both ways of evaluation, other and shared features."""
    quick = arguments(__doc__ or "").quick
    n, datasets, refits = (250, 2, 4000) if quick else (500, 6, 8000)
    rows = [
        row
        for name in EVALUATIONS
        for shared in (False, True)
        for row in rows_of(name, shared, collected(name, shared, n, range(datasets), refits))
    ]
    agreed = all(row.agreement and row.agreement["within"] for row in rows)
    finish("comparison", rows, environment(targets=n, datasets=datasets, simulated=True), agreed=agreed, quick=quick)


if __name__ == "__main__":
    main()
