"""Names under which captions, labels and embeddings of clips may be kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import PurePosixPath

from b2m_encoding.data.clips import stimulus_path, without_ending
from b2m_encoding.features.clips import Clip


def names_of(clip: Clip, clips: Iterable[Clip]) -> list[str]:
    """Names of a clip, the most exact ones first.

    The name of a file without its start stands for a clip only if no other excerpt of that file is presented; its name
    without folder and ending only if no other file is called so.

    Examples
    --------
    >>> story = Clip("day 1/story.wav", 60.0, 10.0)
    >>> names_of(story, [story])[:4]
    ['day 1/story.wav@60', 'day 1/story@60', 'story@60_10s', 'story@60']
    >>> names_of(story, [story])[4:]
    ['story.wav@60', 'day 1/story.wav', 'day 1/story', 'story_10s', 'story', 'story.wav']
    >>> "day 1/story" in names_of(story, [story, Clip("day 1/story.wav", 0.0, 10.0)])
    False
    """
    others = list(clips)
    starts = {other.start for other in others if other.stimulus == clip.stimulus}
    same_name = {other.stimulus for other in others if other.name == clip.name}
    same_path = {other.stimulus for other in others if without_ending(other.stimulus) == without_ending(clip.stimulus)}
    names = [f"{clip.stimulus}@{clip.start:g}"]
    ends = [f"@{clip.start:g}", *([""] if len(starts) <= 1 else [])]
    for end in ends:
        names.append(f"{clip.stimulus}{end}")
        if len(same_path) <= 1:
            names.append(f"{without_ending(clip.stimulus)}{end}")
        if len(same_name) <= 1:
            file = PurePosixPath(clip.stimulus).name
            names += [f"{clip.name}{end}_{clip.duration:g}s", f"{clip.name}{end}", f"{file}{end}"]
    return list(dict.fromkeys(names))


def find_named(clip: Clip, clips: Iterable[Clip], keys: Collection[str]) -> str | None:
    """The key that names a clip; None if there is none."""
    plain = {stimulus_path(key): key for key in keys}
    return next((plain[name] for name in names_of(clip, clips) if name in plain), None)
