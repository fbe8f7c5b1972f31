"""Statistics of a study across subjects and regions: tables of the results, group maps and sections of the report."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from b2m_encoding.data.sources import GROUP_MEAN
from b2m_encoding.pipeline.breakdown import BREAKDOWN_COLUMNS
from b2m_encoding.pipeline.decoding_table import decoding_sections
from b2m_encoding.pipeline.encode import JOINT, Encoding
from b2m_encoding.pipeline.regions import PARTITION_COLUMNS, comparison
from b2m_encoding.pipeline.write import StudyResults
from b2m_encoding.results.bundle import GROUP, ResultsWriter
from b2m_encoding.results.report import ReportSection
from b2m_encoding.spaces import SurfaceSpace
from b2m_encoding.stats.agreement import group_preference, overlap
from b2m_encoding.stats.ceilings import NoCeiling
from b2m_encoding.study import Study


def write_statistics(
    writer: ResultsWriter, results: StudyResults, regions: pd.DataFrame, study: Study
) -> list[ReportSection]:
    """Write the tables and group maps, and say in a few lines what they hold."""
    sections = [
        _audit(writer, results),
        _significance(results, study),
        _breakdown(writer, results),
        _preferences(writer, results, study),
        _partition(writer, results),
        _regions(writer, results, regions, study),
        _generalisation(writer, results, study),
        *decoding_sections(results.decodings, study),
    ]
    return [section for section in sections if section is not None]


def _audit(writer: ResultsWriter, results: StudyResults) -> ReportSection | None:
    rows = [{"subject": s, **check.row()} for s, checks in results.checks.items() for check in checks]
    if not rows:
        return None
    writer.write_table("audit.tsv", pd.DataFrame(rows))
    lines = [f"sub-{subject}: {check.line}" for subject, checks in results.checks.items() for check in checks]
    return ReportSection("Leakage audit", lines)


def _significance(results: StudyResults, study: Study) -> ReportSection:
    lines = []
    for subject, encoding in results.encodings.items():
        found, ceiling = encoding.significance, encoding.ceiling
        lines.append(
            f"sub-{subject}: test {found.method}, {found.n_permutations} permutations, family-wise p < .05 in "
            f"{int((found.p_fwe < 0.05).sum())} targets; {100 * found.false_positive_rate:.1f} % false positives to "
            "expect at 5 %"
        )
        if isinstance(ceiling, NoCeiling):
            lines.append(f"sub-{subject}: no ceiling possible here: {ceiling.reason}")
        else:
            inside = encoding.q < study.statistics.q
            highest = ceiling.highest_r(study.evaluation.presentations)[inside]
            shown = f"median {np.nanmedian(highest):.2f}" if inside.any() else "no target is predicted"
            lines.append(
                f"sub-{subject}: noise ceiling of r in predicted targets: {shown} ({ceiling.n_repeats} repeats)"
            )
        if study.statistics.intervals and encoding.interval is None:
            lines.append(f"sub-{subject}: no interval of r: fewer than six blocks")
        if (clusters := encoding.clusters) is not None:
            count = int((clusters.p < study.statistics.q).sum())
            lines.append(f"sub-{subject}: {count} targets in the map of {clusters.kind}, p < {study.statistics.q:g}")
    if isinstance(results.bounds, NoCeiling):
        lines.append(f"no inter-subject ceiling possible here: {results.bounds.reason}")
    elif results.bounds is not None:
        for subject, (low, high) in results.bounds.items():
            inside = results.encodings[subject].q < study.statistics.q
            lines.append(
                f"sub-{subject}: inter-subject ceiling of r in predicted targets: "
                f"mean {_mean(low[inside]):.2f} to {_mean(high[inside]):.2f}"
            )
    return ReportSection("Significance and noise ceiling", lines)


def _breakdown(writer: ResultsWriter, results: StudyResults) -> ReportSection | None:
    """The table of all labels; the report shows genres, where there are some, else runs."""
    if not results.breakdown:
        return None
    table = pd.DataFrame(results.breakdown, columns=list(BREAKDOWN_COLUMNS))
    writer.write_table("breakdown.tsv", table)
    writer.write_json("breakdown.json", {key: {"Description": text} for key, text in BREAKDOWN_COLUMNS.items()})
    shown = "genre" if (table["by"] == "genre").any() else "run"
    part = table[table["by"] == shown].pivot(index="label", columns="subject", values="score")
    rows = [
        {shown: label, **{f"sub-{name}": "n/a" if np.isnan(r) else f"{r:.3f}" for name, r in row.items()}}
        for label, row in part.iterrows()
    ]
    return ReportSection(f"Prediction accuracy by {shown} (mean r over predicted targets)", [], rows)


def _preferences(writer: ResultsWriter, results: StudyResults, study: Study) -> ReportSection | None:
    found = {s: e.preference for s, e in results.encodings.items() if e.preference is not None}
    if not found:
        return None
    lines = [
        f"sub-{subject}: " + ", ".join(f"{name} {share:.1%}" for name, share in one.shares().items())
        for subject, one in found.items()
    ]
    rows = [
        row
        for subject, encoding in results.encodings.items()
        if encoding.preference is not None
        for row in _overlaps(subject, encoding, study)
    ]
    writer.write_table("overlap.tsv", pd.DataFrame(rows))
    spaces = [results.spaces[subject] for subject in found if subject != GROUP_MEAN]
    if len(spaces) > 1 and all(isinstance(s, SurfaceSpace) and s.name == spaces[0].name for s in spaces):
        group = group_preference([one for subject, one in found.items() if subject != GROUP_MEAN])
        about = {"Description": "Feature space that most subjects prefer; -1 none, -2 predicted in no subject",
                 "Levels": list(group.names), "Subjects": len(spaces), "Note": study.note}  # fmt: skip
        share = {"Description": "Share of the subjects in whom the target is predicted who agree", "Note": study.note}
        writer.write_map(GROUP, "preference", "index", group.index.astype(float), spaces[0], about)
        writer.write_map(GROUP, "preference", "consistency", group.consistency, spaces[0], share)
        both = group.n_predicted > 1
        if both.any():
            lines.append(f"subjects agree in {group.consistency[both].mean():.1%} where two or more are predicted")
    return ReportSection("Component preference (share of predicted targets)", lines)


def _overlaps(subject: str, encoding: Encoding, study: Study) -> list[dict[str, Any]]:
    """Overlap of the maps of each pair of feature spaces."""
    names = [name for name in encoding.r if name != JOINT]
    inside = encoding.q < study.statistics.q
    rows = []
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            low = {name: _above_chance(encoding, name, inside) for name in (first, second)}
            parts = encoding.partition if encoding.partition and len(names) == 2 else None
            found = overlap(
                encoding.r[first],
                encoding.r[second],
                low[first],
                low[second],
                shared=parts.shared if parts else None,
                joint=encoding.r2[JOINT] if parts else None,
            )
            rows.append({"subject": subject, "first": first, "second": second, **vars(found)})
    return rows


def _above_chance(encoding: Encoding, name: str, inside: Any) -> Any:
    """Predicted targets where this feature space alone reaches the lowest r that is significant for the joint model."""
    joint = encoding.r[JOINT]
    least = float(np.min(joint[inside])) if inside.any() else np.inf
    return inside & (np.nan_to_num(encoding.r[name], nan=-1.0) >= least)


def _partition(writer: ResultsWriter, results: StudyResults) -> ReportSection | None:
    if not results.parts:
        return None
    table = pd.DataFrame(results.parts, columns=list(PARTITION_COLUMNS))
    writer.write_table("partition.tsv", table)
    writer.write_json("partition.json", {key: {"Description": text} for key, text in PARTITION_COLUMNS.items()})
    rows = [
        {
            "subject": row.subject,
            "region": f"{row.hemisphere} {row.region}" if row.hemisphere else row.region,
            "part": row.part,
            "R2": f"{row.r2:.3f} [{row.low:.3f}, {row.high:.3f}]",
            "negative targets": f"{row.negative} of {row.targets}",
        }
        for row in table.itertuples()
        if row.targets
    ]
    return ReportSection("Variance partitioning (mean held-out R2 of a region, 95 % interval)", [], rows)


def _regions(writer: ResultsWriter, results: StudyResults, regions: pd.DataFrame, study: Study) -> ReportSection | None:
    found = comparison(regions, results.blocks, study)
    if found is None:
        return None
    writer.write_table("region_tests.tsv", found.tests)
    writer.write_table("region_means.tsv", found.plot)
    writer.write_table("region_model.tsv", found.model.terms)
    rows = [
        {
            "region": row.region,
            "difference of r": f"{row.first} - {row.second}: {row.difference:.3f} [{row.low:.3f}, {row.high:.3f}]",
            "Hedges' g": f"{row.effect_size:.2f} [{row.effect_low:.2f}, {row.effect_high:.2f}]",
            "p": f"{row.p:.2g}",
            "q": f"{row.q:.2g}",
            "prevalence": f"{row.prevalence:.2f} [{row.prevalence_low:.2f}, {row.prevalence_high:.2f}]",
            "test": row.test,
        }
        for row in found.tests.itertuples()
    ]
    return ReportSection(
        "Regions", [f"mixed model ({found.model.formula}): {found.model.status}", *found.model.notes], rows
    )


def _generalisation(writer: ResultsWriter, results: StudyResults, study: Study) -> ReportSection | None:
    rows: list[dict[str, Any]] = []
    for subject, left in results.genres.items():
        inside = results.encodings[subject].q < study.statistics.q
        for i, label in enumerate(left.labels):
            rows.append(
                {"subject": subject, "left_out": label, "r_with": _mean(left.r_with[i][inside]),
                 "r_without": _mean(left.r_without[i][inside]), "targets": int(inside.sum()),
                 "samples": int(left.n_samples[i])}
            )  # fmt: skip
    for subject, r in results.others.items():
        inside = results.encodings[subject].q < study.statistics.q
        own = results.encodings[subject].r[JOINT]
        rows.append(
            {"subject": subject, "left_out": "this subject", "r_with": _mean(own[inside]),
             "r_without": _mean(r[inside]), "targets": int(inside.sum()),
             "samples": results.encodings[subject].n_test}
        )  # fmt: skip
    if not rows:
        return None
    writer.write_table("generalisation.tsv", pd.DataFrame(rows))
    shown = [{k: f"{v:.3f}" if isinstance(v, float) else v for k, v in row.items()} for row in rows]
    return ReportSection("Generalisation (mean r over predicted targets)", [], shown)


def _mean(values: Any) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")
