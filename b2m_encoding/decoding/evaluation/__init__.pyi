from .classes import GROUPS, class_agreement
from .distances import kernel_distance
from .sounds import embed_sounds, sound_identification
from .summary import over_subjects
from .tagger import AudioSetTagger

__all__ = [
    "GROUPS",
    "AudioSetTagger",
    "class_agreement",
    "embed_sounds",
    "kernel_distance",
    "over_subjects",
    "sound_identification",
]
