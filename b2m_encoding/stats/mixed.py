"""Mixed model of region scores: F tests of feature space, region and their interaction, with random slopes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import f as fisher
from scipy.stats import t as student

from b2m_encoding._typing import Float64
from b2m_encoding.stats.restricted_likelihood import LinearMixedFit, fit_variances

FACTORS = ("feature_space", "region")
MIN_SUBJECTS = 3
"""Fewest subjects with a p value: two differ by one number."""
Term = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class MixedModel:
    """A fitted mixed model.

    Parameters
    ----------
    status : {"fitted", "not possible"}
    formula : str
        Fitted formula, in the notation of R; ``(1 | subject:region)`` is the deviation of a subject in a region.
    terms : DataFrame
        ``term``, ``statistic`` (F), ``df``, ``df_error``, ``p``: test of every factor and of their interaction.
    coefficients : DataFrame
        ``name``, ``estimate``, ``error``, ``low``, ``high``, ``p``: sum contrasts, so that the intercept is the mean of
        all cells and every other coefficient a deviation from it.
    notes : tuple of str
        Limitations of the fit, for the report.
    variances : dict of str to float
        Variance of each random part, in the squared unit of the score.
    """

    status: Literal["fitted", "not possible"]
    formula: str
    terms: pd.DataFrame
    coefficients: pd.DataFrame
    notes: tuple[str, ...]
    variances: Mapping[str, float] = field(default_factory=dict)


def mixed_model(table: pd.DataFrame, *, level: float = 0.95) -> MixedModel:
    """Fit ``score ~ feature_space * region`` with random subjects and random slopes of both factors.

    Hemispheres are averaged first. The random parts are the subject, subject by feature space and subject by region, so
    that a factor is compared with how much its effect differs between subjects. A factor with one level is
    left out, as is an interaction with an empty cell.

    Parameters
    ----------
    table : DataFrame
        ``subject``, ``hemisphere``, ``region``, ``feature_space``, ``score``.
    level : float
        Confidence level of the intervals of coefficients.

    Returns
    -------
    MixedModel
        Not possible below three subjects.

    Notes
    -----
    Variances by restricted maximum likelihood (Laird & Ware 1982, doi 10.2307/2529876), each at least zero. Factors
    have sum contrasts; F is Wald's, its error degrees of freedom are those of the random part that contains the term,
    and both degrees of freedom are multiplied by the epsilon of Greenhouse & Geisser (doi 10.1007/BF02289823) where
    a term has several. In a complete table whose estimated variances are above zero, F is that of a repeated-measures
    analysis of variance; with two feature spaces it is the square of the paired t of subject means.
    """
    known = table.loc[np.isfinite(table["score"].astype(float)), ["subject", *FACTORS, "score"]]
    cells = known.astype({name: str for name in ("subject", *FACTORS)}).groupby(["subject", *FACTORS], sort=True)
    data = cells["score"].mean().reset_index()
    used = [name for name in FACTORS if data[name].nunique() > 1]
    terms: list[Term] = [*((name,) for name in used), *([tuple(used)] if len(used) == 2 else [])]
    notes, n_subjects = [], data["subject"].nunique()
    if n_subjects < MIN_SUBJECTS or not used:
        what = f"{n_subjects} subject{'s' * (n_subjects != 1)}, {MIN_SUBJECTS} or more are needed"
        return _nothing(terms, _formula(used), what if used else "one feature space and one region")
    if len(used) == 2 and (empty := _empty_cells(data)):
        notes.append(f"no score of {empty}: the interaction cannot be estimated and is left out")
        terms = terms[:-1]
    return _fitted(data, terms, _formula(used, len(terms) == 3), level, notes)


def _formula(used: Sequence[str], interaction: bool = True) -> str:
    fixed = (" * " if interaction else " + ").join(used) or "1"
    slopes = [f"(1 | subject:{name})" for name in used] if len(used) == 2 else []
    return " + ".join([f"score ~ {fixed}", "(1 | subject)", *slopes])


def _empty_cells(data: pd.DataFrame) -> str:
    """Cells of the table without a score of any subject, in words."""
    counts = pd.crosstab(data["feature_space"], data["region"])
    return ", ".join(f"{space} in {region}" for space, row in counts.iterrows() for region in row.index[row == 0])


def _fitted(data: pd.DataFrame, terms: Sequence[Term], formula: str, level: float, notes: list[str]) -> MixedModel:
    """Fit, in units of the spread of the scores, and test every term."""
    scale = float(data["score"].std())
    columns = {term: _contrasts(data, term) for term in terms}
    design = np.column_stack([np.ones(len(data)), *columns.values()])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return _nothing(terms, formula, "regions and feature spaces cannot be distinguished: too many cells are empty")
    slopes = [name for (name,) in terms[:2]] if len(terms) > 1 else []
    groups = {"subject": data["subject"], **{f"subject:{n}": data["subject"] + "\0" + data[n] for n in slopes}}
    coded = {name: pd.factorize(labels)[0] for name, labels in groups.items()}
    if not scale > 1e-12 * float(data["score"].abs().max()):
        return _nothing(terms, formula, "all scores are equal")
    fit = fit_variances(
        data["score"].to_numpy() / scale, design, list(coded.values()), pd.factorize(data["subject"])[0]
    )
    if fit is None:
        return _nothing(terms, formula, "the scores leave no residual variance: too few, or without noise")
    n = int(data["subject"].nunique())
    tests, coefficients = [], [_coefficients(["mean of all cells"], fit, slice(0, 1), n - 1, scale, level)]
    start = 1
    for term, values in columns.items():
        part, start = slice(start, start + values.shape[1]), start + values.shape[1]
        error = _error_df(data, term, values)
        tests.append(_test(":".join(term), fit, part, error, _epsilon(data, term)))
        coefficients.append(_coefficients(_names(data, term), fit, part, error / values.shape[1], scale, level))
    found = dict(zip([*coded, "residual"], (fit.variances * scale**2).tolist(), strict=True))
    zero = [name for name, value in found.items() if value < 1e-6 * scale**2]
    if zero:
        notes.append(f"estimated variance of {' and '.join(zero)}: zero")
    coefficient_table = pd.concat(coefficients, ignore_index=True)
    return MixedModel("fitted", formula, pd.DataFrame(tests), coefficient_table, tuple(notes), found)


def _contrasts(data: pd.DataFrame, term: Term) -> Float64:
    """Sum contrasts of a term, shape (n_scores, df)."""
    product = np.ones((len(data), 1))
    for name in term:
        codes, levels = pd.factorize(data[name], sort=True)
        own = np.vstack([np.eye(len(levels) - 1), -np.ones(len(levels) - 1)])[codes]
        product = (product[:, :, None] * own[:, None, :]).reshape(len(data), -1)
    return product


def _names(data: pd.DataFrame, term: Term) -> list[str]:
    names = [""]
    for factor in term:
        levels = sorted(data[factor].unique())[:-1]
        names = [f"{name}{':' * bool(name)}{factor}[{level}]" for name in names for level in levels]
    return names


def _error_df(data: pd.DataFrame, term: Term, columns: Float64) -> float:
    """Degrees of freedom of the random part that contains a term: (subjects - 1) df in a complete table."""
    whole = pd.factorize(data["subject"] + "\0" + data[list(term)].agg("\0".join, axis=1))[0]
    parts = [data["subject"], *(data["subject"] + "\0" + data[name] for name in (term if len(term) > 1 else ()))]
    left = np.column_stack([np.eye(max(codes) + 1)[codes] for codes in (pd.factorize(part)[0] for part in parts)])
    return float(len(set(whole)) - np.linalg.matrix_rank(np.column_stack([left, columns])))


def _epsilon(data: pd.DataFrame, term: Term) -> float:
    """Epsilon of Greenhouse and Geisser, from subjects with all levels of a term; 1 for one degree of freedom."""
    table = data.pivot_table(index="subject", columns=list(term), values="score", dropna=False).dropna()
    shape = [data[name].nunique() for name in term]
    df = int(np.prod([n - 1 for n in shape]))
    if df == 1:
        return 1.0
    values = table.to_numpy().reshape(len(table), *shape)
    for axis in range(len(values.shape)):
        values = values - values.mean(axis=axis, keepdims=True)
    if len(values) < 2:
        return 1.0 / df
    covariance = np.cov(values.reshape(len(values), -1).T)
    squares = float((covariance**2).sum())
    return float(np.clip(np.trace(covariance) ** 2 / (df * squares), 1 / df, 1)) if squares > 0 else 1.0


def _test(name: str, fit: LinearMixedFit, part: slice, error: float, epsilon: float) -> dict[str, object]:
    estimate, df = fit.coefficients[part], part.stop - part.start
    statistic = float(estimate @ np.linalg.solve(fit.covariance[part, part], estimate)) / df
    error, used = error * epsilon, df * epsilon
    p = float(fisher.sf(statistic, used, error)) if error > 0 else float("nan")
    return {"term": name, "statistic": statistic, "df": used, "df_error": error, "p": p}


def _coefficients(
    names: Sequence[str], fit: LinearMixedFit, part: slice, df: float, scale: float, level: float
) -> pd.DataFrame:
    estimate, error = fit.coefficients[part] * scale, np.sqrt(np.diag(fit.covariance)[part]) * scale
    half = student.ppf((1 + level) / 2, df) * error if df > 0 else np.full_like(error, np.nan)
    p = 2 * student.sf(np.abs(estimate / error), df) if df > 0 else np.full_like(error, np.nan)
    columns = {"estimate": estimate, "error": error, "low": estimate - half, "high": estimate + half, "p": p}
    return pd.DataFrame({"name": list(names), **columns})


def _nothing(terms: Sequence[Term], formula: str, reason: str) -> MixedModel:
    """The terms, without a test."""
    tests = pd.DataFrame({"term": [":".join(term) for term in terms]})
    tests[["statistic", "df", "df_error", "p"]] = np.nan
    coefficients = pd.DataFrame(columns=["name", "estimate", "error", "low", "high", "p"])
    return MixedModel("not possible", formula, tests, coefficients, (reason,))
