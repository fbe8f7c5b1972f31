"""Screened penalties against the full grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from b2m_encoding.models import EncodingModel
from b2m_encoding.models.solver.samples import problem, screening
from b2m_encoding.models.solver.samples.screening import Agreement, random_signs
from b2m_encoding.runs import Runs

ALPHAS = np.logspace(-1, 6, 15)


@pytest.fixture(scope="module")
def study() -> tuple[Any, Any, Runs]:
    rng = np.random.default_rng(0)
    runs = Runs.from_lengths([50] * 6, 1.5)
    X = rng.standard_normal((300, 400)) * np.arange(1, 401) ** -0.5
    signal = X @ rng.standard_normal((400, 300))
    share = rng.choice([0.0, 0.1, 0.4], 300)
    Y = np.sqrt(share) * signal / signal.std(0) + np.sqrt(1 - share) * rng.standard_normal((300, 300))
    return X, Y.astype(np.float32), runs


@pytest.fixture
def few_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problem, "N_DIRECTIONS", 64)


@pytest.mark.usefixtures("few_directions")
def test_the_choice_is_that_of_the_full_grid(study: Any) -> None:
    X, Y, runs = study
    full = EncodingModel(None, solver="ridge", alphas=ALPHAS, screening=False).fit(X, Y, runs=runs)
    some = EncodingModel(None, solver="ridge", alphas=ALPHAS).fit(X, Y, runs=runs)
    assert np.isfinite(full.cv_path_).all()
    left_out = np.isnan(some.cv_path_)
    assert 0.2 < left_out.mean() < 0.9
    np.testing.assert_allclose(some.cv_path_[~left_out], full.cv_path_[~left_out], atol=1e-5)
    same = some.best_alphas_ == full.best_alphas_
    assert same.mean() >= 0.995
    assert (full.cv_scores_ - some.cv_scores_).max() < 1e-4
    assert any("screened by random projections" in note for note in some.notes_)
    assert not any("screened" in note for note in full.notes_)


@pytest.mark.usefixtures("few_directions")
def test_a_margin_of_nothing_chooses_worse_and_the_notes_say_so(study: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    X, Y, runs = study
    monkeypatch.setattr(screening, "MARGIN", -1e9)  # the best estimate alone
    some = EncodingModel(None, solver="ridge", alphas=ALPHAS).fit(X, Y, runs=runs)
    [note] = [note for note in some.notes_ if "screened" in note]
    same, checked = (int(word) for word in note.split("; ")[1].split(" targets")[0].split(" of "))
    assert same < checked


def test_few_targets_and_shared_penalties_are_scored_in_full(study: Any) -> None:
    X, Y, runs = study
    for options in ({"alpha_per": "all"}, {"scoring": "r"}):
        model = EncodingModel(None, solver="ridge", alphas=ALPHAS, **options).fit(X, Y, runs=runs)
        assert np.isfinite(model.cv_path_).all()
    few = EncodingModel(None, solver="ridge", alphas=ALPHAS).fit(X, Y[:, :20], runs=runs)
    assert np.isfinite(few.cv_path_).all()


def test_projections_keep_lengths_on_average() -> None:
    signs = random_signs(128, 500)
    vectors = torch.randn((500, 200), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    ratio = (signs @ vectors).square().sum(0) / vectors.square().sum(0)
    assert abs(float(ratio.mean()) - 1) < 0.05
    assert abs(float(ratio.std()) / (2 / 128) ** 0.5 - 1) < 0.2


def test_agreement_counts_losses() -> None:
    scores = torch.tensor([[0.1, 0.3], [0.2, 0.25]])
    agreement = Agreement(scored=3, targets=2)
    agreement.add(scores, torch.tensor([[True, False], [True, True]]))
    assert (agreement.checked, agreement.same) == (2, 1)
    assert agreement.loss == pytest.approx(0.05)
    assert "1.5 of 2 scored" in agreement.note(2)[0]
