"""Optimal transport of decoded features: against assignments, closed forms and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from torch.nn.functional import normalize

from b2m_encoding import Runs
from b2m_encoding.decoding import ContrastiveDecoder
from b2m_encoding.decoding.decoders.contrastive import info_nce
from b2m_encoding.decoding.decoders.transport import sinkhorn_divergence, transport_cost
from b2m_encoding.errors import InputError


def test_with_little_entropy_the_cost_is_that_of_the_best_assignment() -> None:
    """Entropic transport lies at most blur * log(n) above it."""
    rng, blur = np.random.default_rng(0), 0.03
    for _ in range(5):
        cost = rng.uniform(0, 2, (6, 6))
        rows, columns = linear_sum_assignment(cost)
        best, found = cost[rows, columns].mean(), float(transport_cost(torch.from_numpy(cost), blur))
        assert best - 1e-4 < found < best + blur * np.log(6)


@pytest.mark.parametrize("blur", [0.02, 0.1, 1.0])
def test_two_points_in_closed_form(blur: float) -> None:
    c = 0.7
    found = float(transport_cost(torch.tensor([[0.0, c], [c, 0.0]]).double(), blur))
    assert found == pytest.approx(-blur * np.log((1 + np.exp(-0.7 / blur)) / 2), abs=1e-6)
    assert float(transport_cost(torch.tensor([[c]]).double(), blur)) == pytest.approx(c)
    assert float(transport_cost(torch.full((3, 5), c).double(), blur)) == pytest.approx(c)  # other numbers of members


def test_the_divergence_is_zero_for_the_same_sets_alone_and_its_gradient_is_right() -> None:
    rng = np.random.default_rng(1)
    x, y = (torch.from_numpy(rng.standard_normal((5, 3))) for _ in range(2))
    assert abs(float(sinkhorn_divergence(x, 3 * x[[4, 2, 0, 1, 3]]))) < 1e-5  # whatever order and length
    assert float(sinkhorn_divergence(x, y)) > 0.01
    x.requires_grad_()
    [slope] = torch.autograd.grad(sinkhorn_divergence(x, y), x)
    with torch.no_grad():
        for i, j in ((0, 0), (2, 1), (4, 2)):
            step = torch.zeros_like(x)
            step[i, j] = 1e-4
            ends = [float(sinkhorn_divergence(x + sign * step, y)) for sign in (1, -1)]
            assert float(slope[i, j]) == pytest.approx((ends[0] - ends[1]) / 2e-4, abs=1e-4)


def test_the_decoder_descends_the_sum_of_both_losses() -> None:
    rng = np.random.default_rng(2)
    runs = Runs.from_labels(np.repeat(["a", "b", "c"], 20), 1.5, clip=[f"clip {i // 2}" for i in range(60)])
    E = rng.standard_normal((60, 4))
    Y = E @ rng.standard_normal((4, 12)) + 2 * rng.standard_normal((60, 12))
    plain, both = (ContrastiveDecoder(n_steps=0, transport=weight).fit(Y, E, runs=runs) for weight in (0.0, 2.0))
    x, y, clips = both.learner_.batch
    start = both.learner_.weights.detach().clone().requires_grad_()
    assert torch.equal(start, plain.learner_.weights)
    loss = info_nce(x @ start, y, clips, 0.07) + 2 * sinkhorn_divergence(x @ start, y)
    [slope] = torch.autograd.grad(loss, start)
    both.learner_.step()
    assert torch.allclose(both.learner_.weights, start - both.learning_rate * slope)
    before = float(sinkhorn_divergence(x @ start.detach(), y))
    for _ in range(20):
        both.learner_.step()
        plain.learner_.step()
    ends = [float(sinkhorn_divergence(x @ one.learner_.weights.detach(), y)) for one in (both, plain)]
    assert ends[0] < min(ends[1], before)
    assert normalize(x @ both.learner_.weights).isfinite().all()
    with pytest.raises(InputError, match="weight of optimal transport"):
        ContrastiveDecoder(transport=-1)
