"""Methods text of the statistics: significance, ceilings, comparison of feature spaces, regions, the audit."""

from __future__ import annotations

from b2m_encoding.results.report.references import by_doi
from b2m_encoding.results.report.report_data import ReportData, listed, many, number, percent, span
from b2m_encoding.results.schema import CORRECTIONS, files, tables

TESTS = {
    "shift": "by circular shifts of the predictions within test runs [@lancaster2018]",
    "block": "by rearranging long blocks of the predictions within test runs [@kunsch1989]",
    "clip": "by exchanging the predictions of whole clips within test runs",
    "paper": "against correlations of independent Gaussian series, as in Brain2Music [@denk2023]",
}
PREFERENCE = {
    "r": "the prediction accuracy of each alone",
    "unique": "the variance that each alone explains",
    "deltas": "the penalties of the banded model, which describe and do not test [@duprelatour2022]",
}
CLUSTERS = {
    "mass": "cluster mass [@bullmore1999; @nichols2002]",
    "extent": "cluster extent [@nichols2002]",
    "tfce": "threshold-free cluster enhancement [@smith2009]",
}


def statistics_texts(report: ReportData) -> list[str]:
    """Paragraphs with citations as keys; empty where the study lacks an analysis."""
    return [_significance(report), _ceiling(report), _comparison(report), _regions(report), _generalisation(report),
            _audit(report)]  # fmt: skip


def _significance(report: ReportData) -> str:
    table, own = report.study["statistics"], report.subjects
    methods = [str(method) for method in dict.fromkeys(own["test"].dropna())]
    if not methods:
        return ""
    ways = listed(TESTS.get(method, method) for method in methods)
    text = f"Significance of r of the joint model was tested {ways}"
    if methods != ["paper"]:
        text += (
            f", which keeps the autocorrelation of the series: {span(own['permutations'])} permutations, one-sided p = "
            "(b + 1) / (m + 1) [@phipson2010]"
        )
    rate = percent(own["false_positives"].to_numpy(dtype=float))
    text += (
        f"; {rate} of empty targets are to be expected below p = .05. Targets with q < {number(table['q'])} count as "
        f"predicted, which controls {CORRECTIONS[table['correction']]}."
    )
    if table["clusters"] != "none":
        text += (
            f" On the mesh of the surface {CLUSTERS[table['clusters']]} was tested against "
            f"{number(table['cluster_permutations'])} permutations."
        )
    if table["intervals"] and own["interval_blocks"].notna().any():
        text += (
            f" Intervals of r ({table['level']:.0%}) come from {number(table['bootstraps'])} bootstrap samples of "
            "blocks [@kunsch1989]."
        )
    return text


def _ceiling(report: ReportData) -> str:
    own, text = report.listeners, ""
    if own["ceiling"].notna().any():
        text = (
            f"The noise ceiling of r follows from {span(own['repeats'])} presentations of the test stimuli [@hsu2004; "
            f"@schoppe2016]; its median over predicted targets was {span(own['ceiling'], 2)}."
        )
    elif len(reasons := own["no_ceiling"].dropna()):
        text = f"No noise ceiling is given: {reasons.iloc[0]}."
    if own["between_low"].notna().any():
        text += (
            f" The inter-subject ceiling (r with the mean of the others, and with the mean of all [@nastase2019; "
            f"@nili2014]) had means over predicted targets from {span(own['between_low'], 2)} to "
            f"{span(own['between_high'], 2)}."
        )
    return text.strip()


def _comparison(report: ReportData) -> str:
    table = report.study["statistics"]
    if len(report.feature_spaces) < 2:
        return ""
    text = f"Feature spaces were compared in every predicted target by {PREFERENCE[table['preference']]}"
    if table["preference"] == "deltas":
        text += "."
    else:
        text += (
            ": signs of the differences were flipped per block, the best feature space had to beat every other "
            f"(q < {number(table['q'])}), and targets where none did have no preference."
        )
    if report.results.has(tables.PARTITION):
        text += (
            f" The held-out R2 was partitioned into what each feature space explains alone and what several share, "
            f"from models of all {2 ** len(report.feature_spaces) - 1} sets of feature spaces [@deheer2017], with "
            f"{table['level']:.0%} intervals over blocks; parts may be negative and were not clipped."
        )
    return text


def _regions(report: ReportData) -> str:
    if report.table(tables.REGIONS) is None:
        return ""
    text = ""
    own = set(report.subjects["space"]) == {"regions"}
    if report.results.has(files.ATLAS) and not own:
        atlas = report.results.json(files.ATLAS)
        key = by_doi(atlas["citation"])
        cite = f" [@{key}]" if key else f" ({atlas['citation']})" if atlas["citation"] else ""
        text = f"Regions were those of {atlas['title']}{cite}: {listed(report.get('maps', 'regions'))}. "
    text += "Scores of a region are means over its tested targets."
    if (tests := report.table(tables.REGION_TESTS)) is None:
        return text
    text += (
        f" Feature spaces were compared within regions: {listed(dict.fromkeys(tests['test']))}, corrected over "
        f"{many(len(tests), 'test')} [@benjamini1995], with Hedges' g and its "
        f"{report.get('statistics', 'level'):.0%} interval [@hedges1981]"
    )
    if tests["prevalence"].notna().any():
        text += ", and the share of the population with a difference was estimated [@ince2021]"
    if (model := report.region_model) and model["formula"]:
        text += f". A linear mixed model was {_status(model['status'])} ({model['formula']}) [@laird1982; @seabold2010]"
    return f"{text}."


def _status(status: str) -> str:
    return {"fitted": "fitted", "fixed subjects": "fitted with participants as a fixed factor"}.get(status, status)


def _generalisation(report: ReportData) -> str:
    wanted = report.get("statistics", "generalise") or []
    parts = []
    if {"genre", "group"} & set(wanted):
        name = report.group_name
        parts.append(f"clips of each {name} were predicted by a model trained on no clip of that {name}")
    if "subject" in wanted:
        parts.append("each participant was predicted by a model of all others")
    return f"To test generalisation, {listed(parts)}." if parts else ""


def _audit(report: ReportData) -> str:
    if (checks := report.table(tables.AUDIT)) is None:
        return ""
    counts = checks["status"].value_counts()
    found = listed(f"{counts[name]} {name}" for name in ("pass", "warn", "fail", "not possible") if name in counts)
    return (
        "Leaks from test to training were looked for: a model of the time within the run alone [@feghhi2024], "
        "shuffled against run-wise folds, stimuli and sound files in both sets, features fitted to test samples, and "
        f"penalties at the edge of their grid ({len(checks)} checks: {found})."
    )
