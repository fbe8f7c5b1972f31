"""Feature spaces from the sound of each clip: acoustics, and pretrained networks that hear."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from b2m_encoding.config import StudyPath
from b2m_encoding.device import resolve_device
from b2m_encoding.errors import InputError, Problems
from b2m_encoding.features.acoustic import DEFAULT, VERSION, Group, acoustic_rows
from b2m_encoding.features.audio import DS003720_RMS
from b2m_encoding.features.clips import Clip, StimulusTimeline
from b2m_encoding.features.embedding import EmbeddingOptions, embed_clips
from b2m_encoding.features.extractors.base import ClipExtractor, Report, silent
from b2m_encoding.features.extractors.pretrained import Pretrained, load_sound_once
from b2m_encoding.features.networks import SOUND
from b2m_encoding.features.networks.base import SoundEmbedder
from b2m_encoding.features.stimuli import Stimuli
from b2m_encoding.features.store import Store, array_key
from b2m_encoding.features.windows import TOLERANCE

Floats = NDArray[np.float32]
RATE = 22050
SHARD = 50
"""Clips whose acoustics are kept together."""


class AudioExtractor(ClipExtractor):
    """What features of the sound of clips share: where the tracks are, and how they were made into stimuli."""

    stimuli: StudyPath
    """Folder in GTZAN layout: ``genre/genre.00000.wav``."""
    fade: Annotated[float, Field(ge=0)] = 2.0
    """Quarter-sine fades at both ends of each clip, s."""
    rms: Annotated[float, Field(ge=0)] = DS003720_RMS
    """Common level of the clips, full scale = 1; 0 leaves them as they are."""

    def needs(self) -> tuple[Path, ...]:
        """Return the stimulus folder."""
        return (self.stimuli,)

    @property
    def heard(self) -> Stimuli:
        """The clips as they were heard."""
        return Stimuli(self.stimuli, self.fade, self.rms)

    def check(self, stimulation: StimulusTimeline) -> None:
        """Raise with every missing or damaged file."""
        self.heard.check(stimulation.clips)


class Acoustic(AudioExtractor):
    """Mel bands, loudness, timbre, chroma, onsets and modulation of the sound under each sample."""

    extractor: Literal["acoustic"]
    groups: tuple[Group, ...] = Field(default=DEFAULT, min_length=1)
    """Which features: mfcc, tempogram and spectrotemporal are left out by default."""

    def of_clips(self, stimulation: StimulusTimeline, report: Report = silent) -> Mapping[Clip, Floats]:
        """Read the acoustics of every clip from the store, or compute and keep them."""
        store = Store({"extractor": "acoustic", "groups": self.groups, "rate": RATE, "acoustic": VERSION})
        stimuli, clips = self.heard, stimulation.clips
        keys = {clip: array_key(stimuli.digest(clip), spans) for clip, spans in clips.items()}
        found = store.find(keys.values())
        todo = {key: clip for clip, key in keys.items() if key not in found}
        fresh: dict[str, Floats] = {}
        for done, (key, clip) in enumerate(todo.items(), start=1):
            fresh[key] = acoustic_rows(stimuli.wave(clip, RATE), RATE, clips[clip], self.groups).astype(np.float32)
            if len(fresh) == SHARD or done == len(todo):
                store.add(fresh)
                found.update(fresh)
                fresh = {}
            report(done, len(todo))
        return {clip: found[key] for clip, key in keys.items()}


class Network(AudioExtractor, Pretrained):
    """What a pretrained network makes of the sound under each sample."""

    extractor: Literal[
        "muq_mulan", "clap", "musicldm_clap", "musiccoca", "muq", "w2v_bert", "transformers_audio", "codec"
    ]
    layer: Annotated[int, Field(ge=0)] | None = None
    """Of a network with frames; 0 is what enters its first layer."""
    window: Annotated[float, Field(gt=0)] | None = None
    """Seconds of sound under each sample, for networks with frames; by default those that the sample covers."""
    mode: Literal["centred", "causal"] = "centred"
    """Where the window lies: around the middle of the sample and within the clip, or before the end of the sample."""
    context: Literal["clip", "window"] = "clip"
    """What a network with frames hears at once. The whole clip is heard once; windows are heard one by one."""
    pooling: Literal["mean", "lanczos"] = "mean"
    """Frames to samples: their mean, or Lanczos downsampling."""

    @model_validator(mode="after")
    def _names_a_model(self) -> Network:
        if SOUND[self.extractor].model is None and self.model is None:
            raise ValueError('needs model = a repository such as "facebook/hubert-base-ls960", or a name of b2m models')
        return self

    @property
    def hearing(self) -> EmbeddingOptions:
        """How the network's output becomes features."""
        return EmbeddingOptions(self.layer, self.window, self.mode, self.context, self.pooling)

    def needs(self) -> tuple[Path, ...]:
        """Return the stimulus folder, and the weights if they are named."""
        return (*AudioExtractor.needs(self), *self.named_weights())

    def check(self, stimulation: StimulusTimeline) -> None:
        """Raise with every missing or damaged file, or if the weights are not here."""
        problems = Problems()
        with problems.collect():
            AudioExtractor.check(self, stimulation)
        with problems.collect():
            window = self.window or self.find(SOUND[self.extractor].model, self.extractor).window
            if window is not None and self.mode == "centred":
                check_window(window, stimulation.clips)
        problems.raise_any()

    @property
    def calls(self) -> tuple[Any, ...]:
        """Feature spaces for which this is the same are made from the same calls of one network."""
        return (self.extractor, self.identity, self.heard, self.layer is None)

    def of_clips(self, stimulation: StimulusTimeline, report: Report = silent) -> Mapping[Clip, Floats]:
        """Read the features of every clip from the store, or compute and keep them."""
        return embed_together(load_together([self]), [self], stimulation, report)[0]


def check_window(window: float, clips: Iterable[Clip]) -> None:
    """Raise if a clip is shorter than a window."""
    short = [clip for clip in clips if clip.duration < window - TOLERANCE]
    if short:
        raise InputError(
            "a clip is shorter than the window of a network",
            found=f"{short[0].id} and {len(short) - 1} more" if len(short) > 1 else short[0].id,
            expected=f"at least {window:g} s",
            fix='mode = "causal" fills short windows as the network was trained; or take one with a shorter window',
        )


def load_together(tables: Sequence[Network]) -> SoundEmbedder:
    """Load the network of several feature spaces with all their layers, or find it loaded."""
    layers = sorted({table.layer for table in tables if table.layer is not None})
    return load_sound_once(tables[0].extractor, tuple(layers), *tables[0].identity)


def embed_together(
    network: SoundEmbedder, tables: Sequence[Network], stimulation: StimulusTimeline, report: Report = silent
) -> list[dict[Clip, Floats]]:
    """Features of the clips for several feature spaces of one network, which hears every clip once for all of them."""
    first = tables[0]
    return embed_clips(
        network,
        [table.hearing for table in tables],
        first.heard,
        stimulation.clips,
        stimulation.length,
        report,
        resolve_device(first.device).type,
    )
