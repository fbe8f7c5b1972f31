"""Names under which captions, labels and embeddings of clips may be kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath

from b2m_encoding.data.clips import stimulus_path, without_ending
from b2m_encoding.features.clips import Clip


class ClipNames:
    """Names of the clips of a study.

    The name of a file without its start stands for a clip only if no other excerpt of that file is presented; its name
    without folder and ending only if no other file is called so.

    Parameters
    ----------
    clips : iterable of Clip
        All clips that are presented.

    Examples
    --------
    >>> story = Clip("day 1/story.wav", 60.0, 10.0)
    >>> names = ClipNames([story]).of(story)
    >>> names[:4]
    ['day 1/story.wav@60', 'day 1/story@60', 'story@60_10s', 'story@60']
    >>> names[4:]
    ['story.wav@60', 'day 1/story.wav', 'day 1/story', 'story_10s', 'story', 'story.wav']
    >>> "day 1/story" in ClipNames([story, Clip("day 1/story.wav", 0.0, 10.0)]).of(story)
    False
    """

    def __init__(self, clips: Iterable[Clip]) -> None:
        self._starts: dict[str, set[float]] = defaultdict(set)
        self._of_name: dict[str, set[str]] = defaultdict(set)
        self._of_path: dict[str, set[str]] = defaultdict(set)
        for clip in clips:
            self._starts[clip.stimulus].add(clip.start)
            self._of_name[clip.name].add(clip.stimulus)
            self._of_path[without_ending(clip.stimulus)].add(clip.stimulus)

    def of(self, clip: Clip) -> list[str]:
        """Names of a clip, the most exact ones first."""
        file, path = PurePosixPath(clip.stimulus).name, without_ending(clip.stimulus)
        names = [f"{clip.stimulus}@{clip.start:g}"]
        ends = [f"@{clip.start:g}", *([""] if len(self._starts[clip.stimulus]) <= 1 else [])]
        for end in ends:
            names.append(f"{clip.stimulus}{end}")
            if len(self._of_path[path]) <= 1:
                names.append(f"{path}{end}")
            if len(self._of_name[clip.name]) <= 1:
                names += [f"{clip.name}{end}_{clip.duration:g}s", f"{clip.name}{end}", f"{file}{end}"]
        return list(dict.fromkeys(names))


def find_named(clips: Iterable[Clip], keys: Iterable[str]) -> dict[Clip, str | None]:
    """The key that names each clip; None if there is none."""
    clips, plain = list(clips), {stimulus_path(key): key for key in keys}
    names = ClipNames(clips)
    return {clip: next((plain[name] for name in names.of(clip) if name in plain), None) for clip in clips}
