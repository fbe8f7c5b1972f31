"""Methods text of the statistics: significance, ceilings, comparison of feature spaces, regions, the audit."""

from __future__ import annotations

import re

import pandas as pd

from b2m_encoding.io.names import in_words
from b2m_encoding.results.report.known_rates import known_rate
from b2m_encoding.results.report.references import by_doi
from b2m_encoding.results.report.report_data import ReportData, counted, listed, many, number, span
from b2m_encoding.results.schema import CORRECTIONS, files, tables

TESTS = {
    "shift": "by circular shifts of the predictions within runs [@lancaster2018]",
    "block": "by rearranging blocks{length} of the predictions within runs [@kunsch1989]",
    "clip": "by exchanging the predictions of whole clips within runs",
    "paper": "against correlations of independent Gaussian series, as in Brain2Music [@denk2023]",
}
PREFERENCE = {
    "r": "the prediction accuracy of each alone",
    "unique": "the variance that each alone explains",
    "deltas": "the penalties of the banded model, which describe and do not test [@duprelatour2022]",
}
CHECKS = {
    "time-only": "a model of the time within the run alone [@feghhi2024]",
    "fold gap": "shuffled against run-wise folds",
    "stimulus overlap (clip": "stimuli of the same name in both sets",
    "stimulus overlap (sound": "the same sound in both sets",
    "stimulus overlap (hash": "the same sound file in both sets",
    "features fitted": "features fitted to test samples",
    "drift within": "drift that is left in the responses",
    "noise across": "noise that reaches across the gap between blocks",
    "repeats in": "slow noise in repeats that follow each other",
    "alpha at edge": "penalties at the edge of their grid",
}
"""Checks of the audit by the start of their names."""
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
    blocks = report.column("test_block").dropna()
    length = f" of {report.samples(blocks)}" if len(blocks) else ""
    ways = listed(TESTS.get(method, method).format(length=length) for method in methods)
    whose = "every model" if report.own_significance and len(report.feature_spaces) > 1 else "the joint model"
    text = f"Significance of r of {whose if len(report.feature_spaces) > 1 else 'the model'} was tested {ways}"
    if len(refits := report.column("refits").dropna()):
        text += (
            f". Folds are joined, each tested on responses that train the others, so that models were fitted again to "
            f"{span(refits)} responses {_rearranged(report)}; one-sided p is the share of these whose r is as "
            "large, in units of its spread under rearrangement, and follows a normal tail beyond the hundred largest. "
            "That null distribution is "
            f"{_decimals(report.column('fold_dependence').dropna())} times as wide as one of fixed predictions"
        )
    elif "paper" not in methods:
        text += (
            f", which keeps the autocorrelation of what moves together: {span(own['permutations'])} permutations, "
            "one-sided p = (b + 1) / (m + 1) [@phipson2010]"
        )
    widening = report.widening
    if "paper" not in methods and len(widening) and widening.max() >= 1.0005:
        text += (
            f". The null distribution was widened by a factor of {_decimals(widening)} for the autocorrelation that is "
            "lost at cuts"
        )
    text += f". {_rate(report, methods)} {_corrected(report, methods)}"
    if table["clusters"] != "none":
        formed = (
            ""
            if table["clusters"] == "tfce"
            else f", formed of vertices with z > {number(table['cluster_threshold'])},"
        )
        text += (
            f" On the mesh of the surface {CLUSTERS[table['clusters']]}{formed} was tested against "
            f"{number(table['cluster_permutations'])} permutations of the joint model."
        )
    if table["intervals"] and own["interval_blocks"].notna().any():
        drawn = f"{counted(own['interval_blocks'], 'block')}"
        lengths = report.column("interval_block").dropna()
        repeated = any(one.repeated for one in report.held_out)
        together = "; all presentations of a moment of a stimulus are in one block" if repeated else ""
        text += (
            f" Intervals of r of the joint model ({table['level']:.0%}) come from {number(table['bootstraps'])} "
            f"bootstrap samples of {drawn}{f' of {report.samples(lengths)}' if len(lengths) else ''} [@kunsch1989]"
            f"{_for_folds(report, 'interval_widening')}{together}."
        )
    elif table["intervals"]:
        text += " No interval of r is given: too few blocks, or held-out stimuli that are presented in training too."
    return text


def _rearranged(report: ReportData) -> str:
    """How responses were rearranged before models were fitted to them."""
    if "phase" in set(report.column("refit_method").dropna()):
        return "of random phase, each with the power spectrum that it has over the whole run [@theiler1992]"
    return "rearranged in the same way"


def _for_folds(report: ReportData, column: str, widened: str = "widened") -> str:
    """How much wider something was made because folds are joined; empty for one test set."""
    widening = report.column(column).dropna()
    wider = len(widening) and widening.max() > 1
    return f", {widened} by a factor of {_decimals(widening)} because folds are joined" if wider else ""


def _decimals(values: pd.Series) -> str:
    low, high = f"{values.min():.3f}", f"{values.max():.3f}"
    return low if low == high else f"{low} to {high}"


def _rate(report: ReportData, methods: list[str]) -> str:
    """Sentence on the rate of false positives: computed, simulated for such designs, or not known."""
    rate = known_rate(report)
    if rate is None:
        return (
            "How many targets without signal have p < .05 in this design is not known: no design like it was simulated."
        )
    if methods == ["paper"]:
        return (
            f"This takes samples for independent: from the autocorrelation of these series {rate.share} of "
            "targets without signal are to be expected below p = .05."
        )
    cite = " [@b2m]" if rate.designs else ""
    return f"Of targets without signal, {rate.share} had p < .05, {rate.source}{cite}."


def _corrected(report: ReportData, methods: list[str]) -> str:
    """Sentence on the correction for many targets."""
    table = report.study["statistics"]
    text = f"Targets with q < {number(table['q'])} count as predicted"
    if "paper" in methods:
        return f"{text}; as p is too small, q does not control {_plain(CORRECTIONS[table['correction']].text)}."
    of = " of each model" if len(report.feature_spaces) > 1 and report.own_significance else ""
    return f"{text}; q adjusts p{of} to control {CORRECTIONS[table['correction']].text}."


def _plain(text: str) -> str:
    """Text without its citations."""
    return re.sub(r" \[@[^]]*\]", "", text)


def _ceiling(report: ReportData) -> str:
    own, text = report.listeners, ""
    if own["ceiling"].notna().any():
        text = (
            f"The noise ceiling of r follows from {span(own['repeats'])} presentations of the test stimuli [@hsu2004; "
            f"@schoppe2016]; its median over predicted targets was {span(own['ceiling'], 2)}."
        )
    elif len(reasons := own["no_ceiling"].dropna()):
        text = f"No noise ceiling is given: {report.why_no_ceiling(reasons.iloc[0])}."
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
    by = PREFERENCE[table["preference"]]
    text = f"Feature spaces were compared in every target that the joint model predicts by {by}"
    if table["preference"] == "deltas":
        text += "."
    else:
        number_of, lengths = report.column("flip_blocks").dropna(), report.column("flip_block").dropna()
        many_blocks = (
            f"{counted(number_of, 'block')} of up to {report.samples(lengths)}" if len(number_of) else "blocks"
        )
        many_blocks += _for_folds(report, "flip_widening", "their null distribution widened")
        text += (
            f": signs of the differences were flipped in {many_blocks}, the best feature space had to beat every other "
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
        text = f"Regions were those of {atlas['title']}{cite}: {listed(map(in_words, report.get('maps', 'regions')))}. "
    text += "Scores of a region are means over its tested targets, predicted or not."
    if (tests := report.table(tables.REGION_TESTS)) is None:
        return text
    ways = listed(_flips(test) for test in dict.fromkeys(tests["test"]))
    text += (
        f" Feature spaces were compared within regions: {ways}; "
        f"p was adjusted over {many(len(tests), 'test')} [@benjamini1995]"
    )
    if tests["effect_size"].notna().any():
        text += f", with Hedges' g and its {report.get('statistics', 'level'):.0%} interval [@hedges1981]"
    if tests["prevalence"].notna().any():
        text += ", and the share of the population with a difference was estimated [@ince2021]"
    return f"{text}. {_mixed_model(report)}".strip()


def _flips(test: str) -> str:
    """How differences of a region were tested, and what p refers to."""
    return {
        "signs flipped per subject": "signs of the differences were flipped per participant, so that p refers to other "
        "participants",
        "signs flipped per block, these subjects": "signs of the differences were flipped per block of the stimuli, so "
        "that p refers to other stimuli for these participants",
    }.get(test, f"a test was {test}")


def _mixed_model(report: ReportData) -> str:
    if (model := report.region_model) is None or not model["formula"]:
        return ""
    if model["status"] != "fitted":
        return f"No mixed model was fitted: {listed(model['notes'] or [model['status']])}."
    return (
        f"A linear mixed model was fitted by restricted maximum likelihood ({model['formula']}) [@laird1982], "
        "hemispheres averaged; its terms have sum contrasts and were tested by F with the epsilon of Greenhouse and "
        "Geisser [@greenhouse1959]."
    )


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
    looked = {name: text for name, text in CHECKS.items() if checks["name"].str.startswith(name).any()}
    impossible = checks[checks["status"] == "not possible"]["name"]
    done = [text for name, text in looked.items() if not impossible.str.startswith(name).any()]
    left = [text for name, text in looked.items() if impossible.str.startswith(name).any()]
    counts = checks["status"].value_counts()
    found = listed(f"{counts[name]} {name}" for name in ("pass", "warn", "fail", "not possible") if name in counts)
    text = (
        "An audit looked for leaks between training and test, and for other faults: "
        f"{listed(done)} ({many(len(checks), 'check')}: {found})."
    )
    return text + (f" Not possible to look for: {listed(left)}." if left else "")
