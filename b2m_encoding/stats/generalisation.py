"""Generalisation: to genres the model never heard, and to people it never saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from b2m_encoding.errors import InputError
from b2m_encoding.models import EncodingModel
from b2m_encoding.models.scores import pearson_r
from b2m_encoding.models.subsets import fit_without
from b2m_encoding.runs import Runs

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TestSet:
    """Held-out samples.

    Parameters
    ----------
    features : dict of str to array (n_samples, n_features)
    runs : Runs
        Of these samples.
    measured : array, shape (n_scored, n_targets)
        Responses of the used samples, or what ``combine`` makes of them.
    combine : callable, optional
        Applied to predictions (n_samples, n_targets), for instance to average repeats; takes the used samples if None.
    """

    __test__ = False  # no test case of pytest's

    features: Mapping[str, Any]
    runs: Runs
    measured: NDArray[np.floating]
    combine: Callable[[NDArray[Any]], NDArray[Any]] | None = None

    def predict(self, model: EncodingModel) -> NDArray[Any]:
        """Predictions of the scored samples."""
        predicted = np.asarray(model.predict(self.features, runs=self.runs))
        return predicted[self.runs.used] if self.combine is None else self.combine(predicted)


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Prediction of test stimuli of each label (genre) with and without that label in training.

    Parameters
    ----------
    labels : tuple of str
    r_with, r_without : array, shape (n_labels, n_targets)
        Pearson r over the test samples of each label, of the model of all labels and of the one that never met it.
    pooled_with, pooled_without : array, shape (n_targets,)
        Mean of the same over labels, weighted by samples.
    n_samples : array of int, shape (n_labels,)
        Test samples.
    """

    labels: tuple[str, ...]
    r_with: Array
    r_without: Array
    pooled_with: Array
    pooled_without: Array
    n_samples: NDArray[np.intp]


def genres_of(clips: NDArray[Any]) -> NDArray[np.str_]:
    """Genre of each sample from clip names in GTZAN's manner, ``blues.00017``; "" where there is no clip.

    Examples
    --------
    >>> genres_of(np.array(["blues.00017", "", "jazz.00001"])).tolist()
    ['blues', '', 'jazz']
    """
    return np.array([str(clip).rpartition(".")[0] for clip in clips], dtype=str)


def tainted_blocks(runs: Runs, labels: NDArray[Any], reach: float) -> tuple[Runs, dict[str, tuple[str, ...]]]:
    """Cut runs into blocks that can be left out by label.

    A sample within ``reach`` seconds of a stimulus with another label still answers to that one: its block belongs to
    both labels and is left out with either.

    Parameters
    ----------
    runs : Runs
    labels : array of str, shape (n_samples,)
    reach : float
        Longest delay of the model, s.

    Returns
    -------
    runs : Runs
        With blocks named after the block they are cut from (a run, as a rule) and labels.
    blocks : dict of str to tuple of str
        Blocks that hold samples of each label.
    """
    runs.check_length(labels, "the label array")
    n = round(reach / runs.tr)
    block = np.empty(len(runs), dtype=object)
    members: dict[str, list[str]] = {}
    for rows in runs.slices.values():
        own = labels[rows]
        for i in range(len(own)):
            near = sorted(set(own[max(i - n, 0) : i + 1].tolist()))
            block[rows.start + i] = "|".join([str(runs.block[rows.start + i]), *near])
            if runs.used[rows.start + i]:
                for label in near:
                    members.setdefault(str(label), []).append(str(block[rows.start + i]))
    return replace(runs, block=block.astype(str)), {key: tuple(dict.fromkeys(own)) for key, own in members.items()}


def leave_one_label_out(
    model: EncodingModel,
    train: Mapping[str, Any],
    responses: Any,
    labels: NDArray[Any],
    test: TestSet,
    test_labels: NDArray[Any],
) -> LeftOut:
    """Train without each genre in turn, and predict its test clips (Brain2Music, arXiv 2307.11078, Fig. 7a).

    The training responses are read once: what is left out is taken away from the sufficient statistics. Samples whose
    delays reach back into a left-out genre go with it. Penalties are chosen anew each time, over the remaining runs, or
    over the blocks of ``responses.runs`` where a run was cut into several.

    Parameters
    ----------
    model : EncodingModel
    train : dict of str to array (n_samples, n_features)
    responses : object that loads run by run
    labels : array of str, shape (n_samples,)
        Label of each training sample, "" for none.
    test : TestSet
    test_labels : array of str, shape (n_scored,)

    Raises
    ------
    InputError
        If fewer than two labels occur in both training and test.

    Notes
    -----
    r over the few clips of one genre is noisy, and lower than over all genres for want of contrast: compare the two
    models with each other. A drop also comes from having less data (a tenth less for ten genres). Not for labels that
    stimuli share in parts, such as moods.

    The paper leaves genres out of its decoder and reports identification; here they are left out of the encoding model.
    """
    common = [str(x) for x in dict.fromkeys(labels[responses.runs.used].tolist()) if x and (test_labels == x).any()]
    if len(common) < 2:
        raise InputError("leaving one label out needs two labels in both training and test", found=common)
    reach = max(model.delays or (0.0,))
    runs, blocks = tainted_blocks(responses.runs, labels, reach)
    left_out = [(), *(blocks[name] for name in common)]
    units = responses.runs.block
    fits = fit_without(clone(model).set_params(cv=None), train, responses, runs, left_out, units=units)
    _, whole = next(fits)
    predicted, measured = test.predict(whole), test.measured
    shape = (len(common), measured.shape[1])
    r_with, r_without, n_samples = np.empty(shape), np.empty(shape), np.empty(len(common), dtype=np.intp)
    for i, (name, (_, without)) in enumerate(zip(common, fits, strict=True)):
        rows = test_labels == name
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
) -> dict[str, Array]:
    """Predict each subject's test responses by a model of all the others.

    Each subject's training samples are read once; a subject is left out by taking its statistics away, and penalties
    are chosen by leaving out one of the remaining subjects at a time.

    Parameters
    ----------
    model : EncodingModel
    features : dict of subject to dict of str to array (n_samples, n_features)
    responses : dict of subject to object that loads run by run
        On one surface or template, target by target.
    test : dict of subject to TestSet

    Returns
    -------
    dict of str to array, shape (n_targets,)
        Held-out Pearson r of each subject; NaN where a target is not tested in every training subject.

    Raises
    ------
    InputError
        If there are fewer than three subjects: penalties need two to learn from.

    Notes
    -----
    Anatomical alignment is all that links the subjects here: a low score may mean another brain or bad alignment. Not
    for responses in each subject's own space.
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
    held = [(f"{subject}/all",) for subject in subjects]
    fits = fit_without(clone(model).set_params(cv=None), values, joined, joined.by_subject, held)
    found = {}
    for subject, (_, without) in zip(subjects, fits, strict=True):
        found[subject] = pearson_r(test[subject].predict(without), test[subject].measured)
    return found


class _Joined:
    """Responses of several subjects as runs of one."""

    def __init__(self, parts: Mapping[str, Any]) -> None:
        self.parts = parts
        self.owner = {f"{subject}/{name}": (subject, name) for subject, own in parts.items() for name in own.runs.names}
        self.runs = Runs.concatenate(
            [
                replace(own.runs, run=np.array([f"{subject}/{name}" for name in own.runs.run]))
                for subject, own in parts.items()
            ]
        )
        labels = np.array([f"{self.owner[str(name)][0]}/all" for name in self.runs.run])
        self.by_subject = replace(self.runs, block=labels)
        self.n_targets = next(iter(parts.values())).n_targets

    def load_run(self, name: str, targets: slice | None = None) -> NDArray[Any]:
        """Responses of a run of a subject."""
        subject, own = self.owner[name]
        return np.asarray(self.parts[subject].load_run(own, targets))
