"""Feature spaces: features of stimuli at the samples of the responses, with provenance.

A :class:`StimulusTimeline` holds the samples of a subject and the clips presented at them. Extractors, tables of
options in a study file, compute one :class:`FeatureSpace` each from it (:func:`build_spaces`). Features of audio are
computed from the :class:`Stimuli` as presented, and kept in a store that studies share. :func:`delay` makes delayed
copies of features within runs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from b2m_encoding.features.acoustic import acoustic_features, acoustic_names, acoustic_rows
    from b2m_encoding.features.audio import prepare_stimulus, read_audio
    from b2m_encoding.features.captions import caption_features, read_captions
    from b2m_encoding.features.clips import Clip, Presentation, StimulusTimeline
    from b2m_encoding.features.delays import delay
    from b2m_encoding.features.embedding import EmbeddingOptions, embed_clips
    from b2m_encoding.features.events import event_features
    from b2m_encoding.features.extractors import (
        Acoustic,
        AudioExtractor,
        ClipArrays,
        ClipExtractor,
        Conditions,
        EventLabels,
        Extractor,
        HashedCaption,
        PretrainedAudio,
        PretrainedText,
        RunArrays,
        SpeechContext,
        WordRate,
        build_spaces,
    )
    from b2m_encoding.features.networks import AudioEncoder, TextEncoder, load_audio_encoder, load_text_encoder
    from b2m_encoding.features.space import FeatureSpace
    from b2m_encoding.features.stimuli import Stimuli
    from b2m_encoding.features.windows import Windows, cut_windows, window_starts

_MODULES = {
    "acoustic": ("acoustic_features", "acoustic_names", "acoustic_rows"),
    "audio": ("prepare_stimulus", "read_audio"),
    "captions": ("caption_features", "read_captions"),
    "clips": ("Clip", "Presentation", "StimulusTimeline"),
    "delays": ("delay",),
    "embedding": ("EmbeddingOptions", "embed_clips"),
    "events": ("event_features",),
    "extractors": (
        "Acoustic", "AudioExtractor", "ClipArrays", "ClipExtractor", "Conditions", "EventLabels", "Extractor",
        "HashedCaption", "PretrainedAudio", "PretrainedText", "RunArrays", "SpeechContext", "WordRate", "build_spaces",
    ),
    "networks": ("AudioEncoder", "TextEncoder", "load_audio_encoder", "load_text_encoder"),
    "space": ("FeatureSpace",),
    "stimuli": ("Stimuli",),
    "windows": ("Windows", "cut_windows", "window_starts"),
}  # fmt: skip
_HOMES = {name: module for module, names in _MODULES.items() for name in names}
__all__ = [  # modules are imported on first use of a name
    "Acoustic",
    "AudioEncoder",
    "AudioExtractor",
    "Clip",
    "ClipArrays",
    "ClipExtractor",
    "Conditions",
    "EmbeddingOptions",
    "EventLabels",
    "Extractor",
    "FeatureSpace",
    "HashedCaption",
    "Presentation",
    "PretrainedAudio",
    "PretrainedText",
    "RunArrays",
    "SpeechContext",
    "Stimuli",
    "StimulusTimeline",
    "TextEncoder",
    "Windows",
    "WordRate",
    "acoustic_features",
    "acoustic_names",
    "acoustic_rows",
    "build_spaces",
    "caption_features",
    "cut_windows",
    "delay",
    "embed_clips",
    "event_features",
    "load_audio_encoder",
    "load_text_encoder",
    "prepare_stimulus",
    "read_audio",
    "read_captions",
    "window_starts",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
