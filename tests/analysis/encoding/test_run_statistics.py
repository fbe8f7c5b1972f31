"""Statistics gathered run by run give the fits that samples read at once give."""

from __future__ import annotations

import numpy as np
import pytest

from b2m_encoding.analysis.encoding.predict import audited_targets, inside, predict_held_out, predict_part
from b2m_encoding.analysis.encoding.run_statistics import gather_run, join_runs
from b2m_encoding.analysis.encoding.sizes import wanted_models
from b2m_encoding.analysis.encoding.test_samples import Part
from b2m_encoding.analysis.splits import split_samples
from b2m_encoding.data import Responses
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.models.solver.statistics import SufficientStatistics
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import Unplaced
from b2m_encoding.study import Study

TEST = {"kind": "test", "test_runs": "run-04"}
FOLDS = {"kind": "cross-validation"}
BLOCKS = {"kind": "cross-validation", "blocks": 2, "gap": 3.0}
N_TARGETS = 12


def make(
    evaluation: dict[str, object], pca: int | None, width: int, unit: float
) -> tuple[Responses, dict[str, FeatureSpace], Study]:
    rng = np.random.default_rng(0)
    runs = Runs.from_lengths([60, 50, 70, 60], tr=1.5).discard(3.0)
    values = {name: rng.standard_normal((len(runs), n)).astype(np.float32) for name, n in (("a", width), ("b", 3))}
    values["a"][:, 1] = np.arange(len(runs)) >= 60  # constant in the first run, not in the others
    values["a"][runs.run != "run-02"] *= unit
    Y = sum(v @ rng.standard_normal((v.shape[1], N_TARGETS)) for v in values.values())
    responses = Responses.from_array(Y + rng.standard_normal((len(runs), N_TARGETS)), runs, Unplaced(N_TARGETS))
    study = Study.model_validate(
        {
            "name": "study",
            "output": "results",
            "data": {"reader": "table", "files": "{subject}.txt", "regions": ["x"], "tr": 1.5},
            "features": {name: {"extractor": "array", "files": "x", "pca": pca} for name in values},
            "model": {"delays": [0.0, 1.5]},
            "evaluation": evaluation,
        }
    )
    return responses, {name: FeatureSpace(name, v, runs) for name, v in values.items()}, study


@pytest.mark.parametrize("evaluation", [TEST, FOLDS, BLOCKS], ids=["test", "folds", "blocks"])
@pytest.mark.parametrize(
    ("pca", "width", "unit"),
    [(None, 4, 1.0), (2, 4, 1.0), (None, 110, 1.0), (None, 4, 1e-12)],
    ids=["all", "components", "wide", "one run in another unit"],
)
def test_runs_gathered_one_by_one_give_the_same_predictions(
    evaluation: dict[str, object], pca: int | None, width: int, unit: float
) -> None:
    responses, spaces, study = make(evaluation, pca, width, unit)
    runs, splits = split_samples(responses.runs, study.evaluation)
    responses = responses.with_runs(runs)
    models = wanted_models(tuple(spaces), study.statistics)
    whole = predict_held_out(responses, spaces, study, splits, models)

    names = [name for name, rows in runs.slices.items() if any(split.train[rows].any() for split in splits)]
    gathered = [gather_run(responses, spaces, study, splits, name, study.statistics.audit) for name in names]
    assert all((statistics is None) == (width > 100) for _, statistics in gathered)
    targets = slice(4, 9)

    def load(number: int) -> SufficientStatistics | None:
        found = gathered[number][1]
        if found is None:
            return None
        some = {name: moments.targets(targets) for name, moments in found.blocks.items()}
        return SufficientStatistics(found.bands, some, found.dtype)

    known = join_runs([run for run, _ in gathered], load, N_TARGETS, targets, len(splits))
    part = Part(responses, targets, inside(audited_targets(N_TARGETS), targets))
    found = predict_part(part, spaces, study, splits, models, known)
    np.testing.assert_allclose(found.predicted, whole.predicted[:, targets], atol=1e-4)
    for bands, alphas in whole.alphas.items():
        assert np.isclose(found.alphas[bands], alphas[targets]).mean() >= 0.8, bands  # penalties may tie
    assert found.audited is not None
    assert whole.audited is not None
    np.testing.assert_array_equal(found.audited.training, whole.audited.training[:, targets])
    if evaluation is not TEST:
        used = {key for run, _ in gathered for blocks in run.members if blocks for key in blocks.values()}
        kept = {key for _, statistics in gathered if statistics for key in statistics.blocks}
        assert used == kept
        if pca is None and width == 4 and unit == 1:  # splits that train on the same samples share their statistics
            assert len(kept) <= 2 * len(set(runs.block[runs.used]))
