"""Feature extractors that read precomputed arrays: one per run, or embeddings of clips."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from b2m_encoding._typing import Float32
from b2m_encoding.config import StudyPath
from b2m_encoding.data.clips import safe_stimulus
from b2m_encoding.errors import InputError, Problems
from b2m_encoding.features.captions import KNOWN_TYPOS
from b2m_encoding.features.clip_names import ClipNames, find_named
from b2m_encoding.features.clips import Clip, ClipProgress, StimulusTimeline
from b2m_encoding.features.extractors.base import ClipExtractor, Extractor, silent
from b2m_encoding.features.windows import Spans, window_starts
from b2m_encoding.io.archives import read_archive
from b2m_encoding.io.narrowing import lost_digits
from b2m_encoding.io.presence import require_file
from b2m_encoding.io.text_tables import decoded


class RunArrays(Extractor):
    """Precomputed features of volumes: one array per run, one row per volume."""

    extractor: Literal["array"]
    files: StudyPath
    """Path in which ``{run}`` is replaced by the name of the run (``task-Training_run-01``): ``features/{run}.npy``,
    ``features.mat::X_{run}``, ``features.h5::{run}``, ``features/{run}.csv`` with or without names of columns. Where
    subjects heard different stimuli in runs of one name, ``{subject}`` stands for the label."""

    def needs(self) -> tuple[Path, ...]:
        """Return the files of all runs; their folder where there are none."""
        return matching_files(Path(str(self.files).partition("::")[0]), "{run}", "{subject}")

    def shared(self) -> bool:
        """Return whether all subjects have the same files."""
        return "{subject}" not in str(self.files)

    def check(self, stimulation: StimulusTimeline) -> None:
        """Raise with every file that is missing, damaged, of another length than its run, or not finite."""
        problems = Problems()
        for run, part in zip(stimulation.volumes.slices, self._open(stimulation), strict=True):
            with problems.collect():
                if (n_bad := int((~np.isfinite(part)).sum())) > 0:
                    raise InputError(
                        "a feature file holds values that are not finite",
                        file=self._path(run, stimulation),
                        found=f"{n_bad} values",
                    )
        problems.raise_any()

    def values(self, stimulation: StimulusTimeline, progress: ClipProgress = silent) -> Float32:
        """Concatenate the arrays of all runs; means that would cost the digits of what varies are subtracted."""
        values = np.concatenate(self._open(stimulation))
        return stimulation.volumes_to_samples(_without_large_means(values).astype(np.float32))

    def width(self, stimulation: StimulusTimeline) -> int:
        """Return the number of columns of the arrays."""
        return int(self._open(stimulation)[0].shape[1])

    def _path(self, run: str, stimulation: StimulusTimeline) -> Path:
        return Path(str(self.files).replace("{run}", run).replace("{subject}", stimulation.subject))

    def _open(self, stimulation: StimulusTimeline) -> list[NDArray[np.generic]]:
        """Open the array of every run as a memory map."""
        problems = Problems()
        parts: dict[str, NDArray[np.generic]] = {}
        for name, rows in stimulation.volumes.slices.items():
            path = self._path(name, stimulation)
            with problems.collect():
                parts[name] = _load(path) if path.suffix == ".npy" else _read_any(path, stimulation.volumes.tr)
                if parts[name].dtype.kind not in "iufb":
                    raise InputError("a feature file holds no numbers", file=path, found=parts[name].dtype)
                if parts[name].ndim == 1:  # a single feature
                    parts[name] = parts[name][:, None]
                if parts[name].ndim != 2 or parts[name].shape[1] == 0 or len(parts[name]) != rows.stop - rows.start:
                    raise InputError(
                        "a feature file does not fit its run",
                        file=path,
                        found=f"shape {parts[name].shape}",
                        expected=f"({rows.stop - rows.start}, n_features): one row per volume",
                    )
        problems.raise_any()
        if len({part.shape[1] for part in parts.values()}) > 1:
            shapes = {name: part.shape for name, part in parts.items()}
            raise InputError("feature files differ in their number of features", file=self.files, found=shapes)
        return list(parts.values())


class ClipArrays(ClipExtractor):
    """Precomputed embeddings of clips, such as those of MuLan, whose weights are not public.

    A clip has one row for each window that fits into it, in temporal order, or a single row.
    """

    extractor: Literal["mulan_precomputed"]
    files: StudyPath
    """One file per clip, with ``{clip}`` in its path for the name of its sound file, with or without folder and ending
    (npy, or npz with one array), followed by ``@`` and its start where several excerpts of the file are presented
    (``story@60``); or one npz with an array named after each clip; or one npy of all rows, with ``ids``."""
    ids: StudyPath | None = None
    """Text file with the clip of each row, one per line."""
    dim: Annotated[int, Field(ge=1)] = 128
    """Number of features."""
    window: Annotated[float, Field(gt=0)] = 10.0
    """Length of the windows, s."""
    step: Annotated[float, Field(gt=0)] = 1.5
    """Distance between the starts of windows, s."""

    def needs(self) -> tuple[Path, ...]:
        """Return the file, or the files of all clips, and the list of clips."""
        return (*matching_files(self.files, "{clip}"), *((self.ids,) if self.ids else ()))

    def check(self, stimulation: StimulusTimeline) -> None:
        """Raise with every clip whose array is missing, damaged or of another shape."""
        self.clip_features(stimulation)

    def clip_features(self, stimulation: StimulusTimeline, progress: ClipProgress = silent) -> Mapping[Clip, Float32]:
        """Select the row whose window is closest to each span."""
        problems, find, out = Problems(), self._finder(stimulation.clips), {}
        for clip, spans in stimulation.clips.items():
            with problems.collect():
                safe_stimulus(clip.stimulus, self.files.parent)
                array, file = find(clip)
                out[clip] = self._rows(array, clip, spans, file)
        problems.raise_any()
        return out

    def width(self, stimulation: StimulusTimeline) -> int:
        """Return ``dim``."""
        return self.dim

    def _read_all(self) -> Mapping[str, NDArray[np.generic]] | None:
        """Read the arrays of all clips from one file; None if each clip has a file."""
        if "{clip}" in str(self.files):
            return None
        if self.ids is None:
            if self.files.suffix != ".npz":
                raise InputError(
                    "one array of all clips needs ids",
                    file=self.files,
                    fix="ids = a text file with the clip of each row",
                )
            require_file(self.files, "a feature file", folder=False)
            return {_clip_name(name): array for name, array in read_archive(self.files, "a feature file").items()}
        rows = _load(self.files)
        require_file(self.ids, "the list of clips", folder=False)
        lines = decoded(self.ids, "the list of clips").split("\n")
        names = [_clip_name(line) for line in lines if line.strip()]
        if len(names) != len(rows):
            raise InputError(
                "ids and rows differ in number", file=self.ids, found=f"{len(names)} ids", expected=f"{len(rows)} rows"
            )
        labels = np.array(names)
        return {name: rows[labels == name] for name in dict.fromkeys(names)}

    def _finder(self, clips: Iterable[Clip]) -> Callable[[Clip], tuple[NDArray[np.generic], Path]]:
        """Make a function from a clip to its array and the file that it is in."""
        arrays = self._read_all()
        if arrays is None:
            names = ClipNames(clips)
            return lambda clip: self._read_own(names.of(clip))
        named = find_named(clips, arrays)

        def find(clip: Clip) -> tuple[NDArray[np.generic], Path]:
            name = named[clip]
            if name is None:
                raise InputError("a clip has no embedding", file=self.ids or self.files, expected=clip.name)
            return arrays[name], self.files

        return find

    def _read_own(self, names: Sequence[str]) -> tuple[NDArray[np.generic], Path]:
        """Read the file of one clip, under the first of its names that there is."""
        paths = [Path(str(self.files).replace("{clip}", name)) for name in names]
        path = next((path for path in paths if path.is_file()), paths[-2])
        require_file(path, "a feature file", folder=False)
        stored = read_archive(path, "a feature file") if path.suffix == ".npz" else {"": _load(path)}
        if len(stored) != 1:
            raise InputError("the file of one clip contains several arrays", file=path, found=list(stored))
        return next(iter(stored.values())), path

    def _rows(self, array: NDArray[np.generic], clip: Clip, spans: Spans, file: Path) -> Float32:
        """Select the rows of the spans of one clip."""
        array = array[None] if array.ndim == 1 else array
        starts = window_starts(clip.duration, self.window, self.step)
        if array.shape not in ((len(starts), self.dim), (1, self.dim)):
            raise InputError(
                f"the embedding of {clip.name} has another shape",
                file=file,
                found=array.shape,
                expected=f"({len(starts)}, {self.dim}), windows of {self.window:g} s every {self.step:g} s, or one row",
            )
        values = array.astype(np.float32)
        if not np.isfinite(values).all():
            raise InputError(f"the embedding of {clip.name} contains values that are not finite", file=self.files)
        if len(values) == 1:
            return np.repeat(values, len(spans), axis=0)
        distance = np.abs(spans.mean(axis=1)[:, None] - (starts + self.window / 2))
        return np.asarray(values[np.round(distance, 6).argmin(axis=1)])


def _without_large_means(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Features without their means, where these are so large (times of day) that float32 would round what varies."""
    far = lost_digits(values)
    return np.where(far, values - values.mean(axis=0, dtype=np.float64), values) if far.any() else values


def matching_files(files: Path, *placeholders: str) -> tuple[Path, ...]:
    """Files of a path with placeholders in its name; its folder where there are none, or the folder has one too."""
    variable = re.compile("|".join(map(re.escape, placeholders)))
    if not variable.search(str(files)):
        return (files,)
    folder = next(path for path in files.parents if not variable.search(str(path)))
    if folder != files.parent:
        return (folder,)
    pattern = "*".join(glob.escape(part) for part in variable.split(files.name))
    return tuple(sorted(path for path in folder.glob(pattern) if not path.is_dir())) or (folder,)


def _clip_name(text: str) -> str:
    """Normalise the name of a clip: ``blues.00017_15s`` and ``blues.00017.npy`` are ``blues.00017``."""
    name = text.strip().removesuffix(".npy")
    return re.sub(r"_\d+(\.\d+)?s$", "", KNOWN_TYPOS.get(name, name))


def _read_any(path: Path, tr: float) -> NDArray[np.generic]:
    """Read an array of a file of another kind, a row per volume: ``features.mat::X``."""
    from b2m_encoding.data.arrays import open_array  # loads what reads images

    return np.asarray(open_array(path, tr)[:])


def _load(path: Path) -> NDArray[np.generic]:
    """Open an array as a memory map."""
    require_file(path, "a feature file", folder=False)
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise InputError("a feature file cannot be read", file=path, found=error) from error
    if not isinstance(values, np.ndarray):
        raise InputError(
            "a feature file contains several arrays", file=path, found=values.files, expected="one array (npy)"
        )
    return values
