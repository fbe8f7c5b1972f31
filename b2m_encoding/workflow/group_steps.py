"""Steps that need all subjects together: generalisation over subjects, pooled decoders, ceilings, tables, figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from b2m_encoding._typing import Float64
from b2m_encoding.analysis.decoding.across_subjects import decode_together
from b2m_encoding.analysis.decoding.decode import Decoding
from b2m_encoding.analysis.encoding.encoding import Encoding, Scores
from b2m_encoding.analysis.encoding.generalise import without_subjects
from b2m_encoding.analysis.encoding.held_out import HeldOut
from b2m_encoding.analysis.encoding.inter_subject import Measured, inter_subject_bounds
from b2m_encoding.analysis.study_results import Bounds, StudyResults
from b2m_encoding.data import Recording
from b2m_encoding.errors import InputError
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.gallery.draw import draw_figures
from b2m_encoding.results.reader import Results
from b2m_encoding.results.schema import JOINT
from b2m_encoding.results.schema.files import FIGURES
from b2m_encoding.results.schema.maps import BETWEEN_HIGH, BETWEEN_LOW, INTER_SUBJECT, R_OTHERS
from b2m_encoding.results.schema.tables import CLIPS, REGIONS
from b2m_encoding.spaces import Space
from b2m_encoding.stats import NoCeiling
from b2m_encoding.study import Study
from b2m_encoding.workflow.engine.context import Output
from b2m_encoding.workflow.write_maps import write_decodings
from b2m_encoding.workflow.write_tables import write_statistics


def leave_one_subject_out(
    recordings: Mapping[str, Recording],
    spaces: Mapping[str, Mapping[str, FeatureSpace]],
    study: Study,
    out: Output,
) -> dict[str, Float64]:
    """Predict every subject by a model of the others, and write the maps."""
    scores = without_subjects(recordings, spaces, study)
    sidecar = {**R_OTHERS.sidecar(), "Note": study.note}
    for subject, r in scores.items():
        out.bundle.write_map(subject, JOINT, R_OTHERS.stat, r, recordings[subject].responses.space, sidecar)
    return scores


def inter_subject_ceilings(
    held_out: Mapping[str, HeldOut],
    encodings: Mapping[str, Encoding],
    spaces: Mapping[str, Space],
    study: Study,
    out: Output,
) -> Bounds:
    """Inter-subject ceilings, and their maps where the subjects share stimuli and space."""
    measured = {
        subject: Measured(np.asarray(one.measured), one.runs, spaces[subject]) for subject, one in held_out.items()
    }
    bounds = inter_subject_bounds(measured)
    for subject, ends in {} if isinstance(bounds, NoCeiling) else bounds.items():
        for kind, bound in zip((BETWEEN_LOW, BETWEEN_HIGH), ends, strict=True):
            sidecar = {**kind.sidecar(), "Note": study.note}
            values = np.where(encodings[subject].tested, bound, np.nan)
            out.bundle.write_map(subject, INTER_SUBJECT, kind.stat, values, spaces[subject], sidecar)
    return bounds


def write_study_tables(results: StudyResults, recordings: Mapping[str, Recording], study: Study, out: Output) -> None:
    """Write the tables and tests of the whole study, and maps of the group."""
    if not any(encoding.tested.any() for encoding in results.encodings.values()):
        files = [str(path) for recording in recordings.values() for path in recording.files.values()]
        raise InputError("no target can be tested: all responses are constant or hold NaN", file=", ".join(files))
    regions = pd.DataFrame(results.regions, columns=list(REGIONS.columns))
    out.bundle.write_table(REGIONS, regions)
    write_decodings(out.bundle, results, study)
    write_statistics(out.bundle, results, regions, study)
    if clips := clip_rows(recordings, study.data.group_name):
        out.bundle.write_table(CLIPS, clips)


def clip_rows(recordings: Mapping[str, Recording], group_name: str) -> list[dict[str, object]]:
    """Clips of all subjects, sorted by their labels."""
    presented = {label: one for recording in recordings.values() for label, one in recording.presented.items()}
    return [
        {
            "clip": label,
            "stimulus": one.stimulus,
            "start": one.start,
            "duration": one.duration,
            "group": one.group or "n/a",
            "grouped_by": group_name or "n/a",
        }
        for label, one in sorted(presented.items())
    ]


def write_figures(folder: Path, spaces: Mapping[str, Space], study: Study, out: Output) -> None:
    """Figures of the report, drawn from the results folder as far as it is written."""
    draw_figures(Results(folder, dict(spaces)), study, out.bundle.file(FIGURES))


def decode_pooled(
    recordings: Mapping[str, Recording], scores: Mapping[str, Scores], study: Study
) -> dict[str, list[Decoding]]:
    """Decoders of all subjects, and of all others, aligned by the clips they share in training."""
    tested = {subject: recording for subject, recording in recordings.items() if scores[subject].any_tested}
    return decode_together(tested, study)
