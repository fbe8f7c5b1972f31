"""Run a study: every subject, then what is drawn and written from all of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from b2m_encoding.data import Recording
from b2m_encoding.errors import InputError
from b2m_encoding.features.extractors import build_spaces
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.pipeline.audit import audit_subject
from b2m_encoding.pipeline.breakdown import breakdown_rows
from b2m_encoding.pipeline.check import check_study
from b2m_encoding.pipeline.decode import decode_subject, to_decode
from b2m_encoding.pipeline.decode_together import decode_together
from b2m_encoding.pipeline.decoders import decoded_regions
from b2m_encoding.pipeline.draw import draw_figures
from b2m_encoding.pipeline.encode import encode_subject, wanted_models
from b2m_encoding.pipeline.generalise import without_genres, without_subjects
from b2m_encoding.pipeline.heard import heard_by, write_heard
from b2m_encoding.pipeline.inter_subject import Measured, inter_subject_bounds
from b2m_encoding.pipeline.regions import COLUMNS, block_scores, partition_rows, region_masks, score_rows
from b2m_encoding.pipeline.statistics import write_statistics
from b2m_encoding.pipeline.windows import stimulation_of
from b2m_encoding.pipeline.write import StudyResults, summary, write_decodings, write_maps
from b2m_encoding.results.bundle import ResultsWriter
from b2m_encoding.results.provenance import provenance
from b2m_encoding.results.reader import Results
from b2m_encoding.results.report import write_report
from b2m_encoding.stats import NoCeiling
from b2m_encoding.study import Study

Progress = Callable[[str, int, int], None]


def run_study(
    study: Study,
    file: Path,
    *,
    subjects: tuple[str, ...] = (),
    progress: Progress = lambda what, done, total: None,
) -> StudyResults:
    """Check a study, analyse its subjects and write the results folder.

    Parameters
    ----------
    study : Study
    file : Path
        The study file, copied into the results.
    subjects : tuple of str
        Only these.
    progress : callable
        Called with what is done now, the steps done and the steps in all.

    Raises
    ------
    ProblemList
        If anything is wrong with the study; nothing is computed or written then.
    """
    started = datetime.now(UTC)
    recordings = check_study(study, subjects)
    leave_subjects = "subject" in study.statistics.generalise
    steps = _Steps(progress, total=len(recordings) * _steps_per_subject(study) + 2 + leave_subjects)
    results = StudyResults({subject: recording.responses.space for subject, recording in recordings.items()})
    with ResultsWriter(study.output, study.name, recordings) as writer:
        features = {}
        for subject, recording in recordings.items():
            spaces = _analyse(subject, recording, study, results, steps)
            if leave_subjects:
                features[subject] = spaces
            write_maps(writer, subject, results.encodings[subject], results.spaces[subject], study)
            write_heard(writer, subject, results.heard.pop(subject), study)
        if not any(encoding.tested.any() for encoding in results.encodings.values()):
            raise InputError(
                "no target can be tested: all responses are constant or hold NaN",
                file=", ".join(str(path) for recording in recordings.values() for path in recording.files.values()),
            )
        if leave_subjects:
            steps("subjects left out")
            _leave_subjects_out(recordings, features, results, study, writer)
        if study.statistics.inter_subject:
            _write_bounds(results, study, writer)
        for subject, found in decode_together({name: recordings[name] for name in results.decodings}, study).items():
            results.decodings[subject] += found
        regions = pd.DataFrame(results.regions, columns=list(COLUMNS))
        writer.write_table("regions.tsv", regions)
        writer.write_json("regions.json", {key: {"Description": text} for key, text in COLUMNS.items()})
        write_decodings(writer, results, study)
        sections = write_statistics(writer, results, regions, study)
        shutil.copyfile(file, writer.file("study.toml"))
        steps("figures")
        figures = draw_figures(Results.open(writer.folder, results.spaces), study, writer.file("figures"))
        record = provenance(input_files(file, recordings, study), seed=study.seed, started=started)
        record["features"] = {name: dict(space.provenance) for name, space in spaces.items()}
        record["cleaning"] = {subject: list(recording.responses.steps) for subject, recording in recordings.items()}
        writer.write_json("provenance.json", record)
        steps("report")
        rows = summary(results, study)
        write_report(writer.file("report.html"), study.name, study.note, rows, figures, record, sections)
    return results


class _Steps:
    """Count steps for the progress report."""

    def __init__(self, progress: Progress, total: int) -> None:
        self.progress, self.total, self.done = progress, total, 0

    def __call__(self, what: str) -> None:
        self.progress(what, self.done, self.total)
        self.done += 1

    def within(self, step: str) -> Callable[[str, int, int], None]:
        """Report how far the step at hand has got."""

        def report(what: str, done: int, total: int) -> None:
            if total:
                self.progress(f"{step}: {what}, {done} of {total} clips", self.done - 1, self.total)

        return report


def _steps_per_subject(study: Study) -> int:
    table = study.statistics
    n_models = len(wanted_models(tuple(study.features), table))
    return (
        3
        + n_models
        + table.audit
        + ("genre" in table.generalise)
        + len(study.decoding.targets if study.decoding else ())
    )


def _analyse(
    subject: str, recording: Recording, study: Study, results: StudyResults, steps: _Steps
) -> Mapping[str, FeatureSpace]:
    """Analyse one subject; its feature spaces serve again where subjects are left out."""
    steps(f"sub-{subject}: features")
    spaces = build_spaces(study.features, stimulation_of(recording), steps.within(f"sub-{subject}: features"))
    responses, space = recording.responses, results.spaces[subject]
    encoding = encode_subject(responses, spaces, study, lambda what: steps(f"sub-{subject}: {what}"))
    if study.statistics.audit:
        steps(f"sub-{subject}: audit")
        results.checks[subject] = audit_subject(encoding, recording, spaces, study)
    masks = region_masks(space, study)
    results.regions += score_rows(subject, encoding, masks, study)
    results.parts += partition_rows(subject, encoding, masks, study)
    results.blocks |= block_scores(subject, encoding, masks)
    results.breakdown += breakdown_rows(subject, encoding, study)
    if study.statistics.inter_subject and encoding.held_out is not None:
        results.measured[subject] = Measured(encoding.held_out.measured, encoding.held_out.runs, space)
    results.heard[subject] = heard_by(encoding, recording, study)
    results.encodings[subject] = encoding = encoding.light()
    if "genre" in study.statistics.generalise and encoding.tested.any():
        steps(f"sub-{subject}: genres left out")
        results.genres[subject] = without_genres(recording, spaces, study)
    if study.decoding and encoding.tested.any():
        results.decodings[subject] = []
        for name in study.decoding.targets:
            steps(f"sub-{subject}: decoding {name}")
            places = decoded_regions(space, study)
            results.decodings[subject] += decode_subject(*to_decode(recording, name, spaces, study), places, study)
    return spaces


def _leave_subjects_out(
    recordings: Mapping[str, Recording],
    features: Mapping[str, Mapping[str, FeatureSpace]],
    results: StudyResults,
    study: Study,
    writer: ResultsWriter,
) -> None:
    """Predict every subject by a model of the others, and write the maps."""
    results.others = without_subjects(recordings, features, study)
    for subject, r in results.others.items():
        about = {"Description": "Pearson r of the joint model of all other subjects", "Note": study.note}
        writer.write_map(subject, "joint", "rothers", r, results.spaces[subject], about)


def _write_bounds(results: StudyResults, study: Study, writer: ResultsWriter) -> None:
    """Write the inter-subject ceiling of every subject, if these data tell one."""
    results.bounds = inter_subject_bounds(results.measured)
    results.measured.clear()
    if isinstance(results.bounds, NoCeiling):
        return
    texts = {
        "rlow": "r with the mean of the other subjects",
        "rhigh": "r with the mean of all subjects, itself included",
    }
    for subject, values in results.bounds.items():
        for (stat, text), bound in zip(texts.items(), values, strict=True):
            tested = np.where(results.encodings[subject].tested, bound, np.nan)
            about = {"Description": f"Inter-subject ceiling: {text}", "Note": study.note}
            writer.write_map(subject, "intersubject", stat, tested, results.spaces[subject], about)


def input_files(file: Path, recordings: Mapping[str, Recording], study: Study) -> list[Path]:
    """Every file the results depend on: the study, responses, events, and what the features were made from."""
    needed = [path for extractor in study.features.values() for path in extractor.needs()]
    inside = [path for folder in needed if folder.is_dir() for path in sorted(folder.rglob("*")) if path.is_file()]
    files = [path for path in needed if path.is_file()]
    measured = [path for recording in recordings.values() for path in recording.inputs]
    return list(dict.fromkeys([file, *measured, *files, *inside]))
