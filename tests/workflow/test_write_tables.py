"""Comparison of feature spaces, audit and generalisation, from responses to tables, maps and report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from scipy.signal import lfilter

from b2m_encoding.analysis.checks import check_groups
from b2m_encoding.analysis.decoding.decode import decode_subject
from b2m_encoding.analysis.decoding.windows import ToDecode
from b2m_encoding.analysis.encoding.audit import audit_subject
from b2m_encoding.analysis.encoding.encode import encode_subject
from b2m_encoding.analysis.encoding.encoding import Encoding
from b2m_encoding.analysis.encoding.generalise import without_groups, without_subjects
from b2m_encoding.analysis.encoding.inter_subject import Measured, inter_subject_bounds
from b2m_encoding.analysis.encoding.sizes import wanted_models
from b2m_encoding.analysis.tables.breakdown import breakdown_rows
from b2m_encoding.analysis.tables.regions import block_scores, comparison, partition_rows, score_rows, study_regions
from b2m_encoding.analysis.windows import windowed
from b2m_encoding.data import Recording, Responses
from b2m_encoding.errors import InputError
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.results.bundle import ResultsWriter
from b2m_encoding.results.place import check_writable
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import RegionSpace, Unplaced, VolumeSpace, grayordinate_space, surface_space
from b2m_encoding.stats import NoCeiling
from b2m_encoding.study import DecodingTable, EvaluationTable, StatisticsTable, Study
from b2m_encoding.workflow.check import _check_evaluation

GENRES = ("blues", "jazz", "metal", "pop")
NAMES = ("acoustic", "text")


def study(tmp_path: Path, **statistics: object) -> Study:
    table = {
        "name": "study",
        "output": str(tmp_path / "results"),
        "data": {"reader": "table", "files": "{subject}.txt", "regions": ["a"], "tr": 1.5},
        "features": {
            "acoustic": {"extractor": "acoustic", "stimuli": str(tmp_path)},
            "text": {"extractor": "caption", "captions": "x"},
        },
        "cleaning": {"detrend": "none"},
        "model": {"delays": [0.0, 1.5], "delay_prior": "flat", "alphas": {"low": 1e-2, "high": 1e5, "number": 15}},
        "evaluation": {"kind": "test", "test_runs": "test*"},
        "statistics": {"permutations": 300, "refits": 1000, "bootstraps": 100, **statistics},
    }
    return Study.model_validate(table)


@pytest.fixture
def listening() -> tuple[Recording, dict[str, FeatureSpace]]:
    """Three training runs, one test run; targets 0-2 follow the sound, 3-5 the words, 6-8 both, the rest nothing."""
    rng = np.random.default_rng(0)
    numbers = iter(range(1000))
    clips = [f"{genre}.{next(numbers):05d}" for _ in range(4) for genre in rng.permutation(np.tile(GENRES, 4))]
    runs = Runs.from_labels(np.repeat(["train-1", "train-2", "train-3", "test-1"], 160), 1.5, clip=np.repeat(clips, 10))
    runs = replace(runs, group=np.array([clip.partition(".")[0] for clip in runs.clip]))
    values = {
        "acoustic": rng.standard_normal((640, 4)).astype(np.float32),
        "text": np.repeat(rng.standard_normal((64, 3)), 10, axis=0).astype(np.float32),
    }
    drive = {name: v @ rng.standard_normal((v.shape[1], 20)) / np.sqrt(v.shape[1]) for name, v in values.items()}
    drive["acoustic"][:, [3, 4, 5, *range(9, 20)]] = 0
    drive["text"][:, [0, 1, 2, *range(9, 20)]] = 0
    noise = lfilter([1], [1, -0.3], rng.standard_normal((640, 20)), axis=0)
    space = RegionSpace(tuple(f"region {i}" for i in range(20)))
    responses = Responses.from_array(drive["acoustic"] + drive["text"] + noise, runs, space)
    return Recording("01", responses), {name: FeatureSpace(name, v, runs) for name, v in values.items()}


def audit(recording: Recording, spaces: dict[str, FeatureSpace], table: Study) -> dict[str, str]:
    encoding = encode_subject(recording.responses, spaces, table)
    return {check.name: check.status for check in audit_subject(encoding, recording, spaces, table)}


def r2_about_own_means(found: Encoding) -> np.ndarray:
    """R2 of the joint model if a wrong mean of a prediction, split by split, counted for nothing."""
    assert found.held_out is not None
    sums = found.held_out.sums
    own = sums.models[NAMES]
    splits = [sums.split == label for label in np.unique(sums.split)]
    offset = sum(own.p[rows].sum(0) ** 2 / sums.n[rows].sum() for rows in splits)
    explained: np.ndarray = ((2 * own.py - own.pp).sum(0) + offset) / sums.yy.sum(0)
    return explained


def test_drives_are_told_apart_by_preference_and_partition(
    listening: tuple[Recording, dict[str, FeatureSpace]], tmp_path: Path
) -> None:
    recording, spaces = listening
    found = encode_subject(recording.responses, spaces, study(tmp_path))
    assert found.preference is not None
    assert found.preference.index[:6].tolist() == [0, 0, 0, 1, 1, 1]
    assert (found.preference.index[9:] < 0).all()
    assert found.partition is not None
    unique = found.partition.unique
    assert (unique["acoustic"][:3] > 0.2).all()
    assert (np.abs(unique["text"][:3]) < 0.05).all()
    total = sum(found.partition.parts.values())
    assert np.allclose(total, found.r2["joint"])
    assert found.product is not None
    assert np.allclose(sum(found.product.values()), r2_about_own_means(found), atol=1e-5)
    assert (found.product["acoustic"][:3] > 0.2).all()
    assert (np.abs(found.product["text"][:3]) < 0.1).all()
    assert found.stack is not None
    assert np.allclose(sum(found.stack.values()), 1)
    interval = found.partition.interval
    assert interval is not None
    assert np.isfinite(interval[("acoustic",)][:, :9]).all()
    assert found.interval is not None
    assert (found.interval.low[:9] < found.r["joint"][:9]).all()
    assert np.isfinite(found.significance.p_fwe).all()


@pytest.mark.parametrize(("correction", "test"), [("by", "auto"), ("fwe", "block"), ("bh", "clip"), ("bh", "paper")])
def test_every_test_and_correction_of_the_study_file_runs(
    listening: tuple[Recording, dict[str, FeatureSpace]], tmp_path: Path, correction: str, test: str
) -> None:
    recording, spaces = listening
    found = encode_subject(recording.responses, spaces, study(tmp_path, correction=correction, test=test))
    assert (found.q[:9] < 0.05).sum() >= 8
    assert (found.q[9:] < 0.05).sum() <= 2
    if correction == "fwe":
        assert np.array_equal(found.q, found.significance.p_fwe)


def test_slices_of_targets_give_the_same_numbers(
    listening: tuple[Recording, dict[str, FeatureSpace]], tmp_path: Path
) -> None:
    recording, spaces = listening
    table = study(tmp_path)
    whole = encode_subject(recording.responses, spaces, table)
    assert whole.product is not None
    three = table.model_copy(update={"model": table.model.model_copy(update={"parts": 3})})
    sliced = encode_subject(recording.responses, spaces, three)
    for name, r in whole.r.items():
        assert np.allclose(r, sliced.r[name], atol=1e-6)
    assert np.allclose(whole.p, sliced.p)
    assert np.allclose(whole.product["text"], sliced.product["text"], atol=1e-6)  # type: ignore[index]
    assert np.allclose(whole.stack[("text",)], sliced.stack[("text",)], atol=1e-4)  # type: ignore[index]
    assert whole.held_out is not None
    assert sliced.held_out is not None
    assert np.array_equal(whole.held_out.audited.training, sliced.held_out.audited.training)  # type: ignore[union-attr]


def test_a_clean_study_passes_the_audit(listening: tuple[Recording, dict[str, FeatureSpace]], tmp_path: Path) -> None:
    found = audit(*listening, study(tmp_path))
    assert found.pop("stimulus overlap (sound)") == "not possible"
    assert found.pop("alpha at edge") in ("pass", "warn")  # one of nine targets is more than a tenth
    assert set(found.values()) == {"pass"}, found
    assert len(found) == 5


def test_planted_leaks_are_caught(listening: tuple[Recording, dict[str, FeatureSpace]], tmp_path: Path) -> None:
    recording, spaces = listening
    runs = recording.responses.runs
    clip = runs.clip.copy()
    clip[-10:] = clip[0]
    values = spaces["text"].values
    scaled = ((values - values.mean(0)) / values.std(0)).astype(np.float32)
    drift = np.tile(np.linspace(-3, 3, 160), 4)[:, None]
    leaky = replace(runs, clip=clip)
    for name in np.unique(clip):
        path = tmp_path / name.split(".")[0] / f"{name}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, np.full(10, int(name[-5:]) / 1000), 8000)
    responses = Responses.from_array(recording.responses.load() + drift, leaky, recording.responses.space)
    spaces = {"acoustic": replace(spaces["acoustic"], runs=leaky), "text": FeatureSpace("text", scaled, leaky)}
    found = audit(replace(recording, responses=responses), spaces, study(tmp_path))
    for name in ("time-only model", "stimulus overlap (clip names)", "features fitted to test samples",
                 "stimulus overlap (sound)", "drift within runs"):  # fmt: skip
        assert found[name] == "fail", name


def test_region_tables_follow_from_one_subject(
    listening: tuple[Recording, dict[str, FeatureSpace]], tmp_path: Path
) -> None:
    recording, spaces = listening
    table, space = study(tmp_path), recording.responses.space
    encoding = encode_subject(recording.responses, spaces, table)
    masks = study_regions(space, table)
    rows = pd.DataFrame(partition_rows("01", encoding, masks, table))
    first = rows[rows["region"] == "region 0"].set_index("part")
    assert first.loc["acoustic", "r2"] == pytest.approx(encoding.partition.unique["acoustic"][0])  # type: ignore[union-attr]
    assert first.loc["acoustic", "low"] > 0.1
    regions = pd.DataFrame(score_rows("01", encoding, masks, table))
    found = comparison(regions, {"01": block_scores("01", encoding, masks, table)}, table)
    assert found is not None
    tests = found.tests.set_index("region")
    assert tests.loc["region 0", "q"] < 0.05
    assert tests.loc["region 0", "difference"] > 0.2
    assert tests.loc["region 15", "q"] > 0.05
    assert replace(encoding, held_out=None).held_out is None


def test_groups_and_subjects_are_left_out(listening: tuple[Recording, dict[str, FeatureSpace]], tmp_path: Path) -> None:
    recording, spaces = listening
    table = study(tmp_path)
    left = without_groups(recording, spaces, table)
    assert set(left.labels) == set(GENRES)
    assert (left.pooled_without[:9] > 0.2).all()
    assert np.abs(left.pooled_without[9:]).mean() < 0.15
    others = without_subjects(dict.fromkeys("abc", recording), dict.fromkeys("abc", spaces), table)
    assert set(others) == set("abc")
    assert (others["a"][:9] > 0.25).all()


def test_models_of_a_study() -> None:
    assert wanted_models(("a", "b"), StatisticsTable(audit=False)) == [("a",), ("b",), ("a", "b")]
    assert len(wanted_models(tuple("abc"), StatisticsTable(audit=False))) == 7
    assert len(wanted_models(tuple("abcd"), StatisticsTable(audit=False))) == 5
    assert len(wanted_models(tuple("abcd"), StatisticsTable(audit=False, preference="unique"))) == 9
    assert len(wanted_models(tuple("abcd"), StatisticsTable(audit=True, partition=True))) == 16
    assert wanted_models(("a",), StatisticsTable()) == [("time-only",), ("a",)]


def test_group_maps_do_not_stand_in_the_way_of_a_second_run(tmp_path: Path) -> None:
    with ResultsWriter(tmp_path / "results", "study", ["01"]) as writer:
        writer.write_map("group", "preference", "index", np.zeros(2), RegionSpace(("a", "b")), {})
    check_writable(tmp_path / "results", ["01"])


@pytest.mark.parametrize("kind", ["volume", "grayordinates"])
def test_voxels_and_grayordinates_have_regions_too(kind: str, tmp_path: Path) -> None:
    affine = np.array([[4.0, 0, 0, -90], [0, 4, 0, -126], [0, 0, 4, -72], [0, 0, 0, 1]])
    volume = VolumeSpace(np.ones((46, 55, 46), dtype=bool), affine)
    space = volume if kind == "volume" else grayordinate_space()
    table = study(tmp_path)
    table = table.model_copy(update={"maps": table.maps.model_copy(update={"regions": ("A1",)})})
    found = {hemi: mask for hemi, _, mask in study_regions(space, table)}
    assert set(found) == {"L", "R"}
    assert not (found["L"] & found["R"]).any()
    assert all(5 < mask.sum() < 100 for mask in found.values())
    if kind == "volume":
        assert volume.points[found["L"]].mean(axis=0) == pytest.approx((-46, -22, 8), abs=6)
    own_space = VolumeSpace(volume.mask, affine, "T1w")
    assert study_regions(own_space, table) == []


@pytest.mark.parametrize("solver", ["ridge", "banded"])
def test_a_subject_without_a_testable_target_is_analysed_to_the_end(
    listening: tuple[Recording, dict[str, FeatureSpace]], tmp_path: Path, solver: str
) -> None:
    recording, spaces = listening
    flat = Responses.from_array(np.zeros((640, 4)), recording.responses.runs, RegionSpace(("a", "b", "c", "d")))
    table = study(tmp_path)
    table = table.model_copy(update={"model": table.model.model_copy(update={"solver": solver})})
    encoding = encode_subject(flat, spaces, table)
    assert not encoding.tested.any()
    assert np.isnan(encoding.q).all()
    found = {check.name: check for check in audit_subject(encoding, replace(recording, responses=flat), spaces, table)}
    assert np.isnan(found["fold gap"].value)


def test_few_averaged_clips_fall_back_on_blocks(
    listening: tuple[Recording, dict[str, FeatureSpace]], tmp_path: Path
) -> None:
    recording, spaces = listening
    runs = recording.responses.runs
    test = runs.run == "test-1"
    clip = np.where(test, np.char.add("jazz.0000", (np.arange(len(runs)) % 160 // 40 % 2).astype(str)), runs.clip)
    long = Runs.from_labels(runs.run, runs.tr, clip=clip)
    table = study(tmp_path)
    table = table.model_copy(update={"evaluation": table.evaluation.model_copy(update={"average_repeats": True})})
    moved = {name: replace(space, runs=long) for name, space in spaces.items()}
    encoding = encode_subject(recording.responses.with_runs(long), moved, table)
    assert encoding.n_test == 80
    assert encoding.significance.method != "clip"
    assert np.isfinite(encoding.p).all()


def test_scores_by_run_clip_and_group(listening: tuple[Recording, dict[str, FeatureSpace]], tmp_path: Path) -> None:
    recording, spaces = listening
    table = study(tmp_path)
    encoding = encode_subject(recording.responses, spaces, table)
    rows = pd.DataFrame(breakdown_rows("01", encoding, table))
    assert rows.groupby("by")["label"].nunique().to_dict() == {"run": 1, "clip": 16, "group": 4}
    assert rows.groupby("by")["samples"].sum().to_dict() == {"run": 160, "clip": 160, "group": 160}
    inside = encoding.q < table.statistics.q
    whole = rows[rows["by"] == "run"].iloc[0]
    assert whole["score"] == pytest.approx(encoding.r["joint"][inside].mean(), abs=1e-5)
    assert (rows[rows["by"] == "group"]["score"] > 0.2).all()
    assert breakdown_rows("01", replace(encoding, held_out=None), table) == []


def test_penalties_of_a_banded_model_name_a_preference(
    listening: tuple[Recording, dict[str, FeatureSpace]], tmp_path: Path
) -> None:
    recording, spaces = listening
    table = study(tmp_path)
    banded = table.model.model_copy(update={"solver": "banded"})
    by_deltas = table.statistics.model_copy(update={"preference": "deltas"})
    table = table.model_copy(update={"model": banded, "statistics": by_deltas})
    found = encode_subject(recording.responses, spaces, table).preference
    assert found is not None
    assert found.index[:6].tolist() == [0, 0, 0, 1, 1, 1]
    assert np.isnan(found.q).all()


@pytest.mark.parametrize("kind", ["mass", "extent", "tfce"])
def test_clusters_of_a_surface_hold_the_targets_that_are_driven(
    listening: tuple[Recording, dict[str, FeatureSpace]], tmp_path: Path, kind: str
) -> None:
    recording, spaces = listening
    space = surface_space("fsaverage5")
    distance = np.linalg.norm(space.mid_points("L") - space.mid_points("L")[0], axis=1)
    around, patch = np.argsort(distance)[:250], np.argsort(distance)[:9]
    Y = np.full((640, space.n_targets), np.nan, dtype=np.float32)
    Y[:, around] = np.random.default_rng(1).standard_normal((640, 250))
    Y[:, patch] = recording.responses.load()[:, :9]
    responses = Responses.from_array(Y, recording.responses.runs, space)
    table = study(tmp_path, clusters=kind, cluster_permutations=100, audit=False)
    found = encode_subject(responses, spaces, table)
    assert found.clusters is not None
    assert (found.clusters.p[patch] < 0.05).mean() > 0.7
    assert (found.clusters.p[around[50:]] < 0.05).mean() < 0.02
    assert np.isnan(found.clusters.p[~found.tested]).all()
    with pytest.raises(InputError, match="mesh of a surface"):
        encode_subject(recording.responses, spaces, table)


def test_other_subjects_bound_the_score(listening: tuple[Recording, dict[str, FeatureSpace]], tmp_path: Path) -> None:
    recording, spaces = listening
    encoding = encode_subject(recording.responses, spaces, study(tmp_path, audit=False))
    assert encoding.held_out is not None
    rng = np.random.default_rng(0)
    own = Measured(encoding.held_out.measured, encoding.held_out.runs, recording.responses.space)
    noisy = replace(own, values=own.values + rng.standard_normal(own.values.shape).astype(np.float32))
    found = inter_subject_bounds({"01": own, "02": noisy, "groupmean": own})
    assert not isinstance(found, NoCeiling)
    assert set(found) == {"01", "02"}
    low, high = found["01"]
    assert np.allclose(low, [np.corrcoef(a, b)[0, 1] for a, b in zip(own.values.T, noisy.values.T, strict=True)])
    assert (high > low).all()
    other = replace(own, runs=replace(own.runs, clip=own.runs.clip[::-1]))
    for subjects, reason in (({"01": own}, "two or more"), ({"01": own, "02": other}, "same order")):
        none = inter_subject_bounds(subjects)
        assert isinstance(none, NoCeiling)
        assert reason in none.reason


def test_decoders_that_never_met_a_genre_identify_its_clips(
    listening: tuple[Recording, dict[str, FeatureSpace]], tmp_path: Path
) -> None:
    """Each is the decoder of the other genres' windows alone; one genre heard in training must not help it."""
    recording, spaces = listening
    decoding = DecodingTable(targets=("text",), window=6.0, lag=0.0, regions=1)
    table = study(tmp_path, generalise=("group",)).model_copy(update={"decoding": decoding})
    responses = recording.responses
    noise = np.random.default_rng(0).standard_normal((640, 40))
    Y = np.c_[responses.load(), 0.5 * noise + spaces["text"].values @ np.random.default_rng(1).standard_normal((3, 40))]
    unplaced = Responses.from_array(Y, responses.runs, Unplaced(Y.shape[1]))
    recording = windowed(replace(recording, responses=unplaced), decoding.windows)
    heard = np.concatenate(
        [recording.windows.run_responses(name, v) for name, v in responses.runs.each_run(spaces["text"].values)]
    )
    text = FeatureSpace("text", heard, recording.responses.runs)
    [found] = decode_subject(ToDecode.of(recording.responses, text, table), None, table)
    assert found.unheard is not None
    assert found.unheard_chance is not None
    low, high = found.unheard_chance
    assert low < 0.5 < high < found.unheard.mean()
    assert found.accuracy.mean() > high
    assert found.summary()["identification_accuracy_unheard_group"] == found.unheard.mean()
    null = replace(text, values=np.random.default_rng(2).permutation(heard))
    [nothing] = decode_subject(ToDecode.of(recording.responses, null, table), None, table)
    assert nothing.unheard is not None
    assert abs(nothing.unheard.mean() - 0.5) < 0.25


def test_what_a_study_cannot_have_is_told_by_check(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="banded"):
        study(tmp_path, preference="deltas")
    for option in ({"clusters": "tfce"}, {"correction": "fwe"}):
        with pytest.raises(ValueError, match="has none"):
            study(tmp_path, test="paper", **option)
    runs = Runs.from_lengths([240, 240, 30], 1.5)  # a short run is a held-out part of one block
    short = Recording("01", Responses.from_array(np.zeros((510, 1)), runs, RegionSpace(("a",))))
    table = study(tmp_path, block=45.0).model_copy(update={"evaluation": EvaluationTable(kind="cross-validation")})
    with pytest.raises(InputError, match=r"a single block: run .* has no second") as error:
        _check_evaluation(short, table)
    assert "found:    30 samples that are scored\n  expected: 60 or more" in str(error.value)
    for trained in (["a.1"] * 4, ["a.1", "a.1", "b.2", "b.2"]):  # none and one of the groups are heard in the test
        clips = [*trained, *["b.1"] * 4]
        groups = [clip[0] for clip in clips]
        runs = Runs.from_labels(["train"] * 4 + ["test"] * 4, 1.5, clip=clips, group=groups)
        with pytest.raises(InputError, match="two groups"):
            check_groups(runs, study(tmp_path, generalise=("group",)))


def test_products_of_several_splits_add_up_to_the_pooled_r2(
    listening: tuple[Recording, dict[str, FeatureSpace]], tmp_path: Path
) -> None:
    recording, spaces = listening
    table = study(tmp_path, audit=False)
    table = table.model_copy(update={"evaluation": EvaluationTable(kind="cross-validation")})
    found = encode_subject(recording.responses, spaces, table)
    assert found.product is not None
    assert len(np.unique(found.held_out.sums.split)) == 4  # type: ignore[union-attr]
    assert np.allclose(sum(found.product.values()), r2_about_own_means(found), atol=1e-5)
    assert (sum(found.product.values()) > found.r2["joint"] - 1e-6).all()
