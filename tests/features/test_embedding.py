"""Encoders over clips: timing, batches, number of calls, and the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from b2m_encoding.data.events import label_clips
from b2m_encoding.errors import InputError
from b2m_encoding.features import embedding
from b2m_encoding.features.clips import Clip, StimulusTimeline
from b2m_encoding.features.delays import delay
from b2m_encoding.features.embedding import EmbeddingOptions, embed_clips
from b2m_encoding.features.stimuli import Stimuli
from b2m_encoding.features.windows import cut_windows
from b2m_encoding.runs import Runs

RATE, TR = 8000, 1.5
Play = Callable[..., pd.DataFrame]


class WindowNetwork:
    """A window model: a fixed projection of the power spectra of the pieces of a window."""

    name, rate, window, frame_rate, layers, widths, dim = "projection", RATE, 10.0, None, (), (), 12

    def __init__(self, seed: int = 0) -> None:
        self.seed, self.calls = seed, []
        self.weights = np.random.default_rng(seed).standard_normal((81, self.dim)).astype(np.float32)

    @property
    def provenance(self) -> Mapping[str, Any]:
        return {"model": "projection", "seed": self.seed, "packages": {"numpy": np.__version__}}

    def embed(self, batch: np.ndarray) -> np.ndarray:
        assert batch.dtype == np.float32
        assert 0 < batch.shape[1] <= round(self.window * self.rate)
        self.calls.append(batch.shape)
        short = round(self.window * self.rate) - batch.shape[1]
        pieces = np.pad(batch, ((0, 0), (0, short)), mode="wrap").reshape(len(batch), -1, 160)
        loud = np.abs(np.fft.rfft(pieces, axis=2)).astype(np.float32).mean(axis=1)
        return np.einsum("bk,kd->bd", loud, self.weights)


class FrameNetwork:
    """A frame model: layer 0 sees 20 ms, layer 1 the mean of the whole wave as well."""

    name, rate, window, frame_rate, widths, dim = "frames", RATE, None, 50.0, (), 5

    def __init__(self, layers: tuple[int, ...] = (0, 1), seed: int = 0) -> None:
        self.layers, self.seed, self.calls = layers, seed, []
        self.weights = np.random.default_rng(seed).standard_normal((81, self.dim)).astype(np.float32)

    @property
    def provenance(self) -> Mapping[str, Any]:
        return {"model": "frames", "seed": self.seed, "layers": list(self.layers)}

    def embed(self, batch: np.ndarray) -> np.ndarray:
        self.calls.append(batch.shape)
        pieces = batch[:, : batch.shape[1] // 160 * 160].reshape(len(batch), -1, 160)
        low = np.einsum("bfk,kd->bfd", np.abs(np.fft.rfft(pieces, axis=2)).astype(np.float32), self.weights)
        both = np.stack([low, low + low.mean(axis=1, keepdims=True)], axis=1)
        return both[:, list(self.layers)]


def test_windows_on_a_grid_are_shared(stimulation: StimulusTimeline, tracks: Path) -> None:
    """Five seconds apart: starts 0 and 5 of windows of 10 s in 15 s; each sample has the nearest, embedded once."""
    network, clip = WindowNetwork(), next(iter(stimulation.clips))
    own, shared = EmbeddingOptions(), EmbeddingOptions(every=5.0)
    spans = {clip: stimulation.clips[clip]}
    assert shared.windows(spans[clip], 15.0, network)[:, 0].tolist() == [2.5] * 10
    two = EmbeddingOptions(every=2.5)
    starts = two.windows(spans[clip], 15.0, network)[:, 0]
    assert set(starts) == {0.0, 2.5, 5.0}
    assert np.abs(starts - own.windows(spans[clip], 15.0, network)[:, 0]).max() <= 1.25
    [found] = embed_clips(network, [two], Stimuli(tracks), spans, 1.5)
    assert len(np.unique(found[clip], axis=0)) == sum(shape[0] for shape in network.calls) == 3
    assert two.recipe(network, 1.5) != own.recipe(network, 1.5)
    with pytest.raises(InputError, match=r"every = 2\.5"):
        EmbeddingOptions(every=2.5, mode="causal").check(network)
    with pytest.raises(InputError, match="on a grid"):
        EmbeddingOptions(layer=0, every=2.5).check(FrameNetwork())


OPTIONS = {
    "frames under the sample": EmbeddingOptions(layer=0),
    "frames of 5 s around it": EmbeddingOptions(layer=0, window=5.0),
    "Lanczos": EmbeddingOptions(layer=0, pooling="lanczos"),
    "5 s before its end": EmbeddingOptions(layer=0, window=5.0, mode="causal", context="window"),
    "window model": EmbeddingOptions(),
    "window model, causal": EmbeddingOptions(mode="causal"),
}


def network_for(option: EmbeddingOptions, **options: Any) -> FrameNetwork | WindowNetwork:
    return WindowNetwork() if option.layer is None else FrameNetwork(**options)


def features(network: Any, option: EmbeddingOptions, tracks: Path, stimulation: StimulusTimeline) -> np.ndarray:
    stimuli = Stimuli(tracks, fade=0.0, rms=0.0)
    [found] = embed_clips(network, [option], stimuli, stimulation.clips, stimulation.length)
    return stimulation.clips_to_samples(found)


def reach(option: EmbeddingOptions, moment: float, length: float, step: float, n: int) -> np.ndarray:
    """Samples whose window holds a moment of a clip of 15 s, by arithmetic alone."""
    out = []
    for i in range(n):
        begin, end = i * step, i * step + length
        window = 10.0 if option.layer is None else option.window or length
        if option.pooling == "lanczos":
            middle = (begin + end) / 2
            begin, end = middle - 3 * length, middle + 3 * length
        elif option.mode == "causal":
            begin = max(end - window, 0.0)
        else:
            begin = min(max((begin + end) / 2 - window / 2, 0.0), 15.0 - window)
            end = begin + window
        out.append(begin <= moment < end)
    return np.array(out)


@pytest.mark.parametrize("case", OPTIONS)
@pytest.mark.parametrize("volume", [0, 4, 9])
def test_a_click_lands_in_the_rows_that_hear_it_at_every_delay(
    case: str, volume: int, tmp_path: Path, play: Play
) -> None:
    """A click early in one TR of the second of three silent clips."""
    option, moment = OPTIONS[case], (volume + 0.3) * TR
    for number in range(3):
        path = tmp_path / "genres" / "jazz" / f"jazz.{number:05d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        wave = np.zeros(18 * RATE)
        if number == 1:
            wave[int((1.0 + moment) * RATE) :][:80] = 0.5
        soundfile.write(path, wave, RATE, subtype="PCM_16")
    table = play((0, 0, 1.0), (15, 1, 1.0), (30, 2, 1.0))
    stimulation = StimulusTimeline(Runs.from_lengths({"run-01": 34}, TR), {"run-01": table})
    found = features(network_for(option), option, tmp_path / "genres", stimulation)
    expected = np.zeros(34, dtype=bool)
    expected[10:20] = reach(option, moment, TR, TR, 10)
    assert expected.any()
    assert np.array_equal(np.abs(found).max(axis=1) > 1e-4, expected)
    for seconds in (0.0, 3.0, 6.0):
        design = delay(found, stimulation.runs, [seconds])
        assert np.array_equal(np.abs(design).max(axis=1) > 1e-4, np.roll(expected, round(seconds / TR)))


@pytest.mark.parametrize("length", [10.0, 5.0, 1.5])
def test_windows_as_samples_hear_their_own_stretch(length: float, tracks: Path, stimulation: StimulusTimeline) -> None:
    volumes = label_clips(stimulation.volumes, dict(stimulation.events), dict.fromkeys(stimulation.events))
    windowed = StimulusTimeline(volumes, stimulation.events, cut_windows(volumes, length, 1.5, lag=4.5))
    stimuli, clip = Stimuli(tracks), next(iter(windowed.clips))
    [found] = embed_clips(FrameNetwork(), [EmbeddingOptions(layer=0)], stimuli, windowed.clips, length)
    frames = FrameNetwork().embed(stimuli.wave(clip, RATE)[None])[0, 0]
    starts = np.arange(len(found[clip])) * 1.5
    expected = [frames[round(start * 50) : round((start + length) * 50)].mean(axis=0) for start in starts]
    assert len(found[clip]) == {10.0: 4, 5.0: 7, 1.5: 10}[length]
    assert np.allclose(found[clip], expected, atol=1e-5)


@pytest.mark.parametrize("case", OPTIONS)
def test_the_size_of_a_batch_changes_nothing(
    case: str, tracks: Path, stimulation: StimulusTimeline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One window at a time, or all clips at once: the same numbers to float32's last digits."""
    found = []
    for seconds in (1.0, 20.0, 1000.0):
        monkeypatch.setitem(embedding.BATCH_SECONDS, "cpu", seconds)
        monkeypatch.setenv("B2M_CACHE", str(tmp_path / str(seconds)))
        network = network_for(OPTIONS[case])
        found.append(features(network, OPTIONS[case], tracks, stimulation))
        assert max(shape[0] for shape in network.calls) == 1 or seconds > 1
    assert np.allclose(found[0], found[1], rtol=1e-5, atol=1e-5)
    assert np.allclose(found[0], found[2], rtol=1e-5, atol=1e-5)


def test_a_window_embedded_by_hand(tracks: Path, stimulation: StimulusTimeline) -> None:
    found = features(WindowNetwork(), EmbeddingOptions(), tracks, stimulation)
    wave = Stimuli(tracks, 0.0, 0.0).wave(Clip("jazz/jazz.00001.wav", 0.5, 15.0), RATE)
    for row, start in ((10, 0.0), (13, 0.25), (15, 3.25), (19, 5.0)):
        window = wave[round(start * RATE) :][: 10 * RATE]
        assert np.allclose(found[row], WindowNetwork().embed(window[None])[0], atol=1e-5), row


def test_a_clip_is_embedded_once_and_a_window_too(tracks: Path, stimulation: StimulusTimeline) -> None:
    frames, windows = FrameNetwork(), WindowNetwork()
    features(frames, EmbeddingOptions(layer=1, window=5.0), tracks, stimulation)
    features(windows, EmbeddingOptions(), tracks, stimulation)
    assert sum(shape[0] for shape in frames.calls) == 4
    assert sum(shape[0] for shape in windows.calls) == 4 * 6  # of ten windows, five lie at the ends of a clip


def test_layers_share_the_calls(tracks: Path, stimulation: StimulusTimeline) -> None:
    network, stimuli = FrameNetwork(), Stimuli(tracks)
    options = [EmbeddingOptions(layer=0), EmbeddingOptions(layer=1), EmbeddingOptions(layer=1, window=5.0)]
    found = embed_clips(network, options, stimuli, stimulation.clips, TR)
    assert sum(shape[0] for shape in network.calls) == 4
    alone = embed_clips(FrameNetwork(layers=(1,)), [EmbeddingOptions(layer=1)], stimuli, stimulation.clips, TR)
    assert all(np.array_equal(alone[0][clip], found[1][clip]) for clip in stimulation.clips)


def test_nothing_is_embedded_again_by_this_study_or_another(
    tracks: Path, stimulation: StimulusTimeline, tmp_path: Path
) -> None:
    first = features(FrameNetwork(), EmbeddingOptions(layer=1), tracks, stimulation)
    again = FrameNetwork()
    tracks.rename(tmp_path / "elsewhere")
    assert np.array_equal(features(again, EmbeddingOptions(layer=1), tmp_path / "elsewhere", stimulation), first)
    assert again.calls == []
    for other in (
        EmbeddingOptions(layer=0),
        EmbeddingOptions(layer=1, window=5.0),
        EmbeddingOptions(layer=1, pooling="lanczos"),
    ):
        network = FrameNetwork()
        features(network, other, tmp_path / "elsewhere", stimulation)
        assert network.calls
    other_weights = FrameNetwork(seed=1)
    features(other_weights, EmbeddingOptions(layer=1), tmp_path / "elsewhere", stimulation)
    assert other_weights.calls


def test_work_goes_on_where_it_was_interrupted(
    tracks: Path, stimulation: StimulusTimeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "SHARD_SECONDS", -1.0)
    monkeypatch.setitem(embedding.BATCH_SECONDS, "cpu", 15.0)

    class Interrupted(FrameNetwork):
        def embed(self, batch: np.ndarray) -> np.ndarray:
            if len(self.calls) == 2:
                raise KeyboardInterrupt
            return super().embed(batch)

    with pytest.raises(KeyboardInterrupt):
        features(Interrupted(), EmbeddingOptions(layer=1), tracks, stimulation)
    rest = FrameNetwork()
    found = features(rest, EmbeddingOptions(layer=1), tracks, stimulation)
    assert len(rest.calls) == 2
    assert np.array_equal(found[:10], found[30:40])


def test_damage_is_computed_again(tracks: Path, stimulation: StimulusTimeline, store_folder: Path) -> None:
    first = features(WindowNetwork(), EmbeddingOptions(), tracks, stimulation)
    [shard] = store_folder.rglob("*.safetensors")
    shard.write_bytes(shard.read_bytes()[:-9])
    network = WindowNetwork()
    assert np.array_equal(features(network, EmbeddingOptions(), tracks, stimulation), first)
    assert network.calls


def test_progress_counts_clips(tracks: Path, stimulation: StimulusTimeline) -> None:
    steps: list[tuple[int, int]] = []
    for _ in range(2):
        embed_clips(
            WindowNetwork(),
            [EmbeddingOptions()],
            Stimuli(tracks),
            stimulation.clips,
            TR,
            lambda *step: steps.append(step),
        )
    assert steps == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4), (0, 0)]


@pytest.mark.parametrize("network", [WindowNetwork(), FrameNetwork()])
def test_causal_windows_do_not_depend_on_later_sound(network: Any, tracks: Path, play: Play) -> None:
    """What comes after a sample never changes its features."""
    option = OPTIONS["window model, causal" if network.window else "5 s before its end"]
    stimulation = StimulusTimeline(Runs.from_lengths({"run-01": 10}, TR), {"run-01": play((0, 0, 1.0))})
    before = features(network, option, tracks, stimulation)
    path = tracks / "jazz" / "jazz.00000.wav"
    wave, _ = soundfile.read(path)
    wave[int((1.0 + 4 * TR) * RATE) :] = 0.0
    soundfile.write(path, wave, RATE, subtype="PCM_16")
    after = features(network, option, tracks, stimulation)
    assert np.allclose(before[:4], after[:4], atol=1e-5)
    assert not np.allclose(before[4], after[4], atol=1e-2)


def test_a_clip_of_3_s_has_no_window_of_10(tracks: Path, play: Play) -> None:
    stimulation = StimulusTimeline(Runs.from_lengths({"run-01": 4}, TR), {"run-01": play((0, 0, 1.0), duration=3.0)})
    with pytest.raises(InputError, match=r"(?s)must fit into its clip.*10 s.*at most 3 s"):
        features(WindowNetwork(), EmbeddingOptions(), tracks, stimulation)
    filled = features(WindowNetwork(), EmbeddingOptions(mode="causal"), tracks, stimulation)
    assert filled[:2].all()
    assert not filled[2:].any()


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        (EmbeddingOptions(window=5.0), r"(?s)windows of one length.*5 s.*10 s"),
        (EmbeddingOptions(layer=1), "one vector per window"),
        (EmbeddingOptions(pooling="lanczos"), "no frames"),
        (EmbeddingOptions(layer=7), r"no such layer"),
        (replace(OPTIONS["frames under the sample"], layer=None), "several layers"),
        (EmbeddingOptions(layer=0, mode="causal"), r"(?s)causal.*needs context"),
        (EmbeddingOptions(layer=0, context="window", pooling="lanczos"), "are averaged"),
    ],
)
def test_impossible_options(
    option: EmbeddingOptions, problem: str, tracks: Path, stimulation: StimulusTimeline
) -> None:
    windows = "windows" in problem or "per window" in problem or "no frames" in problem
    with pytest.raises(InputError, match=problem):
        features(WindowNetwork() if windows else FrameNetwork(), option, tracks, stimulation)


def test_values_that_are_not_finite_name_the_file(tracks: Path, stimulation: StimulusTimeline) -> None:
    class Broken(WindowNetwork):
        def embed(self, batch: np.ndarray) -> np.ndarray:
            return super().embed(batch) * np.nan

    with pytest.raises(InputError, match=r"(?s)not finite.*jazz.0000\d.wav"):
        features(Broken(), EmbeddingOptions(), tracks, stimulation)
