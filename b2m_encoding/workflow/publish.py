"""Put the results of a study together: files of its units, figures, provenance and report, all at once."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from b2m_encoding.data import Recording
from b2m_encoding.gallery.report import write_pages
from b2m_encoding.results.bundle import ResultsWriter, recover
from b2m_encoding.results.manifest import changed_files, read_manifest, write_manifest
from b2m_encoding.results.provenance import provenance, source_datasets
from b2m_encoding.results.reader import Results
from b2m_encoding.results.schema.files import FIGURES, PROVENANCE
from b2m_encoding.study import Study
from b2m_encoding.workflow.engine.inputs import SpaceOf
from b2m_encoding.workflow.engine.runner import Runner
from b2m_encoding.workflow.engine.store import PUBLISHED
from b2m_encoding.workflow.engine.unit import code_version, key_of
from b2m_encoding.workflow.plan import Plan
from b2m_encoding.workflow.write_maps import feature_record, write_study


def publish(runner: Runner, plan: Plan, file: Path, started: datetime) -> None:
    """Write the results folder, unless it is there already and as it was written.

    Files that others put into it (figures drawn on demand, pages, notes) are kept, edited tables as ``NAME.edited``.
    """
    study, context = plan.study, runner.context
    recover(study.output)
    keys = {name: key_of(fingerprint) for name, fingerprint in runner.fingerprints(plan.units).items()}
    basis = key_of({"units": keys, "study": runner.work.hashes.of(file), "code": code_version(draws=True)})
    earlier = read_manifest(study.output)
    if earlier and earlier["basis"] == basis and not changed_files(study.output, earlier["files"]):
        return
    with ResultsWriter(study.output, study.name, plan.recordings, source_datasets(study.data)) as writer:
        for name in plan.units:
            if name != FIGURES:
                _copy(runner.work.folder(name) / PUBLISHED, writer.folder)
        write_study(writer, file, study)
        context.results = writer.folder
        runner.run(plan.up_to([FIGURES]))
        _copy(runner.work.folder(FIGURES) / PUBLISHED, writer.folder)
        record = _record(runner, plan, file, started)
        writer.write_json(PROVENANCE, record)
        write_pages(
            Results.open(writer.folder, context.value({subject: SpaceOf(subject) for subject in plan.subjects}))
        )
        write_manifest(writer.folder, basis)


def _copy(source: Path, target: Path) -> None:
    """Copy the files of a unit; copies, so that an edited result never changes what later steps start from."""
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)


def _record(runner: Runner, plan: Plan, file: Path, started: datetime) -> dict[str, Any]:
    """How the results came about."""
    inputs = {str(path): runner.work.hashes.of(path) for path in input_files(file, plan.recordings, plan.study)}
    record = provenance(inputs, seed=plan.study.seed, started=started)
    spaces = runner.context.value(next(iter(plan.subjects.values())).features)
    record["features"] = {name: feature_record(space) for name, space in spaces.items()}
    record["cleaning"] = {subject: list(one.responses.steps) for subject, one in plan.recordings.items()}
    return record


def input_files(file: Path, recordings: Mapping[str, Recording], study: Study) -> list[Path]:
    """Every file the results depend on: the study, responses, events, and what the features were made from."""
    needed = [path for extractor in study.features.values() for path in extractor.needs()]
    inside = [path for folder in needed if folder.is_dir() for path in sorted(folder.rglob("*")) if path.is_file()]
    files = [path for path in needed if path.is_file()]
    measured = [path for recording in recordings.values() for path in recording.inputs]
    return list(dict.fromkeys([file, *measured, *files, *inside]))
