"""Alignment of subjects who heard the same clips, and decoders they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes, polar
from scipy.stats import ortho_group
from sklearn.linear_model import Ridge

from b2m_encoding import InputError, Runs
from b2m_encoding.decoding.decoders.alignment import Alignment, Components, matched_windows, rotations, shared_responses
from b2m_encoding.decoding.decoders.pooled import PooledDecoder
from b2m_encoding.decoding.decoders.ridge import RidgeDecoder
from b2m_encoding.decoding.identification import identification_accuracy

METHODS = ("ridge", "procrustes", "srm")
SUBJECTS = ("01", "02", "03")


@dataclass
class Windows:
    """Windows of one subject."""

    responses: np.ndarray
    embedding: np.ndarray
    runs: Runs


def arrays(training: dict[str, Windows]) -> tuple[Any, Any, dict[str, Runs]]:
    """Responses, embedding and runs by subject."""
    values = {part: {name: getattr(one, part) for name, one in training.items()} for part in Windows.__annotations__}
    return values["responses"], values["embedding"], values["runs"]


def fitted(decoder: PooledDecoder, training: dict[str, Windows], subjects: Sequence[str] | None = None) -> Any:
    X, Y, runs = arrays(training)
    return decoder.fit(X, Y, runs=runs, training_subjects=subjects)


def predicted(decoder: PooledDecoder, subject: str, windows: Windows) -> np.ndarray:
    return decoder.predict(windows.responses, runs=windows.runs, subject=subject)


def held_out(decoder: PooledDecoder, subject: str, training: dict[str, Windows]) -> np.ndarray:
    """Cross-validated predictions."""
    X, Y, runs = arrays(training)
    return decoder.cross_val_predict(X, Y, runs=runs, subject=subject)


def people(seed: int = 0, noise: float = 1.0, n_runs: int = 4, n_clips: int = 12) -> tuple[Any, Any]:
    """Three people who hear the same clips in another order, their brains rotated against each other."""
    rng = np.random.default_rng(seed)
    clips = np.array([f"pop.{i:05d}" for i in range(n_runs * n_clips)])
    embedding = dict(zip(clips, rng.standard_normal((len(clips), 6)), strict=True))
    training, test = {}, {}
    for subject in SUBJECTS:
        order = np.concatenate([rng.permutation(part) for part in np.split(clips, n_runs)])
        runs = Runs.from_labels(np.repeat([f"run-{i}" for i in range(n_runs)], n_clips), 1.5, clip=order)
        weights = rng.standard_normal((6, 40))
        E = np.stack([embedding[clip] for clip in order])
        Y = E @ weights + noise * rng.standard_normal((len(E), 40)) + 10
        out = runs.run == "run-3"
        training[subject] = Windows(Y[~out], E[~out], runs.take(~out))
        test[subject] = Windows(Y[out], E[out], runs.take(out))
    return training, test


def test_windows_are_matched_by_clip_repeat_and_place() -> None:
    a = Runs.from_labels(["r"] * 7, 1.5, clip=list("xxyyxxz"))
    b = Runs.from_labels(["s"] * 7, 1.5, clip=list("yyxxzxx"), used=[True] * 3 + [False] + [True] * 3)
    rows = matched_windows({"a": a, "b": b})
    assert rows["a"].tolist() == [0, 2, 3, 4, 5, 6]
    assert rows["b"].tolist() == [2, 0, 1, 5, 6, 4]
    with pytest.raises(InputError, match="two subjects"):
        matched_windows({"a": a})
    with pytest.raises(InputError, match="too few"):
        matched_windows({"a": a, "b": Runs.from_labels(["s"] * 2, 1.5, clip=["z", "q"])})


def test_rotations_undo_a_rotation() -> None:
    rng = np.random.default_rng(0)
    first = rng.standard_normal((50, 8)) * np.arange(1, 9)
    turn = ortho_group.rvs(8, random_state=0)
    found = rotations({"a": first, "b": first @ turn})
    assert np.allclose(first @ found["a"], first @ turn @ found["b"])
    assert np.allclose(found["a"].T @ found["a"], np.eye(8))
    noisy = first @ turn + rng.standard_normal(first.shape)
    best, _ = orthogonal_procrustes(noisy, first)
    once = rotations({"a": first, "b": noisy})
    relative = once["b"] @ once["a"].T
    assert np.allclose(relative, best, atol=0.02)


def test_shared_responses_are_found_under_private_ones() -> None:
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((200, 3))
    bases = [np.linalg.qr(rng.standard_normal((10, 3)))[0] for _ in range(3)]
    reduced = {str(i): 3 * shared @ basis.T + rng.standard_normal((200, 10)) for i, basis in enumerate(bases)}
    found = shared_responses(reduced, 3)
    for (name, values), basis in zip(reduced.items(), bases, strict=True):
        assert np.allclose(found[name].T @ found[name], np.eye(3))
        assert np.linalg.svd(found[name].T @ basis, compute_uv=False).min() > 0.98  # the same subspace
        assert np.linalg.lstsq(values @ found[name], shared, rcond=None)[1].sum() < 100


def test_every_map_is_the_best_for_the_mean_of_all(rng: np.random.Generator) -> None:
    """Not for the first subject, from whom the search starts."""
    base = rng.standard_normal((60, 5))
    noisy = {str(i): base @ ortho_group.rvs(5, random_state=i) + rng.standard_normal(base.shape) for i in range(3)}
    for found, off in ((rotations(noisy), 1e-5), (shared_responses(noisy, 3), 0.01)):  # after one step, 0.05 and 0.02
        mean = np.mean([values @ found[name] for name, values in noisy.items()], axis=0)
        for name, values in noisy.items():
            assert np.abs(polar(values.T @ mean)[0] - found[name]).max() < off


@pytest.mark.parametrize("method", METHODS)
def test_windows_that_others_never_heard_align_nothing(method: Any, rng: np.random.Generator) -> None:
    """And the first subject's components are the space of the others where these are regressed onto them."""
    training, _ = people()
    responses, runs = ({name: getattr(one, part) for name, one in training.items()} for part in ("responses", "runs"))
    first = Alignment(method, n_components=10, n_shared=4).fit(responses, runs=runs)
    assert first.n_dimensions_ == (4 if method == "srm" else 10)
    alone = Runs.from_labels(["more"] * 5, 1.5, clip=[f"jazz.{i}" for i in range(5)])
    longer = {**responses, "02": np.concatenate([responses["02"], 99 * rng.standard_normal((5, 40))])}
    again = Alignment(method, n_components=10, n_shared=4)
    again.fit(longer, runs={**runs, "02": Runs.concatenate([runs["02"], alone])})
    for name, Y in responses.items():
        assert np.allclose(first.transform(Y, subject=name), again.transform(Y, subject=name))
    if method == "ridge":
        components = first.components_["01"].transform(responses["01"])
        assert np.array_equal(first.transform(responses["01"], subject="01"), components)


def test_components_are_those_of_scikit_learn() -> None:
    from sklearn.decomposition import PCA

    Y = np.random.default_rng(0).standard_normal((30, 50)) @ np.diag(np.arange(50.0)) + 5
    Y[:, 3] = 1
    own = Components.fit(Y, 4)
    z = (np.delete(Y, [0, 3], axis=1) - np.delete(Y, [0, 3], axis=1).mean(0)) / np.delete(Y, [0, 3], axis=1).std(0)
    ours, theirs = own.transform(Y), PCA(4).fit_transform(z)
    assert np.abs(np.diag(np.corrcoef(ours.T, theirs.T)[:4, 4:])) == pytest.approx(np.ones(4))
    assert (ours**2).sum() == pytest.approx(len(Y))


@pytest.mark.parametrize("method", METHODS)
def test_a_decoder_of_others_works_once_aligned(method: Any) -> None:
    training, test = people()
    for left_out in SUBJECTS[1:]:
        others = [name for name in SUBJECTS if name != left_out]
        decoder = fitted(PooledDecoder(method, n_components=20), training, others)
        unseen = test[left_out]
        accuracy = identification_accuracy(predicted(decoder, left_out, unseen), unseen.embedding)
        assert accuracy.mean() > 0.8
        assert decoder.training_subjects_ == tuple(others)
    lost = fitted(PooledDecoder("none"), training, ["01", "02"])  # brains that are not aligned at all
    unseen = test["03"]
    wrong = identification_accuracy(predicted(lost, "03", unseen), unseen.embedding)
    assert wrong.mean() < 0.75


def test_others_who_are_aligned_help_a_decoder_that_has_little_to_learn_from() -> None:
    """Against ridge from each one's own windows; without alignment the others do harm."""
    gain: dict[str, list[float]] = {}
    for seed in range(4):
        training, test = people(seed, noise=4)
        pooled = {name: fitted(PooledDecoder(name, n_components=20), training) for name in ("none", *METHODS)}  # type: ignore[arg-type]
        for subject, (Y, E, runs) in {name: vars(one).values() for name, one in test.items()}.items():
            own = training[subject]
            alone = RidgeDecoder().fit(own.responses, own.embedding, runs=own.runs).predict(Y, runs=runs)
            for name, decoder in pooled.items():
                accuracy = [
                    identification_accuracy(P, E).mean()
                    for P in (decoder.predict(Y, runs=runs, subject=subject), alone)
                ]
                gain.setdefault(name, []).append(accuracy[0] - accuracy[1])
    assert np.mean(gain.pop("none")) < 0
    assert min(np.mean(own) for own in gain.values()) > 0.05


@pytest.mark.parametrize("method", ["none", *METHODS])
def test_test_windows_shape_nothing(method: Any) -> None:
    """Alignment and decoder see training alone: predictions of one subject do not depend on others' test responses."""
    training, test = people()
    decoder = fitted(PooledDecoder(method, n_components=20), training)
    first = predicted(decoder, "02", test["02"])
    alone = decoder.predict(test["02"].responses[:3], runs=test["02"].runs.take(np.arange(3)), subject="02")
    assert np.allclose(first[:3], alone)
    crossed = held_out(decoder, "02", training)
    assert crossed.shape == training["02"].embedding.shape
    assert np.isfinite(crossed).all()


@pytest.mark.parametrize("method", ["none", *METHODS])
def test_others_learn_nothing_from_the_one_they_decode(method: Any) -> None:
    """Of the left-out subject the training responses place it among the others; its features teach nothing."""
    training, test = people()
    unseen, own, rng = test["02"], training["02"], np.random.default_rng(1)
    n_targets = 10 if method == "none" else None  # aligned, the own targets are chosen by the own windows

    def decoded(given: Windows, subjects: list[str]) -> Any:
        decoder = PooledDecoder(method, n_targets=n_targets, n_components=20)
        return predicted(fitted(decoder, {**training, "02": given}, subjects), "02", unseen)

    other = Windows(own.responses, rng.standard_normal(own.embedding.shape), own.runs)
    assert np.array_equal(decoded(own, ["01", "03"]), decoded(other, ["01", "03"]))
    assert not np.allclose(decoded(own, list(SUBJECTS)), decoded(other, list(SUBJECTS)), atol=0.1)
    if method == "none":  # not even which window was which
        shuffled = Windows(rng.permutation(own.responses), own.embedding, own.runs)
        assert np.allclose(decoded(own, ["01", "03"]), decoded(shuffled, ["01", "03"]))


def test_pooled_cross_predictions_are_ridges_of_the_other_runs_of_everyone() -> None:
    training, _ = people()
    decoder = fitted(PooledDecoder("procrustes", n_components=20), training)
    alphas = decoder.decoder_.model_.best_alphas_
    aligned = {
        name: decoder.alignment_.transform(one.responses[:, decoder.targets_[name]], subject=name)
        for name, one in training.items()
    }
    for subject, own in training.items():
        crossed = held_out(decoder, subject, training)
        for run in own.runs.names:
            kept = {name: one.runs.run != run for name, one in training.items()}
            X = np.concatenate([aligned[name][rows] for name, rows in kept.items()])
            E = np.concatenate([training[name].embedding[rows] for name, rows in kept.items()])
            model = Ridge(alphas).fit(X / X.std(axis=0), E)
            expected = model.predict(aligned[subject][~kept[subject]] / X.std(axis=0))
            assert np.allclose(crossed[~kept[subject]], expected, atol=1e-3)


@pytest.mark.parametrize("method", ["none", "procrustes"])
def test_targets_are_those_that_are_predicted_best_in_training(method: Any) -> None:
    """The first ten respond, the first of them not in the second subject; without alignment all have the same."""
    training, _ = people()
    rng = np.random.default_rng(1)
    weights = np.pad(rng.standard_normal((6, 10)), ((0, 0), (0, 30)))
    for one in training.values():
        one.responses[:] = one.embedding @ weights + 0.3 * rng.standard_normal(one.responses.shape)
    training["02"].responses[:, 0] = 7
    every = fitted(PooledDecoder(method, n_targets=None, n_components=9), training).targets_
    assert [len(every[name]) for name in SUBJECTS] == ([39] * 3 if method == "none" else [40, 39, 40])
    found = fitted(PooledDecoder(method, n_targets=9, n_components=9), training).targets_
    assert found["02"].tolist() == list(range(1, 10))
    for name in ("01", "03"):
        assert len(found[name]) == 9
        assert set(found[name].tolist()) <= set(range(1 if method == "none" else 0, 10))


def test_units_of_a_subject_do_not_matter_without_alignment() -> None:
    training, test = people(noise=3)
    scale, shift = np.random.default_rng(1).uniform(1, 100, (2, 40))
    own, unseen = training["02"], test["02"]
    other = {**training, "02": Windows(own.responses * scale + shift, own.embedding, own.runs)}
    first, again = (fitted(PooledDecoder("none", n_targets=10), given) for given in (training, other))
    assert first.targets_["01"].tolist() == again.targets_["01"].tolist()
    said = again.predict(unseen.responses * scale + shift, runs=unseen.runs, subject="02")
    assert np.allclose(said, predicted(first, "02", unseen), atol=1e-4)
    assert np.allclose(held_out(again, "02", other), held_out(first, "02", training), atol=1e-4)


def test_pooled_folds_hold_out_the_same_run_of_everyone() -> None:
    training, _ = people()
    decoder = fitted(PooledDecoder("procrustes", n_components=20), training)
    runs = decoder.decoder_.model_.runs_
    assert runs.blocks == ("run-0", "run-1", "run-2")
    assert len(runs.names) == 9
    rng = np.random.default_rng(0)
    null = {
        name: Windows(rng.standard_normal(one.responses.shape), one.embedding, one.runs)
        for name, one in training.items()
    }
    crossed = fitted(PooledDecoder("procrustes", n_components=20), null)
    E = null["01"].embedding
    assert abs(identification_accuracy(held_out(crossed, "01", null), E).mean() - 0.5) < 0.2


def test_what_is_refused() -> None:
    training, test = people()
    with pytest.raises(InputError, match="unknown alignment"):
        Alignment("other")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="needs a training subject"):
        fitted(PooledDecoder(), training, [])
    decoder = fitted(PooledDecoder(), training)
    with pytest.raises(InputError, match="was not fitted with this subject"):
        predicted(decoder, "09", test["01"])
    one = training["01"]
    training["01"] = Windows(one.responses[:, :20], one.embedding, one.runs)
    with pytest.raises(InputError, match="same targets"):
        fitted(PooledDecoder("none"), training)
    few = Windows(test["01"].responses[:, :20], test["01"].embedding, test["01"].runs)
    assert predicted(fitted(PooledDecoder("srm"), training), "01", few).shape[1] == 6
