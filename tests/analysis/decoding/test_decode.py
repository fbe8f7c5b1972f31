"""Decoding within a study: every decoder, lags, calibration, other people, and what is written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from b2m_encoding.analysis.decoding import reranking
from b2m_encoding.analysis.decoding.across_subjects import decode_together
from b2m_encoding.analysis.decoding.decode import Decoding, decode_subject, to_decode
from b2m_encoding.analysis.decoding.decoders import decoded_regions, new_decoders
from b2m_encoding.analysis.decoding.reranking import fit_reranking_model
from b2m_encoding.analysis.decoding.windows import Units, per_clip
from b2m_encoding.analysis.encoding.encode import encode_subject
from b2m_encoding.analysis.encoding.own_windows import own_scores
from b2m_encoding.analysis.study_results import StudyResults
from b2m_encoding.analysis.tables.brain2music_table2 import (
    decoding_table,
    shown,
    warnings_of,
)
from b2m_encoding.analysis.windows import stimulus_timeline, windowed, windows_of_features
from b2m_encoding.cli.app import console
from b2m_encoding.cli.decoding import print_decoding
from b2m_encoding.data import Recording, Responses
from b2m_encoding.decoding.chance import chance_interval
from b2m_encoding.decoding.decoders.base import ENCODER_ALPHAS, with_blocks
from b2m_encoding.decoding.decoders.calibration import Calibration, Scale
from b2m_encoding.decoding.decoders.ensemble import mean_direction
from b2m_encoding.decoding.decoders.pooled import PooledDecoder
from b2m_encoding.decoding.decoders.region import RegionDecoder
from b2m_encoding.decoding.decoders.ridge import RidgeDecoder
from b2m_encoding.decoding.generators.rank import rank_by_responses
from b2m_encoding.decoding.identification import correlations, identification_accuracy
from b2m_encoding.features.extractors import build_spaces
from b2m_encoding.models import EncodingModel
from b2m_encoding.results.bundle import ResultsWriter
from b2m_encoding.results.decoded import DecodedWindows, read_decoded
from b2m_encoding.results.schema.brain2music import EMBEDDINGS
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import RegionSpace, Unplaced, VolumeSpace
from b2m_encoding.study import StatisticsTable, Study, WindowsTable, load_study
from b2m_encoding.workflow.check import check_study
from b2m_encoding.workflow.templates import write_template
from b2m_encoding.workflow.write_maps import write_decodings

EVERY = ("regions", "ridge", "inverse", "contrastive", "ensemble")
GENRES = ("blues", "jazz", "metal", "pop")
LAG, TARGETS, DIMENSIONS = 3.0, 60, 6


def study(folder: Path, targets: tuple[str, ...] = ("mine",), **decoding: Any) -> Study:
    table = {
        "name": "study",
        "output": str(folder / "results"),
        "data": {"reader": "table", "files": "{subject}.txt", "regions": ["a"], "tr": 1.5},
        "features": {
            "mine": {"extractor": "array", "files": str(folder / "{run}.npy")},
            "text": {"extractor": "caption", "captions": "x"},
            "mulan": {"extractor": "muq_mulan", "stimuli": "x"},
        },
        "evaluation": {"kind": "test", "test_runs": "test*", "average_repeats": True},
        "decoding": {"targets": targets, "window": 9.0, "step": 3.0, "lag": LAG, **decoding},
    }
    return Study.model_validate(table)


@pytest.fixture
def people(tmp_path: Path) -> dict[str, Recording]:
    """Two people whose responses follow the sound 3 s later; features lie in files, a row for every volume."""
    rng = np.random.default_rng(0)
    heard, names = [], []
    for i, run in enumerate(["train-1", "train-2", "train-3", "train-4", "test-1"]):
        own = [f"{genre}.{10 * i + k:05d}" for k in range(3) for genre in rng.permutation(GENRES)]
        own = [*own, *own] if run == "test-1" else own
        names.append((run, np.repeat(own, 10)))
    of_clip: dict[str, Any] = {}
    for run, clips in names:
        rows = np.stack([of_clip.setdefault(str(clip), rng.standard_normal(DIMENSIONS)) for clip in clips])
        values = (2 * rows + 0.2 * rng.standard_normal(rows.shape) + 5).astype(np.float32)
        np.save(tmp_path / f"{run}.npy", values)
        heard.append(values)
    runs = Runs.from_labels(
        np.concatenate([np.repeat(run, len(clips)) for run, clips in names]),
        1.5,
        clip=np.concatenate([clips for _, clips in names]),
        presentation=np.concatenate([np.arange(len(clips)) // 10 + 100 * i for i, (_, clips) in enumerate(names)]),
        group=[str(clip).partition(".")[0] for _, clips in names for clip in clips],
    )
    found = {}
    for subject in ("01", "02"):
        weights = rng.standard_normal((DIMENSIONS, TARGETS)) * (np.arange(TARGETS) < 40)
        drive = [np.concatenate([np.zeros((2, TARGETS)), (part @ weights)[:-2]]) for part in heard]
        Y = np.concatenate(drive) + 8 * rng.standard_normal((len(runs), TARGETS))
        found[subject] = Recording(subject, Responses.from_array(Y, runs, Unplaced(TARGETS)))
    return found


def test_every_decoder_of_a_study_identifies_and_keeps_its_units(people: dict[str, Recording], tmp_path: Path) -> None:
    table = study(tmp_path, decoders=EVERY, best_targets=40)
    windows = to_decode(people["01"], "mine", {}, table)
    training, test = windows.training, windows.test
    found = decode_subject(windows, None, table)
    assert [one.decoder for one in found] == list(EVERY)
    for one in found:
        assert one.accuracy.mean() > one.chance_interval[1]
        assert one.lag == LAG
        assert one.predicted.shape == one.true.shape == (12, DIMENSIONS)
        clips = np.array([test.features[test.runs.clip == clip].mean(axis=0) for clip in one.clips])
        assert np.allclose(one.true, clips, atol=1e-4)
        assert abs(one.predicted.mean() - 5) < 1  # the units of the features, not standard ones
        of_windows = identification_accuracy(
            *map(Units.of(training.features).standard, (one.windows.vectors, test.features)), test.runs.clip
        )
        assert one.measures["identification_accuracy_windows"] == pytest.approx(of_windows.mean(), abs=1e-3)
        assert one.measures["2_way"] == pytest.approx(one.accuracy.mean())
        assert one.measures["identification_accuracy_training"] > 0.8
        standard = Units.of(training.features).standard
        again = identification_accuracy(standard(one.predicted), standard(one.true))
        assert np.allclose(again, one.accuracy, atol=0.1)
        for clip, merged in zip(one.clips, one.predicted, strict=True):
            starts, vectors = one.windows.of(clip)
            assert starts.tolist() == [0.0, 3.0, 6.0]
            assert np.allclose(vectors.mean(axis=0), merged, atol=1e-4)
    assert found[0].regions == ("all",)


@pytest.mark.parametrize("scale", ["none", "all"])
def test_decoding_written_out(people: dict[str, Recording], tmp_path: Path, scale: Scale) -> None:
    """Calibrated by cross-predictions, which an ensemble averages too; training and test are measured alike."""
    table = study(tmp_path, decoders=("regions", "ridge", "ensemble"), calibrate=scale, best_targets="all")
    windows = to_decode(people["01"], "mine", {}, table)
    training, test = windows.training, windows.test
    units = Units.of(training.features)
    standard, heard = units.standard(training.features), units.standard(test.features)
    decoders = [RegionDecoder({"all": np.ones(TARGETS, dtype=bool)}), RidgeDecoder()]
    said, crossed = [], []
    for decoder in decoders:
        decoder.fit(training.brain, standard, runs=training.runs)
        said.append([decoder.predict(part.brain, runs=part.runs) for part in (training, test)])
        crossed.append(decoder.cross_val_predict(training.brain, standard, runs=training.runs))
    said.append([mean_direction(parts) for parts in zip(*said, strict=True)])
    crossed.append(mean_direction(crossed))
    for one, (known, new), cross in zip(decode_subject(windows, None, table), said, crossed, strict=True):
        if scale == "all":
            calibration = Calibration(scale, norm=False).fit(cross, standard)
            known, new = calibration.transform(known), calibration.transform(new)
        assert np.allclose(one.windows.vectors, units.back(new), atol=1e-4)
        for name, (a, b) in {"correlation": (new, heard), "correlation_training": (known, standard)}.items():
            r = np.mean([np.corrcoef(x, y)[0, 1] for x, y in zip(a.T, b.T, strict=True)])
            assert one.measures[name] == pytest.approx(r, abs=1e-4)
        trained = identification_accuracy(per_clip(known, training.runs), per_clip(standard, training.runs))
        assert one.measures["identification_accuracy_training"] == pytest.approx(trained.mean())
        likest = correlations(per_clip(new, test.runs), per_clip(heard, test.runs)).argmax(axis=1)
        assert one.identified == tuple(one.clips[i] for i in likest) != one.clips


def test_calibration_restores_the_spread(people: dict[str, Recording], tmp_path: Path) -> None:
    spread = {}
    for scale in ("none", "all", "dimension"):
        table = study(tmp_path, decoders=("ridge",), calibrate=scale)
        [found] = decode_subject(to_decode(people["01"], "mine", {}, table), None, table)
        spread[scale] = found.predicted.std(axis=0).mean() / found.true.std(axis=0).mean()
    assert spread["none"] < 0.9 * spread["all"]
    assert spread["dimension"] == pytest.approx(1, abs=0.3)


def test_embeddings_of_one_length_are_decoded_with_that_length(people: dict[str, Recording], tmp_path: Path) -> None:
    windows = to_decode(people["01"], "mine", {}, study(tmp_path))
    training, test = (
        replace(part, features=3 * part.features / np.linalg.norm(part.features, axis=1, keepdims=True))
        for part in (windows.training, windows.test)
    )
    for scale, same in (("all", True), ("none", False)):
        table = study(tmp_path, decoders=("ridge",), calibrate=scale)
        [found] = decode_subject(replace(windows, training=training, test=test), None, table)
        assert np.allclose(np.linalg.norm(found.predicted, axis=1), 3, rtol=1e-3) == same


def test_the_lag_is_found_in_training(people: dict[str, Recording], tmp_path: Path) -> None:
    table = study(tmp_path, decoders=("ridge",), lags=(0.0, LAG, 9.0))
    assert to_decode(people["01"], "mine", {}, table).lag == LAG
    scrambled = people["01"].responses.load()
    test = people["01"].responses.runs.run == "test-1"
    scrambled[test] = np.random.default_rng(0).permutation(scrambled[test])
    other = Recording("01", Responses.from_array(scrambled, people["01"].responses.runs, Unplaced(TARGETS)))
    assert to_decode(other, "mine", {}, table).lag == LAG


def test_windows_of_a_target_may_be_its_own(people: dict[str, Recording], tmp_path: Path) -> None:
    table = study(tmp_path, own_windows={"mine": 15.0})
    windows = to_decode(people["01"], "mine", {}, table)
    assert len(windows.training.runs) == 4 * 12  # one window per presentation
    assert len(windows.test.runs) == 12  # of two presentations, averaged
    assert len(to_decode(people["01"], "mine", {}, study(tmp_path)).training.runs) == 3 * 4 * 12


@pytest.mark.parametrize("method", ["ridge", "procrustes", "srm"])
def test_people_are_decoded_together_and_by_others(people: dict[str, Recording], tmp_path: Path, method: str) -> None:
    table = study(tmp_path, align=method, best_targets=40, calibrate="all")
    found = decode_together(people, table)
    assert list(found) == ["01", "02"]
    for own in found.values():
        assert [one.decoder for one in own] == ["pooled", "others"]
        for one in own:
            assert one.accuracy.mean() > one.chance_interval[1]
            assert abs(one.predicted.mean() - 5) < 1
    assert decode_together(people, study(tmp_path)) == {}
    assert decode_together({"01": people["01"]}, table) == {}


def renamed(recording: Recording, run: str, clips: dict[str, str]) -> Recording:
    """Clips of a run under other names."""
    runs = recording.responses.runs
    clip = np.where(runs.run == run, [clips.get(str(name), str(name)) for name in runs.clip], runs.clip)
    return replace(recording, responses=replace(recording.responses, runs=replace(runs, clip=clip)))


def scrambled(recording: Recording, run: str) -> Recording:
    """Other responses in a run."""
    runs, Y = recording.responses.runs, recording.responses.load().copy()
    Y[runs.run == run] = np.random.default_rng(1).permutation(Y[runs.run == run])
    return replace(recording, responses=Responses.from_array(Y, runs, recording.responses.space))


def test_nobody_teaches_what_another_is_tested_with(people: dict[str, Recording], tmp_path: Path) -> None:
    table = study(tmp_path, align="procrustes", best_targets=40)
    tested = {f"{genre}.{30 + k:05d}": f"{genre}.{40 + k:05d}" for genre in GENRES for k in range(3)}
    leaky = renamed(people["02"], "train-4", tested)
    for other, same in ((leaky, True), (people["02"], False)):
        for one, changed in zip(
            decode_together({"01": people["01"], "02": other}, table)["01"],
            decode_together({"01": people["01"], "02": scrambled(other, "train-4")}, table)["01"],
            strict=True,
        ):
            assert np.array_equal(one.predicted, changed.predicted) == same


def test_a_decoder_of_several_people_has_one_unit(people: dict[str, Recording], tmp_path: Path) -> None:
    """The first hears two runs more than the second, of which the features vary more."""
    loud = ("train-3", "train-4")
    for run in loud:
        np.save(tmp_path / f"{run}.npy", 5 + 4 * (np.load(tmp_path / f"{run}.npy") - 5))
    runs, Y = people["01"].responses.runs, people["01"].responses.load().copy()
    Y[np.isin(runs.run, loud)] *= 4
    few, rows = runs.select(["train-1", "train-2", "test-1"])
    pair = {
        "01": replace(people["01"], responses=Responses.from_array(Y, runs, Unplaced(TARGETS))),
        "02": replace(
            people["02"],
            responses=Responses.from_array(people["02"].responses.load()[rows], few, Unplaced(TARGETS)),
        ),
    }
    [_, others] = decode_together(pair, study(tmp_path, align="ridge", best_targets=40, calibrate="none"))["02"]
    assert others.predicted.std() > 0.6 * others.true.std()


def test_others_are_decoded_by_a_decoder_fitted_to_them_alone(people: dict[str, Recording], tmp_path: Path) -> None:
    """The predictions of a decoder fitted to them, calibrated by its cross-validated predictions."""
    table = study(tmp_path, align="procrustes", best_targets=40, calibrate="all")
    given = {subject: to_decode(recording, "mine", {}, table) for subject, recording in people.items()}
    units = {name: Units.of(one.training.features) for name, one in given.items()}
    X = {name: one.training.brain for name, one in given.items()}
    Y = {name: units[name].standard(one.training.features) for name, one in given.items()}
    runs = {name: one.training.runs for name, one in given.items()}
    found = decode_together(people, table)
    for subject, other in (("01", "02"), ("02", "01")):
        for one, names in zip(found[subject], (["01", "02"], [other]), strict=True):
            decoder = PooledDecoder("procrustes", n_targets=40).fit(X, Y, runs=runs, training_subjects=names)
            calibration = Calibration("all", norm=False)
            calibration.fit(decoder.cross_val_predict(X, Y, runs=runs, subject=subject), Y[subject])
            test = given[subject].test
            predicted = calibration.transform(decoder.predict(test.brain, runs=test.runs, subject=subject))
            assert np.allclose(one.windows.vectors, units[subject].back(predicted), atol=1e-4)


@pytest.mark.parametrize("scale", ["none", "dimension"])
def test_clips_of_a_genre_are_decoded_by_who_never_met_it(
    people: dict[str, Recording], tmp_path: Path, scale: Scale
) -> None:
    """Ridge of the windows of other genres, in their units, calibrated by them; all test clips stay candidates."""
    table = study(tmp_path, decoders=("ridge",), calibrate=scale)
    table = table.model_copy(update={"statistics": StatisticsTable(generalise=("group",))})
    windows = to_decode(people["01"], "mine", {}, table)
    training, test = windows.training, windows.test
    [found] = decode_subject(windows, None, table)
    assert found.unheard is not None
    assert np.abs(found.unheard - found.accuracy).max() > 0.05
    genre, parts = np.array([clip.partition(".")[0] for clip in found.clips]), []
    for name in dict.fromkeys(genre.tolist()):
        others = training.take(training.runs.group != name)
        standard = Units.of(others.features).standard
        decoder = RidgeDecoder().fit(others.brain, standard(others.features), runs=others.runs)
        said = decoder.predict(test.brain, runs=test.runs)
        if scale == "dimension":
            crossed = decoder.cross_val_predict(others.brain, standard(others.features), runs=others.runs)
            said = Calibration(scale, norm=False).fit(crossed, standard(others.features)).transform(said)
        parts.append((per_clip(said, test.runs), per_clip(standard(test.features), test.runs), genre == name))
        expected = identification_accuracy(*parts[-1][:2])
        assert np.array_equal(found.unheard[genre == name], expected[genre == name])
    chance = chance_interval(parts, groups=genre, random_state=table.seed)
    assert found.unheard_chance == pytest.approx(chance, abs=0.02)  # ties of similarities, by rounding


def test_what_training_holds_of_a_genre_changes_nothing_for_its_clips(
    people: dict[str, Recording], tmp_path: Path
) -> None:
    table = study(tmp_path, decoders=("regions",), calibrate="dimension")
    table = table.model_copy(update={"statistics": StatisticsTable(generalise=("group",))})
    windows = to_decode(people["01"], "mine", {}, table)
    training, rng = windows.training, np.random.default_rng(1)
    own = (training.runs.group == "jazz")[:, None]
    brain, features = (
        np.where(own, 50 * rng.standard_normal(part.shape), part).astype(part.dtype)
        for part in (training.brain, training.features)
    )
    other = replace(windows, training=replace(training, brain=brain, features=features))
    for first, again in zip(*(decode_subject(one, None, table) for one in (windows, other)), strict=True):
        assert first.unheard is not None
        assert again.unheard is not None
        jazz = np.array([clip.startswith("jazz.") for clip in first.clips])
        assert np.array_equal(first.unheard[jazz], again.unheard[jazz])
        assert not np.array_equal(first.unheard[~jazz], again.unheard[~jazz])
        assert not np.array_equal(first.accuracy, again.accuracy)


def test_regions_come_from_a_table_and_volumes_are_one(tmp_path: Path) -> None:
    table = study(tmp_path, decoders=EVERY, best_targets="all")
    masks = decoded_regions(RegionSpace(("A1", "STG")), table)
    assert {name: mask.tolist() for name, mask in masks.items()} == {"A1": [True, False], "STG": [False, True]}
    volume = VolumeSpace(np.ones((2, 2, 2), dtype=bool), np.eye(4), "T1w")
    assert decoded_regions(volume, table)["all"].all()
    decoders = new_decoders(masks, table)
    assert list(decoders) == list(EVERY)
    assert decoders["ensemble"].members == [decoders[name] for name in EVERY[:4]]  # type: ignore[attr-defined]
    for best, expected in (("all", [None, None, None]), (40, [40, 40, 40])):
        decoders = new_decoders(masks, study(tmp_path, decoders=EVERY, best_targets=best, regions=3))
        assert vars(decoders["regions"])["n_best"] == 3
        assert [vars(decoders[name])["n_targets"] for name in EVERY[1:4]] == expected


def test_what_is_written_and_shown(people: dict[str, Recording], tmp_path: Path) -> None:
    table = study(tmp_path, decoders=("regions", "ridge"))
    results = StudyResults(decodings={})
    for subject, recording in people.items():
        results.decodings[subject] = decode_subject(to_decode(recording, "mine", {}, table), None, table)
    with ResultsWriter(table.output, "study", people) as writer:
        write_decodings(writer, results, table)
    clips = pd.read_csv(table.output / "identification.tsv", sep="\t", dtype={"subject": str})
    assert clips.groupby(["subject", "decoder"]).size().tolist() == [12] * 4
    rows = json.loads((table.output / "identification.json").read_text())["subjects"]
    assert [(row["subject"], row["decoder"]) for row in rows] == [(s, d) for s in people for d in ("regions", "ridge")]
    assert rows[0]["merging"].startswith("mean over the windows")
    assert {"2_way", "top_1", "median_rank", "correlation", "lag", "notes"} <= set(rows[0])
    low, high = rows[0]["chance_interval_95_of"]["top_1"]
    assert low <= 1 / 12 <= high < rows[0]["top_1"]
    assert set(rows[0]["by_group"]) == set(GENRES)
    kept = read_decoded(table.output, "02", "mine", "ridge")
    assert np.array_equal(kept.predicted, results.decodings["02"][1].predicted)
    assert kept.clips.tolist() == list(results.decodings["02"][1].clips)
    written = pd.read_csv(table.output / "decoding_table.tsv", sep="\t")
    assert written["subjects"].tolist() == [2, 2]


def decoding(target: str, accuracy: float, decoder: str = "regions") -> Decoding:
    measures = {"identification_accuracy_training": 0.99, "correlation": 0.3, "correlation_training": 0.5}
    empty = np.zeros((2, 1), dtype=np.float32)
    windows = DecodedWindows(empty, np.array(["a", "b"]), np.zeros(2))
    return Decoding(
        target, ("a", "b"), np.full(2, accuracy), ("a", "b"), (0.4, 0.6), (), empty, empty, windows, measures, decoder
    )


def test_the_table_stands_beside_the_papers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = study(tmp_path, ("mine", "text", "mulan"))
    subjects = {
        name: [decoding("mine", 0.6), decoding("text", low), decoding("mulan", low + 0.1, "ridge")]
        for name, low in (("01", 0.7), ("02", 0.8))
    }
    found = decoding_table(subjects, table).set_index("target")
    assert found.loc["text", "identification_test"] == pytest.approx(0.75)
    assert found.loc["text", "identification_test_sd"] == pytest.approx(np.std([0.7, 0.8], ddof=1))
    assert found.loc["text", "stands_for"] == "MuLan_text"
    assert found.loc["mulan", "identification_test_published"] == 0.876
    assert found.loc["mulan", "correlation_training_published_sd"] == 0.023
    assert np.isnan(found.loc["mine", "identification_test_published"])
    lines = shown(decoding_table(subjects, table))
    assert [what for what, *_ in lines if what] == ["mine, regions", "text (for MuLan_text), regions",
                                                    "mulan (for MuLan_music), ridge"]  # fmt: skip
    assert ("mulan (for MuLan_music), ridge", "identification, test clips", "0.850 (0.071)", "0.876 (0.015)") in lines
    assert lines[0][2:] == ("0.600 (0.000)", "-")
    monkeypatch.setattr(console, "width", 72)
    with console.capture() as captured:
        print_decoding(subjects, table)
    assert all(text in captured.get() for text in ("0.850 (0.071)", "0.876 (0.015)", "arXiv 2307.11078"))
    assert max(map(len, captured.get().splitlines())) <= 72


def test_decoders_obey_folds_and_penalties_of_the_model(tmp_path: Path) -> None:
    """Those of [model] where the study names them, unless [decoding] has its own."""
    table = study(tmp_path, decoders=EVERY)
    masks = {"all": np.ones(TARGETS, dtype=bool)}
    written = table.model_dump(exclude={"decoding": {"alphas", "folds"}}, exclude_unset=True)
    written["model"] = {"folds": 2, "alphas": {"low": 1.0, "high": 100.0, "number": 3}}
    grid = (1.0, 10.0, 100.0)
    fewer = {"folds": 3, "alphas": {"low": 1, "high": 10, "number": 2}}
    for own, folds, alphas in (({}, 2, grid), (fewer, 3, grid[:2])):
        written["decoding"] |= own
        for name, decoder in new_decoders(masks, Study.model_validate(written)).items():
            if name != "ensemble":
                assert (decoder.folds, decoder.alphas) == (folds, pytest.approx(alphas)), name
    for name, decoder in new_decoders(masks, table).items():  # neither is named
        assert getattr(decoder, "folds", None) is None, name


def test_folds_and_penalties_reach_the_fit(people: dict[str, Recording], tmp_path: Path) -> None:
    table = study(tmp_path)
    training = to_decode(people["01"], "mine", {}, table).training
    chosen, alphas = {"all": np.arange(TARGETS) < 40}, (1.0, 100.0)
    decoder = RegionDecoder(chosen, alphas=alphas, folds=2, device="cpu")
    decoder.fit(training.brain, training.features, runs=training.runs)
    model = decoder.models_["all"]
    expected = EncodingModel(None, alphas=alphas, cv=2, scoring="r", device="cpu")
    expected.fit(training.brain[:, :40], training.features, runs=training.runs)
    assert np.array_equal(model.best_alphas_, expected.best_alphas_)
    assert np.allclose(model.cv_scores_, expected.cv_scores_)
    # every penalty by scikit-learn, fold by fold
    found = decoder.penalty_curve(training.brain, training.features, runs=training.runs)
    x, y = training.brain[:, :40] / training.brain[:, :40].std(axis=0), training.features
    for i, alpha in enumerate(alphas):
        r = []
        for fold in training.runs.folds(2):
            rows = training.runs.rows(fold)
            others = np.setdiff1d(np.arange(len(x)), rows)
            ridge = Ridge(alpha=alpha).fit(x[others], y[others])
            r.append([np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(ridge.predict(x[own]).T, y[own].T, strict=True)])
                      for own in (others, rows)])  # fmt: skip
        assert [found["r_training"][i], found["r_validation"][i]] == pytest.approx(np.mean(r, axis=0), abs=1e-3)


def test_identification_in_raw_units_and_within_groups(people: dict[str, Recording], tmp_path: Path) -> None:
    [one] = decode_subject(to_decode(people["01"], "mine", {}, study(tmp_path, decoders=("ridge",))), None,
                           study(tmp_path, decoders=("ridge",)))  # fmt: skip
    assert one.accuracy_raw is not None
    assert one.within is not None
    c = np.corrcoef(one.predicted, one.true)[:12, 12:]
    raw = [np.mean([c[i, i] > c[i, j] for j in range(12) if j != i]) for i in range(12)]
    assert np.mean(np.abs(one.accuracy_raw - raw)) < 0.01  # saved vectors have the length of training vectors
    table = to_decode(people["01"], "mine", {}, study(tmp_path))
    units = Units.of(table.training.features)
    c = np.corrcoef(units.standard(one.predicted), units.standard(one.true))[:12, 12:]
    genre = [clip.partition(".")[0] for clip in one.clips]
    within = [np.mean([c[i, i] > c[i, j] for j in range(12) if j != i and genre[j] == genre[i]]) for i in range(12)]
    assert np.allclose(one.within, within)
    assert one.summary()["identification_accuracy_within_group"] == pytest.approx(np.mean(within))


def test_feature_spaces_have_windows_of_their_own(people: dict[str, Recording], tmp_path: Path) -> None:
    """Decoded and encoded from them as by a study whose windows they are; the comparison keeps one length."""
    written = study(tmp_path).model_dump(exclude_unset=True)
    written["statistics"] = {"permutations": 100, "audit": False, "intervals": False, "bootstraps": 100}
    written["features"] = {"mine": written["features"]["mine"], "other": written["features"]["mine"]}
    written["decoding"] = {"targets": ["mine"], "decoders": ["ridge"], "own_windows": {"other": 12.0}}
    written["windows"] = {"length": 9.0, "step": 3.0, "lag": LAG, "own": {"mine": 6.0}}
    table = Study.model_validate(written)
    recording = windowed(people["01"], table.windows)
    assert windows_of_features(table) == [("mine", WindowsTable(length=6.0, step=3.0, lag=LAG))]
    assert table.decoded_windows("other").length == 12.0
    shorter = written | {"windows": {"length": 6.0, "step": 3.0, "lag": LAG}}
    alone = Study.model_validate(shorter | {"features": {"mine": written["features"]["mine"]},
                                            "decoding": {"targets": ["mine"], "decoders": ["ridge"]}})  # fmt: skip
    cut = windowed(people["01"], alone.windows)
    spaces = {"mine": alone.features["mine"].build("mine", stimulus_timeline(cut))}
    expected = encode_subject(cut.responses, spaces, alone)
    usual = build_spaces(table.features, stimulus_timeline(recording))
    found = own_scores(recording, encode_subject(recording.responses, usual, table), table)
    assert np.allclose(found["mine"].r, expected.r["joint"])
    assert np.allclose(found["mine"].q, expected.q)
    assert (found["mine"].window, found["other"].window) == (6.0, 9.0)
    a, b = to_decode(recording, "mine", usual, table), to_decode(people["01"], "mine", {}, alone)
    assert np.allclose(a.training.features, b.training.features)
    assert np.allclose(a.test.brain, b.test.brain)


def test_clips_of_training_in_test_are_told(people: dict[str, Recording], tmp_path: Path) -> None:
    recording, table = people["01"], study(tmp_path, decoders=("ridge",))
    runs = recording.responses.runs
    clip = runs.clip.copy()
    clip[clip == clip[0]] = runs.clip[-1]
    again = Runs.from_labels(runs.run, 1.5, clip=clip, presentation=runs.presentation)
    [found] = decode_subject(
        to_decode(Recording("01", recording.responses.with_runs(again)), "mine", {}, table), None, table
    )
    assert "1 test clips were presented in training" in found.notes[0]
    assert warnings_of({"01": [found, found], "02": [found]}) == list(found.notes)


def test_the_phantom_runs_the_same_path(tiny_study: Path) -> None:
    """Surfaces, atlas regions and captions; the table of the study has a row per decoder."""
    changes = {"decoders": ("regions", "ridge"), "window": 15.0}
    loaded = load_study(tiny_study)
    assert loaded.decoding is not None
    maps = loaded.maps.model_copy(update={"atlas": "desikan-killiany"})
    table = loaded.model_copy(update={"maps": maps, "decoding": loaded.decoding.model_copy(update=changes)})
    recording = check_study(loaded)["01"]
    masks = decoded_regions(recording.responses.space, table)
    found = decode_subject(to_decode(recording, "text", {}, table), masks, table)
    assert [one.decoder for one in found] == list(changes["decoders"])
    assert len(found[0].regions) == 6
    assert set(found[0].regions) <= set(masks)
    rows = decoding_table({"01": found}, table)
    assert rows["stands_for"].tolist() == ["MuLan_text"] * 2
    assert rows["identification_test_published"].tolist() == [0.817] * 2


def test_the_shipped_study_decodes_the_four_embeddings_of_the_paper(tmp_path: Path) -> None:
    write_template("musicgenre", tmp_path)
    table = load_study(tmp_path / "decoding.toml")
    assert table.decoding is not None
    assert [table.embedding(name) for name in table.decoding.targets] == list(EMBEDDINGS[:4])
    lengths = [table.decoding.windows_of(name).length for name in table.decoding.targets]
    assert lengths == [1.5, 5.0, 15.0, 10.0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"decoders": ("ridge", "ensemble")}, "at least two"),
        ({"decoders": ("forest",)}, "ensemble"),
        ({"own_windows": {"mine": 5.0, "other": 3.0}}, "names other"),
        ({"decoders": ()}, "at least 1"),
    ],
)
def test_decoding_that_cannot_be_is_told(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        study(tmp_path, **changes)


def test_the_window_encoder_ranks_sounds_by_responses(
    people: dict[str, Recording], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It equals a ridge of the same penalties by scikit-learn; the clip that was heard explains its responses best."""
    windows = to_decode(people["01"], "mine", {}, study(tmp_path))
    encoder = fit_reranking_model(windows.training, windows.test)
    training, test = windows.training, windows.test
    assert len(encoder.targets) == TARGETS
    assert encoder.r[:40].mean() > encoder.r[40:].mean() + 0.2  # the other targets hold noise
    units = Units.of(training.features)
    model = EncodingModel(delays=None, alphas=ENCODER_ALPHAS).fit(
        units.standard(training.features), training.brain, runs=with_blocks(training.runs)
    )
    mean, deviation = training.brain.mean(axis=0), training.brain.std(axis=0)
    for column in (0, 7):
        oracle = Ridge(alpha=float(model.best_alphas_[column]))
        oracle.fit(units.standard(training.features), (training.brain[:, column] - mean[column]) / deviation[column])
        expected = oracle.predict(units.standard(test.features))
        assert np.allclose(encoder.predict(test.features)[:, column], expected, atol=1e-3)
    responses = (per_clip(test.brain, test.runs) - mean) / deviation
    assert np.allclose(encoder.measured, responses, atol=1e-4)
    heard = per_clip(test.features, test.runs)
    right = [
        rank_by_responses(encoder.predict(heard), encoder.of(clip)).order[0] == i
        for i, clip in enumerate(encoder.clips.tolist())
    ]
    assert np.mean(right) > 0.6  # chance 1 in 12
    assert set(encoder.trained).isdisjoint(encoder.clips)
    monkeypatch.setattr(reranking, "MOST_TARGETS", 20)
    few = fit_reranking_model(training, test)
    assert few.targets.tolist() == np.sort(np.argsort(-encoder.r, kind="stable")[:20]).tolist()
    assert np.allclose(few.weights, encoder.weights[:, few.targets])
