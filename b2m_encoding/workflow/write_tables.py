"""Statistics of a study across subjects and regions: tables of the results and group maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from b2m_encoding.analysis.encoding.encode import Encoding
from b2m_encoding.analysis.study_results import StudyResults
from b2m_encoding.analysis.tables.breakdown import BREAKDOWN_COLUMNS
from b2m_encoding.analysis.tables.quality import QUALITY_COLUMNS
from b2m_encoding.analysis.tables.regions import PARTITION_COLUMNS, comparison
from b2m_encoding.data.sources import GROUP_MEAN
from b2m_encoding.results.bundle import GROUP, BundleFiles
from b2m_encoding.results.schema import JOINT
from b2m_encoding.spaces import SurfaceSpace
from b2m_encoding.stats.agreement import group_preference, overlap
from b2m_encoding.study import Study
from b2m_encoding.workflow.subject_table import SUBJECT_COLUMNS, subject_rows

PREFERENCE_COLUMNS = {
    "subject": "Subject label",
    "preferred": "Feature space, or none where no one predicts better than all others",
    "share": "Share of the predicted targets",
}


def write_statistics(writer: BundleFiles, results: StudyResults, regions: pd.DataFrame, study: Study) -> None:
    """Write the tables that the report reads, and the group maps."""
    write_described(writer, "subjects", subject_rows(results, study), SUBJECT_COLUMNS)
    write_described(writer, "quality", results.quality, QUALITY_COLUMNS)
    write_described(writer, "breakdown", results.breakdown, BREAKDOWN_COLUMNS)
    write_described(writer, "partition", results.parts, PARTITION_COLUMNS)
    checks = [{"subject": s, **check.row()} for s, checks in results.checks.items() for check in checks]
    if checks:
        writer.write_table("audit.tsv", pd.DataFrame(checks))
    _preferences(writer, results, study)
    _regions(writer, results, regions, study)
    _generalisation(writer, results, study)


def write_described(writer: BundleFiles, name: str, rows: list[dict[str, Any]], columns: Mapping[str, str]) -> None:
    """Write rows as a table, with a JSON file that says what its columns hold; nothing where there is no row."""
    if rows:
        writer.write_table(f"{name}.tsv", pd.DataFrame(rows, columns=list(columns)))
        writer.write_json(f"{name}.json", {key: {"Description": text} for key, text in columns.items()})


def _preferences(writer: BundleFiles, results: StudyResults, study: Study) -> None:
    """Shares of the targets that prefer each feature space, overlap of maps, and the map of the group."""
    found = {s: e.preference for s, e in results.encodings.items() if e.preference}
    if not found:
        return
    shares = [
        {"subject": subject, "preferred": name, "share": share}
        for subject, one in found.items()
        for name, share in one.shares().items()
    ]
    write_described(writer, "preference", shares, PREFERENCE_COLUMNS)
    rows = [row for subject in found for row in _overlaps(subject, results.encodings[subject], study)]
    writer.write_table("overlap.tsv", pd.DataFrame(rows))
    spaces = [results.spaces[subject] for subject in found if subject != GROUP_MEAN]
    if len(spaces) > 1 and all(isinstance(s, SurfaceSpace) and s.name == spaces[0].name for s in spaces):
        group = group_preference([one for subject, one in found.items() if subject != GROUP_MEAN])
        both = group.n_predicted > 1
        about = {"Description": "Feature space that most subjects prefer; -1 none, -2 predicted in no subject",
                 "Levels": list(group.names), "Subjects": len(spaces), "Note": study.note}  # fmt: skip
        share = {"Description": "Share of the subjects in whom the target is predicted who agree", "Note": study.note,
                 "Agreement": float(group.consistency[both].mean()) if both.any() else None}  # fmt: skip
        writer.write_map(GROUP, "preference", "index", group.index.astype(float), spaces[0], about)
        writer.write_map(GROUP, "preference", "consistency", group.consistency, spaces[0], share)


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


def _regions(writer: BundleFiles, results: StudyResults, regions: pd.DataFrame, study: Study) -> None:
    found = comparison(regions, results.blocks, study)
    if found is None:
        return
    writer.write_table("region_tests.tsv", found.tests)
    writer.write_table("region_means.tsv", found.plot)
    writer.write_table("region_model.tsv", found.model.terms)
    model = {"formula": found.model.formula, "status": found.model.status, "notes": list(found.model.notes)}
    writer.write_json("region_model.json", model)


def _generalisation(writer: BundleFiles, results: StudyResults, study: Study) -> None:
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
    if rows:
        writer.write_table("generalisation.tsv", pd.DataFrame(rows))


def _mean(values: Any) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")
