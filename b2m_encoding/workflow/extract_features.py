"""Fill the store of features for a study, so that runs and other studies only read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

from b2m_encoding.analysis.windows import stimulus_timeline, windowed, windows_of_features
from b2m_encoding.data import Recording
from b2m_encoding.errors import InputError
from b2m_encoding.features.extractors import AudioExtractor, build_spaces
from b2m_encoding.features.store import check_store, where_required
from b2m_encoding.study import Study
from b2m_encoding.workflow.check import check_study

Progress = Callable[[str, int, int], None]


@dataclass
class Filled:
    """What became of one feature space."""

    shape: tuple[int, int]
    """Samples of all subjects, and features."""
    computed: int = 0
    """Clips that had to be computed."""
    seconds: float = 0.0


def fill_features(
    study: Study, subjects: tuple[str, ...] = (), progress: Progress = lambda what, done, total: None
) -> dict[str, Filled]:
    """Check a study and compute its features, subject by subject; what is kept already is only read.

    Parameters
    ----------
    study : Study
    subjects : tuple of str
        Only these; the study's, if empty.
    progress : callable
        Called with the feature space, and how many of its clips are done and to do.

    Returns
    -------
    dict of str to Filled

    Raises
    ------
    ProblemList
        If anything is wrong with the study; nothing is computed then.
    """
    recordings = check_study(study, subjects)
    check_store()
    filled = {name: Filled((0, 0)) for name in study.features}
    with where_required():
        _fill(study, recordings, filled, progress)
    return filled


def _fill(study: Study, recordings: Mapping[str, Recording], filled: dict[str, Filled], progress: Progress) -> None:
    for subject, recording in recordings.items():
        watch = _Watch(f"sub-{subject}: ", filled, progress)
        for name, space in build_spaces(study.features, stimulus_timeline(recording), watch).items():
            n_samples, width = space.values.shape
            filled[name].shape = (filled[name].shape[0] + n_samples, width)
        for name, table in windows_of_features(study):
            cut = windowed(recording, table)
            study.features[name].build(name, stimulus_timeline(cut), partial(watch, name))


class _Watch:
    """Counts clips and seconds of one subject while its feature spaces are built."""

    def __init__(self, subject: str, filled: Mapping[str, Filled], progress: Progress) -> None:
        self.subject, self.filled, self.progress = subject, filled, progress
        self.done: dict[str, int] = {}
        self.last = perf_counter()

    def __call__(self, names: str, done: int, total: int) -> None:
        now = perf_counter()
        for name in (shared := names.split(", ")):
            self.filled[name].seconds += (now - self.last) / len(shared)
            self.filled[name].computed += done - self.done.get(names, 0)
        self.last, self.done[names] = now, done
        self.progress(self.subject + names, done, total)


def write_stimuli(study: Study, folder: str | Path, subjects: tuple[str, ...] = ()) -> list[Path]:
    """Write the clips of a study as they were heard, for listening or for programs that compute features elsewhere.

    Raises
    ------
    InputError, ProblemList
        If the study has no feature space with stimuli, or anything is wrong with it.
    """
    folder = Path(folder)
    table = next((table for table in study.features.values() if isinstance(table, AudioExtractor)), None)
    if table is None:
        raise InputError("no feature space of this study names stimuli", expected="acoustic, clap or the like")
    recordings = check_study(study, subjects).values()
    return table.presented.write(
        {clip for recording in recordings for clip in stimulus_timeline(recording).clips}, folder
    )
