"""The plan of a study: its units of work, their inputs and settings, in an order in which they can be computed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from b2m_encoding.analysis.encoding.audit import audit_subject
from b2m_encoding.analysis.encoding.compare import compare_subject
from b2m_encoding.analysis.encoding.encode import find_significance, score_subject
from b2m_encoding.analysis.encoding.encoding import Encoding
from b2m_encoding.analysis.encoding.held_out import join_slices
from b2m_encoding.analysis.encoding.sizes import slices_of_targets, wanted_models
from b2m_encoding.analysis.splits import evaluated
from b2m_encoding.analysis.study_results import collect_results
from b2m_encoding.analysis.tables.quality import quality_rows
from b2m_encoding.analysis.tables.regions import region_rows
from b2m_encoding.data import Recording
from b2m_encoding.data.confounds import motion_tables
from b2m_encoding.errors import InputError
from b2m_encoding.results.schema.files import FIGURES
from b2m_encoding.spaces import Space, drawing_surface, load_atlas
from b2m_encoding.spaces.atlas import atlas_files
from b2m_encoding.study import Study
from b2m_encoding.study.tables import StatisticsTable
from b2m_encoding.workflow import group_steps, subject_steps
from b2m_encoding.workflow.engine.inputs import (
    Constant,
    Derived,
    FileOf,
    Given,
    Input,
    RecordingOf,
    ResultsFolder,
    SpaceOf,
    TimelineOf,
    leaves,
)
from b2m_encoding.workflow.engine.settings import values_of
from b2m_encoding.workflow.engine.unit import Unit
from b2m_encoding.workflow.subject_steps import STATISTICS

STEPS = {
    "features": "values of every feature space",
    "statistics": "sufficient statistics of every training run",
    "fit": "models, and predictions of held-out samples",
    "refit": "models of rearranged responses, where folds are joined",
    "score": "prediction accuracy, intervals, noise ceiling",
    "significance": "permutations, correction for many targets, clusters",
    "partition": "preference and variance partitioning",
    "audit": "leaks from test to training",
    "regions": "scores of regions, runs, clips and groups",
    "learning_curve": "models of fewer training runs",
    "own_windows": "feature spaces with windows of their own",
    "leave_one_group_out": "clips of each group (genre, speaker) predicted by models trained without it",
    "decode": "decoding and identification of clips",
    "quality": "length, noise and motion of every run",
    "maps": "maps, time courses, weights",
    "leave_one_subject_out": "subjects predicted by models of the others",
    "decode_pooled": "decoders of all subjects, aligned",
    "ceilings": "inter-subject ceilings",
    "tables": "tables and tests of the study",
    "figures": "figures of the report",
    "report": "the results folder and its report",
}
"""Steps in order, with their results."""
MODEL = ("model", "evaluation", "seed", "features", "cleaning", "windows")
INFERENCE = (*MODEL, *(f"statistics.{key}" for key in StatisticsTable.model_fields if key != "learning_curve"))
"""Settings of inference; learning curves are a step of their own."""


@dataclass(frozen=True, eq=False)
class SubjectUnits:
    """Names and derived values of the units of a subject that other units are given."""

    features: str
    statistics: Mapping[str, str]
    """By training run."""
    held_out: Derived
    encoding: Derived
    """Without held-out samples."""
    with_samples: Derived
    """With them."""
    scores: str


class Plan:
    """Units of work of a study.

    Parameters
    ----------
    study : Study
    recordings : mapping of str to Recording
        Open, not read.
    """

    def __init__(self, study: Study, recordings: Mapping[str, Recording]) -> None:
        self.study, self.recordings = study, recordings
        self.tables: dict[str, Any] = study.model_dump(mode="json")
        spaces = [one.responses.space for one in recordings.values()]
        self.tables["maps"]["labels"] = sorted({_labels(space, study) for space in spaces})
        self.atlas = tuple(dict.fromkeys(path for space in spaces for path in label_files(space, study)))
        """Files of the atlas."""
        self.units: dict[str, Unit] = {}
        self.subjects: dict[str, SubjectUnits] = {}
        for subject, recording in recordings.items():  # first: runs that no model can use are found here
            inputs: dict[str, Input] = {"subject": Constant(subject), "recording": RecordingOf(subject)}
            inputs["alone"] = Constant(len(recordings) == 1)
            settings = ("evaluation", "data.discard")
            self._add("quality", f"sub-{subject}", quality_rows, inputs, settings, motion_tables(recording))
        for subject in recordings:
            self.subjects[subject] = self._encoding(subject)
            self._subject(subject)
        self.results = self._group()
        """Results of the whole study, from its units."""

    def up_to(self, wanted: Iterable[str]) -> dict[str, Unit]:
        """Units of some steps and all that they need."""
        chosen, unknown = set(wanted), sorted(set(wanted) - set(STEPS))
        if unknown:
            raise InputError("unknown step", found=", ".join(unknown), expected=", ".join(STEPS))
        names: set[str] = set()
        for name, unit in reversed(list(self.units.items())):
            if unit.step in chosen or name in names:
                names |= {name, *unit.needs}
        return {name: unit for name, unit in self.units.items() if name in names}

    def _add(
        self,
        step: str,
        label: str,
        compute: Callable[..., Any],
        inputs: Mapping[str, Input],
        study: tuple[str, ...] = (),
        files: Iterable[Path] = (),
        **kind: bool,
    ) -> str:
        """Add a unit; how the recordings among its inputs are read, and their files, belong to it."""
        settings, paths = values_of(self.tables, study), list(files)
        for source in leaves(inputs):
            if isinstance(source, RecordingOf | SpaceOf | TimelineOf):
                read, needed = self._reading(source)
                settings |= read
                paths += needed
        watched = self.atlas if "maps" in study else ()
        unit = Unit(step, label, compute, inputs, study, settings, tuple(dict.fromkeys(paths)), watched, **kind)
        self.units[unit.name] = unit
        return unit.name

    def _reading(self, source: RecordingOf | SpaceOf | TimelineOf) -> tuple[dict[str, Any], Iterable[Path]]:
        """Settings and files that a recording, its space or its timeline follow from."""
        recording, windows = self.recordings[source.subject], self.tables["windows"]
        # of the subjects to analyse, only this one matters
        data = {key: value for key, value in self.tables["data"].items() if key != "subjects"}
        samples = {f"samples of sub-{source.subject}": _times(recording)}  # they follow from sidecars, too
        if isinstance(source, TimelineOf):
            return {"data": data, "windows": windows, **samples}, recording.event_files.values()
        return {"data": data, "windows": windows, "cleaning": self.tables["cleaning"], **samples}, recording.inputs

    def _encoding(self, subject: str) -> SubjectUnits:
        """From features to the comparison of feature spaces."""
        label, study = f"sub-{subject}", self.study
        recording = RecordingOf(subject)
        features = self._add(
            "features",
            label,
            subject_steps.extract_features,
            {"timeline": TimelineOf(subject), "progress": Given.PROGRESS},
            ("features",),
            [path for table in study.features.values() for path in table.needs()],
        )
        shared: dict[str, Input] = {"recording": recording, "spaces": features}
        responses, splits = evaluated(self.recordings[subject].responses, study.evaluation)
        training = [name for name, rows in responses.runs.slices.items() if any(s.train[rows].any() for s in splits)]
        keys = ("delays", "blocks", "folds", "device", "filter_features")
        design = (*(f"model.{key}" for key in keys), "evaluation", "features", "cleaning", "windows")
        statistics = {
            run: self._add(
                "statistics",
                f"{label}_{run}",
                subject_steps.gather_statistics,
                {**shared, "run": Constant(run), "out": Given.OUTPUT},
                (*design, "statistics.audit"),
                temporary=not study.results.statistics,
            )
            for run in training
        }
        wanted = wanted_models(tuple(study.features), study.statistics)
        models = [list(names) for names in wanted]
        fits = [
            self._add(
                "fit",
                f"{label}_targets-{part.start}-{part.stop}",
                subject_steps.fit_targets,
                {
                    **shared,
                    "runs": list(statistics.values()),
                    "files": [FileOf(name, STATISTICS) for name in statistics.values()],
                    "models": Constant(models),
                    "targets": Constant([part.start, part.stop]),
                    "factors": Given.FACTORS,
                    "progress": Given.PROGRESS,
                },
                (
                    *MODEL,
                    *(f"statistics.{key}" for key in ("audit", "block", "partition")),
                    "results.weights",
                ),
            )
            for part in slices_of_targets(responses.n_targets, responses.runs, study, splits, wanted)
        ]
        held_out = Derived(join_slices, {"parts": fits}, f"held_out/{label}", stored=True)
        refits: Input = Constant(None)
        if len(splits) > 1:
            inputs: dict[str, Input] = {**shared, "held_out": held_out, "models": Constant(models)}
            inputs |= {"factors": Given.FACTORS, "progress": Given.PROGRESS}
            refits = self._add("refit", label, subject_steps.refit, inputs, (*INFERENCE, "results"))
        common = {"held_out": held_out, "refits": refits}
        intervals = tuple(f"statistics.{key}" for key in ("intervals", "level", "bootstraps"))
        scores = self._add("score", label, score_subject, common, ("seed", *intervals))
        inputs = {**common, "space": SpaceOf(subject)}
        inference = self._add("significance", label, find_significance, inputs, INFERENCE)
        inputs = {**common, "inference": inference}
        comparison = self._add("partition", label, compare_subject, inputs, INFERENCE)
        parts: dict[str, Input] = {
            "scores": scores, "inference": inference, "comparison": comparison, "refits": refits,
        }  # fmt: skip
        with_samples = Derived(Encoding, {**parts, "held_out": held_out})
        return SubjectUnits(features, statistics, held_out, Derived(Encoding, parts), with_samples, scores)

    def _subject(self, subject: str) -> None:
        """Everything else of one subject."""
        label, study, own = f"sub-{subject}", self.study, self.subjects[subject]
        name, recording = Constant(subject), RecordingOf(subject)
        shared: dict[str, Input] = {"recording": recording, "spaces": own.features}
        if study.statistics.audit:
            inputs: dict[str, Input] = {"encoding": own.with_samples, **shared, "factors": Given.FACTORS}
            self._add("audit", label, audit_subject, inputs, INFERENCE)
        inputs = {"subject": name, "encoding": own.with_samples, "space": SpaceOf(subject)}
        self._add("regions", label, region_rows, inputs, (*INFERENCE, "maps", "data.clips"))
        scored: dict[str, Input] = {**shared, "scores": own.scores}
        if study.statistics.learning_curve:
            inputs = {"subject": name, **scored, "progress": Given.PROGRESS}
            keys = (*MODEL, "maps", "statistics.learning_curve")
            self._add("learning_curve", label, subject_steps.learning_curve, inputs, keys)
        if study.windows and study.windows.own:
            inputs = {"subject": name, "recording": recording, "encoding": own.encoding, "out": Given.OUTPUT}
            self._add("own_windows", label, subject_steps.encode_own_windows, inputs, (*INFERENCE, "note", "results"))
        if "group" in study.statistics.generalise:
            self._add("leave_one_group_out", label, subject_steps.leave_one_group_out, scored, MODEL)
        for target in study.decoding.targets if study.decoding else ():
            self._add(
                "decode",
                f"{label}_{target}",
                subject_steps.decode,
                {**scored, "subject": name, "target": Constant(target), "out": Given.OUTPUT},
                (*MODEL, "windows", "maps", "decoding", "statistics.generalise", "data.clips"),
            )
        kept = own.statistics.items() if study.results.statistics else ()
        self._add(
            "maps",
            label,
            subject_steps.write_subject,
            {
                "subject": name,
                "encoding": own.with_samples,
                **shared,
                "statistics": {run: FileOf(unit, STATISTICS) for run, unit in kept},
                "out": Given.OUTPUT,
            },
            (*INFERENCE, "maps", "note", "results", "decoding"),
            motion_tables(self.recordings[subject]),
        )

    def _group(self) -> Derived:
        """Steps of all subjects together."""
        study, subjects = self.study, self.subjects
        recordings: dict[str, Input] = {subject: RecordingOf(subject) for subject in subjects}
        spaces: dict[str, Input] = {subject: SpaceOf(subject) for subject in subjects}
        encodings: dict[str, Input] = {subject: own.encoding for subject, own in subjects.items()}
        whole, clips = (*INFERENCE, "note"), ("data.clips",)
        others, pooled, bounds = None, None, None
        if "subject" in study.statistics.generalise:
            inputs: dict[str, Input] = {
                "recordings": recordings,
                "spaces": {subject: own.features for subject, own in subjects.items()},
                "out": Given.OUTPUT,
            }
            others = self._add("leave_one_subject_out", "", group_steps.leave_one_subject_out, inputs, whole)
        if study.decoding and study.decoding.align != "none":
            scores: dict[str, Input] = {subject: own.scores for subject, own in subjects.items()}
            inputs = {"recordings": recordings, "scores": scores}
            pooled = self._add(
                "decode_pooled", "", group_steps.decode_pooled, inputs, (*clips, "decoding", "maps", *whole)
            )
        if study.statistics.inter_subject:
            inputs = {
                "held_out": {subject: own.held_out for subject, own in subjects.items()},
                "encodings": encodings,
                "spaces": spaces,
                "out": Given.OUTPUT,
            }
            bounds = self._add("ceilings", "", group_steps.inter_subject_ceilings, inputs, whole)
        results = Derived(
            collect_results,
            {
                "spaces": spaces,
                "encodings": encodings,
                "region_rows": self._of_subjects("regions"),
                "quality": self._of_subjects("quality"),
                "audits": self._of_subjects("audit"),
                "groups": self._of_subjects("leave_one_group_out"),
                "learning": self._of_subjects("learning_curve"),
                "decodings": {
                    subject: [name for name in self.units if name.startswith(f"decode/sub-{subject}_")]
                    for subject in subjects
                },
                "pooled": pooled or Constant({}),
                "others": others or Constant({}),
                "bounds": bounds or Constant(None),
            },
            "results",
        )
        inputs = {"results": results, "recordings": recordings, "out": Given.OUTPUT}
        tables = self._add(
            "tables",
            "",
            group_steps.write_study_tables,
            inputs,
            (*whole, *clips, "maps", "decoding", "name", "stands_for"),
        )
        maps = [name for name, unit in self.units.items() if unit.step in ("maps", "own_windows")]
        inputs = {"folder": ResultsFolder((tables, *maps)), "spaces": spaces, "out": Given.OUTPUT}
        look = ("figures", "maps", "note", "name", "statistics")
        self._add(FIGURES, "", group_steps.write_figures, inputs, look, draws=True)
        return results

    def _of_subjects(self, step: str) -> dict[str, Input]:
        """Units of a step by subject; none where the study does not ask for the step."""
        return {subject: f"{step}/sub-{subject}" for subject in self.subjects if f"{step}/sub-{subject}" in self.units}


def _times(recording: Recording) -> str:
    """Hash of the run and time of every sample."""
    runs = recording.responses.runs
    content = "\n".join(runs.run.tolist()).encode(), runs.time.tobytes(), repr((runs.tr, runs.instant)).encode()
    return hashlib.sha256(b"|".join(content)).hexdigest()[:16]


def _labels(space: Space, study: Study) -> str:
    """Hash of the labels of the atlas in a space: the file of a laboratory may change under its name."""
    if (surface := drawing_surface(space)) is None:
        return ""
    atlas = load_atlas(study.maps.atlas, surface)
    content = atlas.labels.tobytes(), repr(atlas.regions).encode(), repr(atlas.sets).encode()
    return hashlib.sha256(b"".join(content)).hexdigest()[:16]


def label_files(space: Space, study: Study) -> tuple[Path, ...]:
    """Files of the atlas of a study in a space; none where no map of the space can be drawn."""
    surface = drawing_surface(space)
    return () if surface is None else atlas_files(study.maps.atlas, surface)
