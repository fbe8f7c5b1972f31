from .acoustic import acoustic_features, acoustic_names, acoustic_rows
from .audio import prepare_stimulus, read_audio
from .captions import caption_features, read_captions
from .clips import Clip, Presentation, StimulusTimeline
from .delays import delay
from .embedding import EmbeddingOptions, embed_clips
from .events import event_features
from .extractors import (
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
from .networks import AudioEncoder, TextEncoder, load_audio_encoder, load_text_encoder
from .space import FeatureSpace
from .stimuli import Stimuli
from .windows import Windows, cut_windows, window_starts

__all__ = [
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
