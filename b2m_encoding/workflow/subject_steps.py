"""The steps of a study for one subject: what each computes from the recording and from the steps before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.analysis.decoding.decode import Decoding, decode_subject, to_decode
from b2m_encoding.analysis.decoding.decoders import decoded_regions
from b2m_encoding.analysis.decoding.reranking import fit_reranking_model
from b2m_encoding.analysis.encoding.audit import audit_subject
from b2m_encoding.analysis.encoding.clip_responses import summarise_held_out
from b2m_encoding.analysis.encoding.encode import (
    Compared,
    Encoding,
    Scores,
    Tested,
    compare_subject,
    find_significance,
    join_encoding,
    score_subject,
    wanted_models,
)
from b2m_encoding.analysis.encoding.generalise import without_genres
from b2m_encoding.analysis.encoding.held_out import TESTED, Bands, HeldOut, join_slices
from b2m_encoding.analysis.encoding.predict import audited_targets, inside, predict_part, training_values
from b2m_encoding.analysis.encoding.run_statistics import RunStatistics, gather_run, join_runs
from b2m_encoding.analysis.encoding.test_samples import Part
from b2m_encoding.analysis.splits import Split, split_samples
from b2m_encoding.analysis.tables.breakdown import breakdown_rows
from b2m_encoding.analysis.tables.quality import quality_rows
from b2m_encoding.analysis.tables.regions import block_scores, partition_rows, score_rows, study_regions
from b2m_encoding.analysis.windows import stimulus_timeline
from b2m_encoding.data import Responses
from b2m_encoding.features.extractors import build_spaces
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.models.solver.devices import resolve_device
from b2m_encoding.models.solver.statistics import SufficientStatistics
from b2m_encoding.results.clip_responses import write_clip_responses
from b2m_encoding.results.weights import write_statistics_zarr, write_weights
from b2m_encoding.stats.audit import Check
from b2m_encoding.stats.generalisation import LeftOut
from b2m_encoding.stats.regions import BlockKey
from b2m_encoding.workflow.engine import Desk, Output
from b2m_encoding.workflow.engine.serialise import size_of_tree
from b2m_encoding.workflow.write_maps import write_maps, write_tuning

STATISTICS = "statistics.safetensors"


@dataclass(frozen=True, eq=False)
class RegionRows:
    """Rows of the tables of regions, and of scores by run, clip and genre, of one subject."""

    scores: list[dict[str, Any]]
    parts: list[dict[str, Any]]
    blocks: Mapping[BlockKey, NDArray[np.float64]]
    breakdown: list[dict[str, Any]]


@dataclass(frozen=True)
class Parts:
    """Names of the units of a subject that hold its statistics and its fits."""

    statistics: tuple[str, ...]
    fits: tuple[str, ...]


def features(desk: Desk, out: Output, subject: str) -> dict[str, FeatureSpace]:
    """Values of every feature space for every sample."""
    spaces = build_spaces(desk.study.features, stimulus_timeline(desk.recording(subject)), out.report)
    out.facts["columns"] = sum(space.values.shape[1] for space in spaces.values())
    return spaces


def statistics(desk: Desk, out: Output, subject: str, run: str) -> RunStatistics:
    """Sufficient statistics of one training run."""
    responses, splits = _samples(desk, subject)
    spaces, study = desk.get(f"features/sub-{subject}"), desk.study
    found, gathered = gather_run(responses, spaces, study, splits, run, study.statistics.audit)
    if gathered is not None:
        gathered.save(out.folder / STATISTICS)
    return found


def fit(desk: Desk, out: Output, subject: str, parts: Parts, targets: tuple[int, int]) -> HeldOut:
    """Models of some targets, and their predictions of held-out samples."""
    (responses, splits), chosen = _samples(desk, subject), slice(*targets)
    part = Part(responses, chosen, inside(audited_targets(responses.n_targets), chosen))
    runs = [desk.get(name) for name in parts.statistics]

    def load(number: int) -> SufficientStatistics | None:
        path = desk.folder(parts.statistics[number]) / STATISTICS
        return SufficientStatistics.load(path, device, chosen) if path.is_file() else None

    device = resolve_device(desk.study.model.device)
    gathered = join_runs(runs, load, responses.n_targets, chosen, len(splits)) if runs else []
    spaces, models = desk.get(f"features/sub-{subject}"), wanted_models(_names(desk), desk.study.statistics)
    return predict_part(part, spaces, desk.study, splits, models, gathered, lambda what: out.report(what, 0, 0))


def score(desk: Desk, out: Output, subject: str, parts: Parts) -> Scores:
    """Prediction accuracy, its interval and the noise ceiling."""
    _, splits = _samples(desk, subject)
    return score_subject(held_out(desk, subject, parts), splits, _names(desk), desk.study)


def significance(desk: Desk, out: Output, subject: str, parts: Parts) -> Tested:
    """Permutations, correction for many targets, clusters."""
    space = desk.recording(subject).responses.space
    return find_significance(held_out(desk, subject, parts), space, desk.study)


def partition(desk: Desk, out: Output, subject: str, parts: Parts) -> Compared:
    """Preference and variance partitioning."""
    q = desk.get(f"significance/sub-{subject}").q
    return compare_subject(held_out(desk, subject, parts), _names(desk), q, desk.study)


def audit(desk: Desk, out: Output, subject: str, parts: Parts) -> list[Check]:
    """Leaks from test to training."""
    spaces = desk.get(f"features/sub-{subject}")
    return audit_subject(encoding(desk, subject, parts), desk.recording(subject), spaces, desk.study)


def regions(desk: Desk, out: Output, subject: str, parts: Parts) -> RegionRows:
    """Scores of regions, and of runs, clips and genres."""
    found, study = encoding(desk, subject, parts), desk.study
    masks = study_regions(desk.recording(subject).responses.space, study)
    return RegionRows(
        score_rows(subject, found, masks, study),
        partition_rows(subject, found, masks, study),
        block_scores(subject, found, masks),
        breakdown_rows(subject, found, study),
    )


def quality(desk: Desk, out: Output, subject: str) -> list[dict[str, Any]]:
    """Length, noise and motion of every run."""
    return quality_rows(subject, desk.recording(subject), desk.study)


def maps(desk: Desk, out: Output, subject: str, parts: Parts) -> None:
    """Maps, held-out responses in short, weights."""
    found, recording, study = encoding(desk, subject, parts), desk.recording(subject), desk.study
    write_maps(out.bundle, subject, found, recording.responses.space, study)
    write_clip_responses(out.bundle, subject, summarise_held_out(found, recording, study), study.note)
    if found.held_out is not None and (weights := found.held_out.weights) is not None:
        write_weights(out.bundle, subject, weights, study.model.delays, study.note)
        write_tuning(out.bundle, subject, found, weights, _deviations(desk, subject), recording.responses.space, study)
    if study.results.statistics:
        files = {name.rpartition("_")[2]: desk.folder(name) / STATISTICS for name in parts.statistics}
        write_statistics_zarr(out.bundle, subject, {run: path for run, path in files.items() if path.is_file()})


def _deviations(desk: Desk, subject: str) -> dict[str, NDArray[np.floating]]:
    """Standard deviation of the features in the training samples of the first split."""
    _, [split, *_] = _samples(desk, subject)
    values = training_values(desk.get(f"features/sub-{subject}"), desk.study, split)
    return {name: array[split.train].std(axis=0) for name, array in values.items()}


def genres(desk: Desk, out: Output, subject: str) -> LeftOut | None:
    """Genres left out of training; None where no target was tested."""
    if not any_tested(desk, subject):
        return None
    return without_genres(desk.recording(subject), desk.get(f"features/sub-{subject}"), desk.study)


def decode(desk: Desk, out: Output, subject: str, target: str) -> list[Decoding]:
    """Decode one feature space by every decoder, and identify the test clips; nothing where no target was tested."""
    recording, study = desk.recording(subject), desk.study
    if not any_tested(desk, subject):
        return []
    places = decoded_regions(recording.responses.space, study)
    spaces = desk.get(f"features/sub-{subject}")
    windows = to_decode(recording, target, spaces, study)
    encoder = fit_reranking_model(windows.training, windows.test, study.model.device)
    encoder.save(out.bundle.folder, subject, target)
    return decode_subject(windows, places, study)


def held_out(desk: Desk, subject: str, parts: Parts) -> HeldOut:
    """Held-out samples of all targets."""
    if len(parts.fits) == 1:
        found: HeldOut = desk.get(parts.fits[0])
        return found
    name = f"held_out/sub-{subject}"
    if not desk.has(name):
        size = sum(size_of_tree(desk.folder(part)) for part in parts.fits)
        desk.keep(name, join_slices([desk.get(part) for part in parts.fits]), size)
    joined: HeldOut = desk.get(name)
    return joined


def encoding(desk: Desk, subject: str, parts: Parts | None = None) -> Encoding:
    """All that was found of a subject, with its held-out samples if asked for."""
    scores, found, compared = (desk.get(f"{step}/sub-{subject}") for step in ("score", "significance", "partition"))
    return join_encoding(scores, found, compared, None if parts is None else held_out(desk, subject, parts))


def any_tested(desk: Desk, subject: str) -> bool:
    """Whether a subject has a target that was tested."""
    return bool((desk.get(f"score/sub-{subject}").status == TESTED).any())


def _names(desk: Desk) -> Bands:
    return tuple(desk.study.features)


def _samples(desk: Desk, subject: str) -> tuple[Responses, list[Split]]:
    responses = desk.recording(subject).responses
    runs, splits = split_samples(responses.runs, desk.study.evaluation)
    return responses.with_runs(runs), splits
