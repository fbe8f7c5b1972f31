"""The plan of a study: its units of work, what each follows from, in an order in which they can be done."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from b2m_encoding.analysis.encoding.encode import wanted_models
from b2m_encoding.analysis.encoding.predict import slices_of_targets
from b2m_encoding.analysis.splits import split_samples
from b2m_encoding.data import Recording
from b2m_encoding.errors import InputError
from b2m_encoding.spaces import Space, drawing_surface, load_atlas
from b2m_encoding.study import Study
from b2m_encoding.workflow import group_steps as group
from b2m_encoding.workflow import subject_steps as steps
from b2m_encoding.workflow.engine import Unit
from b2m_encoding.workflow.subject_steps import Parts

STEPS = {
    "features": "values of every feature space",
    "statistics": "sufficient statistics of every training run",
    "fit": "models, and predictions of held-out samples",
    "score": "prediction accuracy, intervals, noise ceiling",
    "significance": "permutations, correction for many targets, clusters",
    "partition": "preference and variance partitioning",
    "audit": "leaks from test to training",
    "regions": "scores of regions, runs, clips and genres",
    "genres": "genres left out of training",
    "decode": "decoding and identification of clips",
    "quality": "length, noise and motion of every run",
    "maps": "maps, time courses, weights",
    "together": "decoders of all subjects, aligned",
    "others": "subjects predicted by models of the others",
    "ceilings": "inter-subject ceilings",
    "tables": "tables and tests of the study",
    "figures": "figures of the report",
    "report": "the results folder and its report",
}
"""Steps in order, each with what it leaves."""
Tables = dict[str, Any]


class Plan:
    """Units of work of a study.

    Parameters
    ----------
    study : Study
    recordings : mapping of str to Recording
    columns : mapping of str to int, optional
        Features of every subject, once they are known: they tell into how many parts the targets are cut.
    """

    def __init__(self, study: Study, recordings: Mapping[str, Recording], columns: Mapping[str, int] | None = None):
        self.study, self.recordings = study, recordings
        self.tables: Tables = study.model_dump(mode="json")
        self.tables["maps"]["labels"] = sorted({_labels(one.responses.space, study) for one in recordings.values()})
        self.units: dict[str, Unit] = {}
        for subject in recordings:
            self._features(subject)
        self.parts: dict[str, Parts] = {}
        if columns is None:
            return
        for subject, recording in recordings.items():
            self.parts[subject] = self._fits(subject, recording, columns[subject])
            self._subject(subject, recording, self.parts[subject])
        self._group()

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
        needs: Sequence[str] = (),
        tables: Sequence[str] = (),
        **more: Any,
    ) -> str:
        """Add a unit that depends on some tables of the study."""
        settings = {name: self.tables[name] for name in tables} | more.pop("settings", {})
        unit = Unit(step, label, compute, tuple(dict.fromkeys(needs)), settings, **more)
        self.units[unit.name] = unit
        return unit.name

    def _features(self, subject: str) -> None:
        files = [path for table in self.study.features.values() for path in _all_files(table.needs())]
        recording = self.recordings[subject]
        self._add(
            "features",
            f"sub-{subject}",
            partial(steps.features, subject=subject),
            tables=("features", "windows"),
            settings={"data": self._data()},
            files=tuple(dict.fromkeys([*recording.event_files.values(), *files])),
        )

    def _data(self) -> dict[str, Any]:
        """How the recordings are read; which subjects there are changes nothing for each of them."""
        return {key: value for key, value in self.tables["data"].items() if key != "subjects"}

    def _statistics(self, *keys: str) -> dict[str, Any]:
        """Some options of ``[statistics]``."""
        return {key: self.tables["statistics"][key] for key in keys}

    def _fits(self, subject: str, recording: Recording, columns: int) -> Parts:
        """Statistics of every training run, and the fits of every part of the targets."""
        study = self.study
        runs, splits = split_samples(recording.responses.runs, study.evaluation)
        responses = recording.responses.with_runs(runs)
        names = [name for name, rows in runs.slices.items() if any(split.train[rows].any() for split in splits)]
        data = {"data": self._data(), "cleaning": self.tables["cleaning"], "windows": self.tables["windows"]}
        model = self.tables["model"]
        design = {key: model[key] for key in ("delays", "blocks", "folds", "device")}
        audit = {"audit": study.statistics.audit}
        needs = [f"features/sub-{subject}"]
        statistics = tuple(
            self._add(
                "statistics",
                f"sub-{subject}_{name}",
                partial(steps.statistics, subject=subject, run=name),
                needs,
                tables=("evaluation",),
                settings={**data, "model": design, "statistics": audit},
                files=recording.inputs,
                passing=not study.results.statistics,
            )
            for name in names
        )
        models = [list(bands) for bands in wanted_models(tuple(study.features), study.statistics)]
        about = {"models": models, "partition": study.statistics.partitions(len(study.features))}
        block = {"block": study.statistics.block}
        fits = []
        for part in slices_of_targets(responses, columns, study):
            parts = Parts(statistics, ())
            targets = (part.start, part.stop)
            fits.append(
                self._add(
                    "fit",
                    f"sub-{subject}_targets-{part.start}-{part.stop}",
                    partial(steps.fit, subject=subject, parts=parts, targets=targets),
                    [*needs, *statistics],
                    tables=("model", "evaluation", "seed"),
                    settings={**data, "statistics": {**about, **block}, "weights": study.results.weights},
                    files=recording.inputs,
                )
            )
        return Parts(statistics, tuple(fits))

    def _subject(self, subject: str, recording: Recording, parts: Parts) -> None:
        label, study = f"sub-{subject}", self.study
        own: dict[str, Any] = {"subject": subject, "parts": parts}
        fits, whole = list(parts.fits), ("statistics", "model", "evaluation", "seed")
        found = [f"{step}/{label}" for step in ("score", "significance", "partition")]
        model = ("model", "evaluation", "seed")
        intervals = {"statistics": self._statistics("intervals", "level", "bootstraps")}
        self._add("score", label, partial(steps.score, **own), fits, model, settings=intervals)
        self._add("significance", label, partial(steps.significance, **own), fits, whole)
        self._add("partition", label, partial(steps.partition, **own), [*fits, found[1]], whole)
        features = f"features/{label}"
        if study.statistics.audit:
            self._add("audit", label, partial(steps.audit, **own), [features, *fits, *found], whole)
        self._add("regions", label, partial(steps.regions, **own), [*fits, *found], (*whole, "maps"))
        if "genre" in study.statistics.generalise:
            genres = partial(steps.genres, subject=subject)
            self._add("genres", label, genres, [features, found[0]], model, files=recording.inputs)
        for name in group.decodings(study, subject):
            target = name.removeprefix(f"decode/{label}_")
            compute = partial(steps.decode, subject=subject, target=target)
            about: dict[str, Any] = {
                "tables": (*model, "maps", "decoding"),
                "settings": {"statistics": self._statistics("generalise")},
            }
            self._add("decode", f"{label}_{target}", compute, [features, found[0]], files=recording.inputs, **about)
        quality, data = partial(steps.quality, subject=subject), {"data": self._data()}
        self._add("quality", label, quality, tables=("evaluation",), settings=data, files=recording.inputs)
        kept = parts.statistics if study.results.statistics else ()
        needs, tables = [features, *kept, *fits, *found], (*whole, "maps", "note", "results", "decoding")
        self._add("maps", label, partial(steps.maps, **own), needs, tables)

    def _group(self) -> None:
        study, subjects, names = self.study, list(self.recordings), list(self.units)
        whole = ("statistics", "model", "evaluation", "seed", "note")
        files = tuple(path for recording in self.recordings.values() for path in recording.inputs)
        if "subject" in study.statistics.generalise:
            compute = partial(group.others, subjects=subjects)
            self._add("others", "", compute, [n for n in names if n.startswith("features/")], whole, files=files)
        if study.decoding and study.decoding.align != "none":
            needs = [n for n in names if n.startswith("score/")]
            self._add(
                "together", "", partial(group.together, subjects=subjects), needs, ("decoding", *whole), files=files
            )
        if study.statistics.inter_subject:
            needs = [n for n in names if n.startswith(("fit/", "score/", "significance/", "partition/"))]
            self._add("ceilings", "", partial(group.ceilings, parts=self.parts), needs, whole)
        left = {"features", "statistics", "fit", "maps"}
        needs = [name for name, unit in self.units.items() if unit.step not in left]
        tables = partial(group.tables, subjects=subjects)
        self._add("tables", "", tables, needs, (*whole, "maps", "decoding", "name"))
        maps = [name for name, unit in self.units.items() if unit.step == "maps"]
        look = ("figures", "maps", "note", "name", "statistics")
        self._add(group.FIGURES, "", group.figures, ["tables", *maps], look, draws=True)


def _labels(space: Space, study: Study) -> str:
    """Hash of what the atlas says of a space: the file of a laboratory may change under its name."""
    if (surface := drawing_surface(space)) is None:
        return ""
    atlas = load_atlas(study.maps.atlas, surface)
    content = atlas.labels.tobytes(), repr(atlas.regions).encode(), repr(atlas.sets).encode()
    return hashlib.sha256(b"".join(content)).hexdigest()[:16]


def _all_files(paths: Iterable[Path]) -> list[Path]:
    """Files, and all files in folders."""
    found: list[Path] = []
    for path in paths:
        found += sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    return found
