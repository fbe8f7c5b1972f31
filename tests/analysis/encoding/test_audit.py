"""The gap between folds, in whole analyses of simulated responses."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from b2m_encoding.analysis.encoding.audit import _fold_gap
from b2m_encoding.analysis.encoding.encode import encode_subject
from b2m_encoding.analysis.encoding.predict import training_values
from b2m_encoding.analysis.splits import split_samples
from b2m_encoding.data import Responses
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import Unplaced
from b2m_encoding.stats.audit import Check
from b2m_encoding.study import Study

LENGTHS = {**{f"train-{i}": 120 for i in range(4)}, "test": 100}
STUDY = {
    "name": "gap", "output": "unused", "data": {"reader": "table", "files": "{subject}", "regions": ["a"], "tr": 1.5},
    "features": {"x": {"extractor": "array", "files": "unused"}}, "cleaning": {"detrend": "none"},
    "model": {"delays": [0.0]}, "evaluation": {"kind": "test", "test_runs": "test"},
    "statistics": {"permutations": 300, "intervals": False},
}  # fmt: skip


def noise(rng: np.random.Generator, n_targets: int, rho: float) -> np.ndarray:
    parts = [lfilter([1], [1, -rho], rng.standard_normal((n + 80, n_targets)), axis=0)[80:] for n in LENGTHS.values()]
    return np.concatenate(parts) * np.sqrt(1 - rho**2)


def gap(seed: int, copied: bool = False) -> tuple[Check, int]:
    """The check, and the number of predicted targets; ``copied``: the test run repeats a training run."""
    rng, runs, study = np.random.default_rng(seed), Runs.from_lengths(LENGTHS, 1.5), Study.model_validate(STUDY)
    features, responses, weights = noise(rng, 20, 0.8), noise(rng, 300, 0.6), rng.standard_normal((20, 300))
    drive = 0.3 * np.abs(rng.standard_normal(300))
    responses = responses + drive * (features @ (weights / np.linalg.norm(weights, axis=0)))
    if copied:
        features[480:], responses[480:] = features[:100], responses[:100]
    space = FeatureSpace("x", features.astype(np.float32), runs)
    encoding = encode_subject(
        Responses.from_array(responses.astype(np.float32), runs, Unplaced(300)), {"x": space}, study
    )
    assert encoding.held_out is not None
    values = training_values({"x": space}, study, split_samples(runs, study.evaluation)[1][0])
    return _fold_gap(encoding, encoding.held_out.audited, values, study, None), int((encoding.q < 0.05).sum())


def test_targets_that_were_chosen_by_their_score_do_not_seem_to_leak() -> None:
    """Predicted targets alone score .54 here, far above their .35 in whole-run folds, since they were chosen by it."""
    clean, n_predicted = gap(3)
    assert n_predicted > 20
    assert clean.status == "pass"
    assert gap(3, copied=True)[0].status == "fail"
