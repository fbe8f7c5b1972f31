"""`b2m corpus` and `b2m reconstruct` on the simulated study: from decoded embeddings to sounds and a page."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import soundfile

from b2m_encoding.decoding.generators import Condition, Exemplar, Generator, load_generator
from b2m_encoding.decoding.generators.files import for_listening
from b2m_encoding.decoding.identification import identification_accuracy
from b2m_encoding.decoding.retrieval.build import build_corpus
from b2m_encoding.decoding.retrieval.corpus import Corpus
from b2m_encoding.decoding.retrieval.embedding_space import AudioEmbeddingSpace
from b2m_encoding.decoding.retrieval.similarity import Metric
from b2m_encoding.features.audio import Wave, read_audio
from b2m_encoding.features.clips import Clip
from b2m_encoding.features.stimuli import Stimuli
from b2m_encoding.gallery.explorer_sounds import page_clips
from b2m_encoding.reconstruction import request
from b2m_encoding.reconstruction.evaluate import evaluate_vectors
from b2m_encoding.reconstruction.request import ReconstructionRequest
from b2m_encoding.reconstruction.run import reconstruct
from b2m_encoding.results.bundle import ResultsWriter
from b2m_encoding.results.clip_responses import ClipResponses, clip_responses_name
from b2m_encoding.results.decoded import Decoded, DecodedWindows, read_decoded
from b2m_encoding.results.reader import Results
from b2m_encoding.results.reranking_model import RerankingModel, read_reranking_model
from b2m_encoding.results.schema.reconstruction_tables import RECONSTRUCTION
from b2m_encoding.spaces import RegionSpace

from ..tiny_models import DIM, HEARS, save_musicgen, save_musicldm

B2M = Callable[..., tuple[int, str]]
N_CLIPS = 4
SPACE = AudioEmbeddingSpace.of_model("acoustic", length=2.0, step=6.5)
SHORT = ("--seconds", 2)
"""Of sounds that are written: encoding takes the time."""


def heard_clips(study: Path) -> list[Clip]:
    """Clips of the test run, in the order of their first presentation."""
    events = pd.read_csv(next(study.rglob("*task-Test*_events.tsv")), sep="\t")
    rows = events.drop_duplicates("track").iloc[:N_CLIPS]
    return [
        Clip(f"{genre}/{genre}.{int(track):05d}.wav", float(start), 15.0)
        for genre, track, start in zip(rows["genre"].str.strip("'"), rows["track"], rows["start"], strict=True)
    ]


@pytest.fixture(scope="module")
def module_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def corpus_folder(tiny_template: Path, module_cache: Path) -> Path:
    """The test clips and others of the study as a corpus, embedded as they were heard."""
    audio, tested = module_cache / "audio", {clip.name for clip in heard_clips(tiny_template)}
    every = sorted((tiny_template / "study/stimuli/genres").rglob("*.wav"))
    for path in [path for path in every if path.stem in tested] + [path for path in every if path.stem not in tested][
        ::3
    ]:
        (audio / path.parent.name).mkdir(parents=True, exist_ok=True)
        os.link(path, audio / path.parent.name / path.name)
    build_corpus(audio, module_cache / "corpus", SPACE, name="<b>own</b>")
    return module_cache / "corpus"


def save_results(folder: Path, template: Path, corpus: Corpus, space: AudioEmbeddingSpace, name: str) -> Path:
    """Results of two subjects as a run leaves them: the first decoded well, the second not at all."""
    clips, stimuli = heard_clips(template), Stimuli(template / "study" / "stimuli" / "genres")
    rng = np.random.default_rng(0)
    true = np.stack(list(space.embed(stimuli, clips).values()))
    centre, spread = corpus.centre, true.std(axis=0)
    names = np.array([clip.name for clip in clips])
    others = np.array([path.stem for path in sorted(corpus.audio.rglob("*.wav")) if path.stem not in names])
    described = space.describe()
    options = described["options"] | {"pca": None, "stimuli": "study/stimuli/genres"}
    options |= {key: described[key] for key in ("pretrained",) if key in described}
    with ResultsWriter(folder, "test", ["01", "02"]) as writer:
        windows = f'targets = ["{name}"]\nwindow = {space.length}\nstep = {space.step}'
        text = (template / "study.toml").read_text().replace('targets = ["text"]', windows)
        writer.file("study.toml").write_text(text.replace('"study/', f'"{template}/study/'))
        writer.write_json("provenance.json", {"inputs": {"study.toml": ""}, "features": {name: options}})
        for subject, noise in (("01", 0.01), ("02", 100.0)):
            writer.write_map(subject, "joint", "r", np.array([0.3]), RegionSpace(("A1",)), {})
            predicted = centre + 0.3 * (true - centre) + noise * spread * rng.standard_normal(true.shape)
            windows = DecodedWindows(predicted.astype(np.float32), names, np.zeros(N_CLIPS))
            Decoded(name, "regions", names, windows.vectors, true, windows).save(writer.folder, subject)
            weights = rng.standard_normal((len(centre), 30)) / spread[:, None]
            measured = (true - centre) @ weights + rng.standard_normal((N_CLIPS, 30))
            encoder = RerankingModel(np.arange(30), np.ones(30), centre, weights, names, measured, others[:1])
            encoder.save(writer.folder, subject, name)
            start, duration = np.array([clip.start for clip in clips], "f4"), np.full(N_CLIPS, 15.0, "f4")
            nothing, courses = np.zeros((N_CLIPS, 1), "f4"), np.zeros((0, 3), "f4")
            heard = ClipResponses(names, start, duration, nothing, np.zeros(0, int), courses, courses, 1.5)
            heard.save(writer.file(f"sub-{subject}", clip_responses_name(subject)))
    return folder


@pytest.fixture(scope="module")
def results_template(tiny_template: Path, corpus_folder: Path, module_cache: Path) -> Path:
    """Results in the space of the corpus."""
    return save_results(module_cache / "results", tiny_template, Corpus.open(corpus_folder), SPACE, "acoustic")


@pytest.fixture
def results(results_template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(results_template, tmp_path / "results"))


def table(results: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(results / name, sep="\t", dtype={"subject": str, "corpus": str})


def neighbours_of(results: Path) -> str:
    [path] = (results / "sub-01/reconstruction").glob("acoustic-regions-*/neighbours.tsv")
    return path.relative_to(results).as_posix()


def test_from_decoded_to_a_page(results: Path, corpus_folder: Path, tiny_template: Path, b2m: B2M) -> None:
    code, printed = b2m("reconstruct", results, "--corpus", corpus_folder, "--k", 3, *SHORT)
    assert code == 0, printed
    place = str(corpus_folder.parent).encode()
    assert not [path for path in results.rglob("*.json") if place in path.read_bytes()]
    assert str(results / "listen.html") in printed
    assert re.search(rf"page .* {2 * N_CLIPS}/{2 * N_CLIPS} ", printed)  # where the bar ended
    assert re.search(r"oracle .*identification .*\d\.\d{3} to \d\.\d{3}", printed)  # interval over subjects
    clips = heard_clips(tiny_template)
    rows = table(results, "reconstruction.tsv")
    assert rows.groupby("method", sort=False).size().to_dict() == dict.fromkeys(
        ("heard", "retrieved", "oracle", "chance"), 2 * N_CLIPS
    )
    for file in rows["file"]:
        assert (results / file).is_file()
    tested = {clip.name for clip in clips}
    retrieved = rows[rows["method"] != "heard"]["recording"].str.rpartition("/")[2]
    assert not tested & set(retrieved)  # never the stimuli themselves
    well, badly = (
        rows[(rows["subject"] == subject)].set_index(["method", "clip"])["recording"] for subject in ("01", "02")
    )
    assert well["retrieved"].equals(well["oracle"])
    assert not badly["retrieved"].equals(badly["oracle"])
    assert not badly["chance"].equals(well["chance"])
    neighbours = table(results, neighbours_of(results))
    assert neighbours.groupby("method").size().to_dict() == {
        "retrieved": 3 * N_CLIPS,
        "oracle": 3 * N_CLIPS,
        "chance": N_CLIPS,
    }
    judged = table(results, "evaluation.tsv").set_index(["subject", "method", "measure"])["value"]
    assert judged["01", "retrieved", "identification"] == judged["01", "oracle", "identification"]
    corpus = Corpus.open(corpus_folder)
    metric = Metric.of("standardised", corpus.centre, corpus.spread)
    places = {name: i for i, name in enumerate(corpus.table["clip"])}
    names = [name.rpartition("/")[2] not in tested for name in corpus.table["clip"]]
    allowed = metric.unit(corpus.vectors[np.array(names)])
    for (subject, method), own in rows.query("method != 'heard'").groupby(["subject", "method"]):
        vectors = corpus.vectors[np.array([places[name] for name in own["recording"]])].astype(float)
        made = metric.unit(vectors)
        decoded, encoder = (read(results, subject, "acoustic") for read in (read_decoded, read_reranking_model))
        scores = evaluate_vectors({method: made}, metric.unit(decoded.true), allowed)
        expected = {one.measure: one.value for one in scores}
        assert expected == pytest.approx({name: judged[subject, method, name] for name in expected}, abs=1e-4)
        asked = metric.unit(decoded.true if method == "oracle" else decoded.predicted)
        assert np.allclose(own["cosine"], (made * asked).sum(axis=1), atol=1e-4)
        said = (vectors - encoder.mean) @ encoder.weights
        r = [np.corrcoef(one, measured)[0, 1] for one, measured in zip(said, encoder.measured, strict=True)]
        assert np.allclose(own["responses_r"], r, atol=1e-4)
    page = (results / "listen.html").read_text("utf-8")
    assert page.count("<audio") == 8 * N_CLIPS
    both = judged["01", "retrieved", "identification"], judged["02", "retrieved", "identification"]
    assert re.search(rf"{np.mean(both):.3f} \[-?\d\.\d{{3}}, \d\.\d{{3}}\]", page)  # over subjects
    assert "&lt;b&gt;own&lt;/b&gt;" in page
    assert "<b>own" not in page
    assert "simulated data" in page


def test_what_was_heard_is_what_was_played(results: Path, corpus_folder: Path, tiny_template: Path, b2m: B2M) -> None:
    assert b2m("reconstruct", results, "--corpus", corpus_folder, "--subject", "01", *SHORT)[0] == 0
    rows = table(results, "reconstruction.tsv")
    for clip in heard_clips(tiny_template)[:2]:
        [file] = rows[(rows["method"] == "heard") & (rows["clip"] == clip.name)]["file"]
        played = read_audio(clip.file(tiny_template / "study/stimuli/genres"), 22050, clip.start, 2.0)
        heard = read_audio(results / file, 22050)[: len(played)]
        assert np.corrcoef(heard, played[: len(heard)])[0, 1] > 0.95
    assert set(rows["subject"]) == {"01"}


def test_progress_counts_the_clips_of_everyone(results: Path, corpus_folder: Path) -> None:
    """From none to all, over both subjects, and the page at the end."""
    told: list[tuple[str, int, int]] = []
    corpus, wanted = Corpus.open(corpus_folder), ReconstructionRequest(seconds=2.0)
    reconstruct(results, corpus, wanted, lambda what, done, total: told.append((what, done, total)))
    clips = read_decoded(results, "01", "acoustic").clips.tolist()
    expected = [f"sub-{subject}: {clip}" for subject in ("01", "02") for clip in clips]
    assert told == [(what, i, 2 * N_CLIPS) for i, what in enumerate([*expected, "page"])]


def test_sounds_are_made_once(results: Path, corpus_folder: Path, b2m: B2M) -> None:
    """What is whole is kept; what is damaged or was retrieved with another vector is made again."""
    call = ("reconstruct", results, "--corpus", corpus_folder, "--subject", "01", *SHORT)
    assert b2m(*call)[0] == 0
    sounds = sorted((results / "sub-01" / "reconstruction").rglob("*.mp3"))
    before = {path: path.stat().st_mtime_ns for path in sounds}
    sounds[0].write_bytes(b"damaged")
    sounds[1].with_suffix(".json").unlink()
    assert b2m(*call)[0] == 0
    changed = [path for path in sounds if path.stat().st_mtime_ns != before[path]]
    assert changed == sounds[:2]
    assert json.loads(sounds[0].with_suffix(".json").read_text())["generated"] is False
    assert len(table(results, "reconstruction.tsv")) == 4 * N_CLIPS


def test_named_recordings_are_left_out(results: Path, corpus_folder: Path, tmp_path: Path, b2m: B2M) -> None:
    call = ("reconstruct", results, "--corpus", corpus_folder, "--subject", "01", *SHORT)
    assert b2m(*call)[0] == 0
    first = table(results, "reconstruction.tsv").query("method == 'retrieved'")["recording"]
    (tmp_path / "names.txt").write_text("\n".join(first) + "\n")
    assert b2m(*call, "--leave-out", tmp_path / "names.txt")[0] == 0
    again = table(results, "reconstruction.tsv")
    assert not set(first) & set(again["recording"].dropna())


def test_a_corpus_of_which_nothing_is_left(results: Path, corpus_folder: Path, tmp_path: Path, b2m: B2M) -> None:
    (tmp_path / "names.txt").write_text("\n".join(Corpus.open(corpus_folder).table["clip"]))
    code, printed = b2m(
        "reconstruct", results, "--corpus", corpus_folder, "--leave-out", tmp_path / "names.txt", *SHORT
    )
    assert code == 2
    assert "nothing that may be retrieved" in printed
    assert "build a corpus of other recordings" in printed


def test_training_clips_are_left_out_if_asked_for(results: Path, corpus_folder: Path, b2m: B2M) -> None:
    [trained] = read_reranking_model(results, "01", "acoustic").trained
    others = len(Corpus.open(corpus_folder)) - N_CLIPS
    call = ("reconstruct", results, "--corpus", corpus_folder, "--subject", "01", "--k", others, *SHORT)
    for choice, expected in (("--training", others), ("--no-training", others - 1)):
        assert b2m(*call, choice)[0] == 0
        found = table(results, neighbours_of(results)).query("method == 'oracle'")
        names = set(found["recording"].str.rpartition("/")[2])
        assert len(names) == expected
        assert (trained in names) == (choice == "--training")


def test_problems_are_told_before_anything_is_written(
    results: Path, corpus_folder: Path, tmp_path: Path, b2m: B2M
) -> None:
    copy = Path(shutil.copytree(corpus_folder, tmp_path / "copy"))
    moved = Path(shutil.copytree(corpus_folder, tmp_path / "moved"))
    record = json.loads((copy / "corpus.json").read_text())
    (moved / "corpus.json").write_text(json.dumps({**record, "audio": "/nowhere/audio"}))
    record["space"]["windows"]["length"] = 5.0
    (copy / "corpus.json").write_text(json.dumps(record))
    (tmp_path / "names.txt").write_bytes(b"\xff\xfe")
    running = Path(shutil.copytree(results, tmp_path / "running"))
    (running / "provenance.json").unlink()
    for arguments, expected in (
        (("--corpus", copy), "differ in their windows"),
        (("--corpus", tmp_path), "no corpus here"),
        (("--corpus", corpus_folder, "--target", "text"), "no such feature space"),
        (("--corpus", corpus_folder, "--decoder", "ridge"), "nothing was decoded"),
        (("--corpus", corpus_folder, "--subject", "09"), "nothing was decoded of this subject"),
        (("--corpus", corpus_folder, "--generator", "musicldm"), 'with extractor = "musicldm_clap"'),
        (("--corpus", corpus_folder, "--generator", "musicgen"), "b2m models fetch musicgen"),
        (("--corpus", corpus_folder, "--generator", "musicgan"), "musicgen?"),
        (("--corpus", corpus_folder, "--n", 0), "--n"),
        (("--corpus", corpus_folder, "--strength", 1.5), "--strength"),
        (("--corpus", corpus_folder, "--strength", 0.5), "retrieved has no such setting"),
        *((("--corpus", corpus_folder, "--seconds", s), "more than 0 s") for s in ("0", "-1", "nan", "inf")),
        (("--corpus", moved), "/nowhere/audio"),
        (("--corpus", corpus_folder, "--leave-out", tmp_path / "names.txt"), "cannot be read"),
        (("--corpus", corpus_folder, "--leave-out", tmp_path / "none.txt"), "none.txt"),
        (("--corpus", corpus_folder, "--classes"), "b2m models fetch audioset"),
        (("--corpus", corpus_folder, "--sounds", tmp_path / "nowhere"), "does not exist"),
    ):
        code, printed = b2m("reconstruct", results, *arguments)
        assert code == 2, printed
        assert expected in printed
    code, printed = b2m("reconstruct", running, "--corpus", corpus_folder)
    assert (code, "the results are not complete" in printed) == (2, True), printed
    assert not list(results.rglob("reconstruction*"))
    assert not (results / "listen.html").exists()


def test_what_cannot_be_written_is_told(results: Path, corpus_folder: Path, b2m: B2M) -> None:
    """A file in the way, for a folder that is read-only: not even that stops the administrator."""
    (results / "sub-01" / "reconstruction").write_text("")
    code, printed = b2m("reconstruct", results, "--corpus", corpus_folder, "--subject", "01", *SHORT)
    assert code == 2, printed
    for words in ("error: a reconstruction failed", f"{results}/sub-01/reconstruction", "same command again"):
        assert words in printed


def test_the_corpus_commands(tiny_template: Path, tmp_path: Path, b2m: B2M) -> None:
    """A corpus of the decoded feature space, named by the study."""
    audio = tmp_path / "few"
    for path in sorted((tiny_template / "study/stimuli/genres/jazz").glob("*.wav"))[:2]:
        (audio / "jazz").mkdir(parents=True, exist_ok=True)
        shutil.copy(path, audio / "jazz")
    study = tmp_path / "study.toml"
    text = (tiny_template / "study.toml").read_text()
    study.write_text(
        text.replace('["text"]', '["acoustic"]\nwindow = 7.5\nstep = 3.0').replace("study/", f"{tiny_template}/study/")
    )
    code, printed = b2m("corpus", "build", audio, "--study", study, "--out", tmp_path / "corpus")
    assert (code, "2 recordings in" in printed) == (0, True), printed
    assert re.search(r"recordings .* 2/2 ", printed)  # where the bar ended
    windows = Corpus.open(tmp_path / "corpus").record["space"]["windows"]
    assert (windows["length"], windows["step"]) == (7.5, 3.0)
    code, printed = b2m("corpus", "info", tmp_path / "corpus")
    assert code == 0
    for words in (
        "2 (0 left out), 2 with a genre",
        "57 dimensions; extractor acoustic",
        "7.5 s every 3 s of the first 15 s",
    ):
        assert words in printed
    known = tmp_path / "table.csv"
    acoustic = ("--model", "acoustic", "--out", tmp_path / "none")
    for text, expected in (("", "cannot be read"), ("title,genre\na,b\n", "['path', 'title',")):
        known.write_text(text)
        code, printed = b2m("corpus", "build", audio, *acoustic, "--metadata", known)
        assert (code, expected in printed, str(known) in printed) == (2, True, True), printed
    for arguments, expected in (
        *(((*acoustic, "--window", value), "impossible windows of sound") for value in (0, -1, "nan")),
        *(((*acoustic, "--step", value), "impossible windows of sound") for value in (0, -1, "nan", "inf")),
        ((*acoustic, "--seconds", 3, "--window", 2), "--as-it-is"),
        ((*acoustic, "--layer", 3), "no network"),
        ((*acoustic, "--weights", audio), "no network"),
        ((), "name a model or a study"),
        (("--model", "minilm"), "does not embed audio"),
        (("--model", "clap"), "b2m models fetch clap"),
        (("--study", study, "--target", "text"), "not an audio feature space"),
    ):
        code, printed = b2m("corpus", "build", audio, *arguments)
        assert code == 2
        assert expected in printed
    assert not (tmp_path / "none").exists()


class Hum:
    """A small generator: three tones whose levels and phases follow the embedding and the seed."""

    name, licence, space = "hum", "CC0", None
    provenance: ClassVar[dict[str, Any]] = {"generator": "Hum", "model": "a/hum", "revision": "abc"}

    def __init__(self) -> None:
        self.made: list[tuple[str, int]] = []
        self.told: dict[str, Condition] = {}

    def generate(self, condition: Condition, seconds: float, random_state: int) -> tuple[Wave, int]:
        self.made.append((condition.clip, random_state))
        self.told[condition.clip] = condition
        assert condition.exemplar is not None
        rng, time = np.random.default_rng(random_state), np.arange(round(seconds * 8000)) / 8000
        level = 1 + np.abs(condition.embedding[:3])
        tones = [np.sin(2 * np.pi * f * time) * a for f, a in zip(rng.uniform(100, 2000, 3), level, strict=True)]
        return np.sum(tones, axis=0).astype(np.float32), 8000


def test_a_generator_makes_candidates_and_the_responses_choose(
    results: Path, corpus_folder: Path, b2m: B2M, monkeypatch: pytest.MonkeyPatch
) -> None:
    hum = Hum()
    assert isinstance(hum, Generator)
    monkeypatch.setattr(request, "load_generator", lambda name, **settings: hum)
    call = ("reconstruct", results, "--corpus", corpus_folder, "--subject", "02", "--generator", "hum", "--n", 3)
    code, printed = b2m(*call, "--evaluator", "acoustic", *SHORT)
    assert code == 0, printed
    everything = table(results, "reconstruction.tsv")
    rows, retrieved = (everything.query(f"method == '{name}'") for name in ("hum", "retrieved"))
    assert len(rows) == len(hum.made) == len(set(hum.made)) == 3 * N_CLIPS
    decoded, encoder = read_decoded(results, "02", "acoustic"), read_reranking_model(results, "02", "acoustic")
    metric = Metric.of("standardised", Corpus.open(corpus_folder).centre, Corpus.open(corpus_folder).spread)
    best, heard = [], []
    for clip, own in rows.groupby("clip"):
        predicted = decoded.predicted[decoded.clips.tolist().index(clip)]
        records = [json.loads((results / file).with_suffix(".json").read_text()) for file in own["file"]]
        embeddings = np.array([record["embedding"] for record in records])
        best.append(embeddings[0])
        heard.append(decoded.true[decoded.clips.tolist().index(clip)])
        cosine = metric.unit(embeddings) @ metric.unit(predicted[None])[0]
        assert np.allclose(own["cosine"], cosine, atol=1e-4)
        measured = encoder.measured[encoder.clips.tolist().index(clip)]
        explained = [np.corrcoef((one - encoder.mean) @ encoder.weights, measured)[0, 1] for one in embeddings]
        assert own["rank"].tolist() == [1, 2, 3]
        assert np.all(np.diff(explained) <= 0)
        assert np.allclose(own["responses_r"], explained, atol=1e-4)
        sound, rate = soundfile.read(results / own["file"].iloc[0])
        assert len(sound) == 2 * rate
        for record in records:
            assert (record["generated"], record["licence"], record["generator"]) == (True, "CC0", hum.provenance)
            assert (clip, record["seed"]) in hum.made
        with soundfile.SoundFile(results / own["file"].iloc[0]) as stream:
            assert f"Generator hum (a/hum, abc), seed {records[0]['seed']};" in stream.comment
            assert stream.copyright == "CC0"
        told, [near] = hum.told[clip], retrieved[retrieved["clip"] == clip]["recording"]
        assert records[0]["condition"]["clip"] == clip
        assert records[0]["condition"]["text"] == told.text == near.split("/")[0]  # its genre, for generators that read
        starts, series = decoded.windows.of(clip)
        assert np.array_equal(told.series, series)
        assert np.array_equal(told.embedding, predicted)
        assert told.times.tolist() == (starts + 1).tolist()  # the middle of windows of 2 s
    assert b2m(*call, *SHORT)[0] == 0
    assert len(hum.made) == 3 * N_CLIPS
    made, true = (metric.unit(np.stack(one)) for one in (best, heard))
    evaluation = table(results, "evaluation.tsv").query("encoder == 'decoded space'").set_index(["method", "measure"])
    for row in (one.row() for one in evaluate_vectors({"hum": made}, true)):
        assert evaluation.loc[("hum", row["measure"]), "value"] == pytest.approx(row["value"], abs=1e-4)
    _mean_of_samples(results, metric)
    judged = table(results, "evaluation.tsv").query("measure == 'identification'")
    assert set(judged["encoder"]) == {"decoded space", "acoustic"}
    assert judged.groupby(["encoder", "method"]).size().to_dict().keys() >= {
        ("acoustic", "hum"),
        ("decoded space", "hum"),
    }
    page = (results / "listen.html").read_text("utf-8")
    assert page.count("hum-") == 3 * N_CLIPS
    assert b2m(*call, *SHORT, "--seed", 1)[0] == 0
    assert len(hum.made) == len(set(hum.made)) == 6 * N_CLIPS
    drawn = [
        one.query("method == 'chance'")["recording"].tolist()
        for one in (everything, table(results, RECONSTRUCTION.file))
    ]
    assert drawn[0] != drawn[1]


def _mean_of_samples(results: Path, metric: Metric) -> None:
    """Beside the sample that the encoding model ranks first, the mean over all, none of them chosen."""
    rows = table(results, "reconstruction.tsv").query("method == 'hum'").sort_values("clip")
    values, decoded = [], read_decoded(results, "01", "acoustic")
    true = metric.unit(decoded.true)
    for _, own in rows.groupby("sample"):
        order = own.set_index("clip").loc[decoded.clips.tolist(), "file"]
        made = [json.loads((results / file).with_suffix(".json").read_text())["embedding"] for file in order]
        values.append(identification_accuracy(metric.unit(np.array(made, np.float32)), true))
    found = table(results, "evaluation.tsv").set_index(["method", "encoder", "measure"])["value"]
    assert found["hum, mean of 3", "decoded space", "identification"] == pytest.approx(np.mean(values), abs=1e-3)
    clips = table(results, "evaluation_clips.tsv").query("method == 'hum, mean of 3' and encoder == 'decoded space'")
    assert np.allclose(clips["value"], np.mean(values, axis=0), atol=1e-3)


def test_two_corpora_stay_beside_each_other(results: Path, corpus_folder: Path, tmp_path: Path, b2m: B2M) -> None:
    other = Path(shutil.copytree(corpus_folder, tmp_path / "other"))
    record = json.loads((other / "corpus.json").read_text())
    record |= {"name": "7", "audio": str(Corpus.open(corpus_folder).audio)}  # a name that looks like a number
    (other / "corpus.json").write_text(json.dumps(record))
    (tmp_path / "names.txt").write_text("\n".join(Corpus.open(other).table["clip"][-1:]))
    call = ("--subject", "01", "--evaluator", "acoustic", *SHORT)
    assert b2m("reconstruct", results, "--corpus", corpus_folder, *call)[0] == 0
    first, sounds = table(results, "evaluation.tsv"), {path: path.read_bytes() for path in results.rglob("*.mp3")}
    for _ in range(2):  # twice: rows are replaced by those of the same corpus
        code, printed = b2m("reconstruct", results, "--corpus", other, "--leave-out", tmp_path / "names.txt", *call)
        assert code == 0, printed
    both, key = table(results, "evaluation.tsv"), ["method", "encoder", "measure"]
    assert both.groupby("corpus").size().to_dict() == {"7": len(first), "<b>own</b>": len(first)}
    kept = both.query("corpus != '7'").set_index(key)["value"]
    assert kept.equals(first.set_index(key)["value"])
    assert all(path.read_bytes() == content for path, content in sounds.items())
    assert "the corpus 7 that" in (results / "listen.html").read_text()
    clips = table(results, "evaluation_clips.tsv").groupby(["corpus", *key])["value"].mean()
    means = both.query("measure == 'identification'").set_index(["corpus", *key])["value"]
    assert np.allclose(clips.reindex(means.index), means, atol=1e-4)
    assert np.allclose(means.xs("chance", level="method"), 0.5, atol=1e-6)  # an expectation, not one draw
    tests = table(results, "evaluation_tests.tsv").query("encoder == 'decoded space'")
    assert set(tests["compared"]) == {"method", "corpus"}
    [row] = tests.query("corpus == '7' and first == 'retrieved' and second == 'chance'").to_dict("records")
    [mine] = means.xs("7")["retrieved"].xs("decoded space")
    assert row["difference"] == pytest.approx(mine - 0.5, abs=1e-4)
    assert row["clips"] == N_CLIPS


def test_corpora_of_one_name_do_not_replace_each_other(
    results: Path, corpus_folder: Path, tmp_path: Path, b2m: B2M
) -> None:
    """The same recordings elsewhere are the same corpus; fewer of them are another one, whatever it is called."""
    moved = Path(shutil.copytree(corpus_folder, tmp_path / "moved"))
    record = json.loads((moved / "corpus.json").read_text()) | {"audio": str(Corpus.open(corpus_folder).audio)}
    (moved / "corpus.json").write_text(json.dumps(record))
    fewer = Path(shutil.copytree(moved, tmp_path / "fewer"))
    kept = np.arange(len(Corpus.open(moved)) - 2)
    for name in ("embeddings.npy", "prints.npy"):
        np.save(fewer / name, np.load(moved / name)[kept])
    pd.read_csv(moved / "clips.tsv", sep="\t", dtype=str).iloc[kept].to_csv(fewer / "clips.tsv", sep="\t", index=False)
    (fewer / "corpus.json").write_text(json.dumps(record | {"clips": len(kept)}))
    sounds: dict[Path, bytes] = {}
    for folder in (corpus_folder, fewer, moved, fewer):
        code, printed = b2m("reconstruct", results, "--corpus", folder, "--subject", "01", *SHORT)
        assert code == 0, printed
        sounds = sounds or {path: path.read_bytes() for path in results.rglob("*.mp3")}
    assert all(path.read_bytes() == content for path, content in sounds.items())
    other = f"<b>own</b> ({Corpus.open(fewer).key})"
    for name in ("reconstruction.tsv", "evaluation.tsv", "evaluation_clips.tsv"):
        counts = table(results, name)["corpus"].value_counts()
        assert set(counts.index) == {"<b>own</b>", other}, name
        assert counts.nunique() == 1
    assert Corpus.open(fewer).key in (results / "listen.html").read_text()  # the last one


@pytest.fixture(scope="module")
def musicldm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("musicldm")
    save_musicldm(folder)
    return folder


@pytest.fixture(scope="module")
def joint(tiny_template: Path, corpus_folder: Path, musicldm: Path, module_cache: Path) -> tuple[Path, Path]:
    """Results and a corpus in the embedding that MusicLDM listens to."""
    space = AudioEmbeddingSpace.of_model("musicldm_clap", weights=musicldm, device="cpu", length=HEARS, step=14.0)
    corpus = build_corpus(module_cache / "audio", module_cache / "joint-corpus", space)
    return save_results(module_cache / "joint-results", tiny_template, corpus, space, "clap"), corpus.folder


def generated(folder: Path) -> dict[str, bytes]:
    """Sounds that were generated, whole files."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("musicldm-*.wav"))}


def test_musicldm_makes_candidates_from_decoded_embeddings(
    joint: tuple[Path, Path], musicldm: Path, tmp_path: Path, b2m: B2M
) -> None:
    """Small, with random weights, but all of it real: from the decoded joint embedding to a page that plays sounds."""
    template, corpus = joint
    results = Path(shutil.copytree(template, tmp_path / "results"))
    choice = ("--generator", "musicldm", "--weights", musicldm, "--device", "cpu", "--steps", 4, "--strength", 0.25)
    call = ("--corpus", corpus, *choice, "--n", 2, "--subject", "01", "--seconds", HEARS)
    code, printed = b2m("reconstruct", results, *call)
    assert code == 0, printed
    rows = table(results, "reconstruction.tsv").query("method == 'musicldm'")
    assert rows.groupby("clip")["rank"].apply(list).tolist() == [[1, 2]] * N_CLIPS
    page = (results / "listen.html").read_text("utf-8")
    encoder = read_reranking_model(results, "01", "clap")
    hashes = {
        path.relative_to(musicldm).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(musicldm.rglob("*.*"))
    }
    weights = hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()[:32]
    for clip, own in rows.groupby("clip"):
        records = [json.loads((results / file).with_suffix(".json").read_text()) for file in own["file"]]
        for file, record in zip(own["file"], records, strict=True):
            with soundfile.SoundFile(results / file) as stream:
                assert (stream.samplerate, len(stream), stream.channels) == (16_000, HEARS * 16_000, 1)
                assert stream.copyright == record["licence"] == "CC-BY-NC-SA-4.0"
                assert f"musicldm (ucsd-reach/musicldm, weights {weights})" in stream.comment
                assert f"seed {record['seed']};" in stream.comment
                sound = stream.read()
            assert np.isfinite(sound).all()
            assert np.sqrt(np.mean(sound**2)) > 0.03
            assert record["generated"] is True
            assert {"strength": 0.25, "steps": 4, "model": "ucsd-reach/musicldm"}.items() <= record["generator"].items()
            assert record["generator"]["files"] == hashes
            assert f'src="{file}"' in page
        embeddings = np.array([record["embedding"] for record in records])
        measured = encoder.measured[encoder.clips.tolist().index(clip)]
        explained = [np.corrcoef((one - encoder.mean) @ encoder.weights, measured)[0, 1] for one in embeddings]
        assert explained[0] > explained[1]
        assert np.allclose(own["responses_r"], explained, atol=1e-4)
    replace(encoder, measured=-encoder.measured).save(results, "01", "clap")  # responses alone change
    first = generated(results)
    assert b2m("reconstruct", results, *call)[0] == 0
    turned = table(results, "reconstruction.tsv").query("method == 'musicldm'")
    assert turned["file"].tolist() == [
        file for _, own in rows.groupby("clip", sort=False) for file in own["file"][::-1]
    ]
    assert generated(results) == first
    assert len(set(first.values())) == 2 * N_CLIPS
    for seed, n, same in ((0, 2, True), (1, 1, False)):
        again = Path(shutil.copytree(template, tmp_path / f"seed-{seed}"))
        assert b2m("reconstruct", again, *call, "--seed", seed, "--n", n)[0] == 0
        assert [sound == first[file] for file, sound in generated(again).items()] == [same] * n * N_CLIPS


def test_what_musicldm_needs_is_told_before_anything_is_written(
    joint: tuple[Path, Path], musicldm: Path, tmp_path: Path, b2m: B2M
) -> None:
    call = ("reconstruct", joint[0], "--corpus", joint[1], "--generator", "musicldm")
    for arguments, expected in (
        ((), ("b2m models fetch musicldm", "1.96 GB", "CC-BY-NC-SA-4.0", "commercial use: no")),
        (("--weights", tmp_path), ("holds no safetensors file", str(tmp_path), "b2m models fetch musicldm")),
        (("--weights", tmp_path / "nowhere"), ("does not exist", str(tmp_path / "nowhere"))),
        (("--weights", musicldm, "--seconds", 0.5), ("0.5 s", "at least 1 s, a window")),
    ):
        code, printed = b2m(*call, *arguments)
        assert code == 2, printed
        for words in expected:
            assert words in printed
    assert not list(joint[0].rglob("reconstruction*"))


def test_without_strength_musicldm_gives_the_retrieved_recording(
    joint: tuple[Path, Path], musicldm: Path, tmp_path: Path, b2m: B2M
) -> None:
    """Through its autoencoder, whatever the seed and whatever was decoded."""
    results, corpus = Path(shutil.copytree(joint[0], tmp_path / "results")), Corpus.open(joint[1])
    choice = ("--generator", "musicldm", "--weights", musicldm, "--device", "cpu", "--strength", 0, "--n", 2)
    code, printed = b2m("reconstruct", results, "--corpus", joint[1], *choice, "--subject", "02", "--seconds", HEARS)
    assert code == 0, printed
    rows = table(results, "reconstruction.tsv")
    found = rows.set_index(["method", "clip"])["recording"]
    assert not found["retrieved"].equals(
        found["oracle"]
    )  # decoded badly: what is near the stimulus would be told apart
    generator = load_generator("musicldm", weights=musicldm, device="cpu", strength=0.0)
    for clip, own in rows[rows["method"] == "musicldm"].groupby("clip"):
        [near] = rows[(rows["method"] == "retrieved") & (rows["clip"] == clip)]["recording"]
        row = corpus.table["clip"].tolist().index(near)
        told = Condition("another", np.ones(DIM, np.float32), Exemplar(corpus.path(row), 15.0))
        expected = for_listening(*generator.generate(told, HEARS, random_state=5))
        for file in own["file"]:
            assert np.abs(soundfile.read(results / file)[0] - expected).max() < 1e-4


def test_musicgen_is_told_the_genre_of_what_was_retrieved(
    results: Path, corpus_folder: Path, tmp_path: Path, b2m: B2M
) -> None:
    save_musicgen(tmp_path / "musicgen")
    choice = ("--generator", "musicgen", "--weights", tmp_path / "musicgen", "--device", "cpu", "--subject", "01")
    code, printed = b2m("reconstruct", results, "--corpus", corpus_folder, *choice, *SHORT)
    assert code == 0, printed
    rows = table(results, "reconstruction.tsv")
    near = rows[rows["method"] == "retrieved"].set_index("clip")["recording"].str.split("/").str[0]
    made = rows[rows["method"] == "musicgen"]
    assert made["clip"].tolist() == near.index.tolist()
    for clip, file in zip(made["clip"], made["file"], strict=True):
        record = json.loads((results / file).with_suffix(".json").read_text())
        assert (record["condition"]["text"], record["licence"]) == (near[clip], "CC-BY-NC-4.0 (code MIT)")
        with soundfile.SoundFile(results / file) as stream:
            assert (stream.samplerate, len(stream), stream.copyright) == (8000, 16_000, record["licence"])
            assert np.sqrt(np.mean(stream.read() ** 2)) > 0.03


@pytest.mark.slow
def test_from_scans_to_sounds(tiny_study: Path, corpus_folder: Path, b2m: B2M) -> None:
    """The whole way on the simulated study: too little data to decode well, but nothing is made up on it."""
    text = tiny_study.read_text().replace('["text"]', '["acoustic"]\nwindow = 2.0\nstep = 6.5')
    tiny_study.unlink()
    tiny_study.write_text(text)
    code, printed = b2m("decode", tiny_study)
    assert (code, "decoded, by" in printed, "acoustic, regions" in printed) == (0, True, True), printed
    code, printed = b2m("reconstruct", tiny_study, "--corpus", corpus_folder, *SHORT)
    assert code == 0, printed
    rows = table(tiny_study.parent / "results", "reconstruction.tsv")
    assert rows.groupby("method").size().to_dict() == dict.fromkeys(("heard", "retrieved", "oracle", "chance"), 10)
    judged = table(tiny_study.parent / "results", "evaluation.tsv").query("measure == 'identification'")
    accuracy = judged.set_index("method")["value"]
    assert accuracy["oracle"] > 0.7
    assert accuracy.between(0, 1).all()
    assert (tiny_study.parent / "results" / "listen.html").is_file()


def test_the_page_plays_what_was_reconstructed(results: Path, corpus_folder: Path, b2m: B2M, tmp_path: Path) -> None:
    code, printed = b2m("reconstruct", results, "--corpus", corpus_folder, *SHORT)
    assert code == 0, printed
    rows = table(results, "reconstruction.tsv")
    clips = rows["clip"].unique().tolist()
    stimuli = tmp_path / "stimuli"
    stimuli.mkdir()
    for row in rows[rows["method"] == "heard"].to_dict("records"):
        shutil.copy(results / row["file"], stimuli / f"{row['clip']}.wav")
    found = page_clips([*clips, "another"], {}, stimuli, Results.open(results), ["01"])
    assert [[sound.label for sound in clip.sounds] for clip in found[:-1]] == [["heard", "retrieved"]] * len(clips)
    assert found[-1].sounds == ()
