"""The findings of a study in sentences: what was predicted, where, by which feature space, and whether to trust it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from b2m_encoding.data.sources import GROUP_MEAN
from b2m_encoding.io.shares import percent
from b2m_encoding.results.report.report_data import ReportData, listed, many, number
from b2m_encoding.results.schema import CHANCE, JOINT, tables

ALIKE = 0.3
"""Root mean square of r between predictions and their rearrangements from which on a test has little power."""
MANY = 100
"""Targets from which on shares in percent are of use."""
FEW = 0.01
"""Share of predicted targets below which lack of power may be the reason."""


def findings(report: ReportData) -> list[str]:
    """Sentences of the paragraph that opens a page; what was not computed is left out."""
    sentences = [_predicted(report), _power(report), _regions(report), _preferred(report), _identified(report)]
    return [sentence for sentence in sentences if sentence]


def _predicted(report: ReportData) -> str:
    listeners = report.listeners if len(report.listeners) else report.subjects
    parts = [
        f"{_share(one.predicted, one.tested)} of sub-{one.subject} (best r {number(one.best_r, 2)})"
        for one in listeners.itertuples()
    ]
    spaces = listed(report.feature_spaces)
    model = f"Models of {spaces} together" if len(report.feature_spaces) > 1 else f"The model of {spaces}"
    verb = "predict" if len(report.feature_spaces) > 1 else "predicts"
    q = number(report.get("statistics", "q"))
    if len(parts) <= 3:
        return f"{model} {verb} held-out responses of {listed(parts)} at q < {q}."
    shares = listeners["predicted"] / listeners["tested"].clip(lower=1)
    best = number(listeners["best_r"].max(), 2)
    if shares.max() == 0:
        return f"{model} {verb} held-out responses of no target of {len(parts)} subjects at q < {q}; best r {best}."
    return (
        f"{model} {verb} held-out responses of {len(parts)} subjects at q < {q}: between {percent(shares.min())} and "
        f"{percent(shares.max())} of the tested targets, median {percent(shares.median())}; best r {best}."
    )


def _share(predicted: float, tested: float) -> str:
    """A share in percent; below one percent, or of few targets, a number."""
    of = many(int(tested), "tested target")
    if predicted >= FEW * tested and tested >= MANY:
        return f"{predicted / tested:.1%} of {of}"
    return f"{number(predicted) if predicted else 'none'} of {of}"


def _power(report: ReportData) -> str:
    """Why r may be high and nothing significant: rearranged predictions are like the true ones."""
    own = report.subjects.assign(alike=report.column("resemblance"))
    own = own[(own["alike"] >= ALIKE) & (own["predicted"] < FEW * own["tested"])]
    if not len(own):
        return ""
    return (
        f"The test of {listed(f'sub-{name}' for name in own['subject'])} has little power: predictions that are "
        f"rearranged resemble the true ones (r of {number(own['alike'].max(), 2)}, root mean square), as where stimuli "
        "follow each other at equal intervals or are few."
    )


def _regions(report: ReportData) -> str:
    table = report.table(tables.REGIONS)
    if table is None:
        return ""
    table = table[(table["subject"] != GROUP_MEAN) & table["score"].notna()]
    names = [name for name in table["feature_space"].unique() if name != JOINT]
    table = table[table["region"].isin(table.loc[table["significant"] > 0, "region"])]  # else nothing predicts there
    if len(names) < 2 or not len(table):
        return ""
    means = table.groupby(["region", "feature_space"], sort=False)["score"].mean().unstack("feature_space")
    means = means.reindex(columns=names).dropna(axis=1, how="all")
    names = list(means.columns)
    if len(names) < 2:
        return ""
    best = {name: [str(region) for region in means.index[means.idxmax(axis=1) == name]] for name in names}
    parts = [f"{name} predicts better in {listed(regions)}" for name, regions in best.items() if regions]
    return f"By mean r of a region, {listed(parts)}." if len(means) <= 12 else ""


def _preferred(report: ReportData) -> str:
    table = report.table(tables.PREFERENCE)
    if table is None:
        return ""
    shares = table[table["subject"] != GROUP_MEAN].groupby("preferred", sort=False)["share"].mean()
    shares = shares[shares > 0]
    if not len(shares):
        return ""  # nothing is predicted
    if len(shares) == 1:
        [name] = shares.index
        return f"All predicted targets {'show no preference' if name == 'no preference' else f'prefer {name}'}."
    parts = [
        f"{percent(share, 0)} show none" if name == "no preference" else f"{percent(share, 0)} prefer {name}"
        for name, share in shares.items()
    ]
    return (
        f"Of the predicted targets {listed(parts)}{' (mean over subjects)' if table['subject'].nunique() > 1 else ''}."
    )


def _identified(report: ReportData) -> str:
    rows = [one for one in report.identification if "identification_accuracy" in one]
    if not rows:
        return ""
    best = max(rows, key=lambda one: (_above_chance(one), float(one["identification_accuracy"])))
    accuracy, space = float(best["identification_accuracy"]), best["feature_space"]
    whose, most = (f"sub-{best['subject']}; ", "up to ") if len(rows) > 1 else ("", "")
    low, high = best.get("chance_interval_95", (CHANCE, CHANCE))
    if not _above_chance(best):
        return (
            f"Decoders identify a test clip among two no better than chance, with an accuracy of {most}{accuracy:.0%} "
            f"({whose}95% of chance: {low:.0%} to {high:.0%}), from decoded {space}."
        )
    return (
        f"Decoders identify a test clip among two with an accuracy of {most}{accuracy:.0%} "
        f"({whose}chance {CHANCE:.0%}), from decoded {space}."
    )


def audit_line(report: ReportData) -> str:
    """The audit in one line; empty where there was none."""
    checks = report.table(tables.AUDIT)
    if checks is None:
        return ""
    passed, made = int((checks["status"] == "pass").sum()), int((checks["status"] != "not possible").sum())
    text = f"Leakage audit: {passed} of {many(made, 'check')} passed"
    for status, name in (("fail", "failed"), ("warn", "with a warning"), ("not possible", "not possible here")):
        others = dict.fromkeys(checks.loc[checks["status"] == status, "name"])
        text += f"; {name}: {listed(others)}" if others else ""
    return f"{text}."


def _above_chance(row: Mapping[str, Any]) -> bool:
    return float(row["identification_accuracy"]) > float(row.get("chance_interval_95", (CHANCE, CHANCE))[1])
