from .classes import GROUPS, class_agreement
from .distances import kernel_distance
from .paired import paired_tests
from .proportions import cluster_interval, exact_interval, mean_interval
from .sounds import embed_sounds, sound_identification
from .summary import over_subjects
from .tagger import AudioSetTagger

__all__ = [
    "GROUPS",
    "AudioSetTagger",
    "class_agreement",
    "cluster_interval",
    "embed_sounds",
    "exact_interval",
    "kernel_distance",
    "mean_interval",
    "over_subjects",
    "paired_tests",
    "sound_identification",
]
