"""Kernel distance of sets against closed forms, classes of AudioSet, identification by sound, intervals."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from scipy.stats import ttest_1samp

from b2m_encoding.decoding.evaluation import (
    GROUPS,
    class_agreement,
    cluster_interval,
    exact_interval,
    kernel_distance,
    mean_interval,
    over_subjects,
    sound_identification,
)
from b2m_encoding.decoding.evaluation.sounds import embed_sounds
from b2m_encoding.decoding.evaluation.tagger import AudioSetTagger
from b2m_encoding.decoding.identification import identification_accuracy
from b2m_encoding.decoding.retrieval.embedding_space import AudioEmbeddingSpace
from b2m_encoding.errors import InputError
from b2m_encoding.features.audio import decode_audio, resample
from b2m_encoding.features.networks.loading import transformers
from b2m_encoding.features.weights import entry_of, find_weights
from b2m_encoding.reconstruction.evaluate import Evaluators, evaluate_vectors

from ..conftest import tone


def test_too_few_samples_are_told(rng: np.random.Generator) -> None:
    for a, b in ((np.ones((1, 2)), np.ones((3, 2))), (np.ones((3, 2)), np.ones((3, 3)))):
        with pytest.raises(InputError, match="cannot be compared"):
            kernel_distance(a, b)
    with pytest.raises(InputError, match="no width"):
        kernel_distance(rng.standard_normal((3, 2)), np.ones((3, 2)))
    for pair in ((np.full((3, 2), np.nan), np.ones((3, 2))), (np.ones((3, 2)), np.full((3, 2), np.inf))):
        with pytest.raises(InputError, match="not finite"):
            kernel_distance(*pair)


def test_kernel_distance_is_the_sum_over_pairs(rng: np.random.Generator) -> None:
    a, b, width = rng.standard_normal((5, 3)), rng.standard_normal((4, 3)), 1.7

    def k(x: np.ndarray, y: np.ndarray) -> float:
        return float(np.exp(-np.sum((x - y) ** 2) / (2 * width**2)))

    within = [np.mean([k(x[i], x[j]) for i in range(len(x)) for j in range(len(x)) if i != j]) for x in (a, b)]
    expected = within[0] + within[1] - 2 * np.mean([k(x, y) for x in a for y in b])
    assert kernel_distance(a, b, bandwidth=width) == pytest.approx(expected, abs=1e-12)


def test_kernel_distance_is_unbiased_with_few_samples(rng: np.random.Generator) -> None:
    """Twelve samples in 64 dimensions: zero on average where both have one distribution, else the exact value."""
    draws = [(rng.standard_normal((12, 64)), rng.standard_normal((12, 64))) for _ in range(300)]
    same = [kernel_distance(a, b, bandwidth=8.0) for a, b in draws]
    assert ttest_1samp(same, 0.0).pvalue > 0.01
    assert abs(np.mean(same)) < 0.2 * np.std(same)
    exact = 1 / np.sqrt(1 + 2 / 64) ** 64  # mean of the kernel of two standard normal samples
    moved = [kernel_distance(a + 0.5, b, bandwidth=8.0) for a, b in draws]
    truth = 2 * exact * (1 - np.exp(-64 * 0.25 / (2 * (64 + 2))))
    assert np.mean(moved) == pytest.approx(truth, abs=4 * np.std(moved) / np.sqrt(300))


PAPER = {
    ("genres", 2): "Pop music; Hip hop music; Rock music; Rhythm and blues; Soul music; Reggae; Country; Funk; Folk "
    "music; Middle Eastern music; Jazz; Disco; Classical music; Electronic music; Music of Latin America; Blues; Music "
    "for children; New-age music; Vocal music; Music of Africa; Christian music; Music of Asia; Ska; Traditional "
    "music; Independent music",
    ("instruments", 2): "Plucked string instrument; Keyboard (musical); Percussion; Orchestra; Brass instrument; Bowed "
    "string instrument; Wind instrument, woodwind instrument; Harp; Choir; Bell; Harmonica; Accordion; Bagpipes; "
    "Didgeridoo; Shofar; Theremin; Singing bowl; Scratching (performance technique)",
    ("moods", 1): "Happy music; Sad music; Tender music; Exciting music; Angry music; Scary music",
}
"""Classes of AudioSet that Brain2Music compares, and of how many the most probable."""


def test_the_groups_are_those_of_brain2music() -> None:
    assert {(name, group.top): "; ".join(group.labels) for name, group in GROUPS.items()} == PAPER


def test_agreement_is_the_overlap_of_the_likeliest_classes(rng: np.random.Generator) -> None:
    labels = ["Speech", *(label for group in GROUPS.values() for label in group.labels), "Dog"]
    rng.shuffle(labels)
    a, b = rng.random((30, len(labels))), rng.random((30, len(labels)))
    found = class_agreement(a, b, labels)
    for name, group in GROUPS.items():
        for row in range(30):
            tops = [
                set(sorted(group.labels, key=lambda label, x=x: -x[row, labels.index(label)])[: group.top])
                for x in (a, b)
            ]
            assert found[name][row] == len(tops[0] & tops[1]) / group.top
        assert class_agreement(a, a, labels)[name].tolist() == [1.0] * 30
    with pytest.raises(InputError, match="lacks classes"):
        class_agreement(a[:, 1:], b[:, 1:], labels[1:] if labels[0] not in ("Dog", "Speech") else labels[:-1])


@pytest.fixture(scope="module")
def tagger_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny classifier with random weights and labels of AudioSet."""
    import torch

    folder, library = tmp_path_factory.mktemp("audioset"), transformers()
    labels = [label for group in GROUPS.values() for label in group.labels]
    config = library.ASTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, patch_size=64, time_stride=64,
        frequency_stride=64, id2label=dict(enumerate(labels)), label2id={label: i for i, label in enumerate(labels)},
    )  # fmt: skip
    torch.manual_seed(0)
    library.ASTForAudioClassification(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text('{"feature_extractor_type": "ASTFeatureExtractor"}')
    return folder


def test_the_classifier_hears_windows(tagger_folder: Path) -> None:
    """A sound of one window is what transformers makes of it; a longer one the mean over its windows."""
    import torch

    tagger = AudioSetTagger(find_weights(entry_of("audioset"), tagger_folder), device="cpu")
    wave = tone(15, 200, 0, rate=16_000).astype(np.float32)
    length = round(10.24 * 16_000)
    found = tagger.probabilities([wave[:length], wave, wave[-length:], wave[:16_000]], 16_000)
    assert found.shape == (4, 49)
    assert np.allclose(found[1], (found[0] + found[2]) / 2, atol=1e-6)
    assert np.abs(found[0] - found[3]).max() > 1e-5
    model = transformers().ASTForAudioClassification.from_pretrained(tagger_folder).eval()
    values = tagger._extractor([wave[:length]], sampling_rate=16_000, return_tensors="pt")["input_values"]
    with torch.no_grad():
        assert np.allclose(found[0], model(values).logits.sigmoid()[0].numpy(), atol=1e-6)
    assert set(tagger.labels) == {label for group in GROUPS.values() for label in group.labels}


def test_sounds_are_judged_by_classes_and_by_another_encoder(tagger_folder: Path, tmp_path: Path) -> None:
    files = [tmp_path / f"{i}.wav" for i in range(4)]
    for i, file in enumerate(files):
        soundfile.write(file, tone(2.2, 100 * 1.7**i, i), 8000)
    tagger = AudioSetTagger(find_weights(entry_of("audioset"), tagger_folder), device="cpu")
    space = AudioEmbeddingSpace.of_model("acoustic", length=2.0)
    judges = Evaluators(space, "acoustic", tagger)
    near = [files[1], files[1], files[2], files[2]]
    rows = judges.evaluate({"heard": files, "right": files, "wrong": files[::-1], "near": near, "few": files[1:]})
    found = {(row.method, row.encoder, row.measure): row.value for row in rows}
    assert {method for method, _, _ in found} == {"right", "wrong", "near"}
    assert {measure for _, _, measure in found} == {"identification", "kernel distance", *GROUPS}
    for row in rows:
        assert row.chance == 0.5 if row.measure == "identification" else np.isnan(row.chance)
    assert found["right", "acoustic", "identification"] == 1 > found["wrong", "acoustic", "identification"]
    assert found["right", "acoustic", "kernel distance"] == pytest.approx(found["wrong", "acoustic", "kernel distance"])
    made, heard = ([decode_audio(file) for file in own] for own in (near, files))
    value = sound_identification(space, made, heard).mean()
    assert found["near", "acoustic", "identification"] == value != sound_identification(space, heard, made).mean()
    distance = kernel_distance(*(embed_sounds(space, own) for own in (made, heard)))
    assert found["near", "acoustic", "kernel distance"] == pytest.approx(distance)
    tags = np.concatenate([tagger.probabilities([wave], rate) for wave, rate in heard])
    expected = {name: own.mean() for name, own in class_agreement(tags[::-1], tags, tagger.labels).items()}
    assert min(expected.values()) < 1
    assert {name: found["wrong", "AudioSet", name] for name in GROUPS} == expected
    assert [found["right", "AudioSet", name] for name in GROUPS] == [1, 1, 1]
    assert judges.evaluate({"right": files}) == Evaluators().evaluate({"heard": files, "right": files}) == []


def test_vectors_are_judged_against_those_of_what_was_heard(rng: np.random.Generator) -> None:
    """The kernel is as wide as those lie apart; nothing is judged where there is nothing to compare."""
    heard, made = rng.standard_normal((7, 4)), 3 * rng.standard_normal((7, 4)) + 1
    width = float(np.median([np.linalg.norm(x - y) for x, y in combinations(heard, 2)]))
    distance = kernel_distance(made, heard, bandwidth=width)
    assert kernel_distance(made, heard) == pytest.approx(distance)
    same = np.vstack([heard, np.repeat(heard[:1], 9, axis=0)])  # more pairs are equal than not
    apart = [d for x, y in combinations(same, 2) if (d := np.linalg.norm(x - y)) > 0]
    assert kernel_distance(made, same) == pytest.approx(kernel_distance(made, same, bandwidth=float(np.median(apart))))
    rows = evaluate_vectors({"hum": made}, heard)
    assert [(row.method, row.encoder, row.measure) for row in rows] == [
        ("hum", "decoded space", "identification"),
        ("hum", "decoded space", "kernel distance"),
    ]
    assert [row.value for row in rows] == pytest.approx([identification_accuracy(made, heard).mean(), distance])
    assert rows[0].chance == 0.5
    assert np.isnan(rows[1].chance)
    assert evaluate_vectors({"hum": made[:1]}, heard[:1]) == []
    assert [row.measure for row in evaluate_vectors({"hum": made}, np.ones((7, 4)))] == ["identification"]


def test_missing_classifier_is_told() -> None:
    with pytest.raises(InputError, match="b2m models fetch audioset"):
        AudioSetTagger()


def test_sounds_are_identified_by_their_likes() -> None:
    """Nearly the same sounds; in another order they are not identified."""
    space = AudioEmbeddingSpace.of_model("acoustic", length=2.0)
    heard = [(tone(2.2, 100 * 1.5**i, i).astype(np.float32), 8000) for i in range(6)]
    made = [(tone(2.2, 103 * 1.5**i, i + 20).astype(np.float32), 8000) for i in range(6)]
    right = sound_identification(space, made, heard).mean()
    wrong = sound_identification(space, made[3:] + made[:3], heard).mean()
    assert right > 0.9 > 0.5 > wrong
    others = [(wave * (1 + 3 * i % 5), rate) for i, (wave, rate) in enumerate(made[::-1])]
    vectors, reference = (embed_sounds(space, own).astype(float) for own in (others, heard))
    spread = np.where(reference.std(axis=0) > 1e-6, reference.std(axis=0), np.inf)
    expected = identification_accuracy(*((one - reference.mean(axis=0)) / spread for one in (vectors, reference)))
    assert np.allclose(sound_identification(space, others, heard), expected)
    assert not np.allclose(identification_accuracy(vectors, reference), expected)
    mixed = [(resample(wave, rate, 11_025), 11_025) if i % 2 else (wave, rate) for i, (wave, rate) in enumerate(heard)]
    assert np.allclose(embed_sounds(space, mixed)[::2], embed_sounds(space, heard)[::2])
    with pytest.raises(InputError, match="one sound per clip"):
        sound_identification(space, made[1:], heard)


def test_intervals_over_subjects() -> None:
    """Against scipy's own interval; repeated rows of a subject count once."""
    from scipy.stats import t

    values = [0.7, 0.8, 0.75, 0.9, 0.6]
    rows: list[dict[str, Any]] = [
        {"subject": f"{i}", "method": "retrieved", "measure": "x", "value": value + sign * 0.01}
        for i, value in enumerate(values)
        for sign in (-1, 1)
    ]
    rows.append({"subject": "0", "method": "chance", "measure": "x", "value": 0.5})
    found = over_subjects(pd.DataFrame(rows)).set_index("method")
    low, high = t.interval(0.95, 4, loc=np.mean(values), scale=np.std(values, ddof=1) / np.sqrt(5))
    assert found.loc["retrieved", ["subjects", "mean", "low", "high"]].tolist() == pytest.approx([5, 0.75, low, high])
    assert found.loc["chance", "subjects"] == 1
    assert np.isnan(found.loc["chance", "low"])
    with pytest.raises(InputError, match="lacks columns"):
        over_subjects(pd.DataFrame(rows), by=["encoder"])


def test_intervals_of_proportions_stay_within_their_range(rng: np.random.Generator) -> None:
    """Close to one, where Student's interval ends beyond it; and right in the middle, against simulated subjects."""
    rows = [{"subject": s, "method": "oracle", "measure": "identification", "value": v}
            for s, v in zip("uv", (0.8129, 0.8471), strict=True)]  # fmt: skip
    [row] = over_subjects(pd.DataFrame(rows)).to_dict("records")
    assert 0 < row["low"] < 0.83 < row["high"] < 1  # 0.613 to 1.048 by Student's t
    for values in ([1.0, 1.0], [0.0, 1.0], [1.0, 0.99, 1.0], [0.0, 0.01]):
        low, high = mean_interval(values)
        assert 0 <= low <= np.mean(values) <= high <= 1
    for truth, n in ((0.6, 5), (0.9, 5), (0.9, 20)):
        held = [low <= truth <= high for low, high in
                (mean_interval(rng.beta(8 * truth, 8 * (1 - truth), n)) for _ in range(800))]  # fmt: skip
        assert 0.92 < np.mean(held) < 0.99


def test_answers_in_clusters_count_less(rng: np.random.Generator) -> None:
    """Answers to one clip are related: the exact interval holds the truth too rarely, that over clips does not."""
    exact, clustered = [], []
    for _ in range(300):
        share = rng.beta(1.4, 0.6, 20)
        right = rng.random((20, 10)) < share[:, None]
        low, high = exact_interval(int(right.sum()), right.size)
        exact.append(low <= 0.7 <= high)
        low, high = cluster_interval(right.ravel(), np.repeat(np.arange(20), 10))
        clustered.append(low <= 0.7 <= high)
    assert np.mean(exact) < 0.8
    assert 0.91 < np.mean(clustered) < 0.985
    assert np.isnan(cluster_interval([True, False], ["x", "x"])).all()
