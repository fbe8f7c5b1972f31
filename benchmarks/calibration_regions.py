"""Rows of ``calibration.py`` on region comparisons: does the mixed model hold its 5 %?

- ``mixed_slopes_N``: N subjects, two feature spaces, four regions; every subject prefers one of the feature spaces by
  an own amount, subjects together do not. Rate of p < .05 of the factor feature space; ``peer``: the same with
  subjects as the only random part (Wald, statsmodels). Agreement: ours within .05 by two standard errors and .01.
- ``mixed_slopes_3_spaces``: ten subjects, three feature spaces, two of which are nearly alike in every subject.
- ``mixed_crossover``: one feature space leads in two regions as much as the other in two: no main effect.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.formula.api as formulas
from harness import Row

from b2m_encoding.stats import mixed_model

N_REGIONS = 4


def scores(rng: np.random.Generator, slopes: Any, crossover: float = 0.0) -> pd.DataFrame:
    """Scores of two hemispheres, with own slopes of every subject, shape (n_subjects, n_spaces)."""
    n, k = slopes.shape
    shape = (n, 2, k, N_REGIONS)
    values = 0.2 + rng.normal(0, 0.05, (n, 1, 1, 1)) + slopes[:, None, :, None]
    values = values + rng.normal(0, 0.03, (n, 1, 1, N_REGIONS)) + rng.normal(0, 0.02, shape)
    if crossover:
        values = values + crossover * np.array([[1, 1, -1, -1], [-1, -1, 1, 1]])
    subject, hemisphere, space, region = (axis.ravel() for axis in np.indices(shape))
    return pd.DataFrame(
        {
            "subject": [f"s{i}" for i in subject],
            "hemisphere": ["LR"[i] for i in hemisphere],
            "region": [f"r{i}" for i in region],
            "feature_space": [f"f{i}" for i in space],
            "score": values.ravel(),
        }
    )


def mixed_models(quick: bool) -> Iterator[Row]:
    """Rate of p < .05 of the factor feature space, which has no effect."""
    n_tables, n_peer = (20, 4) if quick else (800, 100)
    alike = np.array([[1, 0], [0, 1], [0.1, 1]])
    designs = {
        "mixed_slopes_10": lambda rng: scores(rng, rng.normal(0, 0.03, (10, 2))),
        "mixed_slopes_20": lambda rng: scores(rng, rng.normal(0, 0.03, (20, 2))),
        "mixed_slopes_3_spaces": lambda rng: scores(rng, rng.normal(0, 0.03, (10, 2)) @ alike.T),
        "mixed_crossover": lambda rng: scores(rng, rng.normal(0, 0.03, (10, 2)), crossover=0.05),
    }
    for case, design in designs.items():
        rng = np.random.default_rng(21)
        tables = [design(rng) for _ in range(n_tables)]
        p = np.array([mixed_model(table).terms["p"][0] for table in tables])
        peer = np.array([_random_subjects(table) for table in tables[:n_peer]])
        rate, width = float((p < 0.05).mean()), 0.01 + 2 * float(np.sqrt(0.05 * 0.95 / n_tables))
        agreement = {"within": abs(rate - 0.05) <= width, "tested": bool(np.isfinite(p).all()), "tables": n_tables}
        yield Row(case, ours=f"{rate:.4f}", peer=f"{float((peer < 0.05).mean()):.4f}", agreement=agreement)


def _random_subjects(table: pd.DataFrame) -> float:
    """P of the first term of a model whose only random part is the subject; NaN where it does not converge."""
    formula = "score ~ C(feature_space, Sum) * C(region, Sum) + C(hemisphere, Sum)"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scaled = table.assign(score=table["score"] / table["score"].std())
        try:
            fitted = formulas.mixedlm(formula, scaled, groups=table["subject"]).fit()
            return float(fitted.wald_test_terms(scalar=True).table.loc["C(feature_space, Sum)", "pvalue"])
        except (np.linalg.LinAlgError, ValueError):
            return float("nan")
