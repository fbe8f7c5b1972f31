"""Peak memory of a run, estimated from shapes alone, and the memory that the machine has left.

The sizes are those of the arrays that a step holds at a time; how many copies of each live at once was measured on
simulated studies, and is in :data:`COPIES`. Weights of pretrained networks are not part of the estimate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from b2m_encoding.analysis.encoding.sizes import (
    bytes_held_out,
    n_columns,
    size_settings,
    slices_in_memory,
    slices_of_targets,
    training_runs,
    wanted_models,
)
from b2m_encoding.analysis.splits import block_samples, evaluated, scored_runs
from b2m_encoding.analysis.windows import stimulus_timeline
from b2m_encoding.data import Recording
from b2m_encoding.features.clips import StimulusTimeline
from b2m_encoding.features.extractors import Extractor
from b2m_encoding.io.memory import available_memory
from b2m_encoding.models.sizes import bytes_of_samples, pick_form
from b2m_encoding.study import Study
from b2m_encoding.workflow.engine.context import REMEMBERED

BASE = 390e6
"""Of Python and the libraries, bytes."""
UNKNOWN_WIDTH = 1024
"""Features of a space of which only computing it would tell: as many as large networks have."""
COPIES = {"features": 4, "run": 3, "cleaned run": 4, "predictions": 13, "held out": 2, "statistics": 1.6, "windows": 3}
"""Copies of an array that live at once."""
BOOTSTRAP_TARGETS = 4096
"""Targets whose resampled scores are in memory at a time."""


@dataclass(frozen=True)
class Shapes:
    """Numbers from which the memory of the steps of one subject follows.

    Parameters
    ----------
    targets, unit, part : int
        Targets in all, of a unit of work, and of a slice that is fitted at a time.
    samples, longest_run : int
    held_out, largest_test : int
        Held-out samples of all splits, and of the largest.
    features, columns : int
        Features of all spaces, and columns of the design with delays.
    bytes_per_target : int
        Statistics of one target: sums of products of every training block, or samples and models where those are kept.
    n_training_runs, n_models, n_splits : int
    held_out_bytes : int
        Predictions and responses of one target in single precision, and sums over blocks in double precision.
    block : int
        Samples of a block of the bootstrap.
    """

    targets: int
    unit: int
    part: int
    samples: int
    longest_run: int
    held_out: int
    largest_test: int
    features: int
    columns: int
    bytes_per_target: int
    n_training_runs: int
    n_models: int
    n_splits: int
    held_out_bytes: int
    block: int


@dataclass(frozen=True)
class Peak:
    """Estimated peak memory of a step of a subject, bytes."""

    subject: str
    step: str
    size: float


def shapes_of(study: Study, recording: Recording) -> Shapes:
    """Numbers that the memory of a subject follows from; nothing is read but headers and events."""
    responses, splits = evaluated(recording.responses, study.evaluation)
    runs, timeline = responses.runs, stimulus_timeline(recording)
    features = sum(_width(extractor, timeline) for extractor in study.features.values())
    columns = n_columns(features, study)
    lengths = [len(scored_runs(runs, split, study.evaluation)) for split in splits]
    training, _ = training_runs(runs, study, splits[0])
    models, settings = wanted_models(tuple(study.features), study.statistics), size_settings(study)
    units = slices_of_targets(responses.n_targets, runs, study, splits, models)
    unit = max(units, key=lambda part: part.stop - part.start)
    part = slices_in_memory(unit, runs, features, study, splits, models)[0]
    if pick_form(columns, training, settings) == "gram":
        bytes_per_target = 4 * (len(training.blocks) + 3) * columns
    else:
        bytes_per_target = bytes_of_samples(columns, len(training), settings, len(models))
    return Shapes(
        targets=responses.n_targets,
        unit=unit.stop - unit.start,
        part=part.stop - part.start,
        samples=len(runs),
        longest_run=max(rows.stop - rows.start for rows in runs.slices.values()),
        held_out=sum(lengths),
        largest_test=max(lengths),
        features=features,
        columns=columns,
        bytes_per_target=bytes_per_target,
        n_training_runs=len(training.names),
        n_models=len(models),
        n_splits=len(splits),
        held_out_bytes=bytes_held_out(runs, study, splits, models),
        block=block_samples(study, runs.tr),
    )


def step_sizes(shapes: Shapes, study: Study, *, cleaned: bool) -> dict[str, float]:
    """Bytes that each step of a subject needs beside :data:`BASE`.

    Parameters
    ----------
    shapes : Shapes
    study : Study
    cleaned : bool
        The responses are cleaned as they are read, in double precision.
    """
    run = 4.0 * shapes.longest_run * shapes.targets * (COPIES["run"] + cleaned * COPIES["cleaned run"])
    design = 4.0 * shapes.samples * (shapes.features * COPIES["features"] + shapes.columns)
    weights = 4.0 * shapes.columns * shapes.unit * study.results.weights
    unit = COPIES["held out"] * shapes.held_out_bytes * shapes.unit
    whole = COPIES["held out"] * shapes.held_out_bytes * shapes.targets
    part = COPIES["predictions"] * 4.0 * shapes.largest_test * shapes.part
    part += COPIES["statistics"] * shapes.bytes_per_target * shapes.part + 8.0 * shapes.columns**2 * 3
    statistics, table = shapes.bytes_per_target / max(shapes.n_training_runs, 1) * shapes.targets, study.statistics
    sizes = {
        "features": design,
        "statistics": run + design + statistics,
        "fit": run / max(shapes.targets / shapes.unit, 1) + design + part + unit + weights,
        "significance": whole
        + 4.0 * shapes.held_out * shapes.targets
        + 8.0 * table.permutations * shapes.held_out / shapes.block,
        "partition": whole + 8.0 * table.bootstraps * BOOTSTRAP_TARGETS * shapes.n_models,
        "maps": whole + 2 * weights,
    }
    if table.clusters != "none":
        sizes["significance"] += 4.0 * table.permutations * shapes.targets
    if study.decoding:
        sizes["decode"] = run + COPIES["windows"] * 4.0 * shapes.samples * shapes.targets
    return sizes


def estimate_memory(study: Study, recordings: Mapping[str, Recording]) -> Iterator[Peak]:
    """Estimate the peak memory of every step of every subject; nothing is computed.

    Held-out samples of subjects that are done stay in memory, up to a limit, where subjects are compared.
    """
    kept, compared = 0.0, study.statistics.inter_subject
    for subject, recording in recordings.items():
        shapes = shapes_of(study, recording)
        for step, size in step_sizes(shapes, study, cleaned=recording.responses.cleaning is not None).items():
            yield Peak(subject, step, BASE + compared * min(kept, REMEMBERED) + size)
        kept += shapes.held_out_bytes * shapes.targets
    if study.statistics.inter_subject or "subject" in study.statistics.generalise:
        yield Peak("", "ceilings", BASE + 2 * kept)


def memory_line(study: Study, recordings: Mapping[str, Recording]) -> str:
    """Sentence on the memory that a run needs; a warning if the machine has less."""
    peak = max(estimate_memory(study, recordings), key=lambda peak: peak.size)
    free, where = available_memory(), f" of sub-{peak.subject}" if peak.subject else ""
    unknown = [name for name, one in study.features.items() if _unknown(one, recordings)]
    text = f"memory: a run needs about {peak.size / 1e9:.1f} GB (step {peak.step}{where})"
    text += f", with {UNKNOWN_WIDTH} features assumed for {', '.join(unknown)}" if unknown else ""
    if free is None:
        return f"{text}; what the machine has is unknown"
    text += f"; {free / 1e9:.1f} GB are available"
    if peak.size <= free:
        return text
    advice = (
        "lower model.memory or raise model.parts" if peak.step == "fit" else "use fewer targets or a larger machine"
    )
    return f"warning: {text}: it may be ended by the system. To do: close other programs, {advice}"


def _unknown(extractor: Extractor, recordings: Mapping[str, Recording]) -> bool:
    timeline = stimulus_timeline(next(iter(recordings.values())))
    return not isinstance(extractor.pca, int) and extractor.width(timeline) is None


def _width(extractor: Extractor, timeline: StimulusTimeline) -> int:
    return extractor.pca if isinstance(extractor.pca, int) else extractor.width(timeline) or UNKNOWN_WIDTH
