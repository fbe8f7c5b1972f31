"""Write the statistics of a study across subjects and regions: tables of the results and maps of the group."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from b2m_encoding._typing import Floating
from b2m_encoding.analysis.encoding.encoding import Encoding
from b2m_encoding.analysis.study_results import StudyResults
from b2m_encoding.analysis.tables.regions import comparison
from b2m_encoding.data.sources import GROUP_MEAN
from b2m_encoding.results.bundle import BundleFiles
from b2m_encoding.results.schema import GROUP, JOINT, maps, tables
from b2m_encoding.results.schema.files import REGION_MODEL_SUMMARY
from b2m_encoding.spaces import Space, SurfaceSpace
from b2m_encoding.stats.agreement import GroupPreference, group_preference, overlap
from b2m_encoding.study import Study
from b2m_encoding.workflow.subject_table import model_rows, subject_rows


def write_statistics(writer: BundleFiles, results: StudyResults, regions: pd.DataFrame, study: Study) -> None:
    """Write the tables that the report reads, and the maps of the group.

    Parameters
    ----------
    writer : BundleFiles
    results : StudyResults
    regions : DataFrame
        Table of scores by region, columns as in :data:`~b2m_encoding.results.schema.tables.REGIONS`.
    study : Study
    """
    checks = [{"subject": s, **check.row()} for s, checks in results.checks.items() for check in checks]
    rows = {
        tables.SUBJECTS: subject_rows(results, study),
        tables.MODELS: model_rows(results, study),
        tables.QUALITY: results.quality,
        tables.BREAKDOWN: results.breakdown,
        tables.PARTITION: results.parts,
        tables.AUDIT: checks,
        tables.GENERALISATION: _generalisation_rows(results, study),
        tables.LEARNING: results.learning,
    }
    for table, content in rows.items():
        if content:
            writer.write_table(table, content)
    _preferences(writer, results, study)
    _region_comparison(writer, results, regions, study)


def _preferences(writer: BundleFiles, results: StudyResults, study: Study) -> None:
    """Write the share of targets that prefer each feature space, overlap of maps, and the maps of the group."""
    preferences = {s: e.preference for s, e in results.encodings.items() if e.preference is not None}
    if not preferences:
        return
    shares = [
        {"subject": subject, "preferred": name, "share": share}
        for subject, preference in preferences.items()
        for name, share in preference.shares().items()
    ]
    writer.write_table(tables.PREFERENCE, shares)
    rows = [row for subject in preferences for row in _overlaps(subject, results.encodings[subject], study)]
    writer.write_table(tables.OVERLAP, rows)
    subjects = [subject for subject in preferences if subject != GROUP_MEAN]
    spaces = [results.spaces[subject] for subject in subjects]
    if len(spaces) > 1 and all(isinstance(s, SurfaceSpace) and s.name == spaces[0].name for s in spaces):
        group = group_preference([preferences[subject] for subject in subjects])
        _write_group_maps(writer, group, spaces[0], len(spaces), study)


def _write_group_maps(writer: BundleFiles, group: GroupPreference, space: Space, n_subjects: int, study: Study) -> None:
    several = group.n_predicted > 1
    index = {"Levels": list(group.names), "Subjects": n_subjects, "Note": study.note}
    agreement = float(group.consistency[several].mean()) if several.any() else None
    share = {"Note": study.note, "Agreement": agreement}
    for kind, values, sidecar in (
        (maps.GROUP_PREFERRED, group.index.astype(float), index),
        (maps.CONSISTENCY, group.consistency, share),
    ):
        writer.write_map(GROUP, maps.PREFERENCE, kind.stat, values, space, {**kind.sidecar(), **sidecar})


def _overlaps(subject: str, encoding: Encoding, study: Study) -> list[dict[str, Any]]:
    """Overlap of the maps of each pair of feature spaces."""
    names = [name for name in encoding.r if name != JOINT]
    rows = []
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            low = {name: encoding.q_of(name) < study.statistics.q for name in (first, second)}
            parts = encoding.partition if encoding.partition and len(names) == 2 else None
            shared = overlap(
                encoding.r[first],
                encoding.r[second],
                low[first],
                low[second],
                shared=parts.shared if parts else None,
                joint=encoding.r2[JOINT] if parts else None,
            )
            rows.append({"subject": subject, "first": first, "second": second, **vars(shared)})
    return rows


def _region_comparison(writer: BundleFiles, results: StudyResults, regions: pd.DataFrame, study: Study) -> None:
    """Write tests, means and mixed model of regions, where there are feature spaces to compare."""
    compared = comparison(regions, results.blocks, study)
    if compared is None:
        return
    writer.write_table(tables.REGION_TESTS, compared.tests)
    writer.write_table(tables.REGION_MEANS, compared.plot)
    writer.write_table(tables.REGION_MODEL, compared.model.terms)
    model = compared.model
    summary = {"formula": model.formula, "status": model.status, "notes": list(model.notes)}
    writer.write_json(REGION_MODEL_SUMMARY, {**summary, "variances": dict(model.variances)})


def _generalisation_rows(results: StudyResults, study: Study) -> list[dict[str, Any]]:
    """Scores with and without each group of clips, and each subject, in training."""
    rows: list[dict[str, Any]] = []
    for subject, left_out in results.groups.items():
        inside = results.encodings[subject].q < study.statistics.q
        for i, label in enumerate(left_out.labels):
            rows.append(
                {"subject": subject, "left_out": label, "r_with": _mean(left_out.r_with[i][inside]),
                 "r_without": _mean(left_out.r_without[i][inside]), "targets": int(inside.sum()),
                 "samples": int(left_out.n_samples[i])}
            )  # fmt: skip
    for subject, r in results.others.items():
        encoding = results.encodings[subject]
        inside = encoding.q < study.statistics.q
        rows.append(
            {"subject": subject, "left_out": "this subject", "r_with": _mean(encoding.r[JOINT][inside]),
             "r_without": _mean(r[inside]), "targets": int(inside.sum()), "samples": encoding.n_test}
        )  # fmt: skip
    return rows


def _mean(values: Floating) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")
