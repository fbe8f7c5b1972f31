"""Stimuli that are presented again are held out together: blocks, gaps, and the interval of joined folds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.signal import lfilter

from b2m_encoding.analysis.encoding.encode import encode_subject
from b2m_encoding.analysis.encoding.refits import of_random_phase, runs_alike
from b2m_encoding.analysis.encoding.sizes import training_runs
from b2m_encoding.analysis.shared_stimuli import cut_blocks, join_blocks, known_from_training
from b2m_encoding.analysis.splits import describe_cues, describe_repeats, split_samples
from b2m_encoding.data import Responses
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import Unplaced
from b2m_encoding.stats.repeats import copies_of_samples, first_presentations
from b2m_encoding.study import EvaluationTable, Study

N = 240


def story(n_runs: int) -> Runs:
    names = np.repeat([f"run-{i}" for i in range(n_runs)], N)
    return Runs.from_labels(names, 1.5, clip=["story"] * len(names))


def songs(rng: np.random.Generator, rest: int, warm_up: int = 0) -> Runs:
    """Three runs of ten songs, each in another order, with a rest after each song."""
    clips: list[str] = []
    for _ in range(3):
        clips += ["warm-up"] * warm_up
        for song in rng.permutation(10).tolist():
            clips += [f"song {song}"] * 8 + [""] * rest
    return Runs.from_labels(np.repeat(list("abc"), len(clips) // 3), 1.5, clip=clips)


def noise(rng: np.random.Generator, rho: float, n: int) -> np.ndarray:
    return lfilter([1], [1, -rho], rng.standard_normal((N + 80, n)) * np.sqrt(1 - rho**2), axis=0)[80:]


@pytest.mark.parametrize("rest", [0, 3])
def test_no_moment_of_a_stimulus_is_in_training_and_test(rng: np.random.Generator, rest: int) -> None:
    table = EvaluationTable.model_validate({"kind": "cross-validation", "blocks": 5, "gap": 4.5})
    given = songs(rng, rest)
    runs, splits = split_samples(given, table)
    first, n_gap = first_presentations(given), 3
    assert len(splits) == 5
    assert np.sum([split.test for split in splits], axis=0).max() == 1
    for split in splits:
        assert not set(first[split.test]) & set(first[split.train])
        for rows in runs.slices.values():
            train, test = (np.flatnonzero(mask[rows]) for mask in (split.train, split.test))
            assert np.abs(train[:, None] - test).min() > n_gap
    assert runs.used.mean() > 0.6


def test_a_story_is_cut_at_the_same_time_in_all_runs() -> None:
    given = story(3)
    runs, once = cut_blocks(given, 6, 9.0), given.split(6, 9.0)
    assert np.array_equal(runs.used, once.used)
    assert runs.blocks == tuple("123456")
    assert all(np.array_equal(runs.block[rows], runs.block[:N]) for rows in runs.slices.values())
    assert join_blocks(once).blocks == tuple(f"run-0/{i}" for i in range(1, 7))  # cut before, by hand
    alone = Runs.from_lengths([N] * 2, 1.5)
    assert np.array_equal(cut_blocks(alone, 6, 9.0).block, alone.split(6, 9.0).block)


def test_runs_with_stimuli_in_common_are_one_fold() -> None:
    runs = Runs.from_labels(list("aabbccdd"), 1.5, clip=list("vwxyyzuu"))
    assert [split.test.tolist().index(True) for split in split_samples(runs, CROSS)[1]] == [0, 2, 6]


def test_runs_of_the_same_stimuli_are_held_out_as_they_are_and_it_is_told() -> None:
    runs, splits = split_samples(story(4), CROSS)
    assert len(splits) == 4
    assert known_from_training(runs)
    said = describe_repeats(story(4), splits, CROSS)
    assert said is not None
    assert "evaluation.blocks" in said
    parts = CROSS.model_copy(update={"blocks": 6})
    runs, splits = split_samples(story(4), parts)
    assert not known_from_training(runs)
    said = describe_repeats(runs, splits, parts)
    assert said is not None
    assert said.startswith("6 folds hold out all presentations")


def test_two_pairs_of_runs_leave_two_runs_to_choose_the_penalty(tmp_path: Path) -> None:
    runs = Runs.from_labels(list("aabbccdd"), 1.5, clip=list("xyyxzwwz"))
    table = study(tmp_path).model_copy(update={"evaluation": CROSS})
    joined, splits = split_samples(runs, CROSS)
    assert [split.test.tolist() for split in splits] == [[True] * 4 + [False] * 4, [False] * 4 + [True] * 4]
    training, _ = training_runs(joined, table, splits[0])
    assert training.blocks == ("c", "d")


def test_a_clip_that_is_discarded_joins_no_runs(rng: np.random.Generator) -> None:
    runs = Runs.from_labels(list("aaabbbccc"), 1.5, clip=list("wxxwyywzz"))
    assert len(split_samples(runs.discard(1.5), CROSS)[1]) == 3


@pytest.mark.parametrize("every", [30, 60], ids=["a cue before each clip", "a cue before each run"])
@pytest.mark.parametrize("blocks", [None, 4])
def test_a_cue_of_all_runs_joins_none_and_is_left_out(every: int, blocks: int | None) -> None:
    clips = [f"{run}{row // every}" if row % every else "beep" for run in "abcd" for row in range(60)]
    given = Runs.from_labels(np.repeat(list("abcd"), 60), 1.5, clip=clips)
    runs, splits = split_samples(given, CROSS.model_copy(update={"blocks": blocks}))
    assert not known_from_training(runs)
    assert len(splits) == (blocks or 4)
    if blocks is None:
        cue = np.array(clips) == "beep"
        assert np.array_equal(runs.used, ~cue)
        said = describe_cues(given, runs)
        assert said is not None
        assert said.startswith(f"{cue.sum()} of 240 samples are left out: most runs present beep")
    else:
        assert runs.used.mean() > 0.95


def test_songs_of_all_runs_are_no_cues() -> None:
    clips = [f"song {row // 4}" if row < 8 else f"{run}{row}" for run in "abcd" for row in range(60)]
    given = Runs.from_labels(np.repeat(list("abcd"), 60), 1.5, clip=clips)
    runs, splits = split_samples(given, CROSS)
    assert runs.used.all()
    assert describe_cues(given, runs) is None
    said = describe_repeats(runs, splits, CROSS)
    assert said is not None
    assert "(song 0, song 1)" in said


def test_training_runs_of_the_same_stimuli_choose_the_penalty_together(tmp_path: Path) -> None:
    runs = Runs.from_labels(list("aabbccddtt"), 1.5, clip=list("xyyxzwwzuv"))
    [split] = split_samples(runs, (own := EvaluationTable(kind="test", test_runs="t")))[1]
    training, _ = training_runs(runs, study(tmp_path).model_copy(update={"evaluation": own}), split)
    assert training.block.tolist() == list("aaaacccc")


def test_a_cue_leaves_training_runs_of_the_same_stimuli_together(tmp_path: Path) -> None:
    songs = [[f"{pair}{row // 10}" for row in range(60)] for pair in "xyxyz"]
    clips = [clip if row else "beep" for run in songs for row, clip in enumerate(run)]
    runs = Runs.from_labels(np.repeat(list("abcdt"), 60), 1.5, clip=clips)
    own = EvaluationTable(kind="test", test_runs="t")
    [split] = split_samples(runs, own)[1]
    training, _ = training_runs(runs, study(tmp_path).model_copy(update={"evaluation": own}), split)
    assert training.used.all()
    assert "".join(training.block[::60]) == "abab"


@pytest.mark.parametrize("with_cue", [6, 5, 4])
def test_a_cue_of_most_runs_joins_none(with_cue: int) -> None:
    clips = ["beep" if row == 0 and run < with_cue else f"{run} {row // 10}" for run in range(6) for row in range(60)]
    runs = Runs.from_labels(np.repeat(list("abcdef"), 60), 1.5, clip=clips)
    assert join_blocks(runs).blocks == tuple("abcdef")
    assert runs.used.sum() - join_blocks(runs).used.sum() == with_cue


def test_a_clip_in_a_gap_is_no_cue() -> None:
    clips = [f"{run} {row // 30}" for run in range(6) for row in range(60)]
    clips[30] = clips[90] = "short"
    given = Runs.from_labels(np.repeat(list("abcdef"), 60), 1.5, clip=clips)
    runs, _ = split_samples(given, CROSS.model_copy(update={"blocks": 2, "gap": 9.0}))
    assert describe_cues(given, runs) is None


def test_parts_of_a_story_choose_the_penalty_whatever_the_folds(tmp_path: Path) -> None:
    own = study(tmp_path)
    own = own.model_copy(
        update={
            "evaluation": CROSS.model_copy(update={"blocks": 4}),
            "model": own.model.model_copy(update={"folds": 4}),
        }
    )
    runs, splits = split_samples(story(6), own.evaluation)
    training, _ = training_runs(runs, own, splits[0])
    assert not known_from_training(training)


def test_stimuli_join_more_runs_than_there_are_folds(tmp_path: Path) -> None:
    runs = Runs.from_labels(list("aabbccddee"), 1.5, clip=list("xyyxzwwzuv"))
    table = study(tmp_path)
    table = table.model_copy(update={"evaluation": CROSS, "model": table.model.model_copy(update={"folds": 3})})
    joined, splits = split_samples(runs, CROSS)
    training, _ = training_runs(joined, table, splits[0])
    assert len(training.folds(3)) == 3


CROSS = EvaluationTable(kind="cross-validation")


def test_a_longer_presentation_stays_in_one_block() -> None:
    clips = ["x"] * 6 + ["y"] * 6 + ["y"] * 7 + ["x"] * 5
    runs = Runs.from_labels(["a"] * 12 + ["b"] * 12, 1.5, clip=clips)
    assert "".join(cut_blocks(runs, 2).block.tolist()) == "111111222222" + "222222211111"


def test_pieces_of_one_presentation_are_no_copies() -> None:
    """Folds cut a story: its parts are different moments, whatever run they are called."""
    whole = Runs.from_labels(["a"] * 60, 1.5, clip=["story"] * 60)
    names = np.repeat(["0/a", "1/a", "2/a"], 20)
    pieces = Runs.from_labels(names, 1.5, clip=whole.clip, presentation=whole.presentation)
    assert copies_of_samples(pieces) is None
    assert copies_of_samples(Runs.from_labels(names, 1.5, clip=whole.clip)) is not None


def test_the_same_phases_keep_what_follows_the_stimulus_alike(rng: np.random.Generator) -> None:
    runs, one = story(2), rng.standard_normal((N, 3)).astype(np.float32)
    assert runs_alike(runs)
    assert not runs_alike(songs(rng, 0))
    assert not runs_alike(Runs.from_lengths([N] * 2, 1.5))
    moved = of_random_phase(np.tile(one, (2, 1)), runs, rng, same=True)
    assert np.allclose(moved[:N], moved[N:], atol=1e-5)
    assert abs(np.corrcoef(moved[:N, 0], one[:, 0])[0, 1]) < 0.3
    apart = of_random_phase(np.tile(one, (2, 1)), runs, rng)
    assert not np.allclose(apart[:N], apart[N:], atol=0.1)


def test_the_interval_holds_0_where_features_explain_nothing_of_a_reliable_response(tmp_path: Path) -> None:
    """Were runs held out, the response would be known from the others, and r too high."""
    held, p, r = [], [], []
    for number in range(12):
        rng = np.random.default_rng(number)
        features, response = np.tile(noise(rng, 0.8, 12), (3, 1)), np.tile(noise(rng, 0.8, 25), (3, 1))
        measured = response + np.concatenate([noise(rng, 0.5, 25) for _ in range(3)])
        own = Responses.from_array(measured.astype(np.float32), story(3), Unplaced(25))
        spaces = {"f": FeatureSpace("f", features.astype(np.float32), story(3))}
        found = encode_subject(own, spaces, study(tmp_path))
        assert found.interval is not None
        held.append((found.interval.low <= 0) & (found.interval.high >= 0))
        p.append(found.p < 0.05)
        r.append(found.interval.score)
    assert 0.9 < np.mean(held) < 0.985
    assert 0.02 < np.mean(p) < 0.09
    assert abs(np.mean(r)) < 0.04


def test_there_is_no_interval_where_the_response_is_known_from_training(
    rng: np.random.Generator, tmp_path: Path
) -> None:
    features, response = np.tile(noise(rng, 0.8, 3), (3, 1)), np.tile(noise(rng, 0.8, 5), (3, 1))
    own = Responses.from_array((response + rng.standard_normal((3 * N, 5))).astype(np.float32), story(3), Unplaced(5))
    spaces = {"f": FeatureSpace("f", features.astype(np.float32), story(3))}
    assert encode_subject(own, spaces, study(tmp_path)).interval is not None
    by_runs = study(tmp_path).model_copy(update={"evaluation": CROSS})
    found = encode_subject(own, spaces, by_runs)
    assert found.interval is None
    assert np.isfinite(found.p).all()


def study(tmp_path: Path) -> Study:
    return Study.model_validate(
        {
            "name": "s",
            "output": str(tmp_path / "r"),
            "data": {"reader": "table", "files": "{subject}.txt", "regions": ["a"], "tr": 1.5},
            "features": {"f": {"extractor": "word_rate", "textgrid": "x"}},
            "model": {"delays": [0.0]},
            "evaluation": {"kind": "cross-validation", "blocks": 6, "gap": 9.0},
            "statistics": {"permutations": 100, "refits": 1000, "audit": False, "partition": False, "bootstraps": 200},
        }
    )
