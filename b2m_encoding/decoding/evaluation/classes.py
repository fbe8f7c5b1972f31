"""Agreement of sounds in classes of AudioSet: genres, instruments, moods (Brain2Music)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.errors import InputError

GENRES = (
    "Pop music", "Hip hop music", "Rock music", "Rhythm and blues", "Soul music", "Reggae", "Country", "Funk",
    "Folk music", "Middle Eastern music", "Jazz", "Disco", "Classical music", "Electronic music",
    "Music of Latin America", "Blues", "Music for children", "New-age music", "Vocal music", "Music of Africa",
    "Christian music", "Music of Asia", "Ska", "Traditional music", "Independent music",
)  # fmt: skip
INSTRUMENTS = (
    "Plucked string instrument", "Keyboard (musical)", "Percussion", "Orchestra", "Brass instrument",
    "Bowed string instrument", "Wind instrument, woodwind instrument", "Harp", "Choir", "Bell", "Harmonica",
    "Accordion", "Bagpipes", "Didgeridoo", "Shofar", "Theremin", "Singing bowl", "Scratching (performance technique)",
)  # fmt: skip
MOODS = ("Happy music", "Sad music", "Tender music", "Exciting music", "Angry music", "Scary music")


class Group(NamedTuple):
    """Classes of one kind, and the number of the most probable ones that are compared."""

    labels: tuple[str, ...]
    top: int


GROUPS: Mapping[str, Group] = MappingProxyType(
    {"genres": Group(GENRES, 2), "instruments": Group(INSTRUMENTS, 2), "moods": Group(MOODS, 1)}
)
"""Groups of Brain2Music (arXiv 2307.11078, section 4.2)."""


def class_agreement(
    a: NDArray[np.floating], b: NDArray[np.floating], labels: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """Share of the most probable classes that two sounds have in common, within each group.

    Parameters
    ----------
    a, b : array, shape (n_sounds, n_classes)
        Probabilities, or a monotonic function of them; row i of both belongs to one clip.
    labels : sequence of str, length n_classes
        Names of the classes in AudioSet.

    Returns
    -------
    dict of str to array, shape (n_sounds,)
        Shares for ``genres``, ``instruments`` and ``moods``.

    Raises
    ------
    InputError
        If shapes differ, or a class of a group is missing.

    Examples
    --------
    >>> labels = [*GENRES, *INSTRUMENTS, *MOODS]
    >>> a, b = np.zeros((1, 49)), np.zeros((1, 49))
    >>> a[0, [0, 1]], b[0, [1, 2]] = (0.9, 0.8), (0.9, 0.8)  # pop and hip hop; hip hop and rock
    >>> class_agreement(a, b, labels)["genres"]
    array([0.5])
    """
    if a.shape != b.shape or a.ndim != 2 or a.shape[1] != len(labels):
        raise InputError(
            "probabilities of two sets of sounds differ in shape",
            found=(a.shape, b.shape),
            expected=f"(n_sounds, {len(labels)})",
        )
    places = {name: i for i, name in enumerate(labels)}
    agreement = {}
    for name, group in GROUPS.items():
        if missing := [label for label in group.labels if label not in places]:
            raise InputError("the classifier lacks classes of AudioSet", found=missing)
        columns = [places[label] for label in group.labels]
        tops = [np.argsort(-x[:, columns], axis=1, kind="stable")[:, : group.top] for x in (a, b)]
        shared = (tops[0][:, :, None] == tops[1][:, None, :]).any(axis=2).sum(axis=1)
        agreement[name] = shared / group.top
    return agreement
