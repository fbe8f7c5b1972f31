"""Steps of one subject that do more than call the analysis: they write files, or skip what has no target to test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Progress
from b2m_encoding.analysis.decoding.decode import Decoding, decode_subject, to_decode
from b2m_encoding.analysis.decoding.decoders import decoded_regions
from b2m_encoding.analysis.decoding.reranking import fit_reranking_model
from b2m_encoding.analysis.encoding.clip_responses import summarise_held_out
from b2m_encoding.analysis.encoding.design_summary import summarise_design
from b2m_encoding.analysis.encoding.encoding import Encoding, Scores
from b2m_encoding.analysis.encoding.generalise import without_groups
from b2m_encoding.analysis.encoding.held_out import HeldOut
from b2m_encoding.analysis.encoding.kept_blocks import keep_blocks
from b2m_encoding.analysis.encoding.own_windows import own_scores
from b2m_encoding.analysis.encoding.predict import Gathered, predict_held_out, training_values
from b2m_encoding.analysis.encoding.run_statistics import RunStatistics, gather_run, join_runs
from b2m_encoding.analysis.encoding.signal_refits import refit_subject
from b2m_encoding.analysis.learning import learning_rows
from b2m_encoding.analysis.splits import evaluated
from b2m_encoding.analysis.tables.delays import delay_rows
from b2m_encoding.analysis.tables.quality import mean_volume, motion_rows
from b2m_encoding.analysis.tables.tags import named_features
from b2m_encoding.data import Recording
from b2m_encoding.features.clips import StimulusTimeline
from b2m_encoding.features.extractors import build_spaces
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.models.solver.devices import resolve_device
from b2m_encoding.models.solver.statistics import SufficientStatistics
from b2m_encoding.results.clip_responses import write_clip_responses
from b2m_encoding.results.design_summary import write_design
from b2m_encoding.results.schema import CORRECTIONS, maps
from b2m_encoding.results.schema.maps import MEAN, MEASURED
from b2m_encoding.results.schema.tables import DELAYS, MOTION
from b2m_encoding.results.weights import write_statistics_zarr, write_weights
from b2m_encoding.spaces import VolumeSpace
from b2m_encoding.stats.generalisation import LeftOut
from b2m_encoding.stats.joined_folds import Refits
from b2m_encoding.study import Study
from b2m_encoding.workflow.engine.context import Output
from b2m_encoding.workflow.write_maps import write_lags, write_maps, write_named, write_tuning

STATISTICS = "statistics.safetensors"
Spaces = Mapping[str, FeatureSpace]


def extract_features(timeline: StimulusTimeline, study: Study, progress: Progress) -> dict[str, FeatureSpace]:
    """Values of every feature space for every sample."""
    return build_spaces(study.features, timeline, progress)


def gather_statistics(recording: Recording, spaces: Spaces, study: Study, run: str, out: Output) -> RunStatistics:
    """Sufficient statistics of one training run; those of all targets are a file."""
    responses, splits = evaluated(recording.responses, study.evaluation)
    members, statistics = gather_run(responses, spaces, study, splits, run, study.statistics.audit)
    if statistics is not None:
        statistics.save(out.folder / STATISTICS)
    return members


def fit_targets(
    recording: Recording,
    spaces: Spaces,
    runs: Sequence[RunStatistics],
    files: Sequence[Path | None],
    models: Sequence[Sequence[str]],
    targets: tuple[int, int],
    study: Study,
    factors: Path,
    progress: Progress,
) -> HeldOut:
    """Fit all models to a slice of the targets from statistics of the training runs; predict held-out samples."""
    responses, splits = evaluated(recording.responses, study.evaluation)
    device = resolve_device(study.model.device)

    def gather(chosen: slice) -> Sequence[Gathered]:
        def load(number: int) -> SufficientStatistics | None:
            path = files[number]
            return None if path is None else SufficientStatistics.load(path, device, chosen)

        return join_runs(runs, load, responses.n_targets, chosen, len(splits)) if runs else ()

    return predict_held_out(
        responses,
        spaces,
        study,
        splits,
        [tuple(names) for names in models],
        targets=slice(*targets),
        gather=gather,
        factors=factors,
        progress=lambda what: progress(what, 0, 0),
    )


def refit(
    recording: Recording,
    spaces: Spaces,
    held_out: HeldOut,
    models: Sequence[Sequence[str]],
    study: Study,
    factors: Path,
    progress: Progress,
) -> Refits | None:
    """Fit models to rearranged responses, for the null distribution and the errors of joined folds."""
    responses, splits = evaluated(recording.responses, study.evaluation)
    chosen = [tuple(names) for names in models]
    return refit_subject(
        responses, spaces, study, splits, held_out, chosen, lambda what: progress(what, 0, 0), factors=factors
    )


def encode_own_windows(recording: Recording, encoding: Encoding, study: Study, subject: str, out: Output) -> None:
    """Fit feature spaces to windows of their own length, and write the maps of their scores."""
    if not encoding.tested.any():
        return
    space, correction = recording.responses.space, CORRECTIONS[study.statistics.correction].name
    for name, one in own_scores(recording, encoding, study).items():
        about = {"WindowSeconds": one.window, "SamplesTested": one.n_test, "Note": study.note, "NaN": "not tested"}
        for kind, values in ((maps.R_OWN, one.r), (maps.P_OWN, one.p), (maps.Q_OWN, one.q)):
            sidecar = {**kind.sidecar(correction=correction), **about}
            out.bundle.write_map(subject, name, kind.stat, values, space, sidecar)


def learning_curve(
    subject: str, recording: Recording, spaces: Spaces, scores: Scores, study: Study, progress: Progress
) -> list[dict[str, Any]]:
    """Mean r of regions by models of nested subsets of the training runs; none where no target was tested."""
    if not scores.any_tested:
        return []
    return learning_rows(subject, recording.responses, spaces, study, progress)


def leave_one_group_out(recording: Recording, spaces: Spaces, scores: Scores, study: Study) -> LeftOut | None:
    """Predict the clips of each group by a model trained without it; None where no target was tested."""
    return without_groups(recording, spaces, study) if scores.any_tested else None


def decode(
    recording: Recording, spaces: Spaces, scores: Scores, study: Study, subject: str, target: str, out: Output
) -> list[Decoding]:
    """Decode one feature space by every decoder, and identify the test clips; none where no target was tested."""
    if not scores.any_tested:
        return []
    windows = to_decode(recording, target, spaces, study)
    fit_reranking_model(windows.training, windows.test, study.model.device).save(out.bundle.folder, subject, target)
    return decode_subject(windows, decoded_regions(recording.responses.space, study), study)


def write_subject(
    subject: str,
    encoding: Encoding,
    recording: Recording,
    spaces: Spaces,
    statistics: Mapping[str, Path | None],
    study: Study,
    out: Output,
) -> None:
    """Write maps, held-out responses in short, blocks, design, motion and weights; statistics of runs where kept."""
    space, held_out = recording.responses.space, encoding.held_out
    write_design(out.bundle, subject, summarise_design(spaces, recording, study), study.note)
    if moved := motion_rows(recording):
        out.bundle.write_table(MOTION, moved, subject)
    if isinstance(space, VolumeSpace) and (mean := mean_volume(recording)) is not None:
        out.bundle.write_map(subject, MEASURED, MEAN.stat, mean, space, {**MEAN.sidecar(), "Note": study.note})
    write_maps(out.bundle, subject, encoding, space, study)
    responses = summarise_held_out(encoding, recording, study)
    write_clip_responses(out.bundle, subject, responses, study.note)
    named = named_features(responses, spaces, recording, study)
    write_named(out.bundle, subject, encoding, responses, named, space, study)
    if (blocks := keep_blocks(encoding, study)) is not None:
        blocks.save(out.bundle.folder, subject)
    if held_out is not None and held_out.weights is not None:
        write_weights(out.bundle, subject, held_out.weights, study.model.delays, study.note)
        deviations = _deviations(recording, spaces, study)
        write_tuning(out.bundle, subject, encoding, held_out.weights, deviations, space, study)
        write_lags(out.bundle, subject, held_out.weights, deviations, space, study)
        predicted = encoding.q < study.statistics.q
        if curves := delay_rows(held_out.weights, deviations, predicted, space, study):
            out.bundle.write_table(DELAYS, curves, subject)
    if study.results.statistics:
        files = {run: path for run, path in statistics.items() if path is not None}
        write_statistics_zarr(out.bundle, subject, files)


def _deviations(recording: Recording, spaces: Spaces, study: Study) -> dict[str, NDArray[np.floating]]:
    """Standard deviation of the features in the training samples of the first split."""
    _, [split, *_] = evaluated(recording.responses, study.evaluation)
    values = training_values(spaces, study, split)
    return {name: array[split.train].std(axis=0) for name, array in values.items()}
