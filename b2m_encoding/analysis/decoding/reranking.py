"""Encoding model that ranks the candidates of a reconstruction, fitted to the training windows of a study."""

from __future__ import annotations

import numpy as np

from b2m_encoding.analysis.decoding.windows import Samples, Units, per_clip
from b2m_encoding.decoding.decoders.base import ENCODER_ALPHAS, usable_targets, with_blocks
from b2m_encoding.models import EncodingModel
from b2m_encoding.models.inverse import best_targets
from b2m_encoding.results.reranking_model import RerankingModel

MOST_TARGETS = 500
"""Largest number of targets; as many voxels identify natural images (Kay et al. 2008, doi 10.1038/nature06713)."""


def fit_reranking_model(training: Samples, test: Samples, device: str = "auto") -> RerankingModel:
    """Fit the responses of training windows to their features, and store the targets with the best scores.

    Everything is chosen in training windows; of the test windows the responses are stored, not the features.

    Parameters
    ----------
    training, test : Samples
        Features in the units of their feature space.
    device : str

    Raises
    ------
    InputError
        If no target has responses that are finite and vary.
    """
    units = Units.of(training.features)
    usable = usable_targets(training.brain)
    model = EncodingModel(delays=None, alphas=ENCODER_ALPHAS, device=device)
    features, runs = units.standard(training.features), with_blocks(training.runs)
    model.fit(features, training.brain[:, usable], runs=runs)
    chosen = best_targets(model, MOST_TARGETS)
    targets = usable[chosen]
    mean = np.asarray(np.mean(training.brain[:, targets], axis=0))
    deviation = np.asarray(np.std(training.brain[:, targets], axis=0))
    scale = np.divide(1.0, units.deviation, out=np.zeros_like(units.deviation), where=units.deviation > 0)
    [weights] = model.coef_.values()
    return RerankingModel(
        targets=targets.astype(np.int64),
        r=np.asarray(model.cv_scores_[chosen], dtype=np.float32),
        mean=units.mean.astype(np.float32),
        weights=np.asarray(weights[0][:, chosen] * scale[:, None] / deviation, dtype=np.float32),
        clips=np.array(list(dict.fromkeys(test.runs.clip.tolist())), dtype=np.str_),
        measured=np.asarray((per_clip(test.brain[:, targets], test.runs) - mean) / deviation, dtype=np.float32),
        trained=np.array(sorted(set(training.runs.clip.tolist())), dtype=np.str_),
    )
