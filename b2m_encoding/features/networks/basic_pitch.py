"""Basic Pitch: notes, onsets and melody of any instrument, and features of them that need no names of instruments."""

from __future__ import annotations

import numpy as np

from b2m_encoding._typing import Float32
from b2m_encoding.features.acoustic import PITCH_CLASSES
from b2m_encoding.features.networks.onnx import Onnx

LOWEST = 9
"""Pitch class of the lowest of 88 notes, A0."""
PER_SEMITONE = 3
"""Bins of the contour in a semitone."""
THRESHOLD = 0.3
"""Probability from which on a key counts, as in the published package; that of keys that are silent is about 0.1."""
NAMES = (
    "notes", "onsets", "height", "spread", "melody", "melody salience", "melody motion", "melody rise", *PITCH_CLASSES,
)  # fmt: skip


class BasicPitch(Onnx):
    """Encoder of clips to pitch and onsets, 86.1 frames per second (Bittner et al. 2022).

    The layer ``pitch`` holds, per frame, the number of notes and of onsets, weighed by how far they pass the threshold;
    height and spread of the notes (octaves from E4, octaves); height of the melody, its salience, its motion and its
    signed motion (semitones from frame to frame); and the share of each pitch class. ``note`` and ``onset`` hold the
    probability of 88 keys, ``contour`` that of thirds of semitones.
    """

    def measure(self, outputs: list[Float32]) -> tuple[int, ...]:
        """Return the widths of the layers."""
        return (len(NAMES), *super().measure(outputs))

    def layers_of(self, frames: list[Float32]) -> list[Float32]:
        """Put the features of the frames before the outputs of the file."""
        return [pitch_features(*frames), *frames]

    def names_of(self, layer: int) -> list[str]:
        """Names of the features, or of keys; thirds of semitones have none."""
        keys = [f"{PITCH_CLASSES[(key + LOWEST) % 12]}{(key + LOWEST) // 12}" for key in range(88)]
        return [list(NAMES), keys, keys, []][layer]


def pitch_features(note: Float32, onset: Float32, contour: Float32) -> Float32:
    """Features of every frame, in the order of :data:`NAMES`.

    Parameters
    ----------
    note, onset : array, shape (n_frames, 88)
        Probability that a key sounds, and that it begins.
    contour : array, shape (n_frames, 264)
        Probability of each third of a semitone.

    Returns
    -------
    array of float32, shape (n_frames, 20)
    """
    keys = (np.arange(88) - 43) / 12
    note, onset = (np.maximum(values - THRESHOLD, 0.0) / (1 - THRESHOLD) for values in (note, onset))
    total = note.sum(axis=1)
    share = note / np.maximum(total, 1.0)[:, None]
    height = share @ keys
    spread = np.sqrt(np.maximum(share @ keys**2 - height**2, 0.0))
    strongest, salience = contour.argmax(axis=1), contour.max(axis=1)
    melody = (strongest / PER_SEMITONE - 43) / 12
    voiced = salience > THRESHOLD
    motion = np.diff(strongest, prepend=strongest[:1]) / PER_SEMITONE * (voiced & np.r_[False, voiced[:-1]])
    classes = np.stack([share[:, (np.arange(88) + LOWEST) % 12 == i].sum(axis=1) for i in range(12)], axis=1)
    columns = [total, onset.sum(axis=1), height, spread, melody * voiced, salience, np.abs(motion), motion]
    return np.concatenate([np.stack(columns, axis=1), classes], axis=1).astype(np.float32)
