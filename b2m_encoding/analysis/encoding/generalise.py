"""Generalisation of a study: groups of clips left out of training, subjects predicted by the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.analysis.encoding.predict import new_model, training_values
from b2m_encoding.analysis.encoding.sizes import training_runs
from b2m_encoding.analysis.encoding.test_samples import Part, TestSamples
from b2m_encoding.analysis.splits import split_samples
from b2m_encoding.data import Recording, Responses
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.runs import Runs
from b2m_encoding.stats.generalisation import (
    LeftOut,
    TestSet,
    leave_one_label_out,
    leave_one_subject_out,
)
from b2m_encoding.study import Study

Array = NDArray[np.float64]


def without_groups(recording: Recording, spaces: Mapping[str, FeatureSpace], study: Study) -> LeftOut:
    """Predict the test clips of each group (genre, speaker) by a model that never met it."""
    training, features, test, runs = _prepare(recording, spaces, study)
    return leave_one_label_out(new_model(study), features, training, training.runs.group, test, runs.group)


def without_subjects(
    recordings: Mapping[str, Recording], spaces: Mapping[str, Mapping[str, FeatureSpace]], study: Study
) -> dict[str, Array]:
    """Predict each subject's test responses by a model of all the others."""
    prepared = {subject: _prepare(recording, spaces[subject], study) for subject, recording in recordings.items()}
    return leave_one_subject_out(
        new_model(study),
        {subject: parts[1] for subject, parts in prepared.items()},
        {subject: parts[0] for subject, parts in prepared.items()},
        {subject: parts[2] for subject, parts in prepared.items()},
    )


def _prepare(
    recording: Recording, spaces: Mapping[str, FeatureSpace], study: Study
) -> tuple[Responses, dict[str, NDArray[np.float32]], TestSet, Runs]:
    """Training responses and features, test set, and the runs of its scored samples."""
    runs, [split, *_] = split_samples(recording.responses.runs, study.evaluation)
    responses = recording.responses.with_runs(runs)
    values = training_values(spaces, study, split)
    training, rows = training_runs(runs, study, split)
    part = Part(responses, slice(0, responses.n_targets), np.zeros(0, dtype=np.intp))
    samples = TestSamples(part, split, study.evaluation.average_repeats)
    own = {name: array[rows] for name, array in values.items()}
    return replace(responses, runs=training), own, samples.test_set(values), samples.runs
