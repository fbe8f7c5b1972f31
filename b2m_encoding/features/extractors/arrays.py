"""Feature spaces from arrays made elsewhere: one per run, or embeddings of clips."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from b2m_encoding.config import StudyPath
from b2m_encoding.errors import InputError, Problems
from b2m_encoding.features.clips import Clip, StimulusTimeline
from b2m_encoding.features.extractors.base import ClipExtractor, Extractor, Report, silent
from b2m_encoding.features.text import KNOWN_TYPOS
from b2m_encoding.features.windows import Spans, window_starts
from b2m_encoding.io.archives import read_archive

Floats = NDArray[np.float32]


class Array(Extractor):
    """Features made elsewhere: one ``.npy`` file per run, a row for every volume."""

    extractor: Literal["array"]
    files: StudyPath
    """Path with ``{run}`` in it, which stands for the name of the run (``task-Training_run-01``)."""

    def needs(self) -> tuple[Path, ...]:
        """Return the folder of the files."""
        return (self.files.parent,)

    def check(self, stimulation: StimulusTimeline) -> None:
        """Raise with every file that is missing, damaged or of another length than its run."""
        self._of_runs(stimulation)

    def values(self, stimulation: StimulusTimeline, report: Report = silent) -> Floats:
        """Put the arrays of all runs together."""
        return stimulation.sampled(np.concatenate(self._of_runs(stimulation)).astype(np.float32))

    def _of_runs(self, stimulation: StimulusTimeline) -> list[NDArray[np.generic]]:
        """Array of every run, opened and not read."""
        problems = Problems()
        parts: dict[str, NDArray[np.generic]] = {}
        for name, rows in stimulation.volumes.slices.items():
            path = Path(str(self.files).replace("{run}", name))
            with problems.collect():
                parts[name] = _load(path)
                if parts[name].ndim != 2 or len(parts[name]) != rows.stop - rows.start:
                    raise InputError(
                        "a feature file does not fit its run",
                        file=path,
                        found=f"shape {parts[name].shape}",
                        expected=f"({rows.stop - rows.start}, n_features): one row per volume",
                    )
        problems.raise_any()
        if len({part.shape[1] for part in parts.values()}) > 1:
            shapes = {name: part.shape for name, part in parts.items()}
            raise InputError("feature files differ in width", file=self.files, found=shapes)
        return list(parts.values())


class Precomputed(ClipExtractor):
    """Embeddings of clips that a laboratory has: MuLan's, which are not public, or any others.

    A clip has one row for each window that fits into it, in order of time, or a single row.
    """

    extractor: Literal["mulan_precomputed"]
    files: StudyPath
    """A file per clip, with ``{clip}`` in its name, which stands for ``blues.00017`` (npy, or npz with one array); or
    one npz with an array named after each clip; or one npy of all rows, with ``ids``."""
    ids: StudyPath | None = None
    """Text file that names the clip of each row, a line each."""
    dim: Annotated[int, Field(ge=1)] = 128
    window: Annotated[float, Field(gt=0)] = 10.0
    """Seconds of sound behind each row."""
    step: Annotated[float, Field(gt=0)] = 1.5
    """Seconds between the windows of a clip."""

    def needs(self) -> tuple[Path, ...]:
        """Return the file, or the folder of the files."""
        path = self.files.parent if "{clip}" in str(self.files) else self.files
        return (path, *((self.ids,) if self.ids else ()))

    def check(self, stimulation: StimulusTimeline) -> None:
        """Raise with every clip whose array is missing, damaged or of another shape."""
        self.of_clips(stimulation)

    def of_clips(self, stimulation: StimulusTimeline, report: Report = silent) -> Mapping[Clip, Floats]:
        """Take the row whose window lies closest to each stretch."""
        problems, arrays, out = Problems(), self._all(), {}
        for clip, spans in stimulation.clips.items():
            with problems.collect():
                out[clip] = self._rows(self._of(clip, arrays), clip, spans)
        problems.raise_any()
        return out

    def _all(self) -> Mapping[str, NDArray[np.generic]] | None:
        """Arrays by clip where one file holds them all."""
        if "{clip}" in str(self.files):
            return None
        if self.ids is None:
            if self.files.suffix != ".npz":
                raise InputError(
                    "one array of all clips needs ids",
                    file=self.files,
                    fix="ids = a text file that names a clip per row",
                )
            return {_clip_name(name): array for name, array in read_archive(self.files, "a feature file").items()}
        rows = _load(self.files)
        names = [_clip_name(line) for line in self.ids.read_text("utf-8-sig").splitlines() if line.strip()]
        if len(names) != len(rows):
            raise InputError(
                "ids and rows differ in number", file=self.ids, found=f"{len(names)} ids", expected=f"{len(rows)} rows"
            )
        places = np.array(names)
        return {name: rows[places == name] for name in dict.fromkeys(names)}

    def _of(self, clip: Clip, arrays: Mapping[str, NDArray[np.generic]] | None) -> NDArray[np.generic]:
        if arrays is None:
            path = Path(str(self.files).replace("{clip}", clip.name))
            own = read_archive(path, "a feature file") if path.suffix == ".npz" else {"": _load(path)}
            if len(own) != 1:
                raise InputError("the file of one clip holds several arrays", file=path, found=list(own))
            return next(iter(own.values()))
        if clip.name not in arrays:
            raise InputError("a clip has no embedding", file=self.ids or self.files, expected=clip.name)
        return arrays[clip.name]

    def _rows(self, array: NDArray[np.generic], clip: Clip, spans: Spans) -> Floats:
        """Rows of the stretches of one clip."""
        array = array[None] if array.ndim == 1 else array
        starts = window_starts(clip.duration, self.window, self.step)
        if array.shape not in ((len(starts), self.dim), (1, self.dim)):
            raise InputError(
                f"the embedding of {clip.name} has another shape",
                file=Path(str(self.files).replace("{clip}", clip.name)),
                found=array.shape,
                expected=f"({len(starts)}, {self.dim}), windows of {self.window:g} s every {self.step:g} s, or one row",
            )
        values = array.astype(np.float32)
        if not np.isfinite(values).all():
            raise InputError(f"the embedding of {clip.name} holds values that are not finite", file=self.files)
        if len(values) == 1:
            return np.repeat(values, len(spans), axis=0)
        distance = np.abs(spans.mean(axis=1)[:, None] - (starts + self.window / 2))
        return np.asarray(values[np.round(distance, 6).argmin(axis=1)])


def _clip_name(text: str) -> str:
    """Name of a clip from what others call it: ``blues.00017``, ``blues.00017_15s``, ``blues.00017.wav``."""
    name = text.strip().removesuffix(".wav").removesuffix(".npy")
    return KNOWN_TYPOS.get(name, name).partition("_")[0]


def _load(path: Path) -> NDArray[np.generic]:
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise InputError("a feature file cannot be read", file=path, found=error) from error
    if not isinstance(values, np.ndarray):
        raise InputError(
            "a feature file holds several arrays", file=path, found=values.files, expected="one array (npy)"
        )
    return values
