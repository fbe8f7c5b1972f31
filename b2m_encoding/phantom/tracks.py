"""Attributes of simulated tracks, drawn from the habits of genres."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
SETTINGS = ("club", "concert hall", "street", "road", "beach", "home")
CROSSOVER = 0.25
"""Probability that an attribute is drawn from the habits of another genre."""


@dataclass(frozen=True)
class Habits:
    """Ranges and options of the attributes in one genre, see :class:`Track`; ``major`` is a probability."""

    tempo: tuple[float, float]
    major: float
    progressions: tuple[str, ...]
    leads: tuple[str, ...]
    backings: tuple[str, ...]
    comping: tuple[str, ...]
    drums: tuple[str, ...]
    bass: str
    density: tuple[float, float]
    swing: float
    setting: str


@dataclass(frozen=True)
class Track:
    """Attributes of one track.

    Parameters
    ----------
    genre, number
        Genre and number as in GTZAN: ``genre/genre.00017.wav``.
    tempo : float
        Beats per minute.
    mode : str
        ``major`` or ``minor``.
    key : int
        Pitch class of the tonic, 0 = C.
    progression : str
        Scale degrees of four bars, ``1454``.
    lead, backing : str
        Instruments of melody and chords.
    comping : str
        Pattern of the chords.
    drums, bass : str
        Percussion and bass pattern.
    density : float
        Probability of a melody note on each eighth.
    swing : float
        Delay of the off-beats, as a share of an eighth.
    register : int
        Octaves of the melody above the middle register.
    mood, setting : str
        Associations of the music, which occur in captions only.
    """

    genre: str
    number: int
    tempo: float
    mode: str
    key: int
    progression: str
    lead: str
    backing: str
    comping: str
    drums: str
    bass: str
    density: float
    swing: float
    register: int
    mood: str
    setting: str

    @property
    def name(self) -> str:
        """Name of the file of the track, without suffix."""
        return f"{self.genre}.{self.number:05d}"


HABITS: dict[str, Habits] = {
    "blues": Habits(
        (62, 100), 0.4, ("1451", "1415"), ("guitar", "saxophone"), ("guitar", "piano"), ("strum",),
        ("shuffle",), "walking", (0.35, 0.6), 0.33, "club",
    ),
    "classical": Habits(
        (56, 120), 0.6, ("1251", "1645", "1541"), ("strings", "flute"), ("strings", "piano"), ("pad", "arpeggio"),
        ("none",), "none", (0.3, 0.8), 0.0, "concert hall",
    ),
    "country": Habits(
        (96, 140), 0.9, ("1145", "1451"), ("fiddle", "guitar"), ("guitar",), ("boom-chick",),
        ("train",), "root", (0.4, 0.8), 0.0, "road",
    ),
    "disco": Habits(
        (110, 128), 0.5, ("1645", "6251"), ("strings", "synth"), ("electric piano", "guitar"), ("offbeat", "strum"),
        ("four on the floor",), "octave", (0.3, 0.6), 0.0, "club",
    ),
    "hiphop": Habits(
        (78, 98), 0.25, ("1111", "1616"), ("synth", "trumpet"), ("electric piano", "piano"), ("pad", "stab"),
        ("boom bap",), "deep", (0.1, 0.3), 0.15, "street",
    ),
    "jazz": Habits(
        (100, 190), 0.5, ("2511", "1625"), ("saxophone", "trumpet", "piano"), ("piano", "guitar"), ("stab",),
        ("ride",), "walking", (0.5, 0.85), 0.3, "club",
    ),
    "metal": Habits(
        (130, 190), 0.05, ("1267", "1161"), ("distorted guitar",), ("distorted guitar",), ("power",),
        ("double kick",), "root", (0.4, 0.9), 0.0, "concert hall",
    ),
    "pop": Habits(
        (92, 128), 0.8, ("1564", "6415"), ("synth", "piano"), ("synth", "electric piano"), ("pad", "strum"),
        ("backbeat", "four on the floor"), "root", (0.3, 0.6), 0.0, "home",
    ),
    "reggae": Habits(
        (64, 88), 0.6, ("1414", "1454"), ("trumpet", "organ"), ("organ", "guitar"), ("offbeat",),
        ("one drop",), "deep", (0.15, 0.4), 0.1, "beach",
    ),
    "rock": Habits(
        (104, 150), 0.5, ("1474", "1541"), ("distorted guitar", "guitar"), ("distorted guitar", "organ"),
        ("power", "strum"), ("backbeat",), "root", (0.25, 0.6), 0.0, "road",
    ),
}  # fmt: skip


def draw_track(genre: str, number: int, rng: np.random.Generator) -> Track:
    """Draw one track from the habits of its genre, and with probability ``CROSSOVER`` from those of any genre."""

    def pick(options: tuple[str, ...]) -> str:
        return options[int(rng.integers(len(options)))]

    def habits() -> Habits:
        return HABITS[pick(GENRES) if rng.random() < CROSSOVER else genre]

    rhythm = habits()
    tempo = float(np.round(rng.uniform(*rhythm.tempo)))
    mode = "major" if rng.random() < habits().major else "minor"
    harmony = habits()
    track = Track(
        genre=genre,
        number=number,
        tempo=tempo,
        mode=mode,
        key=int(rng.integers(12)),
        progression=pick(harmony.progressions),
        lead=pick(habits().leads),
        backing=pick(harmony.backings),
        comping=pick(harmony.comping),
        drums=pick(rhythm.drums),
        bass=rhythm.bass,
        density=float(np.round(rng.uniform(*habits().density), 2)),
        swing=rhythm.swing,
        register=int(rng.choice([-1, 0, 1], p=[0.25, 0.5, 0.25])),
        mood="",
        setting=habits().setting if rng.random() < 0.5 else pick(SETTINGS),
    )
    return replace(track, mood=_mood(track, rng))


def _mood(track: Track, rng: np.random.Generator) -> str:
    """Draw a mood: with probability 0.7 the one that fits mode and tempo."""
    if rng.random() < 0.3:
        return str(rng.choice(["cheerful", "tender", "dramatic", "sad"]))
    if track.mode == "major":
        return "cheerful" if track.tempo >= 100 else "tender"
    return "dramatic" if track.tempo >= 100 else "sad"
