"""From the inputs of a fit to the ridge problem that they allow."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from b2m_encoding._typing import Bands
from b2m_encoding.models.delay_prior import delay_prior_root
from b2m_encoding.models.solver.fit_inputs import FitInputs
from b2m_encoding.models.solver.gram.problem import StatisticsProblem
from b2m_encoding.models.solver.preparation import Preparation
from b2m_encoding.models.solver.problems import RidgeProblem
from b2m_encoding.models.solver.samples.factors import Factors
from b2m_encoding.models.solver.samples.problem import SampleForm, SamplesProblem
from b2m_encoding.models.solver.settings import Settings


def make_problem(inputs: FitInputs, bands: Mapping[str, int], settings: Settings) -> RidgeProblem:
    """Make the ridge problem that the inputs allow.

    Parameters
    ----------
    inputs : FitInputs
    bands : dict of str to int
        Columns of each feature space.
    settings : Settings
    """
    prior = delay_prior_root(settings.delays, settings.delay_prior, settings.smoothness)
    preparation = Preparation(settings.standardize, list(bands.values()), prior)
    if inputs.samples is None:
        assert inputs.statistics is not None
        return StatisticsProblem(inputs.statistics, preparation, center=settings.center, device=settings.device)
    n_samples, n_features = len(inputs.samples), inputs.samples.n_features
    form: SampleForm = "dual" if n_features > n_samples else "prediction"
    if settings.form in ("prediction", "dual"):
        form = settings.form
    return SamplesProblem(
        inputs.samples,
        preparation,
        form=form,
        center=settings.center,
        dtype=settings.dtype,
        device=settings.device,
        factors=Factors(settings.factors, settings.device),
    )


def balanced_scaling(inputs: FitInputs, names: Bands, widths: Mapping[str, int], settings: Settings) -> Tensor | None:
    """Scale feature spaces so that each has the same total variance, whatever its number of features.

    Returns
    -------
    Tensor of float64, shape (n_bands,), or None
        The total variance of all stays as it is, and so does the scale of the penalties; None for one feature space.
    """
    if len(names) == 1:
        return None
    variance = inputs.variances
    variance = (variance > 0).double() if settings.standardize else variance
    parts = dict(zip(widths, torch.split(variance, list(widths.values())), strict=True))
    total = torch.stack([parts[name].sum() for name in names])
    scaling = torch.where(total > 0, total.sum() / (len(names) * total), 1.0)
    return scaling.to(settings.device)
