"""Tables of a study that build feature spaces: what each gives, needs and refuses."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter, ValidationError

from b2m_encoding.data.events import label_clips
from b2m_encoding.errors import InputError, ProblemList
from b2m_encoding.features.acoustic import acoustic_names, acoustic_rows
from b2m_encoding.features.clips import StimulusTimeline
from b2m_encoding.features.extractors import AnyExtractor, PretrainedAudio, build_spaces
from b2m_encoding.features.extractors.from_arrays import RunArrays
from b2m_encoding.features.networks import AUDIO_ENCODERS
from b2m_encoding.features.stimuli import Stimuli
from b2m_encoding.features.windows import cut_windows
from b2m_encoding.runs import Runs

TR = 1.5
Play = Callable[..., pd.DataFrame]


def table(folder: Path, **options: Any) -> Any:
    return TypeAdapter(AnyExtractor).validate_python(options, context={"folder": folder})


def windowed(stimulation: StimulusTimeline, length: float = 10.0) -> StimulusTimeline:
    volumes = label_clips(stimulation.volumes, dict(stimulation.events), dict.fromkeys(stimulation.events))
    return StimulusTimeline(volumes, stimulation.events, cut_windows(volumes, length, 1.5, lag=4.5))


def test_acoustics_of_each_sample_and_of_each_window(tracks: Path, stimulation: StimulusTimeline) -> None:
    acoustic = table(tracks.parent, extractor="acoustic", stimuli="genres", fade=2.0)
    values = acoustic.values(stimulation)
    clip = next(iter(stimulation.clips))
    assert values.shape == (62, len(acoustic_names()))
    spans = TR * np.stack([np.arange(10), np.arange(10) + 1], axis=1)
    assert np.allclose(values[:10], acoustic_rows(Stimuli(tracks).wave(clip, 22050), 22050, spans), atol=1e-5)
    assert np.array_equal(values[:10], values[30:40])
    assert not values[60:].any()
    assert acoustic.values(windowed(stimulation)).shape == (24, len(acoustic_names()))


def test_acoustics_are_read_back(tracks: Path, stimulation: StimulusTimeline) -> None:
    counts: list[int] = []
    acoustic = table(tracks.parent, extractor="acoustic", stimuli="genres", groups=["mel", "mfcc"])
    first, second = (acoustic.values(stimulation, lambda done, total: counts.append(total)) for _ in range(2))
    assert np.array_equal(first, second)
    assert counts == [4] * 4
    assert first.shape[1] == 32 + 13


@pytest.mark.parametrize("mode", ["volumes", "windows"])
def test_labels_are_one_while_their_event_lasts(mode: str, stimulation: StimulusTimeline, tmp_path: Path) -> None:
    events = {run: part.assign(genre=["jazz", "pop", "n/a"]) for run, part in stimulation.events.items()}
    plain = StimulusTimeline(stimulation.volumes, events)
    labels = table(tmp_path, extractor="labels", column="genre", labels=["jazz", "metal", "pop"])
    labels.check(plain)
    values = labels.values(plain if mode == "volumes" else windowed(plain))
    n = 10 if mode == "volumes" else 4
    rest = np.zeros((n, 3))
    one = [np.tile(row, (n, 1)) for row in np.eye(3)]
    silence = [np.zeros((2, 3))] if mode == "volumes" else []
    assert np.allclose(values, np.concatenate([one[0], one[2], rest, one[0], one[2], rest, *silence]))


def test_labels_of_any_column(stimulation: StimulusTimeline, tmp_path: Path) -> None:
    tracks = table(tmp_path, extractor="labels", column="track").values(stimulation)
    assert tracks.shape == (62, 4)
    assert tracks.argmax(axis=1)[[0, 10, 20, 30, 40]].tolist() == [0, 1, 2, 0, 3]
    with pytest.raises(InputError, match=r"(?s)does not name.*'1', '2', '3'"):
        table(tmp_path, extractor="labels", column="track", labels=["0"]).check(stimulation)


CAPTIONS = [f"jazz.{i:05d}_15s" for i in range(4)]


def write_captions(path: Path, names: list[str]) -> Path:
    lines = [
        f"{name},{text} in the night" for name, text in zip(names, ("piano", "drums", "voice", "brass"), strict=False)
    ]
    path.write_bytes("\r\n".join(["ID,DescEN", *lines]).encode("utf-8-sig"))
    return path


def test_captions_with_a_byte_order_mark_lie_under_their_clips(stimulation: StimulusTimeline, tmp_path: Path) -> None:
    write_captions(tmp_path / "captions.csv", CAPTIONS)
    caption = table(tmp_path, extractor="caption", captions="captions.csv")
    caption.check(stimulation)
    values = caption.values(stimulation)
    assert (values[:10] == values[0]).all()
    assert np.array_equal(values[0], values[30])
    assert not np.array_equal(values[0], values[10])


def test_the_published_misspelling_is_accepted_with_a_note(
    tmp_path: Path, play: Play, caplog: pytest.LogCaptureFixture
) -> None:
    events = play((0, 11, 0.0)).assign(genre="disco")
    stimulation = StimulusTimeline(Runs.from_lengths({"run-01": 10}, TR), {"run-01": events})
    write_captions(tmp_path / "captions.csv", ["disco.000011_15s"])
    with caplog.at_level(logging.WARNING):
        table(tmp_path, extractor="caption", captions="captions.csv").check(stimulation)
    assert "disco.000011_15s read as disco.00011_15s" in caplog.text


@pytest.mark.parametrize(
    ("names", "problem"),
    [(CAPTIONS[:2], "jazz.00002_15s, jazz.00003_15s"), ([CAPTIONS[0], *CAPTIONS[:2]], "twice"), ([], "missing")],
)
def test_missing_captions_and_doubled_ids(
    names: list[str], problem: str, stimulation: StimulusTimeline, tmp_path: Path
) -> None:
    write_captions(tmp_path / "captions.csv", names)
    with pytest.raises(InputError, match=problem):
        table(tmp_path, extractor="caption", captions="captions.csv").check(stimulation)


def embeddings(n: int = 4, dim: int = 128) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {f"jazz.{i:05d}": rng.standard_normal((n, dim)).astype(np.float32) for i in range(4)}


def save_each(folder: Path, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    for name, array in arrays.items():
        np.save(folder / f"{name}_15s.npy", array)
    return {"files": "{clip}_15s.npy"}


def save_each_zipped(folder: Path, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    for name, array in arrays.items():
        np.savez(folder / f"{name}.npz", mulan=array)
    return {"files": "{clip}.npz"}


def save_one_archive(folder: Path, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    np.savez(folder / "all.npz", **{f"{name}_15s": array for name, array in arrays.items()})
    return {"files": "all.npz"}


def save_one_array(folder: Path, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    np.save(folder / "all.npy", np.concatenate([np.atleast_2d(a) for a in arrays.values()]))
    lines = [f"{name}.wav" for name, array in arrays.items() for _ in np.atleast_2d(array)]
    (folder / "ids.txt").write_text("\n".join(lines) + "\n")
    return {"files": "all.npy", "ids": "ids.txt"}


LAYOUTS = [save_each, save_each_zipped, save_one_archive, save_one_array]


@pytest.mark.parametrize("save", LAYOUTS)
def test_precomputed_embeddings_in_every_layout(save: Any, stimulation: StimulusTimeline, tmp_path: Path) -> None:
    arrays = embeddings()
    mulan = table(tmp_path, extractor="mulan_precomputed", **save(tmp_path, arrays))
    mulan.check(stimulation)
    windows = mulan.values(windowed(stimulation))
    assert np.array_equal(windows[:4], arrays["jazz.00000"])
    assert np.array_equal(windows[16:20], arrays["jazz.00003"])
    volumes = mulan.values(stimulation)
    nearest = [0, 0, 0, 0, 1, 2, 3, 3, 3, 3]  # middles .75, 2.25 ... of samples; 5, 6.5, 8, 9.5 of windows
    assert np.array_equal(volumes[:10], arrays["jazz.00000"][nearest])


def test_one_embedding_for_the_whole_clip(stimulation: StimulusTimeline, tmp_path: Path) -> None:
    arrays = {name: array[0] for name, array in embeddings().items()}
    mulan = table(tmp_path, extractor="mulan_precomputed", **save_each(tmp_path, arrays))
    assert (mulan.values(stimulation)[:10] == arrays["jazz.00000"]).all()


def test_embeddings_that_do_not_fit_are_all_named(stimulation: StimulusTimeline, tmp_path: Path) -> None:
    arrays = embeddings()
    arrays["jazz.00001"] = arrays["jazz.00001"][:, :100]
    arrays["jazz.00002"] = arrays["jazz.00002"][:3]
    options = save_each(tmp_path, arrays)
    (tmp_path / "jazz.00003_15s.npy").unlink()
    np.save(tmp_path / "jazz.00000_15s.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ProblemList) as caught:
        table(tmp_path, extractor="mulan_precomputed", **options).check(stimulation)
    told = str(caught.value)
    assert len(caught.value.problems) == 4
    for text in ("(4, 100)", "(3, 128)", "(4, 128)", "jazz.00003", "cannot be read"):
        assert text in told


def test_ids_that_do_not_fit(stimulation: StimulusTimeline, tmp_path: Path) -> None:
    options = save_one_array(tmp_path, embeddings())
    ids = tmp_path / "ids.txt"
    lines = ids.read_text().splitlines()
    ids.write_text("\n".join(lines[:-1]))
    with pytest.raises(InputError, match=r"(?s)differ in number.*15 ids.*16 rows"):
        table(tmp_path, extractor="mulan_precomputed", **options).check(stimulation)
    ids.write_text("\n".join([*lines[:-1], lines[0]]))  # doubled once too often
    with pytest.raises(ProblemList, match=r"(?s)jazz.00000.*\(5, 128\).*jazz.00003.*\(3, 128\)"):
        table(tmp_path, extractor="mulan_precomputed", **options).check(stimulation)
    with pytest.raises(InputError, match="needs ids"):
        table(tmp_path, extractor="mulan_precomputed", files="all.npy").check(stimulation)


@pytest.mark.parametrize("files", ["{run}.npy", "{run}/a.npy"])
def test_a_pipe_in_the_place_of_an_array_is_not_read(files: str, stimulation: StimulusTimeline, tmp_path: Path) -> None:
    name = stimulation.volumes.names[0]
    (tmp_path / name).mkdir()
    os.mkfifo(tmp_path / files.format(run=name))
    extractor = RunArrays(extractor="array", files=tmp_path / files)
    assert any(path.exists() for path in extractor.needs())
    with pytest.raises(InputError, match="no regular file"):
        extractor.check(stimulation)


def test_arrays_of_volumes_become_means_of_windows(stimulation: StimulusTimeline, tmp_path: Path) -> None:
    for run, n in {"run-01": 30, "run-02": 32}.items():
        np.save(tmp_path / f"{run}.npy", np.arange(n * 2.0).reshape(n, 2))
    array = table(tmp_path, extractor="array", files="{run}.npy")
    assert array.values(stimulation).shape == (62, 2)
    assert np.allclose(array.values(windowed(stimulation))[1], np.arange(60.0).reshape(30, 2)[1:8].mean(axis=0))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"extractor": "clap", "stimuli": "genres", "layer": -1}, "greater than or equal to 0"),
        ({"extractor": "transformers_audio", "stimuli": "genres"}, "needs model"),
        ({"extractor": "acoustic", "stimuli": "genres", "groups": ["rhythm"]}, "tempogram"),
        ({"extractor": "acoustic", "stimuli": "genres", "pca": 0}, "pca"),
        ({"extractor": "acoustic", "stimuli": "genres", "pca": 1.5}, "whole number"),
        ({"extractor": "acoustic", "stimuli": "genres", "pca": 1.0}, "whole number"),
        ({"extractor": "clap", "stimuli": "genres", "mode": "future"}, "causal"),
    ],
)
def test_impossible_options(options: dict[str, Any], problem: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=problem):
        table(tmp_path, **options)


def test_a_missing_network_says_which_command_brings_it(tracks: Path, stimulation: StimulusTimeline) -> None:
    with pytest.raises(InputError, match=r"(?s)clap are not installed.*b2m models fetch clap.*alternatives"):
        table(tracks.parent, extractor="clap", stimuli="genres").check(stimulation)


def test_missing_weights_are_found_although_the_study_sets_the_window(
    tracks: Path, stimulation: StimulusTimeline
) -> None:
    table_with_window = table(tracks.parent, extractor="w2v_bert", stimuli="genres", layer=1, window=5.0)
    with pytest.raises(InputError, match=r"(?s)w2v_bert are not installed"):
        table_with_window.check(stimulation)


@pytest.mark.parametrize("extractor", AUDIO_ENCODERS)
def test_every_audio_encoder_of_the_registry_is_an_extractor(extractor: str, tmp_path: Path) -> None:
    options = {"model": "owner/name"} if AUDIO_ENCODERS[extractor].model is None else {}
    found = table(tmp_path, extractor=extractor, stimuli="genres", **options)
    assert isinstance(found, PretrainedAudio)
    assert found.extractor == extractor


def test_names_outside_the_registry_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="sentences"):
        table(tmp_path, extractor="text", captions="captions.csv", network="w2v_bert")
    with pytest.raises(ValidationError, match="musicldm_clap"):
        table(tmp_path, extractor="mulan", stimuli="genres")


def test_all_tables_of_a_study_are_built_in_order(tracks: Path, stimulation: StimulusTimeline) -> None:
    write_captions(tracks.parent / "captions.csv", CAPTIONS)
    tables = {
        "text": table(tracks.parent, extractor="caption", captions="captions.csv"),
        "genre": table(tracks.parent, extractor="labels", column="genre"),
        "mel": table(tracks.parent, extractor="acoustic", stimuli="genres", groups=["mel"], pca=0.9),
    }
    spaces = build_spaces(tables, stimulation)
    assert list(spaces) == ["text", "genre", "mel"]
    assert [space.values.shape[1] for space in spaces.values()] == [96, 1, 32]
    assert spaces["mel"].provenance["groups"] == ["mel"]
    assert tables["mel"].pca == 0.9


def test_arrays_hold_finite_numbers_and_keep_their_digits(stimulation: StimulusTimeline, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = {run: rng.standard_normal((n, 2)) for run, n in {"run-01": 30, "run-02": 32}.items()}
    array = table(tmp_path, extractor="array", files="{run}.npy")
    for run, own in values.items():
        np.save(tmp_path / f"{run}.npy", own + np.array([0.0, 1.7e9]))  # the second one is a time of day
    array.check(stimulation)
    found = array.values(stimulation)
    expected = np.concatenate(list(values.values()))
    assert np.allclose(found[:, 0], expected[:, 0])
    assert np.allclose(found[:, 1], expected[:, 1] - expected[:, 1].mean(), atol=1e-5)
    for wrong, problem in {
        "complex": (values["run-01"] + 1j, "no numbers"),
        "text": (values["run-01"].astype(str), "no numbers"),
        "times": (values["run-01"].astype("datetime64[s]"), "no numbers"),
        "NaN": (np.where(values["run-01"] > 1, np.nan, values["run-01"]), r"not finite(?s:.)*run-01"),
    }.values():
        np.save(tmp_path / "run-01.npy", wrong)
        with pytest.raises(InputError, match=problem):
            array.check(stimulation)


def test_a_list_of_clips_in_any_encoding(stimulation: StimulusTimeline, tmp_path: Path) -> None:
    np.save(tmp_path / "all.npy", np.zeros((1, 4)))
    (tmp_path / "ids.txt").write_bytes("caf\u00e9\n".encode("latin-1"))
    options = {"extractor": "mulan_precomputed", "files": "all.npy", "dim": 4}
    with pytest.raises(InputError, match="has no embedding"):
        table(tmp_path, ids="ids.txt", **options).check(stimulation)
    with pytest.raises(InputError, match="list of clips is missing"):
        table(tmp_path, ids="none.txt", **options).check(stimulation)


def test_arrays_of_each_subject(stimulation: StimulusTimeline, tmp_path: Path) -> None:
    """Subjects with sounds in an order of their own have features of their own in runs of one name."""
    for number, subject in enumerate(("01", "02")):
        for run, n in {"run-01": 30, "run-02": 32}.items():
            np.save(tmp_path / f"{subject}_{run}.npy", np.full((n, 2), float(number)))
    array = table(tmp_path, extractor="array", files="{subject}_{run}.npy")
    assert len(array.needs()) == 4
    assert not array.shared()
    assert table(tmp_path, extractor="array", files="01_{run}.npy").shared()
    for number, subject in enumerate(("01", "02")):
        own = replace(stimulation, subject=subject)
        array.check(own)
        assert (array.values(own) == number).all()
    with pytest.raises(InputError, match=r"a feature file is missing[\s\S]*03_run-01.npy"):
        array.check(replace(stimulation, subject="03"))
    for run, n in {"run-01": 30, "run-02": 32}.items():  # a single feature
        np.save(tmp_path / f"04_{run}.npy", np.arange(n))
    assert array.values(replace(stimulation, subject="04")).shape == (62, 1)


@pytest.mark.parametrize(("shift", "heard"), [(0.0, True), (500.0, False), (-60.0, False)])
def test_transcripts_of_which_no_word_is_heard(
    shift: float, heard: bool, stimulation: StimulusTimeline, tmp_path: Path
) -> None:
    for run in ("run-01", "run-02"):
        rows = "".join(f"{shift + time},word\n" for time in range(3, 40, 2))
        (tmp_path / f"s_{run}.csv").write_text(f"onset,word\n{rows}")
    words = table(tmp_path, extractor="word_rate", transcript="{subject}_{run}.csv")
    own = replace(stimulation, subject="s")
    if heard:
        words.check(own)
    else:
        with pytest.raises(InputError, match="no word of a transcript is heard"):
            words.check(own)


@pytest.mark.parametrize("silent", ["onset,word\n", "onset,word\n300,word\n"])
def test_instrumental_pieces_have_no_words(
    silent: str, stimulation: StimulusTimeline, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A transcript without words is zero and named in a note; only a subject without any word is refused."""
    (tmp_path / "run-01.csv").write_text("onset,word\n" + "".join(f"{time},word\n" for time in range(3, 40, 2)))
    (tmp_path / "run-02.csv").write_text(silent)
    words = table(tmp_path, extractor="word_rate", transcript="{run}.csv")
    words.check(stimulation)
    assert "1 of 2 transcripts have no word that is heard" in caplog.text
    assert "run-02.csv" in caplog.text
    values, slices = words.values(stimulation), stimulation.volumes.slices
    assert values[slices["run-01"]].any()
    assert not values[slices["run-02"]].any()
    (tmp_path / "run-01.csv").write_text(silent)
    with pytest.raises(InputError, match="no word of a transcript is heard"):
        words.check(stimulation)
    (tmp_path / "run-02.csv").unlink()
    with pytest.raises(InputError, match=r"a transcript is missing[\s\S]*a sound without words"):
        words.check(stimulation)
