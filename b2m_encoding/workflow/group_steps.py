"""The steps of a study that take all subjects together: comparison, tables, figures, report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from b2m_encoding.analysis.decoding.across_subjects import decode_together
from b2m_encoding.analysis.decoding.decode import Decoding
from b2m_encoding.analysis.encoding.encode import Encoding
from b2m_encoding.analysis.encoding.generalise import without_subjects
from b2m_encoding.analysis.encoding.inter_subject import Array, Measured, inter_subject_bounds
from b2m_encoding.errors import InputError
from b2m_encoding.gallery.draw import draw_figures
from b2m_encoding.results.bundle import BundleFiles
from b2m_encoding.results.reader import Results
from b2m_encoding.results.schema import JOINT
from b2m_encoding.results.schema.maps import BETWEEN_HIGH, BETWEEN_LOW, INTER_SUBJECT, R_OTHERS
from b2m_encoding.results.schema.tables import REGIONS
from b2m_encoding.spaces import Space
from b2m_encoding.stats import NoCeiling
from b2m_encoding.study import Study
from b2m_encoding.workflow.engine import Desk, Output
from b2m_encoding.workflow.subject_steps import Parts, any_tested, encoding, held_out
from b2m_encoding.workflow.write_maps import StudyResults, write_decodings
from b2m_encoding.workflow.write_tables import write_statistics

FIGURES = "figures"


def others(desk: Desk, out: Output, subjects: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Predict every subject by a model of the others, and write the maps."""
    features = {subject: desk.get(f"features/sub-{subject}") for subject in subjects}
    found = without_subjects({subject: desk.recording(subject) for subject in subjects}, features, desk.study)
    about = {**R_OTHERS.sidecar(), "Note": desk.study.note}
    for subject, r in found.items():
        out.bundle.write_map(subject, JOINT, R_OTHERS.stat, r, desk.recording(subject).responses.space, about)
    return found


def ceilings(desk: Desk, out: Output, parts: Mapping[str, Parts]) -> dict[str, tuple[Array, Array]] | NoCeiling:
    """Inter-subject ceilings, and their maps if these data tell them."""
    measured = {}
    for subject, own in parts.items():
        found, space = held_out(desk, subject, own), desk.recording(subject).responses.space
        measured[subject] = Measured(found.measured, found.runs, space)
    bounds = inter_subject_bounds(measured)
    if not isinstance(bounds, NoCeiling):
        for subject, values in bounds.items():
            _write_bounds(out.bundle, subject, values, encoding(desk, subject), measured[subject].space, desk.study)
    return bounds


def _write_bounds(
    bundle: BundleFiles, subject: str, values: tuple[Array, Array], found: Encoding, space: Space, study: Study
) -> None:
    for kind, bound in zip((BETWEEN_LOW, BETWEEN_HIGH), values, strict=True):
        about = {**kind.sidecar(), "Note": study.note}
        bundle.write_map(subject, INTER_SUBJECT, kind.stat, np.where(found.tested, bound, np.nan), space, about)


def tables(desk: Desk, out: Output, subjects: Sequence[str]) -> None:
    """Tables and tests of the whole study, and maps of the group."""
    results, study = collect(desk, subjects), desk.study
    if not any(found.tested.any() for found in results.encodings.values()):
        files = [str(path) for subject in subjects for path in desk.recording(subject).files.values()]
        raise InputError("no target can be tested: all responses are constant or hold NaN", file=", ".join(files))
    regions = pd.DataFrame(results.regions, columns=list(REGIONS.columns))
    out.bundle.write_table(REGIONS, regions)
    write_decodings(out.bundle, results, study)
    write_statistics(out.bundle, results, regions, study)


def figures(desk: Desk, out: Output) -> None:
    """Figures of the report."""
    assert desk.bundle is not None
    draw_figures(Results(desk.bundle, desk.spaces()), desk.study, out.bundle.file(FIGURES))


def together(desk: Desk, out: Output, subjects: Sequence[str]) -> dict[str, list[Decoding]]:
    """Decoders of all subjects, and of all others, aligned by the clips they share."""
    able = [subject for subject in subjects if any_tested(desk, subject)]
    return decode_together({subject: desk.recording(subject) for subject in able}, desk.study)


def decodings(study: Study, subject: str) -> list[str]:
    """Names of the units that decode a subject."""
    return [f"decode/sub-{subject}_{target}" for target in (study.decoding.targets if study.decoding else ())]


def collect(desk: Desk, subjects: Sequence[str]) -> StudyResults:
    """Everything that was found, of all subjects."""
    results, table, study = StudyResults(desk.spaces(subjects)), desk.study.statistics, desk.study
    for subject in subjects:
        results.encodings[subject] = encoding(desk, subject)
        if table.audit:
            results.checks[subject] = desk.get(f"audit/sub-{subject}")
        rows = desk.get(f"regions/sub-{subject}")
        results.regions += rows.scores
        results.parts += rows.parts
        results.blocks |= rows.blocks
        results.breakdown += rows.breakdown
        results.quality += desk.get(f"quality/sub-{subject}")
        if "genre" in table.generalise and (left := desk.get(f"genres/sub-{subject}")) is not None:
            results.genres[subject] = left
        if found := [one for name in decodings(study, subject) for one in desk.get(name)]:
            results.decodings[subject] = found
    if study.decoding and study.decoding.align != "none":
        for subject, found in desk.get("together").items():
            results.decodings.setdefault(subject, []).extend(found)
    if "subject" in table.generalise:
        results.others = desk.get("others")
    if table.inter_subject:
        results.bounds = desk.get("ceilings")
    return results
