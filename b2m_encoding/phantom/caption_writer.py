"""Captions of simulated tracks: their attributes in varied English."""

from __future__ import annotations

import numpy as np

from b2m_encoding.phantom.tracks import Track

GENRE_NAMED = 0.25
"""Probability that a caption contains the genre."""

WORDS: dict[str, tuple[str, ...]] = {
    "slow": ("slow", "leisurely"),
    "medium": ("moderate", "mid-tempo"),
    "fast": ("fast", "quick"),
    "major": ("a major key", "major chords"),
    "minor": ("a minor key", "minor chords"),
    "sparse": ("sparse", "spacious"),
    "even": ("flowing", "steady"),
    "busy": ("busy", "dense"),
    "low": ("deep", "dark-toned"),
    "middle": ("warm", "mellow"),
    "high": ("high", "bright"),
    "cheerful": ("cheerful", "happy"),
    "tender": ("tender", "gentle"),
    "dramatic": ("dramatic", "tense"),
    "sad": ("sad", "melancholic"),
    "none": ("without drums", "without percussion"),
    "shuffle": ("over a shuffle on brushed drums", "with shuffling drums"),
    "train": ("over a train beat on the snare", "with rolling snare drums"),
    "four on the floor": ("over a pounding dance beat", "with a dance beat and hi-hats"),
    "boom bap": ("over a heavy sampled beat", "with a heavy sampled drum loop"),
    "ride": ("with a swinging ride cymbal", "over swinging cymbals"),
    "double kick": ("with relentless double kick drums", "over relentless double kick drums"),
    "backbeat": ("with a straight backbeat", "over a solid backbeat"),
    "one drop": ("over a laid-back one-drop beat", "with laid-back drums"),
    "club": ("It would suit a small club at night.", "One imagines a smoky club, late at night."),
    "concert hall": ("It feels like a large concert hall.", "One imagines a stage in a concert hall."),
    "street": ("It brings to mind a busy city street.", "One imagines walking through the city streets."),
    "road": ("It would suit a long drive on the road.", "One imagines an open road and a long drive."),
    "beach": ("It brings to mind a summer day at the beach.", "One imagines sun and waves at the beach."),
    "home": ("It would suit a quiet evening at home.", "One imagines a relaxed evening at home."),
}

OPENINGS = (
    "A {tempo} and {mood} {piece} led by {register} {lead} with {backing} {drums}.",
    "{Register} {lead} and {backing} play a {tempo}, {mood} {piece} {drums}.",
    "This {mood} {piece} is {tempo}, with {lead} in front and {backing} behind, {drums}.",
)
MIDDLES = (
    "The melody is {density} and uses {mode}.",
    "It stays in {mode}, and the playing is {density}.",
    "Built on {mode}, with {density} phrases.",
)


def write_caption(track: Track, rng: np.random.Generator) -> str:
    """Write one to three sentences about a track; few name the genre."""

    def word(level: str) -> str:
        options = WORDS[level]
        return options[int(rng.integers(len(options)))]

    words = {
        "tempo": word("slow" if track.tempo < 88 else "medium" if track.tempo < 122 else "fast"),
        "mood": word(track.mood),
        "mode": word(track.mode),
        "density": word("sparse" if track.density < 0.35 else "even" if track.density < 0.6 else "busy"),
        "register": word(("low", "middle", "high")[track.register + 1]),
        "drums": word(track.drums),
        "lead": track.lead,
        "backing": track.backing if track.backing != track.lead else f"more {track.backing}",
        "piece": f"{track.genre} piece" if rng.random() < GENRE_NAMED else str(rng.choice(["piece", "tune"])),
    }
    words["Register"] = words["register"].capitalize()
    sentences = [str(rng.choice(OPENINGS)).format(**words)]
    if rng.random() < 0.85:
        sentences.append(str(rng.choice(MIDDLES)).format(**words))
    if rng.random() < 0.9:
        sentences.append(word(track.setting))
    return " ".join(sentences)
