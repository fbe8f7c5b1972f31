"""A corpus from a folder of recordings: its vectors, what is left out, going on, and what it may be compared with."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from b2m_encoding.decoding.retrieval import build
from b2m_encoding.decoding.retrieval import shards as shards_module
from b2m_encoding.decoding.retrieval.build import SHARDS, build_corpus
from b2m_encoding.decoding.retrieval.corpus import AUDIO, CLIPS, EMBEDDINGS, RECORD, Corpus
from b2m_encoding.decoding.retrieval.embedding_space import AudioEmbeddingSpace, check_same_space
from b2m_encoding.decoding.retrieval.shards import Preparation
from b2m_encoding.errors import InputError
from b2m_encoding.features.acoustic import acoustic_rows
from b2m_encoding.features.audio import prepare_stimulus, read_audio, resample
from b2m_encoding.io.marked import mark_folder

ACOUSTIC = AudioEmbeddingSpace.of_model("acoustic")
QUICK = AudioEmbeddingSpace.of_model("acoustic", length=2.0, step=6.5)


@pytest.fixture(scope="module")
def built(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return build_corpus(recordings, tmp_path_factory.mktemp("corpus") / "new", ACOUSTIC, shard=3)


def test_what_is_kept_and_what_is_left_out(built: Corpus, recordings: Path) -> None:
    assert built.table["path"].tolist() == [
        "high/000003.wav", "high/000004.wav", "low/000000.wav", "low/000001.wav", "low/000002.wav",
    ]  # fmt: skip
    assert built.table["genre"].tolist() == ["high"] * 2 + ["low"] * 3
    assert built.table["seconds"].tolist() == [15, 15, 12, 15, 15]
    assert built.path(2) == recordings / "low" / "000000.wav"
    skipped = pd.read_csv(built.folder / "skipped.tsv", sep="\t").set_index("path")["problem"]
    assert "cannot be decoded" in skipped["high/damaged.mp3"]
    assert skipped["low/short.wav"].startswith("too short: 3.00 s")
    assert built.record["skipped"] == 2
    assert sorted(path.name for path in built.folder.iterdir()) == sorted(
        [".b2m_encoding.json", ".lock", "clips.tsv", "corpus.json", "embeddings.npy", "prints.npy", "skipped.tsv"]
    )


def test_a_vector_is_the_mean_of_the_windows_of_the_prepared_beginning(built: Corpus, recordings: Path) -> None:
    wave = prepare_stimulus(read_audio(recordings / "low" / "000001.wav", 8000, 0, 15), 8000)
    spans = np.array([[start, start + 10] for start in (0, 1.5, 3, 4.5)])
    expected = acoustic_rows(resample(wave, 8000, 22050, 15), 22050, spans).mean(axis=0)
    found = built.vectors[3:4][0].astype(float)
    assert np.allclose(found, expected, rtol=1e-3, atol=1e-3)
    whole = built.vectors[:].astype(float)
    assert np.allclose(built.centre, whole.mean(axis=0), atol=2e-3)
    assert np.allclose(built.spread, whole.std(axis=0), atol=2e-3)


def test_clips_by_any_of_their_names(built: Corpus) -> None:
    names = ("000001", "low/000001", "000001.wav", "000001_15s", "elsewhere/000001.mp3", r"low\000001.wav", " 000001 ")
    for name in (*names, *(f"000001{ending}" for ending in AUDIO), "000001.WAV"):
        assert built.mask([name]).tolist() == [False, False, False, True, False]
    assert not built.mask(["00000", "000001_remix", "", "_15s"]).any()


def pieces(folder: Path) -> list[np.ndarray]:
    """Six pieces of 17 s, written to a folder: notes of random pitch, length and level."""
    folder.mkdir()
    waves = []
    for i in range(6):
        rng, wave = np.random.default_rng(i), np.zeros(17 * 8000)
        for start in range(0, len(wave) - 4000, 2000):
            time = np.arange(4000) / 8000
            wave[start : start + 4000] += (
                rng.random() * np.sin(6.28 * rng.uniform(150, 3000) * time) * np.exp(-8 * time)
            )
        waves.append(0.2 * wave + 1e-4 * rng.standard_normal(len(wave)))
        soundfile.write(folder / f"{i}.wav", waves[-1], 8000)
        waves[-1] = soundfile.read(folder / f"{i}.wav")[0]
    return waves


def test_copies_in_a_corpus_are_known_by_their_sound(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever container, header, level, rate, or shift of up to a second; with and without the recordings at hand."""
    first, *others = pieces(tmp_path / "pieces")
    corpus = build_corpus(tmp_path / "pieces", tmp_path / "corpus", QUICK, Preparation(rms=0), shard=4)
    copies = {
        "equal.flac": (first, 8000), "softer.wav": (0.1 * first, 8000), "earlier.wav": (first[7300:], 8000),
        "later.wav": (np.r_[np.zeros(7900), first], 8000), "short.wav": (first[: 9 * 8000], 8000),
        "compressed.ogg": (first, 8000), "rate.wav": (np.repeat(first, 2), 16000),
        "softer.mp3": (0.3 * first[3000:], 8000),
    }  # fmt: skip
    for name, (wave, rate) in copies.items():
        soundfile.write(tmp_path / name, wave, rate)
    soundfile.write(tmp_path / "mixed.wav", 0.2 * first + others[0] + others[1], 8000)
    for known in (corpus, Corpus.open(corpus.folder, tmp_path / "moved")):
        for name in copies:
            assert known.mask_sounds([tmp_path / name]).tolist() == [True] + [False] * 5, name
        assert not known.mask_sounds([tmp_path / "mixed.wav", tmp_path / "absent.wav"]).any()
        assert (
            known.mask_sounds([tmp_path / "pieces" / f"{i}.wav" for i in range(1, 6)]).tolist() == [False] + [True] * 5
        )
    (corpus.folder / "prints.npy").unlink()
    assert corpus.mask_sounds([tmp_path / "equal.flac"])[0]
    assert not corpus.mask_sounds([tmp_path / "softer.wav"]).any()
    assert "only equal samples are found" in caplog.text
    np.save(corpus.folder / "prints.npy", np.zeros((2, 3), np.int8))
    with pytest.raises(InputError, match="not the fingerprints of this corpus"):
        corpus.mask_sounds([tmp_path / "softer.wav"])


def test_it_goes_on_where_it_stopped(recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in the last shard: the others are not computed again; a damaged one is."""
    computed: list[int] = []
    embedded = shards_module._embedded

    def counted(audio: Path, files: Any, *rest: Any) -> Any:
        if len(computed) == 2:
            raise KeyboardInterrupt
        computed.append(len(files))
        return embedded(audio, files, *rest)

    out = tmp_path / "new"
    monkeypatch.setattr(shards_module, "_embedded", counted)
    with pytest.raises(KeyboardInterrupt):
        build_corpus(recordings, out, QUICK, shard=3)
    with pytest.raises(InputError, match="not complete"):
        Corpus.open(out)
    shards = sorted((out / SHARDS).glob("*.npz"))
    assert len(shards) == 2
    shards[0].write_bytes(shards[0].read_bytes()[:-20])
    computed.clear()
    reports: list[tuple[int, int]] = []
    build_corpus(recordings, out, QUICK, shard=3, report=lambda done, total: reports.append((done, total)))
    assert sorted(computed) == [1, 3]
    assert reports == [(0, 7), (3, 7), (6, 7), (7, 7)]
    assert not (out / SHARDS).exists()


def test_it_goes_on_only_with_the_same_sounds_heard_alike(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped twice when all was computed: once for other seconds, once for a recording that changed, of equal size."""
    copy = shutil.copytree(recordings, tmp_path / "copy")
    (copy / "low" / "000001.wav").rename(copy / "low" / "LOUD.WAV")
    shutil.copy(copy / "low" / "LOUD.WAV", copy / "low" / ".hidden.wav")
    short, changed = Preparation(seconds=11.0), copy / "low" / "000002.wav"

    def stop(*rest: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(build, "_assemble", stop)
        for preparation in (Preparation(), short):
            with pytest.raises(KeyboardInterrupt):
                build_corpus(copy, tmp_path / "new", QUICK, preparation, shard=3)
    size = changed.stat().st_size
    soundfile.write(changed, 0.1 * np.random.default_rng(0).standard_normal(17 * 8000), 8000, subtype="PCM_16")
    assert changed.stat().st_size == size
    found, fresh = (build_corpus(copy, tmp_path / name, QUICK, short, shard=3) for name in ("new", "fresh"))
    assert np.array_equal(found.vectors[:], fresh.vectors[:])
    assert found.table["seconds"].tolist() == [11] * 5
    assert found.table["path"].tolist()[2:] == ["low/000000.wav", "low/000002.wav", "low/LOUD.WAV"]


def test_two_do_not_build_one_corpus_at_once(recordings: Path, tmp_path: Path) -> None:
    """Another process has it; its work stays, and when it ends the corpus can be built."""
    out = tmp_path / "new"
    code = f"""from pathlib import Path
from b2m_encoding.io.writing import locked
with locked(Path({str(out / ".lock")!r}), ""):
    print("held", flush=True)
    input()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(InputError, match="another process is building this corpus"):
            build_corpus(recordings, out, QUICK)
        assert not (out / SHARDS).exists()
        other.kill()
    assert build_corpus(recordings, out, QUICK).vectors.shape[0] == 5


def test_a_changed_recording_is_heard_again(recordings: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(recordings, tmp_path / "copy")
    (copy / "high" / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    first = build_corpus(copy, tmp_path / "new", QUICK).vectors[:].copy()
    soundfile.write(copy / "low" / "000002.wav", 0.1 * np.random.default_rng(0).standard_normal(16 * 8000), 8000)
    again = build_corpus(copy, tmp_path / "new", QUICK).vectors[:]
    assert (first != again).any(axis=1).tolist() == [False] * 4 + [True]
    assert "high/gone.wav" in (tmp_path / "new" / "skipped.tsv").read_text()


def test_the_tables_of_fma(recordings: Path, tmp_path: Path) -> None:
    """Two lines of headers and a name for the index, as in fma_metadata."""
    audio = tmp_path / "fma_large" / "000"
    shutil.copytree(recordings / "low", audio)
    (tmp_path / "fma_metadata").mkdir()
    lines = [
        ",album,artist,track,track,track", ",title,name,genre_top,license,title", "track_id,,,,,",
        '1,A,"Some, body",Folk,CC-BY,A song', "2,B,Nobody,,CC0,Another", "99,C,Else,Rock,,Not here",
    ]  # fmt: skip
    (tmp_path / "fma_metadata" / "tracks.csv").write_text("\n".join(lines))
    corpus = build_corpus(tmp_path / "fma_large", tmp_path / "new", QUICK)
    found = corpus.table[["clip", "title", "artist", "genre", "licence"]].to_numpy().tolist()
    assert found == [
        ["000/000000", "", "", "", ""],
        ["000/000001", "A song", "Some, body", "Folk", "CC-BY"],
        ["000/000002", "Another", "Nobody", "", "CC0"],
    ]


def test_a_network_hears_a_corpus(recordings: Path, tmp_path: Path, tiny_clap: Path) -> None:
    space = AudioEmbeddingSpace.of_model("clap", weights=tiny_clap, device="cpu")
    corpus = build_corpus(recordings, tmp_path / "new", space, Preparation(fade=0, rms=0))
    waves = [read_audio(corpus.path(row), 48_000, 0, corpus.table["seconds"][row]) for row in range(5)]
    assert np.allclose(corpus.vectors[:], space.embed_waves(waves, 48_000), atol=2e-3)
    described = corpus.record["space"]
    assert described["pretrained"]["files"]["model.safetensors"]
    assert described["windows"] == {"length": 10.0, "step": 1.5, "pooling": "mean"}


RECORDED = {"extractor": "acoustic", "groups": list(ACOUSTIC.table.groups), "stimuli": "x", "fade": 2.0, "pca": None}  # type: ignore[union-attr]
NETWORK = {"extractor": "clap", "layer": None, "window": None, "mode": "centred", "context": "clip", "pooling": "mean"}
PRETRAINED = {"files": {"model.safetensors": "a" * 64}, "shuffled_seed": None}
HEARD = {"options": NETWORK, "pretrained": PRETRAINED, "windows": {"length": 10.0, "step": 1.5, "pooling": "mean"}}


def test_only_equal_spaces_are_compared(built: Corpus) -> None:
    check_same_space(built.record["space"], RECORDED, 10.0, 1.5)
    check_same_space(HEARD, {**NETWORK, "pretrained": PRETRAINED}, 10.0, 1.5)
    check_same_space(HEARD, {"extractor": "text", "network": "clap", "pretrained": PRETRAINED}, 10.0, 1.5)


@pytest.mark.parametrize(
    ("space", "record", "length", "words"),
    [
        ({"options": RECORDED, "windows": HEARD["windows"]}, {**RECORDED, "groups": ["mel"]}, 10.0, "groups"),
        ({"options": RECORDED, "windows": HEARD["windows"]}, RECORDED, 5.0, "5 s every 1.5 s"),
        ({"options": RECORDED, "windows": HEARD["windows"]}, {**RECORDED, "pca": 10}, 10.0, "principal components"),
        (HEARD, RECORDED, 10.0, "extractor"),
        (HEARD, {**NETWORK, "layer": 3, "pretrained": PRETRAINED}, 10.0, "layer"),
        (HEARD, {**NETWORK, "pretrained": {"files": {"model.safetensors": "b" * 64}}}, 10.0, "weights"),
        (HEARD, {"extractor": "text", "pretrained": {**PRETRAINED, "files": {}}}, 10.0, "weights"),
        (HEARD, {**NETWORK, "pretrained": {**PRETRAINED, "shuffled_seed": 1}}, 10.0, "shuffled_seed"),
    ],
)
def test_different_spaces_are_told_apart(space: Any, record: Any, length: float, words: str) -> None:
    with pytest.raises(InputError, match=words):
        check_same_space(space, record, length, 1.5)


def test_what_is_no_corpus_is_told(built: Corpus, recordings: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("")
    empty = tmp_path / "empty"
    empty.mkdir()
    for audio, out, problem in (
        (recordings, tmp_path / "other", "other files"),
        (tmp_path / "nowhere", tmp_path / "a", "does not exist"),
        (empty, tmp_path / "a", "no recordings"),
    ):
        with pytest.raises(InputError, match=problem):
            build_corpus(audio, out, ACOUSTIC)
    mark_folder(tmp_path / "full", "corpus")
    (tmp_path / "full" / CLIPS).mkdir(parents=True)  # in the way of a file, as a disk that is full
    with pytest.raises(InputError, match=rf"cannot be built(.|\n)*{CLIPS}(.|\n)*same command again"):
        build_corpus(recordings, tmp_path / "full", QUICK)
    for seconds in (5, 0, np.nan, np.inf):
        with pytest.raises(InputError, match="seconds is shorter than the window"):
            build_corpus(recordings, tmp_path / "a", ACOUSTIC, Preparation(seconds=seconds))
    with pytest.raises(InputError, match="shorter than two fades"):
        build_corpus(recordings, tmp_path / "a", QUICK, Preparation(seconds=3))
    shutil.copy(recordings / "low" / "short.wav", empty)
    with pytest.raises(InputError, match="no recording can be used"):
        build_corpus(empty, tmp_path / "a", ACOUSTIC)
    copy = shutil.copytree(built.folder, tmp_path / "copy")
    record = json.loads((copy / RECORD).read_text())
    (copy / RECORD).write_text(json.dumps({**record, "clips": 7}))
    with pytest.raises(InputError, match="do not fit together"):
        Corpus.open(copy)
    for text, problem in (("{", "damaged"), ("[1]", "damaged"), ('{"audio": "a", "space": {"options": {}}}', "spread")):
        (copy / RECORD).write_text(text)
        with pytest.raises(InputError, match=problem):
            Corpus.open(copy)
    shutil.copy(built.folder / RECORD, copy)
    for name, problem in ((EMBEDDINGS, "cannot be read"), (CLIPS, "table of a corpus is damaged")):
        shutil.copy(built.folder / EMBEDDINGS, copy)
        (copy / name).unlink()
        with pytest.raises(InputError, match=problem):
            Corpus.open(copy)
        os.mkfifo(copy / name)  # never read
        with pytest.raises(InputError, match=problem):
            Corpus.open(copy)
        (copy / name).unlink()


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("place", ["", "shards", "shards/deep", "../data", "link"])
def test_recordings_and_corpus_do_not_hold_each_other(recordings: Path, tmp_path: Path, place: str) -> None:
    data = tmp_path / "data"
    shutil.copytree(recordings, data / "shards")
    (data / "link").symlink_to("shards")
    before = snapshot(data)
    for audio, out in ((data / "shards", data / place), (data / place, data / "shards")):
        if audio.is_dir():
            with pytest.raises(InputError, match="hold each other"):
                build_corpus(audio, out, QUICK)
    assert snapshot(data) == before


@pytest.mark.parametrize("name", ["shards/000000.tar", "clips.tsv", "corpus.json", ".shards-b2m/notes.txt", ".hidden"])
def test_a_folder_with_files_of_these_names_is_not_ours(recordings: Path, tmp_path: Path, name: str) -> None:
    mine = tmp_path / "out" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("years of work")
    with pytest.raises(InputError, match="holds other files"):
        build_corpus(recordings, tmp_path / "out", QUICK)
    assert snapshot(tmp_path / "out") == {name: b"years of work"}


def test_files_that_were_added_to_a_corpus_stay(recordings: Path, tmp_path: Path) -> None:
    out = tmp_path / "new"
    build_corpus(recordings, out, QUICK)
    for name in ("notes.txt", "shards/000000.tar", "empty/.keep"):
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text("mine")
    (out / "empty/.keep").unlink()
    build_corpus(recordings, out, QUICK)
    assert (out / "notes.txt").read_text() == (out / "shards/000000.tar").read_text() == "mine"
    assert (out / "empty").is_dir()


def test_a_table_of_a_corpus_that_was_edited_is_kept(recordings: Path, tmp_path: Path) -> None:
    out = tmp_path / "new"
    build_corpus(recordings, out, QUICK)
    for text in ("genres by hand", "again"):
        (out / "clips.tsv").write_text(text)
        assert len(build_corpus(recordings, out, QUICK).table)
    kept = {path.name: path.read_text() for path in out.glob("*.edited*")}
    assert kept == {"clips.tsv.edited": "genres by hand", "clips.tsv.edited-2": "again"}


def test_only_regular_files_with_readable_names_are_opened(recordings: Path, tmp_path: Path) -> None:
    """A pipe would be read for ever, and a name that is no UTF-8 cannot be written into a table."""
    audio = tmp_path / "audio"
    shutil.copytree(recordings / "low", audio)
    os.mkfifo(audio / "pipe.wav")
    (audio / "zero.wav").symlink_to("/dev/zero")
    (audio / "folder.wav").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(audio / "socket.wav"))
    for name in (b"odd\xff.wav", b"two\nlines.wav", b"=cmd.wav", b"-1.wav", "früh.wav".encode()):
        shutil.copy(audio / "000001.wav", os.fsencode(audio) + b"/" + name)
    corpus = build_corpus(audio, tmp_path / "new", QUICK)
    assert sorted(corpus.table["path"]) == [
        "./-1.wav", "./=cmd.wav", "000000.wav", "000001.wav", "000002.wav", "früh.wav",
    ]  # fmt: skip
    assert all(corpus.path(row).is_file() for row in range(len(corpus)))
    assert corpus.mask(["=cmd"]).sum() == 1
    assert set(corpus.table["genre"]) == {""}
    skipped = pd.read_csv(corpus.folder / "skipped.tsv", sep="\t").set_index("path")["problem"].to_dict()
    assert "too short" in skipped.pop("short.wav")
    assert skipped == {
        "odd\\xff.wav": "its name is not UTF-8",
        "two\\nlines.wav": "its name holds a control character",
        **dict.fromkeys(("pipe.wav", "socket.wav", "zero.wav"), "not a regular file"),
    }


def test_a_folder_of_pipes_holds_no_recordings(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(InputError, match=r"no recordings(.|\n)*pipe.wav: not a regular file"):
        build_corpus(tmp_path, tmp_path.with_name("out"), QUICK)
