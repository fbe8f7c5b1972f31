"""Sections of results: maps, tables and links to sounds, of a whole study or of one subject."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from b2m_encoding.io.names import in_words
from b2m_encoding.io.shares import percent
from b2m_encoding.results.partition_doubts import ONE_PENALTY
from b2m_encoding.results.report.content import Block, Lines, Picture, Table
from b2m_encoding.results.report.known_rates import known_rate
from b2m_encoding.results.report.pictures import pictures
from b2m_encoding.results.report.report_data import ReportData, interval, listed, many, number, score, span
from b2m_encoding.results.schema import CHANCE, GROUP, counted_from, maps, tables

FEW = 3
"""Most subjects whose figures stand on the page of the study at full width."""
MOST_ROWS = 200
"""Most rows of a table on a page; the file holds all of them."""

WIDE = 1.2
"""Widening of the null distribution from which on the report warns."""

Build = Callable[[ReportData], list[Block]]


def accuracy(report: ReportData) -> list[Block]:
    """Prediction accuracy: maps, test, ceilings, and scores by group of clips or run."""
    kinds = ("accuracy", "slices", "distribution", "surface", "group", "subjects", "scatter", "ceiling", "timecourses")
    blocks: list[Block] = [*figures_of(report, kinds)]
    lines = []
    for one in report.subjects.itertuples():
        lines.append(f"sub-{one.subject}: {_tested(one)}")
        if not pd.isna(one.no_ceiling):
            lines.append(f"sub-{one.subject}: no ceiling possible here: {report.why_no_ceiling(one.no_ceiling)}")
        if not pd.isna(one.cluster_targets):
            kind = report.get("statistics", "clusters")
            lines.append(f"sub-{one.subject}: {many(int(one.cluster_targets), 'target')} in the map of {kind}")
        if not pd.isna(one.between_low):
            bounds = f"{score(one.between_low)} to {score(one.between_high)}"
            lines.append(f"sub-{one.subject}: inter-subject ceiling, mean over predicted targets: {bounds}")
    if reasons := dict.fromkeys(report.subjects["no_between"].dropna()):
        lines += [f"no inter-subject ceiling possible here: {reason}" for reason in reasons]
    if (widest := report.column("widening").max()) > WIDE:
        lines.append(
            f"the null distribution was widened by {widest:.2f}: drift or slow noise is left in the responses, little "
            "power with it; look at the cleaning"
        )
    blocks.append(Lines([*lines, _level(report)]))
    if (table := report.table(tables.MODELS)) is not None and table["feature_space"].nunique() > 1:
        rows = [
            [f"sub-{one.subject}", one.feature_space, number(one.predicted), number(one.only), score(one.best_r),
             score(one.median_r)]
            for one in table.itertuples()
        ]  # fmt: skip
        columns = ["subject", "model", "predicted", "not by the joint model", "best r", "median r of predicted"]
        q = number(report.get("statistics", "q"))
        blocks.append(cut(Table(columns, rows, f"Predicted: q < {q}, each model by its own test.")))
    if (table := report.table(tables.BREAKDOWN)) is not None:
        shown = next((by for by in table["by"].unique() if by not in ("run", "clip")), "run")
        part = table[table["by"] == shown].pivot(index="label", columns="subject", values="score")
        rows = [
            [str(label), *(score(value) for value in row)]
            for label, row in zip(part.index, part.to_numpy(), strict=True)
        ]
        columns = [in_words(shown), *(f"sub-{subject}" for subject in part.columns)]
        blocks.append(
            cut(
                Table(
                    columns, rows, f"Mean r of the joint model over the targets that it predicts, by {in_words(shown)}."
                )
            )
        )
    return blocks


def _tested(one: Any) -> str:
    """What p of a subject was counted from, and how much of it survives the family of all targets."""
    refits = getattr(one, "refits", np.nan)
    text = counted_from(one.test, one.permutations, 0 if pd.isna(refits) else refits)
    if one.test == "paper":
        return text
    return f"{text}; the joint model has family-wise p < .05 in {many(int(one.family_wise), 'target')}"


def _level(report: ReportData) -> str:
    """Line on the rate of false positives of the test."""
    rate = known_rate(report)
    if rate is None:
        return (
            "false positives: how many targets without signal have p < .05 is not known, no design like this was "
            "simulated"
        )
    return f"false positives: {rate.share} of targets without signal have p < .05, {rate.source}"


def preference(report: ReportData) -> list[Block]:
    """Preference: shares of the targets, maps, overlap."""
    blocks: list[Block] = [*figures_of(report, ("preference", "ternary", "hierarchy", "stacking", "weights"))]
    if (table := report.table(tables.PREFERENCE)) is not None:
        names = list(dict.fromkeys(table["preferred"]))
        rows = []
        for subject, rows_of in table.groupby("subject", sort=False):
            shares = dict(zip(rows_of["preferred"], rows_of["share"], strict=True))
            predicted = any(shares.values())
            rows.append([f"sub-{subject}", *(percent(shares.get(name, 0.0)) if predicted else "n/a" for name in names)])
        blocks.append(
            Table(
                ["subject", *names],
                rows,
                "Of the targets that the joint model predicts, the share that prefers each feature space.",
            )
        )
    if report.subject is None and report.results.has_map(GROUP, maps.PREFERENCE, maps.CONSISTENCY.stat):
        agreement = report.results.sidecar(GROUP, maps.PREFERENCE, maps.CONSISTENCY.stat).get("Agreement")
        if agreement is not None:
            where = "Where the joint model predicts in two or more subjects"
            blocks.append(
                Lines([f"{where}, {percent(agreement)} of them agree on the preference (mean over targets)."])
            )
    if (table := report.table(tables.OVERLAP)) is not None:
        rows = [[f"sub-{one.subject}", f"{one.first}, {one.second}", score(one.dice), score(one.correlation)]
                for one in table.itertuples()]  # fmt: skip
        blocks.append(Table(["subject", "maps", "Dice", "r of the maps"], rows, _overlap(report)))
    return blocks


def _overlap(report: ReportData) -> str:
    q = number(report.get("statistics", "q"))
    targets = f"q < {q} of each model by itself" if report.own_significance else "targets that the joint model predicts"
    return f"Overlap of two maps. Dice: of {targets}; r: over all tested targets."


def partition(report: ReportData) -> list[Block]:
    """Unique and shared variance."""
    blocks: list[Block] = [*figures_of(report, ("partition",))]
    if (table := report.table(tables.PARTITION)) is not None:
        rows = [
            [f"sub-{one.subject}", _place(one), one.part, interval(one.r2, one.low, one.high),
             f"{one.negative} of {one.targets}", score(one.product), _doubt(one)]
            for one in table.itertuples() if one.targets
        ]  # fmt: skip
        columns = ["subject", "region", "part", "R2 and interval", "negative targets", "product measure", "doubt"]
        blocks.append(cut(Table(columns, rows, "Mean held-out R2 over the tested targets of a region.")))
        if report.get("model", "solver") == "ridge":
            blocks.append(Lines([f"Warning: {ONE_PENALTY}."]))
    return blocks


def _doubt(row: Any) -> str:
    doubt = getattr(row, "doubt", None)
    return doubt if isinstance(doubt, str) else ""


def _place(row: Any) -> str:
    return row.region if pd.isna(row.hemisphere) else f"{row.hemisphere} {row.region}"


def regions(report: ReportData) -> list[Block]:
    """Scores of regions, and their comparison."""
    kinds = ("regions", "tagmap", "tags", "tagprofile", "profile", "delays", "lag")
    blocks: list[Block] = [*figures_of(report, kinds)]
    if report.subject is not None:
        if (table := report.table(tables.REGIONS)) is not None:
            rows = [[_place(one), one.feature_space, score(one.score), number(one.targets), score(one.significant)]
                    for one in table.itertuples() if one.targets]  # fmt: skip
            columns = ["region", "feature space", "mean r", "targets", "share predicted"]
            by = "by the model of the row" if report.own_significance else "by the joint model"
            about = f"Mean r over the tested targets of a region, and the share of them that is predicted {by}."
            blocks.append(cut(Table(columns, rows, about)))
        return blocks
    if (model := report.region_model) is not None:
        stated = f"Mixed model ({model['formula']}): {model['status']}"
        why = model["notes"] if model["status"] == "fitted" else []
        blocks.append(Lines([stated if why else ": ".join([stated, *model["notes"]]), *why]))
        terms = report.table(tables.REGION_MODEL)
        if terms is not None and model["status"] == "fitted" and "df_error" in terms:
            rows = [[in_words(one.term), number(one.statistic), f"{number(one.df)}, {number(one.df_error)}",
                     number(one.p, 2)] for one in terms.itertuples()]  # fmt: skip
            about = "F tests of the mixed model: each factor against how much its effect differs between participants."
            blocks.append(Table(["term", "F", "degrees of freedom", "p"], rows, about))
    if (table := report.table(tables.REGION_TESTS)) is not None:
        rows = [
            [one.region, f"{one.first} - {one.second}", interval(one.difference, one.low, one.high),
             interval(one.effect_size, one.effect_low, one.effect_high, 2), number(one.p, 2), number(one.q, 2),
             interval(one.prevalence, one.prevalence_low, one.prevalence_high, 2)]
            for one in table.itertuples()
        ]  # fmt: skip
        columns = ["region", "feature spaces", "difference of r", "Hedges' g", "p", "q", "prevalence"]
        blocks.append(cut(Table(columns, rows, f"Tests: {listed(dict.fromkeys(table['test']))}. Brackets: intervals.")))
    return blocks


def generalisation(report: ReportData) -> list[Block]:
    """Learning curves, and generalisation to groups of clips and subjects left out of training."""
    blocks: list[Block] = [*figures_of(report, ("learning",))]
    if (table := report.table(tables.GENERALISATION)) is None:
        return blocks
    rows = [[f"sub-{one.subject}", one.left_out, score(one.r_with), score(one.r_without), number(one.samples)]
            for one in table.itertuples()]  # fmt: skip
    columns = ["subject", "left out", "r with", "r without", "samples"]
    return [*blocks, cut(Table(columns, rows, "Mean r over predicted targets, with and without it in training."))]


def decoding(report: ReportData) -> list[Block]:
    """Identification accuracy, by subject or by clip."""
    if not report.identification:
        return []
    rows = []
    for one in report.identification:
        if "identification_accuracy" in one:
            low, high = one.get("chance_interval_95", (float("nan"),) * 2)
            rows.append([f"sub-{one['subject']}", str(one.get("decoder", "regions")), one["feature_space"],
                         score(one["identification_accuracy"]), f"{low:.3f} to {high:.3f}", number(one.get("clips")),
                         score(one.get("identification_accuracy_unheard_group"))])  # fmt: skip
    columns = [
        "subject",
        "decoder",
        "feature space",
        "accuracy",
        "chance, 95%",
        "clips",
        f"without its {report.group_name}",
    ]
    blocks: list[Block] = [*figures_of(report, ("decoding", "unheard"))]
    if rows:
        notes = sorted(
            {f" {note[:1].upper()}{note[1:]}." for one in report.identification for note in one.get("notes", ())}
        )
        about = f"Identification accuracy of the test clips; chance is {CHANCE:g}.{''.join(notes)}"
        blocks.append(cut(Table(columns, rows, about)))
    if report.subject is not None and (table := report.table(tables.IDENTIFICATION)) is not None:
        clips = [[one.clip, one.target, getattr(one, "decoder", "regions"), score(one.accuracy), str(one.identified)]
                 for one in table.itertuples()]  # fmt: skip
        blocks.append(
            cut(Table(["presented clip", "from", "decoder", "accuracy", "most like"], clips, "Accuracy of every clip."))
        )
    if report.subject is None and (table := report.table(tables.BRAIN2MUSIC_TABLE2)) is not None:
        blocks.append(_beside_the_paper(table))
    return blocks


def _beside_the_paper(table: pd.DataFrame) -> Table:
    """Table of our numbers beside Table 2 of Brain2Music."""
    measures = {"identification_test": "identification, test", "identification_training": "identification, training",
                "correlation_test": "r, test", "correlation_training": "r, training"}  # fmt: skip
    rows = []
    for one in table.to_dict("records"):
        stands_for = one["stands_for"] if isinstance(one["stands_for"], str) else "-"
        numbers = [
            f"{_spread(one[name], one[f'{name}_sd'])} | "
            f"{_spread(one[f'{name}_published'], one[f'{name}_published_sd'])}"
            for name in measures
        ]
        raw = _spread(one.get("identification_raw", np.nan), one.get("identification_raw_sd", np.nan))
        rows.append([str(one["target"]), str(one["decoder"]), stands_for, *numbers, raw])
    about = (
        "Here | Brain2Music (arXiv 2307.11078, Table 2), mean (standard deviation) over subjects. Open embeddings "
        "stand for those of the paper, and responses differ: compare the order. Training numbers are of windows that "
        "the decoder was fitted to, as in the paper. Features are compared in standard units, in which all dimensions "
        "weigh the same, and in raw units; which of these the paper used is not stated."
    )
    columns = ["feature space", "decoder", "stands for", *measures.values(), "identification, test, raw units"]
    return Table(columns, rows, about)


def _spread(mean: float, deviation: float) -> str:
    if not np.isfinite(mean):
        return "-"
    return f"{mean:.3f} ({deviation:.3f})" if np.isfinite(deviation) else f"{mean:.3f}"


def figures_of(report: ReportData, kinds: tuple[str, ...]) -> list[Picture]:
    """Figures of the page; on the page of a study also those of each subject, smaller where they are many."""
    folder, made = report.results.path, report.embedded
    shown = [*pictures(folder, kinds, report.subject, made)]
    if report.subject is None:
        small = len(report.results.subjects) > FEW
        for subject in report.results.subjects:
            own = [*pictures(folder, kinds[:1], subject, made, small=small)] or [
                *pictures(folder, kinds[1:3], subject, made, small=small)
            ]
            shown += [replace(one, title=f"{one.title}, sub-{subject}", small=small) for one in own[:1]]
    return shown


def cut(table: Table) -> Table:
    """Cut a table to the most rows of a page."""
    if len(table.rows) <= MOST_ROWS:
        return table
    about = f"{table.caption} First {MOST_ROWS} of {span([len(table.rows)])} rows.".strip()
    return Table(table.columns, table.rows[:MOST_ROWS], about, table.states[:MOST_ROWS])


SECTIONS: dict[str, tuple[str, Build]] = {
    "accuracy": ("Prediction accuracy", accuracy),
    "preference": ("Preferred feature space", preference),
    "partition": ("Variance partitioning", partition),
    "regions": ("Regions", regions),
    "generalisation": ("Generalisation", generalisation),
    "decoding": ("Decoding", decoding),
}
