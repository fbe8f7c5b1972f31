"""Run networks over clips: windows batched across clips, frame models once per clip, and only what is not kept yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.features.clips import Clip
from b2m_encoding.features.frames import POOLINGS
from b2m_encoding.features.networks.base import SoundEmbedder
from b2m_encoding.features.recipes import recipe
from b2m_encoding.features.stimuli import Stimuli
from b2m_encoding.features.store import Store, array_key
from b2m_encoding.features.windows import Spans, causal, centred

Floats = NDArray[np.float32]
Report = Callable[[int, int], None]
"""Called with the clips done, and the clips to do in all."""
BATCH_SECONDS = {"cpu": 45.0, "cuda": 640.0}
"""Sound per call of a network; on a CPU more of it only leaves the caches."""
SHARD_SECONDS = 30.0
"""Time after which what has been computed is kept."""


class Sounds(Protocol):
    """Where the waves of clips come from: :class:`Stimuli`, or whatever holds them."""

    @property
    def folder(self) -> Path:
        """Folder of their tracks."""

    def wave(self, clip: Clip, rate: int) -> Floats:
        """The wave of a clip at a sampling rate."""


@dataclass(frozen=True)
class EmbeddingOptions:
    """How the output of a network becomes the features of a sample.

    Parameters
    ----------
    layer : int, optional
        Of a frame model; needed if it gives several.
    window : float, optional
        Seconds of sound under each sample; by default those of a window model, else the stretch of the sample.
    mode : {"centred", "causal"}
        The window lies around the middle of the sample, moved into the clip where it would leave it; or it ends with
        the sample. At the beginning of a clip it is then shorter, and a window model fills it as it was trained.
    context : {"clip", "window"}
        What a frame model hears at once. With the whole clip every frame is computed once, but knows the rest of it.
    pooling : {"mean", "lanczos"}
        Of the frames of a frame model.
    """

    layer: int | None = None
    window: float | None = None
    mode: Literal["centred", "causal"] = "centred"
    context: Literal["clip", "window"] = "clip"
    pooling: Literal["mean", "lanczos"] = "mean"

    def check(self, network: SoundEmbedder) -> None:
        """Raise unless the network can be heard like this."""
        if network.window is not None and self.window not in (None, network.window):
            raise InputError(
                f"{network.name} hears windows of one length",
                found=f"{self.window:g} s",
                expected=f"{network.window:g} s",
            )
        if network.window is not None and self.layer is not None:
            raise InputError(f"{network.name} gives no layers of windows", found=f"layer = {self.layer}")
        if network.window is not None and self.pooling != "mean":
            raise InputError(f"{network.name} has no frames to pool", found=f"pooling = {self.pooling}")
        if network.window is None and self.context == "window" and self.pooling != "mean":
            raise InputError("the frames of single windows are averaged", found=f"pooling = {self.pooling}")
        if self.at_once(network) and self.mode == "causal":
            raise InputError(
                f"the frames of {network.name} know the rest of their clip",
                found="mode = causal",
                fix='context = "window"',
            )
        if network.window is None and self.layer is None and len(network.layers) > 1:
            raise InputError(f"{network.name} has several layers", fix=f"set layer to one of {network.layers}")
        if network.window is None and self.layer is not None and self.layer not in network.layers:
            raise InputError(f"{network.name} has no such layer", found=self.layer, expected=network.layers)

    def cuts(self, spans: Spans, duration: float, network: SoundEmbedder) -> Spans:
        """The window of sound of every sample, in seconds of the clip."""
        window = network.window or self.window
        if window is None:
            return spans
        return causal(spans, window) if self.mode == "causal" else centred(spans, window, duration)

    def at_once(self, network: SoundEmbedder) -> bool:
        """Whether the network hears whole clips."""
        return network.window is None and self.context == "clip"

    def weights(self, n_frames: int, frame_rate: float, cuts: Spans) -> NDArray[np.float64]:
        """Weights of the frames of a clip in each window."""
        return POOLINGS[self.pooling](n_frames, frame_rate, cuts)

    def recipe(self, network: SoundEmbedder, length: float) -> dict[str, Any]:
        """Everything that features of a clip depend on beside its sound."""
        return recipe(
            network,
            layer=self.layer if self.layer is not None else next(iter(network.layers), None),
            window=network.window or self.window,
            mode=self.mode,
            context="clip" if self.at_once(network) else "window",
            pooling=self.pooling,
            sample=length,
        )


def embed_clips(
    network: SoundEmbedder,
    options: Sequence[EmbeddingOptions],
    stimuli: Stimuli,
    clips: Mapping[Clip, Spans],
    length: float,
    report: Report = lambda done, total: None,
    device: str = "cpu",
) -> list[dict[Clip, Floats]]:
    """Features of every clip, read from the store or computed and kept; several options share the calls of a network.

    Parameters
    ----------
    network : SoundEmbedder
    options : sequence of EmbeddingOptions
    stimuli : Stimuli
    clips : mapping of Clip to array, shape (n_spans, 2)
        Stretches of each clip that samples cover, s.
    length : float
        Seconds that a sample covers.
    report : callable
    device : {"cpu", "cuda"}
        Decides how much is heard at once.

    Returns
    -------
    list of dict of Clip to array, shape (n_spans, n_features)
        One for each option.
    """
    for option in options:
        option.check(network)
    stores = [Store(option.recipe(network, length), dict(network.provenance)) for option in options]
    keys = {clip: array_key(stimuli.digest(clip), spans) for clip, spans in clips.items()}
    found = [store.find(keys.values()) for store in stores]
    wanted = {key: clip for clip, key in keys.items() if not all(key in own for own in found)}
    todo = {clip: clips[clip] for clip in sorted(wanted.values(), key=lambda clip: clip.duration)}
    fresh: list[dict[str, Floats]] = [{} for _ in options]
    report(0, len(todo))
    kept = time.monotonic()
    try:
        for done, (clip, arrays) in enumerate(compute_clips(network, options, stimuli, todo, device), start=1):
            for own, array in zip(fresh, arrays, strict=True):
                own[keys[clip]] = array
            if time.monotonic() - kept > SHARD_SECONDS:
                _keep(stores, found, fresh)
                kept = time.monotonic()
            report(done, len(todo))
    finally:  # of an interrupted computation, too
        _keep(stores, found, fresh)
    return [{clip: own[key] for clip, key in keys.items()} for own in found]


def _keep(stores: Sequence[Store], found: Sequence[dict[str, Floats]], fresh: Sequence[dict[str, Floats]]) -> None:
    """Write a shard of each store."""
    for store, own, new in zip(stores, found, fresh, strict=True):
        store.add({key: array for key, array in new.items() if key not in own})
        own.update(new)
        new.clear()


def compute_clips(
    network: SoundEmbedder,
    options: Sequence[EmbeddingOptions],
    sounds: Sounds,
    clips: Mapping[Clip, Spans],
    device: str,
) -> Iterator[tuple[Clip, list[Floats]]]:
    """Compute the features of clips, in batches of one duration, clip by clip in their order; nothing is kept."""
    for duration, group in groupby(clips, key=lambda clip: clip.duration):
        same = list(group)
        size = max(1, int(BATCH_SECONDS[device] / duration))
        for batch in (same[i : i + size] for i in range(0, len(same), size)):
            heard = _Batch(network, batch, [clips[clip] for clip in batch], sounds, BATCH_SECONDS[device])
            columns = [heard.whole(one) if one.at_once(network) else heard.windowed(one) for one in options]
            for clip, *arrays in zip(batch, *columns, strict=True):
                if not all(np.isfinite(array).all() for array in arrays):
                    raise InputError(f"{network.name} gave values that are not finite", file=clip.track(sounds.folder))
                yield clip, arrays


@dataclass(eq=False)
class _Batch:
    """Clips of one duration that a network hears together."""

    network: SoundEmbedder
    clips: Sequence[Clip]
    spans: Sequence[Spans]
    sounds: Sounds
    seconds: float

    @cached_property
    def waves(self) -> list[Floats]:
        """At the rate of the network."""
        return [self.sounds.wave(clip, self.network.rate) for clip in self.clips]

    @cached_property
    def frames(self) -> Floats:
        """Of whole clips, shape (n_clips, n_layers, n_frames, dim)."""
        return self.network.embed(np.stack(self.waves))

    def whole(self, option: EmbeddingOptions) -> list[Floats]:
        """Average the frames of whole clips under each window."""
        assert self.network.frame_rate is not None
        layer = 0 if option.layer is None else self.network.layers.index(option.layer)
        out = []
        for clip, spans, frames in zip(self.clips, self.spans, self.frames[:, layer], strict=True):
            cuts = option.cuts(spans, clip.duration, self.network)
            out.append((option.weights(len(frames), self.network.frame_rate, cuts) @ frames).astype(np.float32))
        return out

    def windowed(self, option: EmbeddingOptions) -> list[Floats]:
        """Embed every window by itself, each once, windows of one length together."""
        windows: list[Floats] = []
        places = []
        for clip, spans, wave in zip(self.clips, self.spans, self.waves, strict=True):
            cuts, rows = np.unique(option.cuts(spans, clip.duration, self.network), axis=0, return_inverse=True)
            places.append(rows.ravel() + len(windows))
            windows += [_cut(wave, self.network.rate, start, stop) for start, stop in cuts.tolist()]
        vectors: dict[int, Floats] = {}
        lengths = np.array([len(window) for window in windows])
        for length in np.unique(lengths):
            same = np.flatnonzero(lengths == length)
            size = max(1, int(self.seconds * self.network.rate / length))
            for part in (same[i : i + size] for i in range(0, len(same), size)):
                vectors.update(
                    zip(part.tolist(), self._vectors(np.stack([windows[i] for i in part]), option), strict=True)
                )
        return [np.stack([vectors[i] for i in rows.tolist()]) for rows in places]

    def _vectors(self, waves: Floats, option: EmbeddingOptions) -> Floats:
        """One vector for each wave; the mean over the frames of a frame model."""
        found = self.network.embed(waves)
        if self.network.window is not None:
            return found
        layer = 0 if option.layer is None else self.network.layers.index(option.layer)
        return np.asarray(found[:, layer].mean(axis=1))


def _cut(wave: Floats, rate: int, start: float, stop: float) -> Floats:
    """One window of a wave, by sample."""
    length = round((stop - start) * rate)
    first = min(round(start * rate), len(wave) - length)
    return wave[first : first + length]
