"""Mixed model of region scores, fitted by statsmodels, with notes on what could not be fitted."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import statsmodels.formula.api as formulas

FACTORS = ("feature_space", "region", "hemisphere")
FEW_SUBJECTS = 5


@dataclass(frozen=True, eq=False)
class MixedModel:
    """A fitted mixed model.

    Parameters
    ----------
    status : {"fitted", "fixed subjects", "not possible"}
        "fixed subjects" if the variance of subjects is not distinguishable from zero, or the fit did not converge:
        subjects are then a fixed factor.
    formula : str
        Fitted formula, in the notation of R.
    terms : DataFrame
        ``term``, ``statistic`` (chi2 or F), ``df``, ``p``: Wald test of every factor and of their interaction.
    coefficients : DataFrame
        ``name``, ``estimate``, ``error``, ``low``, ``high``, ``p``.
    notes : tuple of str
        Limitations of the fit, for the report.
    """

    status: Literal["fitted", "fixed subjects", "not possible"]
    formula: str
    terms: pd.DataFrame
    coefficients: pd.DataFrame
    notes: tuple[str, ...]


def mixed_model(table: pd.DataFrame, *, level: float = 0.95) -> MixedModel:
    """Fit ``score ~ feature_space * region + hemisphere + (1 | subject)``.

    Factors with one level are left out.

    Parameters
    ----------
    table : DataFrame
        ``subject``, ``hemisphere``, ``region``, ``feature_space``, ``score``.
    level : float
        Confidence level of the intervals of coefficients.

    Returns
    -------
    MixedModel

    Notes
    -----
    Its p values assume many subjects and normal residuals: with fewer than about ten, use the sign flips of
    :func:`~b2m_encoding.stats.regions.compare_regions` instead. Laird & Ware 1982, doi 10.2307/2529876.
    """
    used = [name for name in FACTORS if table[name].nunique() > 1]
    crossed = " * ".join(f"C({name})" for name in used if name != "hemisphere")
    right = " + ".join(part for part in (crossed, "C(hemisphere)" if "hemisphere" in used else "") if part)
    formula, n_subjects = f"score ~ {right or '1'}", table["subject"].nunique()
    notes = [f"{n_subjects} subjects: p values of this model are rough"] if n_subjects < FEW_SUBJECTS else []
    data = table.assign(**{name: table[name].astype(str) for name in (*FACTORS, "subject")})
    n_cells = int(np.prod([table[name].nunique() for name in used if name != "hemisphere"])) + ("hemisphere" in used)
    if n_subjects < 2 or len(data) <= n_cells + n_subjects:
        return _nothing(formula, [*notes, "too few scores or subjects for a mixed model"])
    fitted, problem = _random_subjects(formula, data)
    if fitted is not None and problem is None:
        return _model("fitted", f"{formula} + (1 | subject)", fitted, level, notes)
    notes.append(f"subjects as a fixed factor: {problem}")
    formula = f"{formula} + C(subject)"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _model("fixed subjects", formula, formulas.ols(formula, data).fit(), level, notes)
    except (np.linalg.LinAlgError, ValueError) as error:
        return _nothing(formula, [*notes, f"that could not be fitted either ({error})"])


def _random_subjects(formula: str, data: pd.DataFrame) -> tuple[Any, str | None]:
    """Fit with random subjects; returns the fit, and its problem if there is one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # statsmodels calls every variance below .01 a boundary; checked below
            fitted = formulas.mixedlm(formula, data, groups=data["subject"]).fit(reml=True)
    except (np.linalg.LinAlgError, ValueError) as error:
        return None, f"the mixed model could not be fitted ({error})"
    if not fitted.converged or not np.isfinite(fitted.bse_fe).all():
        return fitted, "the mixed model is singular or did not converge"
    if float(fitted.cov_re.iloc[0, 0]) < 1e-4 * float(fitted.scale):
        return fitted, "the variance between subjects is zero"
    return fitted, None


def _model(status: Any, formula: str, fitted: Any, level: float, notes: list[str]) -> MixedModel:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wald = fitted.wald_test_terms(scalar=True).table
        interval = fitted.conf_int(alpha=1 - level)
    names = [name for name in fitted.params.index if name != "Group Var"]
    statistic = next(column for column in ("statistic", "chi2", "F") if column in wald)
    terms = pd.DataFrame(
        {
            "term": [_plain(name) for name in wald.index],
            "statistic": wald[statistic].astype(float).to_numpy(),
            "df": wald["df_constraint"].astype(float).to_numpy(),
            "p": wald["pvalue"].astype(float).to_numpy(),
        }
    )
    coefficients = pd.DataFrame(
        {
            "name": [_plain(name) for name in names],
            "estimate": fitted.params[names].to_numpy(),
            "error": fitted.bse[names].to_numpy(),
            "low": interval.loc[names, 0].to_numpy(),
            "high": interval.loc[names, 1].to_numpy(),
            "p": fitted.pvalues[names].to_numpy(),
        }
    )
    terms = terms[terms["term"] != "Intercept"].reset_index(drop=True)
    return MixedModel(status, _plain(formula), terms, coefficients, tuple(notes))


def _plain(name: str) -> str:
    """Name of a term without the notation of statsmodels."""
    for factor in (*FACTORS, "subject"):
        name = name.replace(f"C({factor})", factor)
    return name


def _nothing(formula: str, notes: list[str]) -> MixedModel:
    terms = pd.DataFrame(columns=["term", "statistic", "df", "p"])
    coefficients = pd.DataFrame(columns=["name", "estimate", "error", "low", "high", "p"])
    return MixedModel("not possible", _plain(formula), terms, coefficients, tuple(notes))
