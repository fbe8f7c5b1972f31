"""Evaluation of reconstructions: identification, classes of AudioSet, distance between sets of sounds."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from b2m_encoding.decoding.evaluation.classes import GROUPS, class_agreement
    from b2m_encoding.decoding.evaluation.distances import kernel_distance
    from b2m_encoding.decoding.evaluation.sounds import embed_sounds, sound_identification
    from b2m_encoding.decoding.evaluation.summary import over_subjects
    from b2m_encoding.decoding.evaluation.tagger import AudioSetTagger

# Names load on first use: a mean over subjects needs no network.
_HOMES = {
    "GROUPS": "classes",
    "AudioSetTagger": "tagger",
    "class_agreement": "classes",
    "embed_sounds": "sounds",
    "kernel_distance": "distances",
    "over_subjects": "summary",
    "sound_identification": "sounds",
}
__all__ = [
    "GROUPS",
    "AudioSetTagger",
    "class_agreement",
    "embed_sounds",
    "kernel_distance",
    "over_subjects",
    "sound_identification",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
