"""Put the results of a study together: files of its units, figures, provenance and report, all at once."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from b2m_encoding.data import Recording
from b2m_encoding.data.confounds import motion_tables
from b2m_encoding.errors import InputError
from b2m_encoding.gallery.report import write_pages
from b2m_encoding.io.paths import portable_path
from b2m_encoding.results.bundle import ResultsWriter, recover
from b2m_encoding.results.manifest import changed_files, read_manifest, write_manifest
from b2m_encoding.results.provenance import path_from_results, provenance, source_datasets
from b2m_encoding.results.reader import Results
from b2m_encoding.results.schema.files import FIGURES, PROVENANCE
from b2m_encoding.study import Study
from b2m_encoding.workflow.engine.inputs import SpaceOf
from b2m_encoding.workflow.engine.runner import Fingerprint, Runner
from b2m_encoding.workflow.engine.store import PUBLISHED
from b2m_encoding.workflow.engine.unit import code_version, key_of
from b2m_encoding.workflow.plan import Plan, label_files
from b2m_encoding.workflow.write_maps import feature_record, write_study


def publish(runner: Runner, plan: Plan, fingerprints: Mapping[str, Fingerprint], file: Path, started: datetime) -> None:
    """Write the results folder, unless it is there already and as it was written.

    Files that others put into it (figures drawn on demand, pages, notes) are kept, edited tables as ``NAME.edited``.

    Parameters
    ----------
    runner : Runner
    plan : Plan
    fingerprints : mapping of str to Fingerprint
        Those of the plan with which its units were computed.
    file : Path
        The study file, for its name and folder; its content is that of the study.
    started : datetime

    Raises
    ------
    InputError
        If an input changed since it was hashed; nothing is written then.
    """
    study, context = plan.study, runner.context
    recover(study.output)
    keys = {name: key_of(fingerprint) for name, fingerprint in fingerprints.items()}
    basis = key_of({"units": keys, "study": _study_hash(study), "code": code_version(draws=True)})
    earlier = read_manifest(study.output)
    if earlier and earlier["basis"] == basis and not changed_files(study.output, earlier["files"]):
        return
    _require_unchanged(runner, plan)
    sources = source_datasets(study.data, study.output, file.resolve().parent)
    with ResultsWriter(study.output, study.name, plan.recordings, sources) as writer:
        for name in plan.units:
            if name != FIGURES:
                _copy(runner, name, keys[name], writer.folder)
        write_study(writer, file, study)
        context.results = writer.folder
        runner.run(plan.up_to([FIGURES]), fingerprints)
        _copy(runner, FIGURES, keys[FIGURES], writer.folder)
        record = _record(runner, plan, file, started)
        writer.write_json(PROVENANCE, record)
        write_pages(
            Results.open(writer.folder, context.value({subject: SpaceOf(subject) for subject in plan.subjects}))
        )
        write_manifest(writer.folder, basis)


def _study_hash(study: Study) -> str:
    """Hash of the study file as it was parsed."""
    assert study.source is not None  # run_study reads it
    return hashlib.sha256(study.source).hexdigest()


def _require_unchanged(runner: Runner, plan: Plan) -> None:
    """Raise if an input is not as it was hashed; what was read in this run is read again, the rest is not."""
    hashes = runner.work.hashes
    hashes.require_unchanged(input_files(plan.recordings, plan.study))
    read = {path: None for unit in runner.computed for path in (*unit.files, *unit.watched)}
    try:
        hashes.require_unchanged(read, read=True)
    except InputError:  # changed without any trace in size and times: nothing shows which units read what
        for unit in runner.computed:
            runner.work.drop(unit.name)
        raise
    finally:
        hashes.save()


def _copy(runner: Runner, name: str, key: str, target: Path) -> None:
    """Copy the files of a unit; copies, so that an edited result never changes what later steps start from.

    Raises
    ------
    InputError
        If the files are not those of the unit of this run.
    """
    source, record = runner.work.folder(name) / PUBLISHED, runner.work.record(name)
    if source.is_dir() and (record is None or record["key"] != key):
        raise InputError("a unit of the work folder is not that of this run; run again", file=source.parent)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)


def _record(runner: Runner, plan: Plan, file: Path, started: datetime) -> dict[str, Any]:
    """How the results came about."""
    study, folder, hashes = plan.study, file.resolve().parent, runner.work.hashes
    inputs = {file.name: _study_hash(study)}
    for path in input_files(plan.recordings, study):
        inputs[portable_path(path, folder)] = hashes.of(path)
    record = provenance(inputs, seed=study.seed, started=started)
    record["study"] = path_from_results(study.output, file.resolve())
    spaces = runner.context.value(next(iter(plan.subjects.values())).features)
    record["features"] = {
        name: feature_record(space, study.features[name].model_dump(), folder) for name, space in spaces.items()
    }
    record["cleaning"] = {subject: list(one.responses.steps) for subject, one in plan.recordings.items()}
    return record


def input_files(recordings: Mapping[str, Recording], study: Study) -> list[Path]:
    """Files and folders that results depend on: responses, events, motion, sources of features, labels of the atlas."""
    needed = [path for extractor in study.features.values() for path in extractor.needs()]
    measured = [path for one in recordings.values() for path in (*one.inputs, *motion_tables(one))]
    labels = [path for recording in recordings.values() for path in label_files(recording.responses.space, study)]
    return list(dict.fromkeys([*measured, *needed, *labels]))
