"""Rows of `faults.py`: SIGKILL during corpus build, features, fetch of weights, reconstruction, report and view."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from faults_bench import Bench, Found, content, killed, partial_names, tree
from safetensors.numpy import load

from b2m_encoding.decoding.retrieval.build import build_corpus
from b2m_encoding.decoding.retrieval.corpus import Corpus
from b2m_encoding.decoding.retrieval.embedding_space import AudioEmbeddingSpace
from b2m_encoding.features.weights import catalogue, find_weights
from b2m_encoding.features.weights.fetch import Fetch
from b2m_encoding.features.weights.installed import folder_of
from b2m_encoding.gallery.report import write_pages
from b2m_encoding.io.cache import cache_folder
from b2m_encoding.reconstruction.request import ReconstructionRequest
from b2m_encoding.reconstruction.run import reconstruct

sys.path.append(str(Path(__file__).resolve().parents[1]))
from b2m_encoding.results.bundle import ResultsWriter
from b2m_encoding.results.clip_responses import ClipResponses, clip_responses_name
from b2m_encoding.results.decoded import Decoded, DecodedWindows
from b2m_encoding.results.reader import Results
from b2m_encoding.results.reranking_model import RerankingModel
from b2m_encoding.spaces import RegionSpace
from b2m_encoding.study import load_study
from b2m_encoding.workflow.extract_features import fill_features
from tests.hub import serving

RATE, SECONDS, N_SOUNDS = 8000, 6, 10
SPACE = AudioEmbeddingSpace.of_model("acoustic", length=2.0, step=6.5)
DECODING = '\n[decoding]\ntargets = ["acoustic"]\nwindow = 2.0\nstep = 6.5\n'


def write_sounds(folder: Path, genre: str = "noise") -> list[str]:
    """Write recordings in GTZAN layout; their names."""
    (folder / genre).mkdir(parents=True)
    rng = np.random.default_rng(0)
    names = [f"{genre}.{number:05d}" for number in range(N_SOUNDS)]
    for name in names:
        tone = np.sin(np.arange(SECONDS * RATE) * rng.uniform(0.1, 1.5)) + 0.3 * rng.standard_normal(SECONDS * RATE)
        soundfile.write(folder / genre / f"{name}.wav", 0.1 * tone, RATE)
    return names


def corpus_build(folder: Path, n_kills: int) -> Found:
    """A corpus in shards of two recordings."""
    write_sounds(folder / "audio")
    out, recordings = folder / "corpus", tree(folder / "audio")
    build_corpus(folder / "audio", folder / "expected", SPACE, shard=2, name="c")
    expected = tree(folder / "expected")

    def check(ended: bool) -> bool:
        if tree(folder / "audio") != recordings:
            return False
        whole = not (out / "corpus.json").exists() or len(Corpus.open(out)) == N_SOUNDS
        return whole and (not ended or (tree(out) == expected and not partial_names(out)))

    work = lambda: build_corpus(folder / "audio", out, SPACE, shard=2, name="c")  # noqa: E731
    return killed(lambda: shutil.rmtree(out, ignore_errors=True), work, check, n_kills)


def features(folder: Path, n_kills: int) -> Found:
    """Acoustic features of a study of events, into a store of its own."""
    study, store = study_of_clips(folder), cache_folder() / "features"
    expected: dict[str, bytes] = {}

    def check(ended: bool) -> bool:
        found: dict[str, bytes] = {}
        for path in (path for path in store.rglob("*.safetensors") if "partial" not in path.name):
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest()[:32] != path.stem:
                return False
            found |= {key: array.tobytes() for key, array in load(data).items()}
        if ended and not expected:
            expected.update(found)
        return bool(found) and found == expected if ended else found.items() <= expected.items()

    def prepare() -> None:
        shutil.rmtree(store, ignore_errors=True)

    return killed(prepare, lambda: fill_features(load_study(study)), check, n_kills)


def study_of_clips(folder: Path, n_events: int = 12, tr: float = 1.5) -> Path:
    """A study of arrays whose events name clips."""
    bench = folder / "clips"
    names = write_sounds(bench / "stimuli")
    rng = np.random.default_rng(0)
    n_samples = round(n_events * SECONDS / tr) + 8
    responses = []
    for run in ("train-1", "train-2", "train-3", "test-1", "test-2"):
        np.save(bench / f"{run}.npy", rng.standard_normal((n_samples, 12)).astype(np.float32))
        rows = [f"{6 * i}\t{SECONDS}\tnoise/{names[i % N_SOUNDS]}.wav\tnoise\n" for i in range(n_events)]
        (bench / f"{run}.tsv").write_text("".join(["onset\tduration\tstim_file\tgenre\n", *rows]))
        responses.append(run)
    files = ", ".join(f'"{run}" = "{run}.npy"' for run in responses)
    events = ", ".join(f'"{run}" = "{run}.tsv"' for run in responses)
    (bench / "study.toml").write_text(
        f'name = "clips"\noutput = "results"\n[data]\nreader = "array"\ntr = {tr}\nfiles = {{ {files} }}\n'
        f'events = {{ {events} }}\n[data.clips]\ngroup = "genre"\n'
        '[features.acoustic]\nextractor = "acoustic"\nstimuli = "stimuli"\n'
        '[features.kind]\nextractor = "labels"\n[model]\ndelays = [1.5]\n[evaluation]\nkind = "test"\n'
        'test_runs = "test*"\n[statistics]\nblock = 6.0\npermutations = 200\nbootstraps = 100\n'
    )
    return bench / "study.toml"


def decoded_results(folder: Path) -> tuple[Path, Path]:
    """Results of two subjects with decoded embeddings, and a corpus to retrieve from."""
    names = np.array(write_sounds(folder / "stimuli")[:3])
    corpus = build_corpus(folder / "stimuli", folder / "corpus", SPACE, name="c")
    rng, true = np.random.default_rng(0), corpus.vectors[np.arange(3)].astype(np.float32)
    options = SPACE.describe()["options"] | {"pca": None, "stimuli": "stimuli"}
    text = study_of_clips(folder).read_text()
    with ResultsWriter(folder / "results", "test", ["01", "02"]) as writer:
        writer.file("study.toml").write_text(text + DECODING)
        writer.write_json("provenance.json", {"inputs": {"study.toml": ""}, "features": {"acoustic": options}})
        for subject in ("01", "02"):
            writer.write_map(subject, "joint", "r", np.array([0.3]), RegionSpace(("A1",)), {})
            noisy = (true + 0.1 * true.std(axis=0) * rng.standard_normal(true.shape)).astype(np.float32)
            windows = DecodedWindows(noisy, names, np.zeros(3))
            Decoded("acoustic", "regions", names, noisy, true, windows).save(writer.folder, subject)
            weights = rng.standard_normal((true.shape[1], 30))
            measured = rng.standard_normal((3, 30))
            model = RerankingModel(np.arange(30), np.ones(30), corpus.centre, weights, names, measured, names[:0])
            model.save(writer.folder, subject, "acoustic")
            nothing, courses = np.zeros((3, 1), "f4"), np.zeros((0, 3), "f4")
            clips = ClipResponses(
                names, np.zeros(3, "f4"), np.full(3, 2.0, "f4"), nothing, np.zeros(0, int), courses, courses, 1.5
            )
            clips.save(writer.file(f"sub-{subject}", clip_responses_name(subject)))
    return folder / "results", folder / "corpus"


def reconstruction(folder: Path, n_kills: int) -> Found:
    """Retrieval for three clips of two subjects, with tables and page."""
    template, corpus = decoded_results(folder)
    results = folder / "copy/results"
    before = tree(template)
    expected: dict[str, str] = {}

    def prepare() -> None:
        shutil.rmtree(results.parent, ignore_errors=True)
        shutil.copytree(template, results)

    def check(ended: bool) -> bool:
        found = tree(results)
        if any(found.get(name) != digest for name, digest in before.items()):
            return False
        if ended and not expected:
            expected.update(content(results))
        return not ended or content(results) == expected

    request = ReconstructionRequest(seconds=2.0, k=2, sounds=folder / "stimuli")
    return killed(prepare, lambda: reconstruct(results, Corpus.open(corpus), request), check, n_kills)


def report(bench: Bench, n_kills: int) -> Found:
    """Pages of existing results; whatever moment, every page is the old one or the new one."""
    before = {name: digest for name, digest in tree(bench.results).items() if not name.endswith(".html")}

    def check(ended: bool) -> bool:
        found = tree(bench.results)
        pages = [path.read_text() for path in bench.results.glob("*.html")]
        whole = all(page.rstrip().endswith("</html>") for page in pages)
        return whole and all(found.get(name) == digest for name, digest in before.items())

    found = killed(lambda: None, lambda: write_pages(Results.open(bench.results)), check, n_kills)
    return found | {"survived": found["survived"] and bench.recovers()}


def models_fetch(folder: Path, n_kills: int) -> Found:
    """Weights from a hub on this machine, over none, over earlier ones and over a half-finished download."""
    files = {name: b"{}" for name in ("config.json", "preprocessor_config.json")}
    files["model.safetensors"] = np.random.default_rng(0).bytes(8_000_000)
    from huggingface_hub import constants

    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    entry, rng = catalogue()["codec"], np.random.default_rng(0)
    own, expected = folder_of(entry), {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}

    def prepare() -> None:
        for place, share in ((own, 2), (folder / "huggingface", 3)):
            if rng.integers(share):
                shutil.rmtree(place, ignore_errors=True)
        own.mkdir(parents=True, exist_ok=True)
        (own / "notes.txt").write_text("mine")

    def check(ended: bool) -> bool:
        kept = [path for path in own.parent.rglob("notes.txt") if path.read_text() == "mine"]
        whole = not (own / "record.json").exists() or dict(find_weights(entry).files) == expected
        return bool(kept) and whole and (not ended or ((own / "record.json").exists() and (own / "notes.txt").exists()))

    with serving(files) as hub:
        changed = hub.constants(folder / "huggingface")
        before = {name: getattr(constants, name) for name in changed}
        try:
            for name, value in changed.items():
                setattr(constants, name, value)
            return killed(prepare, lambda: Fetch(entry).run(), check, n_kills)
        finally:
            for name, value in before.items():
                setattr(constants, name, value)


COMMANDS: dict[str, Callable[[Path, int], Found]] = {
    "kill corpus": corpus_build,
    "kill features": features,
    "kill reconstruct": reconstruction,
    "kill fetch": models_fetch,
}
"""Rows by name; the report needs a bench."""
