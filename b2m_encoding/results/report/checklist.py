"""Checklist for reviewers: every line is answered from the results, with a number or a reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd

from b2m_encoding.io.shares import percent
from b2m_encoding.results.partition_doubts import ONE_PENALTY, WORSE, doubted_parts
from b2m_encoding.results.report.content import Answer
from b2m_encoding.results.report.findings import ALIKE
from b2m_encoding.results.report.known_rates import TOLERATED, known_rate
from b2m_encoding.results.report.report_data import ReportData, counted, listed, many, number, score, span
from b2m_encoding.results.schema import CHANCE, CORRECTIONS, files, tables

FEW = 0.01
"""Share of the targets in which an effect should be detectable."""
JOINT_MODEL = "Does the joint model predict as well as models of fewer feature spaces?"


@dataclass(frozen=True)
class Item:
    """A line of the checklist.

    Parameters
    ----------
    topic, question : str
    answer : {"yes", "no", "not known", "not applicable"}
    detail : str
        The number, or the reason.
    """

    topic: str
    question: str
    answer: Answer
    detail: str


def checklist(report: ReportData) -> list[Item]:
    """Answer all lines, in the order of the analysis; after COBIDAS (Nichols et al. 2017, doi 10.1038/nn.4500)."""
    topics = {
        "Data": _data,
        "Cleaning": _cleaning,
        "Features": _features,
        "Model": _model,
        "Evaluation": _evaluation,
        "Significance": _significance,
        "Reliability": _reliability,
        "Comparison": _comparison,
        "Decoding": _decoding,
        "Reproducibility": _reproducibility,
    }
    return [Item(topic, *line) for topic, lines in topics.items() for line in lines(report)]


Line = tuple[str, Answer, str]


def _when(condition: object, yes: str, no: str) -> tuple[Answer, str]:
    return ("yes", yes) if condition else ("no", no)


def _data(report: ReportData) -> Iterator[Line]:
    own, runs = report.listeners, report.quality
    yield "Is the number of participants stated?", *_when(len(own), many(len(own), "participant"), "no participant")
    known = runs is not None
    sizes = "" if runs is None else _sizes(runs)
    yield "Are runs, volumes and repetition time stated?", *_when(known, sizes, f"no {tables.QUALITY.file}")
    untested = own["targets"] - own["tested"]
    left = f"{counted(untested, 'target')} per participant were not: constant or missing, NaN in every map"
    yield "Was every target tested?", *_when(not untested.any(), counted(own["tested"], "target"), left)
    motion = runs is not None and runs["mean_fd"].notna().any()
    moved = f"mean framewise displacement {_mean(runs, 'mean_fd')} mm" if motion else ""
    yield "Is head motion reported?", *_when(motion, moved, "framewise displacement is not known from the data")
    steady = runs is not None and runs["tsnr"].notna().any()
    signal = f"median temporal signal-to-noise ratio {_mean(runs, 'tsnr')} (mean over runs)" if steady else ""
    yield "Is the signal quality reported?", *_when(steady, signal, "the mean of the responses is not in the data")


def _sizes(runs: pd.DataFrame) -> str:
    own = runs.groupby("subject")
    return (
        f"{counted(own['run'].count(), 'run')}, {counted(own['volumes'].sum(), 'volume')} per participant, "
        f"{span(runs['tr'])} s"
    )


def _mean(runs: pd.DataFrame | None, column: str) -> str:
    return "n/a" if runs is None else number(float(runs[column].mean()), 3)


def _cleaning(report: ReportData) -> Iterator[Line]:
    steps = report.results.provenance.get("cleaning", {})
    most = max((len(one) for one in steps.values()), default=0)
    before = report.get("data", "reader") in ("array", "table", "zenodo")
    earlier = "what was done to the responses before they were read is not in the study"
    steps_answer = _when(most, f"{most} steps", "the responses were not cleaned")
    yield "Are all cleaning steps stated, in order?", *(("not known", earlier) if before else steps_answer)
    confounds = report.get("data", "confounds")
    removed = _when(confounds, "see the cleaning steps", "no confounds in the study")
    unknown = before and not confounds
    yield "Were motion and other confounds removed?", *(("not known", earlier) if unknown else removed)
    yield _audited(report, "drift within", "Is the drift over runs removed from the responses?")
    if (runs := report.quality) is not None and runs["censored"].sum():
        share = runs["censored"].sum() / runs["volumes"].sum()
        yield (
            "Is the share of censored volumes stated?",
            "yes",
            f"{percent(share)}; at most {percent(runs['share_censored'].max())} of a run",
        )
    else:
        yield "Is the share of censored volumes stated?", "not applicable", "no volume was censored"


def _features(report: ReportData) -> Iterator[Line]:
    made = report.results.provenance.get("features", {})
    sizes = [f"{name} {number(one['n_features'])}" for name, one in made.items() if one.get("n_features")]
    yield "Is the number of features stated?", *_when(sizes, listed(sizes), "not recorded in the results")
    networks = {name: one["pretrained"] for name, one in made.items() if one.get("pretrained")}
    if networks:
        pinned = all(one.get("revision") and one.get("files") for one in networks.values())
        names = listed(f"{one.get('model')} at {str(one.get('revision'))[:12]}" for one in networks.values())
        yield "Are networks pinned by revision and hash?", *_when(pinned, names, names)
    else:
        yield "Are networks pinned by revision and hash?", "not applicable", "no pretrained network"
    yield _audited(report, "features fitted", "Were features standardised and reduced on training samples alone?")


def _audited(report: ReportData, start: str | tuple[str, ...], question: str) -> Line:
    """Answer from a check of the leakage audit: the worst of all subjects."""
    checks = report.table(tables.AUDIT)
    rows = None if checks is None else checks[checks["name"].map(lambda name: str(name).startswith(start))]
    if rows is None or not len(rows):
        return question, "not known", "not looked for: no audit of this (statistics.audit)"
    possible = rows[rows["status"] != "not possible"]
    if not len(possible):
        return question, "not known", f"could not be checked: {rows['meaning'].iloc[0]}"
    worst = possible.loc[possible["value"].idxmax()]
    meaning = worst["meaning"].split(";")[0] if worst["status"] == "pass" else worst["meaning"]  # without advice
    detail = f"{worst['status']}: {number(float(worst['value']))} ({meaning})"
    return question, "yes" if (possible["status"] == "pass").all() else "no", detail


def _model(report: ReportData) -> Iterator[Line]:
    model, windows = report.study["model"], report.get("windows")
    lags = [windows["lag"]] if windows else model["delays"]
    lag = f"{listed(map(number, lags or [0.0]))} s after the stimulus"
    yield "Was the lag of the response left to the data?", *_when(len(lags) > 1, f"weights at {lag}", f"fixed at {lag}")
    grid, each = model["alphas"], model["alpha_per"] == "target"
    shown = f"of {grid['number']} from {number(grid['low'])} to {number(grid['high'])}, {model['solver']}"
    yield "Was the penalty chosen for every target?", *_when(each, shown, f"one for all targets, {shown}")
    yield _audited(report, "alpha at edge", "Do few penalties lie at the edge of the grid?")


def _evaluation(report: ReportData) -> Iterator[Line]:
    table = report.study["evaluation"]
    gap = float(table["gap"])
    blocks = _when(gap > 0, f"blocks, {number(gap)} s between them", "blocks without a gap between them")
    whole = "whole runs" if table["kind"] == "cross-validation" else f"the runs {table['test_runs']}"
    in_blocks = table["kind"] == "cross-validation" and table["blocks"]
    yield "Were whole runs, or blocks with a gap, held out?", *(blocks if in_blocks else ("yes", whole))
    yield _audited(report, "stimulus overlap (clip", "Are test stimuli absent from training, by name?")
    sounds = ("stimulus overlap (sound", "stimulus overlap (hash")
    yield _audited(report, sounds, "Are test stimuli absent from training, by the sound itself?")
    yield _audited(report, "time-only", "Does time within the run alone predict nothing?")
    yield _audited(report, "fold gap", "Are scores unlike those of shuffled folds?")
    if in_blocks:
        yield _audited(report, "noise across", "Is the gap longer than the noise reaches?")


def _significance(report: ReportData) -> Iterator[Line]:
    own, table = report.subjects, report.study["statistics"]
    methods = list(dict.fromkeys(own["test"].dropna()))
    sound = bool(methods) and "paper" not in methods
    widening = report.widening
    wider = f"; widened by {widening.max():.3f} for what is lost at cuts" if sound and widening.max() > 1 else ""
    keeps = _when(sound, f"{listed(methods)}{wider}", f"{listed(methods)}: samples are taken for independent")
    nothing: tuple[Answer, str] = ("not applicable", "nothing was tested")
    yield "Does the null distribution keep autocorrelation?", *(keeps if methods else nothing)
    rate = known_rate(report)
    if rate is None:
        yield "Does the test hold its level?", "not known", "no design like this one was simulated"
    else:
        about = f"{rate.share} of targets without signal have p < .05, {rate.source}"
        yield "Does the test hold its level?", *_when(rate.high <= TOLERATED, about, about)
    corrected = f"{CORRECTIONS[table['correction']].name}, q < {number(table['q'])}"
    small = f"{corrected}, but of p values that are too small"
    yield "Is there a correction for many targets?", *(_when(sound, corrected, small) if methods else nothing)
    own_q = report.own_significance
    each = "p and q of every model" if own_q else "p and q of the joint model only"
    yield "Is every model tested by itself?", *_when(own_q, each, each)
    refits = report.column("refits").dropna()
    if sound and len(refits):
        shown = f"a normal tail beyond the hundred largest of {int(refits.min()):,} refits: p has no smallest value"
        yield "Can p be small enough?", "yes", shown
    elif sound:
        least = 1 / (float(own["permutations"].min()) + 1)
        share = least / table["q"]  # of the targets, all at the smallest p, that it takes for one of them to pass
        shown = f"smallest p {least:.2g}"
        if table["correction"] != "fwe":
            shown += f"; an effect in less than {number(100 * share)}% of the targets cannot pass"
        yield "Can p be small enough?", *_when(share <= FEW or table["correction"] == "fwe", shown, shown)
    else:
        yield "Can p be small enough?", "not applicable", "no permutations"
    question, alike = "Do rearranged predictions differ from the true ones?", report.column("resemblance").dropna()
    if len(alike):
        shown = f"r of {span(alike, 2)}, root mean square; stimuli at equal intervals, or few, give {ALIKE:g} or more"
        yield question, *_when(alike.max() < ALIKE, shown, f"{shown}: little can become significant")
    else:
        yield question, *(("not known", "not in these results") if sound else ("not applicable", "no permutations"))


def _reliability(report: ReportData) -> Iterator[Line]:
    own = report.listeners
    there = own["ceiling"].notna().any()
    reasons = own["no_ceiling"].dropna()
    reason = report.why_no_ceiling(str(reasons.iloc[0])) if len(reasons) else "no target is predicted"
    shown = f"median {span(own['ceiling'], 2)} from {counted(own['repeats'], 'presentation')}"
    yield "Is there a noise ceiling?", *_when(there, shown, reason)
    blocks = own["interval_blocks"]
    lengths = report.column("interval_block").dropna()
    level = f"{report.get('statistics', 'level'):.0%}, {counted(blocks, 'block')}"
    level += f" of {report.samples(lengths)}" if len(lengths) else ""
    checks = report.table(tables.AUDIT)
    if there and checks is not None and checks["name"].str.startswith("repeats in").any():
        yield _audited(report, "repeats in", "Is the ceiling free of slow noise, in repeats that follow each other?")
    yield "Do scores have intervals?", *_when(blocks.notna().any(), level, "too few blocks, or not asked for")
    shown_subjects = set(report.results.subjects)
    hidden = [f"sub-{name}" for name in own["subject"] if name not in shown_subjects]
    pages = "a page and maps of each"
    yield "Is every participant shown?", *_when(not hidden, pages, f"no maps of {listed(hidden)}")


def _comparison(report: ReportData) -> Iterator[Line]:
    several, kind = len(report.feature_spaces) > 1, report.get("statistics", "preference")
    if not several:
        yield "Are differences between feature spaces tested?", "not applicable", "one feature space"
    else:
        tested = kind != "deltas"
        yield "Are differences between feature spaces tested?", *_when(tested, f"by {kind}", "penalties describe only")
    if (parts := report.table(tables.PARTITION)) is not None:
        doubted, solver = doubted_parts(parts), str(report.get("model", "solver"))
        yield "Are all parts of the variance possible?", *_when(not doubted, many(len(parts), "part"), doubted)
        worse = doubted_parts(parts, about=WORSE)
        yield JOINT_MODEL, *_when(not worse, "none predicts significantly better", worse)
        question = "Do the models of the partition weigh feature spaces separately?"
        yield question, *_when(solver != "ridge", solver, ONE_PENALTY)
    elif several:
        yield JOINT_MODEL, "not known", "the variance was not partitioned (statistics.partition)"
    regions = report.table(tables.REGIONS)
    if regions is None:
        yield "Were regions chosen beforehand?", "not applicable", "no regions"
    else:
        names = listed(dict.fromkeys(regions["region"]))
        yield "Were regions chosen beforehand?", *_beforehand(report, names)
    if (tests := report.table(tables.REGION_TESTS)) is None:
        yield "Do region tests have effect sizes?", "not applicable", "nothing to compare"
    else:
        largest = float(np.nanmax(np.abs(tests["effect_size"]))) if tests["effect_size"].notna().any() else np.nan
        shown = f"Hedges' g up to {number(largest)} in size, corrected over {many(len(tests), 'test')}"
        fewer = f"{many(report.n_listeners, 'participant')}: three are needed"
        yield "Do region tests have effect sizes?", *_when(np.isfinite(largest), shown, fewer)


def _beforehand(report: ReportData, names: str) -> tuple[Answer, str]:
    """Whether regions cannot have been chosen by the results: those of a published atlas."""
    atlas = str(report.get("maps", "atlas"))
    if set(report.subjects["space"]) == {"regions"}:
        return "not known", f"regions of the data: {names}; how they were chosen is not in the study"
    if "." in atlas:
        return "not known", f"from the file {PurePath(atlas).name}: {names}; how it was made is not in the study"
    return "yes", f"of the atlas {atlas}: {names}"


def _decoding(report: ReportData) -> Iterator[Line]:
    rows = [row for row in report.identification if "identification_accuracy" in row]
    if not rows:
        yield "Is decoding better than chance?", "not applicable", "nothing was decoded"
        return
    above = [row["identification_accuracy"] > row["chance_interval_95"][1] for row in rows]
    shown = _of_each(rows, "identification_accuracy", "chance_interval_95")
    shown += f"; {sum(above)} of {many(len(rows), 'decoding')} above the 95% interval of chance"
    yield "Is decoding better than chance?", *_when(all(above), shown, shown)
    yield "Does decoding hold for groups of clips left out of training?", *_unheard(rows)


def _of_each(rows: list[dict[str, Any]], key: str, interval: str) -> str:
    """Mean over subjects and chance of every decoded feature space and decoder, which are never averaged."""
    kinds = dict.fromkeys((str(row["feature_space"]), str(row.get("decoder", "regions"))) for row in rows)
    several, parts = len({decoder for _, decoder in kinds}) > 1, []
    for name, decoder in kinds:
        own = [row for row in rows if (row["feature_space"], row.get("decoder", "regions")) == (name, decoder)]
        low, high = np.mean([row.get(interval, row["chance_interval_95"]) for row in own], axis=0)
        accuracy = score(float(np.mean([row[key] for row in own])))
        parts.append(
            f"{name}{f' ({decoder})' if several else ''} {accuracy}; chance {CHANCE:g}, {low:.2f} to {high:.2f}"
        )
    return "; ".join(parts)


def _unheard(rows: list[dict[str, Any]]) -> tuple[Answer, str]:
    """Whether decoders without the group of a clip are better than chance."""
    key, chance = "identification_accuracy_unheard_group", "chance_interval_95_unheard_group"
    unheard = [row for row in rows if key in row]
    if not unheard:
        return "not known", 'not asked for (generalise = ["group"])'
    above = [row[key] > row.get(chance, row["chance_interval_95"])[1] for row in unheard]
    shown = _of_each(unheard, key, chance)
    shown += f"; {sum(above)} of {many(len(unheard), 'decoding')} above it"
    return _when(all(above), shown, shown)


def _reproducibility(report: ReportData) -> Iterator[Line]:
    record = report.results.provenance
    versions = {key: value for key, value in record.get("versions", {}).items() if value}
    yield (
        "Are versions and seed recorded?",
        *_when(versions, f"{many(len(versions), 'package')}, seed {record.get('seed')}", f"no {files.PROVENANCE}"),
    )
    hashes = record.get("inputs", {})
    yield (
        "Are inputs identified by hashes?",
        *_when(hashes, many(len(hashes), "input"), f"no {files.PROVENANCE}"),
    )
    one_file = f"{files.STUDY}; with every default: {files.SETTINGS}"
    missing = f"no {files.STUDY}"
    yield "Is the whole analysis in one file?", *_when(report.results.has(files.STUDY), one_file, missing)
    maps = len({path.name.split(".")[0] for path in report.results.files.values()})
    yield (
        "Are maps and tables there to share?",
        *_when(maps, f"{many(maps, 'map')} under BIDS-derivatives names", "none"),
    )
