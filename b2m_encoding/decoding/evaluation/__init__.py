"""Is what was reconstructed like what was heard: identification, classes, distances between sets of sounds."""

from b2m_encoding.decoding.evaluation.classes import GROUPS, class_agreement
from b2m_encoding.decoding.evaluation.distances import frechet_distance, frechet_infinity, kernel_distance
from b2m_encoding.decoding.evaluation.sounds import sound_identification
from b2m_encoding.decoding.evaluation.summary import over_subjects

__all__ = [
    "GROUPS",
    "class_agreement",
    "frechet_distance",
    "frechet_infinity",
    "kernel_distance",
    "over_subjects",
    "sound_identification",
]
