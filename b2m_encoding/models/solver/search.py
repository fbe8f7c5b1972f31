"""Cross-validated scores of every penalty."""

from __future__ import annotations

import torch
from torch import Tensor

FLAT = 1e-10
"""Share of the squared deviations from the training means below which a target is constant inside the folds."""


def cross_validated_r2(error: Tensor, variation: Tensor, null: Tensor) -> Tensor:
    """R2 from squared errors, held-out variation, and squares about the training means where there is no variation."""
    scale = torch.where(variation > FLAT * null, variation, null)
    return 1 - error / scale.clamp_min(torch.finfo(torch.float64).tiny)
