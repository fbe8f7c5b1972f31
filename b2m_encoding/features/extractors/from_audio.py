"""Feature extractors from the audio of clips: acoustic features, and pretrained audio encoders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from b2m_encoding._typing import Float32
from b2m_encoding.config import StudyPath
from b2m_encoding.device import resolve_device
from b2m_encoding.errors import InputError, Problems
from b2m_encoding.features.acoustic import DEFAULT, VERSION, Group, acoustic_names, acoustic_rows
from b2m_encoding.features.audio import DS003720_RMS
from b2m_encoding.features.clips import Clip, ClipProgress, StimulusTimeline
from b2m_encoding.features.embedding import EmbeddingOptions, embed_clips
from b2m_encoding.features.extractors.base import ClipExtractor, silent
from b2m_encoding.features.extractors.pretrained import AudioEncoderName, Pretrained, cached_audio_encoder
from b2m_encoding.features.networks import AUDIO_ENCODERS
from b2m_encoding.features.networks.protocols import AudioEncoder
from b2m_encoding.features.stimuli import Stimuli
from b2m_encoding.features.store import Store, array_key
from b2m_encoding.features.windows import TOLERANCE, Spans

RATE = 22050
"""Sampling rate of acoustic features, Hz."""
LONGEST_WHOLE = 120.0
"""Seconds of the longest clip that is embedded at once."""
SHARD = 50
"""Number of clips whose acoustic features are stored together."""


class AudioExtractor(ClipExtractor):
    """Base class of extractors from the audio of clips: folder of the stimuli, and their preparation."""

    stimuli: StudyPath
    """Folder below which the sound files lie that the events name."""
    fade: Annotated[float, Field(ge=0)] = 0.0
    """Length of the quarter-sine fades with which each clip was played, s; 2 s with ``reader = "musicgenre"``."""
    rms: Annotated[float, Field(ge=0)] = DS003720_RMS
    """Common root mean square of the clips, full scale = 1; 0 keeps their levels."""
    allow_silence: bool = False
    """Whether silence may be presented: otherwise clips in which nothing is heard are an error."""

    def needs(self) -> tuple[Path, ...]:
        """Return the folder of the stimuli."""
        return (self.stimuli,)

    @property
    def presented(self) -> Stimuli:
        """Clips as presented."""
        return Stimuli(self.stimuli, self.fade, self.rms, self.allow_silence)

    def check(self, stimulation: StimulusTimeline) -> None:
        """Raise with every missing or damaged file."""
        self.presented.check(stimulation.clips)


class Acoustic(AudioExtractor):
    """Acoustic features of each sample: mel bands, loudness, timbre, chroma, onsets and modulation."""

    extractor: Literal["acoustic"]
    groups: tuple[Group, ...] = Field(default=DEFAULT, min_length=1)
    """Groups of features; mfcc, tempogram and spectrotemporal are not among the defaults."""

    def provenance(self) -> dict[str, Any]:
        """Return the options, and the names of the features."""
        return {**AudioExtractor.provenance(self), "names": list(acoustic_names(self.groups))}

    def width(self, stimulation: StimulusTimeline) -> int:
        """Return the number of features of the groups."""
        return len(acoustic_names(self.groups))

    def clip_features(self, stimulation: StimulusTimeline, progress: ClipProgress = silent) -> Mapping[Clip, Float32]:
        """Read the acoustic features of every clip from the store, or compute and store them."""
        return self.embed(stimulation.clips, stimulation.length, progress)

    def embed(self, clips: Mapping[Clip, Spans], length: float, progress: ClipProgress = silent) -> dict[Clip, Float32]:
        """Compute the features of spans of clips; their length (s) is that of the spans."""
        store = Store({"extractor": "acoustic", "groups": self.groups, "rate": RATE, "acoustic": VERSION})
        stimuli = self.presented
        keys = {clip: array_key(stimuli.digest(clip), spans) for clip, spans in clips.items()}
        features = store.find(keys.values())
        todo = {key: clip for clip, key in keys.items() if key not in features}
        shard: dict[str, Float32] = {}
        for done, (key, clip) in enumerate(todo.items(), start=1):
            shard[key] = acoustic_rows(stimuli.wave(clip, RATE), RATE, clips[clip], self.groups).astype(np.float32)
            if len(shard) == SHARD or done == len(todo):
                store.add(shard)
                features.update(shard)
                shard = {}
            progress(done, len(todo))
        return {clip: features[key] for clip, key in keys.items()}


class PretrainedAudio(AudioExtractor, Pretrained):
    """Embedding of the audio of each sample by a pretrained network."""

    extractor: AudioEncoderName
    layer: Annotated[int, Field(ge=0)] | None = None
    """Layer of the network, by its number (0 is the input of the first layer of a frame model) or by its name
    (``penultimate`` or ``tags`` of musicnn)."""
    window: Annotated[float, Field(gt=0)] | None = None
    """Seconds of sound under each sample, for frame models; by default those that the sample covers."""
    mode: Literal["centred", "causal"] = "centred"
    """Position of the window: around the middle of the sample and within the clip, or before the end of the sample."""
    context: Literal["clip", "window"] = "clip"
    """Input of a frame model: whole clips, embedded once, or single windows."""
    pooling: Literal["mean", "lanczos"] = "mean"
    """Pooling of frames to samples: mean, or Lanczos downsampling."""
    every: Annotated[float, Field(gt=0)] | None = None
    """Seconds between windows on a grid around the middle of each clip, which samples share: fewer calls of a network
    with windows. By default each sample has a window of its own."""

    @model_validator(mode="before")
    @classmethod
    def _number_layer(cls, table: Any) -> Any:
        """Replace the name of a layer by its number."""
        name = table.get("layer") if isinstance(table, dict) else None
        network = AUDIO_ENCODERS.get(table.get("extractor")) if isinstance(name, str) else None
        if network is None:
            return table
        if str(name).isdecimal():
            return {**table, "layer": int(str(name))}
        if name not in network.layers:
            names = f"one of {', '.join(network.layers)}" if network.layers else "a number"
            raise ValueError(f"layer {name!r} is not known: expected {names}")
        return {**table, "layer": network.layers.index(name)}

    @model_validator(mode="after")
    def _check_model(self) -> PretrainedAudio:
        if AUDIO_ENCODERS[self.extractor].model is None and self.model is None:
            raise ValueError('needs model = a repository such as "facebook/hubert-base-ls960", or a name of b2m models')
        return self

    @property
    def embedding_options(self) -> EmbeddingOptions:
        """Layer, window and pooling of the embedding."""
        return EmbeddingOptions(self.layer, self.window, self.mode, self.context, self.pooling, self.every)

    def needs(self) -> tuple[Path, ...]:
        """Return the folder of the stimuli, and that of the weights if the study names it."""
        return (*AudioExtractor.needs(self), *self.named_weights())

    def check(self, stimulation: StimulusTimeline) -> None:
        """Raise with every missing or damaged file, missing or damaged weights, and clips shorter than a window."""
        problems = Problems()
        with problems.collect():
            AudioExtractor.check(self, stimulation)
        with problems.collect():
            entry = self.find(AUDIO_ENCODERS[self.extractor].model, self.extractor)
            if entry.window is None and self.context == "clip":
                check_length(stimulation.clips)
            window = self.window or entry.window
            if window is not None and self.mode == "centred":
                check_window(window, stimulation.clips)
        problems.raise_any()

    @property
    def shared_calls(self) -> tuple[Any, ...]:
        """Key that is equal for extractors whose features follow from the same calls of one network."""
        return (self.extractor, self.load_options, self.presented, self.layer is None)

    def clip_features(self, stimulation: StimulusTimeline, progress: ClipProgress = silent) -> Mapping[Clip, Float32]:
        """Read the features of every clip from the store, or compute and store them."""
        return self.embed(stimulation.clips, stimulation.length, progress)

    def embed(self, clips: Mapping[Clip, Spans], length: float, progress: ClipProgress = silent) -> dict[Clip, Float32]:
        """Embed spans of clips of a length (s), or read their features from the store."""
        return embed_shared(load_shared_encoder([self]), [self], clips, length, progress)[0]


def check_length(clips: Iterable[Clip]) -> None:
    """Raise if a clip is too long to be embedded at once: memory of a transformer grows with the square of it."""
    if long := [clip for clip in clips if clip.duration > LONGEST_WHOLE]:
        raise InputError(
            "a clip is too long to be embedded as a whole",
            found=f"{long[0].id} and {len(long) - 1} more" if len(long) > 1 else long[0].id,
            expected=f"at most {LONGEST_WHOLE:g} s",
            fix='set context = "window" and a window (s) under the feature space: the network then reads windows',
        )


def check_window(window: float, clips: Iterable[Clip]) -> None:
    """Raise if a clip is shorter than a window (s)."""
    short = [clip for clip in clips if clip.duration < window - TOLERANCE]
    if short:
        raise InputError(
            "a clip is shorter than the window of a network",
            found=f"{short[0].id} and {len(short) - 1} more" if len(short) > 1 else short[0].id,
            expected=f"at least {window:g} s",
            fix='set mode = "causal", which pads short windows as in training, or use a network with a shorter window',
        )


def load_shared_encoder(tables: Sequence[PretrainedAudio]) -> AudioEncoder:
    """Load the audio encoder of several extractors with all their layers, unless it is in memory."""
    layers = sorted({table.layer for table in tables if table.layer is not None})
    return cached_audio_encoder(tables[0].extractor, tuple(layers), tables[0].load_options)


def embed_shared(
    encoder: AudioEncoder,
    tables: Sequence[PretrainedAudio],
    clips: Mapping[Clip, Spans],
    length: float,
    progress: ClipProgress = silent,
) -> list[dict[Clip, Float32]]:
    """Embed clips for several extractors of one audio encoder, which embeds each clip once for all of them."""
    first = tables[0]
    return embed_clips(
        encoder,
        [table.embedding_options for table in tables],
        first.presented,
        clips,
        length,
        progress,
        resolve_device(first.device).type,
    )
