"""Generalisation to groups of stimuli and to subjects that were left out of training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Booleans, Float64, Floating
from b2m_encoding.errors import InputError
from b2m_encoding.models.responses import Relabelled
from b2m_encoding.models.scores import pearson_r
from b2m_encoding.runs import Runs

if TYPE_CHECKING:
    from b2m_encoding.models import EncodingModel


@dataclass(frozen=True, eq=False)
class TestSet:
    """Held-out samples.

    Parameters
    ----------
    features : dict of str to array (n_samples, n_features)
    runs : Runs
        Runs of these samples.
    measured : array, shape (n_scored, n_targets)
        Responses of the used samples, or ``combine`` of them.
    combine : callable, optional
        Applied to predictions (n_samples, n_targets), for instance to average repeats; None selects the used samples.
    """

    __test__ = False  # not a test case of pytest

    features: Mapping[str, Any]
    runs: Runs
    measured: Floating
    combine: Callable[[NDArray[Any]], NDArray[Any]] | None = None

    def predict(self, model: EncodingModel) -> NDArray[Any]:
        """Predict the scored samples."""
        predicted = np.asarray(model.predict(self.features, runs=self.runs))
        return predicted[self.runs.used] if self.combine is None else self.combine(predicted)


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Prediction of test stimuli of each label (genre, speaker) with and without that label in training.

    Parameters
    ----------
    labels : tuple of str
    r_with, r_without : array, shape (n_labels, n_targets)
        Pearson r over the test samples of each label, of the models trained with and without the label.
    pooled_with, pooled_without : array, shape (n_targets,)
        Mean of the same over labels, weighted by samples.
    n_samples : array of int, shape (n_labels,)
        Test samples of each label.
    """

    labels: tuple[str, ...]
    r_with: Float64
    r_without: Float64
    pooled_with: Float64
    pooled_without: Float64
    n_samples: NDArray[np.intp]


def samples_unaffected_by(runs: Runs, labels: NDArray[Any], label: str, reach: float) -> Booleans:
    """Find used samples whose responses do not depend on stimuli with a label.

    Responses up to ``reach`` seconds after such a stimulus still depend on it, whatever is presented then.

    Parameters
    ----------
    runs : Runs
    labels : array of str, shape (n_samples,)
    label : str
    reach : float
        Longest delay of the model, s.

    Returns
    -------
    array of bool, shape (n_samples,)

    Examples
    --------
    >>> runs = Runs.from_lengths([4, 2], 1.5)
    >>> samples_unaffected_by(runs, np.array(list("baabba")), "b", 1.5).tolist()
    [False, False, True, False, False, False]
    """
    runs.check_length(labels, "the label array")
    n, unaffected = round(reach / runs.tr), runs.used.copy()
    for rows in runs.slices.values():
        for row in np.flatnonzero(labels[rows] == label) + rows.start:
            unaffected[row : min(row + n + 1, rows.stop)] = False
    return unaffected


def clips_in_other_training(subject: str, trained: Mapping[str, NDArray[Any]], tested: NDArray[Any]) -> list[str]:
    """Find test clips of a subject that are training clips of another subject.

    A model of several subjects must not be trained on them. Clips of the training of the subject itself are not among
    them: the audit reports those, whatever the model.

    Parameters
    ----------
    subject : str
    trained : dict of subject to array of str
        Clip of each training sample, "" for none.
    tested : array of str
        Clip of each test sample of the subject.

    Returns
    -------
    list of str

    Examples
    --------
    >>> trained = {"1": np.array(["a", "b"]), "2": np.array(["b", "c", ""])}
    >>> clips_in_other_training("1", trained, np.array(["c", "d", ""]))
    ['c']
    """
    others = {str(clip) for name, clips in trained.items() if name != subject for clip in clips}
    return sorted(({str(clip) for clip in tested} & others) - {str(clip) for clip in trained[subject]} - {""})


def leave_one_label_out(
    model: EncodingModel,
    train: Mapping[str, Any],
    responses: Any,
    labels: NDArray[Any],
    test: TestSet,
    test_labels: NDArray[Any],
) -> LeftOut:
    """Train without each label in turn, and predict its test clips (as Brain2Music: genres, arXiv 2307.11078, Fig. 7a).

    Samples whose delays reach back into a left-out label go with it. Penalties are chosen anew each time, over the
    blocks of ``responses.runs`` that remain. The training responses are read once per label, not all into memory.

    Parameters
    ----------
    model : EncodingModel
    train : dict of str to array (n_samples, n_features)
    responses : object that loads run by run
        Such as :class:`~b2m_encoding.data.Responses`.
    labels : array of str, shape (n_samples,)
        Label of each training sample, "" for none.
    test : TestSet
    test_labels : array of str, shape (n_scored,)
        Label of each scored sample.

    Returns
    -------
    LeftOut

    Raises
    ------
    InputError
        If fewer than two labels occur in both training and test.

    Notes
    -----
    r over the few clips of one label is noisy, and lower than over all labels for lack of contrast: compare the two
    models with each other. A drop also comes from having less data (a tenth less for ten labels). Not for labels that
    stimuli share in parts, such as moods.

    The paper leaves genres out of its decoder and reports identification; here they are left out of the encoding model.
    """
    common = [str(x) for x in dict.fromkeys(labels[responses.runs.used].tolist()) if x and (test_labels == x).any()]
    if len(common) < 2:
        raise InputError("leaving one label out needs two labels in both training and test", found=common)
    runs, reach = responses.runs, max(model.delays or (0.0,))
    predicted, measured = test.predict(_fit(model, train, responses, runs.used)), test.measured
    shape = (len(common), measured.shape[1])
    r_with, r_without, n_samples = np.empty(shape), np.empty(shape), np.empty(len(common), dtype=np.intp)
    for i, name in enumerate(common):
        rows = test_labels == name
        without = _fit(model, train, responses, samples_unaffected_by(runs, labels, name, reach))
        r_with[i] = pearson_r(predicted[rows], measured[rows])
        r_without[i] = pearson_r(test.predict(without)[rows], measured[rows])
        n_samples[i] = rows.sum()
    pooled = [np.average(r, axis=0, weights=n_samples) for r in (r_with, r_without)]
    return LeftOut(tuple(common), r_with, r_without, pooled[0], pooled[1], n_samples)


def leave_one_subject_out(
    model: EncodingModel,
    features: Mapping[str, Mapping[str, Any]],
    responses: Mapping[str, Any],
    test: Mapping[str, TestSet],
) -> dict[str, Float64]:
    """Predict the test responses of each subject by a model of all others.

    Penalties are chosen by leaving out one of the remaining subjects at a time. Test clips of the subject that were
    training clips of others are left out too, with the samples whose delays reach back into them.

    Parameters
    ----------
    model : EncodingModel
    features : dict of subject to dict of str to array (n_samples, n_features)
    responses : dict of subject to object that loads run by run
        Responses on one surface or template, target by target.
    test : dict of subject to TestSet

    Returns
    -------
    dict of str to array, shape (n_targets,)
        Held-out Pearson r of each subject; NaN where a target is not tested in every training subject.

    Raises
    ------
    InputError
        If there are fewer than three subjects: the choice of penalties needs two.

    Notes
    -----
    Subjects are matched by anatomical alignment alone: a low score may mean different brains or bad alignment. Not
    for responses in the native space of each subject.
    """
    subjects = list(responses)
    if len(subjects) < 3:
        raise InputError("leaving one subject out needs three subjects", found=subjects)
    if len({responses[name].n_targets for name in subjects}) > 1:
        raise InputError("subjects differ in their targets", found={s: responses[s].n_targets for s in subjects})
    joined = _Joined({name: responses[name] for name in subjects})
    values = {
        space: np.concatenate([np.asarray(features[name][space]) for name in subjects])
        for space in features[subjects[0]]
    }
    scores, reach = {}, max(model.delays or (0.0,))
    trained = {name: responses[name].runs.clip[responses[name].runs.used] for name in subjects}
    for subject in subjects:
        tested = test[subject].runs
        leaks = np.isin(joined.runs.clip, clips_in_other_training(subject, trained, tested.clip[tested.used]))
        used = samples_unaffected_by(joined.runs, np.where(leaks, "leak", ""), "leak", reach) & (
            joined.runs.block != subject
        )
        without = _fit(model, values, joined, used)
        scores[subject] = pearson_r(test[subject].predict(without), test[subject].measured)
    return scores


def _fit(model: EncodingModel, values: Mapping[str, Any], responses: Any, used: Booleans) -> EncodingModel:
    """Fit a model to some of the samples, penalties chosen by leaving out one of their blocks at a time."""
    from sklearn.base import clone

    chosen = Relabelled(responses, replace(responses.runs, used=used))
    fitted: EncodingModel = clone(model).set_params(cv=None).fit_responses(values, chosen)
    return fitted


class _Joined:
    """Responses of several subjects as runs of one data set, each subject a block."""

    def __init__(self, parts: Mapping[str, Any]) -> None:
        self.parts = parts
        self.owner = {
            f"{subject}/{name}": (subject, name) for subject, part in parts.items() for name in part.runs.names
        }
        self.runs = Runs.concatenate(
            [
                replace(
                    part.runs,
                    run=np.array([f"{subject}/{name}" for name in part.runs.run]),
                    block=np.full(len(part.runs), subject),
                )
                for subject, part in parts.items()
            ]
        )
        self.n_targets = next(iter(parts.values())).n_targets

    def load_run(self, name: str, targets: slice | None = None) -> NDArray[Any]:
        """Load the responses of a run of a subject."""
        subject, run = self.owner[name]
        return np.asarray(self.parts[subject].load_run(run, targets))
