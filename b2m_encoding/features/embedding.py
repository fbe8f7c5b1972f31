"""Embedding of clips by audio encoders: batched windows or whole clips, computed unless they are in the store."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from b2m_encoding._typing import Float32, Float64
from b2m_encoding.errors import InputError
from b2m_encoding.features.clips import Clip, ClipProgress
from b2m_encoding.features.networks.protocols import AudioEncoder
from b2m_encoding.features.pooling import POOLINGS
from b2m_encoding.features.stimuli import Stimuli
from b2m_encoding.features.store import Store, array_key, network_recipe
from b2m_encoding.features.windows import Spans, causal, centred, on_grid

BATCH_SECONDS = {"cpu": 45.0, "cuda": 640.0}
"""Seconds of sound per call of an encoder; larger batches exceed the caches of a CPU."""
SHARD_SECONDS = 30.0
"""Seconds of computation after which features are stored."""


class AudioSource(Protocol):
    """Source of the waves of clips, such as :class:`Stimuli`."""

    @property
    def folder(self) -> Path:
        """Folder of the files."""

    def wave(self, clip: Clip, rate: int) -> Float32:
        """Wave of a clip at a sampling rate (Hz)."""


@dataclass(frozen=True)
class EmbeddingOptions:
    """Options that turn the output of an audio encoder into features of samples.

    Parameters
    ----------
    layer : int, optional
        Layer of the network; required if the encoder returns several.
    window : float, optional
        Seconds of sound under each sample; by default the window of a window model, else the span of the sample.
    mode : {"centred", "causal"}
        Centred windows lie around the middle of the sample and are shifted into the clip. Causal windows end with the
        sample; at the start of a clip they are shorter, and a window model pads them as in its training.
    context : {"clip", "window"}
        Input of a frame model: whole clips, for which each frame is computed once and depends on the whole clip; or
        single windows.
    pooling : {"mean", "lanczos"}
        Pooling of the frames of a frame model.
    every : float, optional
        Seconds between windows on a grid around the middle of the clip, of which each sample takes the nearest;
        by default each sample has its own.
    """

    layer: int | None = None
    window: float | None = None
    mode: Literal["centred", "causal"] = "centred"
    context: Literal["clip", "window"] = "clip"
    pooling: Literal["mean", "lanczos"] = "mean"
    every: float | None = None

    def check(self, network: AudioEncoder) -> None:
        """Check that the encoder supports these options.

        Raises
        ------
        InputError
            With the option and the supported values.
        """
        if network.window is not None and self.window not in (None, network.window):
            raise InputError(
                f"{network.name} embeds windows of one length",
                found=f"{self.window:g} s",
                expected=f"{network.window:g} s",
            )
        if not network.layers and self.layer is not None:
            raise InputError(f"{network.name} has one vector per window, no layers", found=f"layer = {self.layer}")
        if network.window is not None and self.pooling != "mean":
            raise InputError(f"{network.name} has no frames to pool", found=f"pooling = {self.pooling}")
        if self.every is not None and (self.whole_clips(network) or self.mode == "causal"):
            raise InputError(
                "only windows around samples lie on a grid", found=f"every = {self.every:g}", fix="leave every out"
            )
        if network.window is None and self.context == "window" and self.pooling != "mean":
            raise InputError("frames of single windows are averaged", found=f"pooling = {self.pooling}")
        if self.whole_clips(network) and self.mode == "causal":
            raise InputError(
                'mode = "causal" needs context = "window"',
                found=f"whole clips, whose frames in {network.name} depend on later sound",
                fix='context = "window"',
            )
        if self.layer is None and len(network.layers) > 1:
            raise InputError(f"{network.name} has several layers", fix=f"set layer to one of {network.layers}")
        if self.layer is not None and self.layer not in network.layers:
            raise InputError(f"{network.name} has no such layer", found=self.layer, expected=network.layers)

    def windows(self, spans: Spans, duration: float, network: AudioEncoder) -> Spans:
        """Window of sound for every span of a clip, s from the start of the clip, shape (n_spans, 2)."""
        window = network.window or self.window
        if window is None:
            return spans
        if self.mode == "causal":
            return causal(spans, window)
        windows = centred(spans, window, duration)
        return windows if self.every is None else on_grid(windows, self.every, duration)

    def whole_clips(self, network: AudioEncoder) -> bool:
        """Test whether whole clips are the input of the encoder."""
        return network.window is None and self.context == "clip"

    def of_layer(self, output: Float32, network: AudioEncoder) -> Float32:
        """Take the layer out of the output of an encoder.

        Returns
        -------
        array of float32
            Shape (n_waves, dim) for window models, (n_waves, n_frames, dim) for frame models.
        """
        position = 0 if self.layer is None else network.layers.index(self.layer)
        if network.widths:
            first = sum(network.widths[:position])
            whole = output if network.window is not None else output[:, 0]
            return whole[..., first : first + network.widths[position]]
        return output if network.window is not None else output[:, position]

    def weights(self, n_frames: int, frame_rate: float, windows: Spans) -> Float64:
        """Pooling weights of the frames of a clip in each window, shape (n_windows, n_frames)."""
        return POOLINGS[self.pooling](n_frames, frame_rate, windows)

    def recipe(self, network: AudioEncoder, length: float) -> dict[str, Any]:
        """Recipe of features of samples of ``length`` seconds: all that they depend on beside the sound of the clip."""
        grid = {} if self.every is None else {"every": self.every}  # the recipe of windows without one stays as it was
        return network_recipe(
            network,
            **grid,
            layer=self.layer if self.layer is not None else next(iter(network.layers), None),
            window=network.window or self.window,
            mode=self.mode,
            context="clip" if self.whole_clips(network) else "window",
            pooling=self.pooling,
            sample=length,
        )


def embed_clips(
    network: AudioEncoder,
    options: Sequence[EmbeddingOptions],
    stimuli: Stimuli,
    clips: Mapping[Clip, Spans],
    length: float,
    progress: ClipProgress = lambda done, total: None,
    device: str = "cpu",
) -> list[dict[Clip, Float32]]:
    """Embed clips, or read their features from the store; several options share the calls of an encoder.

    Parameters
    ----------
    network : AudioEncoder
    options : sequence of EmbeddingOptions
    stimuli : Stimuli
    clips : mapping of Clip to array, shape (n_spans, 2)
        Spans of each clip that samples cover, s.
    length : float
        Seconds that a sample covers.
    progress : callable
        Called with the number of embedded clips, and the number to embed.
    device : {"cpu", "cuda"}
        Device of the encoder, which sets the size of batches.

    Returns
    -------
    list of dict of Clip to array, shape (n_spans, n_features)
        One dictionary for each of the options.

    Raises
    ------
    InputError
        If the encoder does not support an option, a clip cannot be decoded or is shorter than a window, or a feature
        is not finite.
    """
    for option in options:
        option.check(network)
    stores = [Store(option.recipe(network, length), dict(network.provenance)) for option in options]
    keys = {clip: array_key(stimuli.digest(clip), spans) for clip, spans in clips.items()}
    stored = [store.find(keys.values()) for store in stores]
    missing = {key: clip for clip, key in keys.items() if not all(key in features for features in stored)}
    todo = {clip: clips[clip] for clip in sorted(missing.values(), key=lambda clip: clip.duration)}
    computed: list[dict[str, Float32]] = [{} for _ in options]
    progress(0, len(todo))
    last_write = time.monotonic()
    try:
        for done, (clip, arrays) in enumerate(compute_clips(network, options, stimuli, todo, device), start=1):
            for features, array in zip(computed, arrays, strict=True):
                features[keys[clip]] = array
            if time.monotonic() - last_write > SHARD_SECONDS:
                _write_shards(stores, stored, computed)
                last_write = time.monotonic()
            progress(done, len(todo))
    finally:  # what an interrupted computation has done is stored, too
        _write_shards(stores, stored, computed)
    return [{clip: features[key] for clip, key in keys.items()} for features in stored]


def _write_shards(
    stores: Sequence[Store], stored: Sequence[dict[str, Float32]], computed: Sequence[dict[str, Float32]]
) -> None:
    """Move computed features to a new shard of each store."""
    for store, features, new in zip(stores, stored, computed, strict=True):
        store.add({key: array for key, array in new.items() if key not in features})
        features.update(new)
        new.clear()


def compute_clips(
    network: AudioEncoder,
    options: Sequence[EmbeddingOptions],
    sounds: AudioSource,
    clips: Mapping[Clip, Spans],
    device: str,
) -> Iterator[tuple[Clip, list[Float32]]]:
    """Compute the features of clips in batches of equal duration, without the store.

    Parameters
    ----------
    network, options, clips, device
        See :func:`embed_clips`.
    sounds : AudioSource

    Yields
    ------
    clip : Clip
        Clips in the given order.
    features : list of array, shape (n_spans, n_features)
        One array for each of the options.
    """
    for duration, group in groupby(clips, key=lambda clip: clip.duration):
        same = list(group)
        size = max(1, int(BATCH_SECONDS[device] / duration))
        for clip_batch in (same[i : i + size] for i in range(0, len(same), size)):
            batch = _Batch(network, clip_batch, [clips[clip] for clip in clip_batch], sounds, BATCH_SECONDS[device])
            columns = [
                batch.whole(option) if option.whole_clips(network) else batch.windowed(option) for option in options
            ]
            for clip, *arrays in zip(clip_batch, *columns, strict=True):
                if not all(np.isfinite(array).all() for array in arrays):
                    raise InputError(
                        f"{network.name} returned values that are not finite", file=clip.file(sounds.folder)
                    )
                yield clip, arrays


@dataclass(eq=False)
class _Batch:
    """Clips of equal duration that are embedded together."""

    network: AudioEncoder
    clips: Sequence[Clip]
    spans: Sequence[Spans]
    sounds: AudioSource
    seconds: float

    @cached_property
    def waves(self) -> list[Float32]:
        """Waves of the clips at the sampling rate of the encoder."""
        return [self.sounds.wave(clip, self.network.rate) for clip in self.clips]

    @cached_property
    def frames(self) -> Float32:
        """Frames of whole clips, shape (n_clips, n_layers, n_frames, dim)."""
        return self.network.embed(np.stack(self.waves))

    def whole(self, option: EmbeddingOptions) -> list[Float32]:
        """Pool the frames of whole clips in each window."""
        assert self.network.frame_rate is not None
        out, layer = [], option.of_layer(self.frames, self.network)
        for clip, spans, frames in zip(self.clips, self.spans, layer, strict=True):
            windows = option.windows(spans, clip.duration, self.network)
            out.append((option.weights(len(frames), self.network.frame_rate, windows) @ frames).astype(np.float32))
        return out

    def windowed(self, option: EmbeddingOptions) -> list[Float32]:
        """Embed single windows, each once, in batches of equal length."""
        waves: list[Float32] = []
        rows_of_clips = []
        for clip, spans, wave in zip(self.clips, self.spans, self.waves, strict=True):
            windows, rows = np.unique(option.windows(spans, clip.duration, self.network), axis=0, return_inverse=True)
            rows_of_clips.append(rows.ravel() + len(waves))
            waves += [_cut(wave, self.network.rate, start, stop) for start, stop in windows.tolist()]
        vectors: dict[int, Float32] = {}
        lengths = np.array([len(wave) for wave in waves])
        for length in np.unique(lengths):
            same = np.flatnonzero(lengths == length)
            size = max(1, int(self.seconds * self.network.rate / length))
            for part in (same[i : i + size] for i in range(0, len(same), size)):
                batch = np.stack([waves[i] for i in part])
                vectors.update(zip(part.tolist(), self._vectors(batch, option), strict=True))
        return [np.stack([vectors[i] for i in rows.tolist()]) for rows in rows_of_clips]

    def _vectors(self, waves: Float32, option: EmbeddingOptions) -> Float32:
        """Embed waves to one vector each: the output of a window model, or the mean over frames of a frame model."""
        output = option.of_layer(self.network.embed(waves), self.network)
        return output if self.network.window is not None else np.asarray(output.mean(axis=1))


def _cut(wave: Float32, rate: int, start: float, stop: float) -> Float32:
    """Cut a window out of a wave, by sample."""
    length = round((stop - start) * rate)
    first = min(round(start * rate), len(wave) - length)
    return wave[first : first + length]
