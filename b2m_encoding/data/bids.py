"""BIDS: raw runs with a mask, or fMRIPrep's derivatives, with the events and sidecars of the raw data set.

Names are parsed here rather than by pybids, which an install may lack: for 5 subjects with 18 runs pybids needs 0.8 s
to import and index, this module 5 ms. The tests compare both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from b2m_encoding.data.cifti import open_cifti
from b2m_encoding.data.clip_columns import BIDS_CLIPS, ClipColumns
from b2m_encoding.data.entities import BidsFile, event_table, subject_files
from b2m_encoding.data.recording import Recording, Series, assemble
from b2m_encoding.data.sidecars import repetition_time, start_time, volumes_cut
from b2m_encoding.data.surface import open_gifti, other_hemisphere
from b2m_encoding.data.volume import open_volumes, read_mask
from b2m_encoding.errors import InputError, Problems
from b2m_encoding.io.presence import require_file
from b2m_encoding.spaces.grayordinates import GrayordinateSpace
from b2m_encoding.spaces.space import Space
from b2m_encoding.spaces.surface import ALIASES, STANDARD, SurfaceSpace, freesurfer_subject, surface_space
from b2m_encoding.spaces.volume import VolumeSpace

Kind = Literal["surface", "cifti", "volume"]
SURFACES = (*STANDARD, *ALIASES, "fsnative")
DENSITIES = ("91k", "170k")
MESHES = {"fsaverage5": "10k", "fsaverage6": "41k", "fsaverage": "164k", "fsLR": "32k"}
"""Surfaces, and the density by which their vertices may be counted in names of files."""
GRIDS = {"res", "den"}
"""Entities of spaces that are resampled to another grid."""
EXTENSIONS = {"surface": ("func.gii",), "cifti": ("dtseries.nii",), "volume": ("nii.gz", "nii")}


@dataclass(frozen=True)
class SpaceQuery:
    """Which files hold responses in a space, written as fMRIPrep's ``--output-spaces`` has it.

    Examples
    --------
    >>> SpaceQuery.parse("MNI152NLin2009cAsym:res-2")
    SpaceQuery(name='MNI152NLin2009cAsym', kind='volume', entities={'res': '2'})
    >>> SpaceQuery.parse("fsLR:den-91k").kind, SpaceQuery.parse("space-fsLR_den-91k").kind
    ('cifti', 'cifti')
    >>> SpaceQuery.parse("fsaverage:den-10k").surface
    'fsaverage5'
    """

    name: str
    kind: Kind
    entities: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> SpaceQuery:
        """Read ``NAME[:entity-value ...]``."""
        name, *rest = re.sub(r"_(?=[a-z]+-)", ":", text.strip().removeprefix("space-")).split(":")
        rest = [f"den-{part}" if part in DENSITIES or part in MESHES.values() else part for part in rest]
        pairs = [part.partition("-") for part in rest]
        if not name or any(not key or not value for key, _, value in pairs):
            raise InputError("a space cannot be read", found=text, expected="fsaverage5, fsLR:den-91k, NAME:res-2 ...")
        entities = {key: value for key, _, value in pairs}
        kind: Kind = "surface" if name in SURFACES else "volume"
        if entities.get("den") == MESHES.get(name):  # stated twice: fsaverage5:den-10k
            entities.pop("den", None)
        return cls(name, "cifti" if entities.get("den") in DENSITIES else kind, entities)

    @property
    def surface(self) -> str:
        """Name of the surface, where the density tells it: ``fsaverage:den-10k`` is ``fsaverage5``."""
        density = self.entities.get("den")
        return next((name for name, den in MESHES.items() if den == density and name.startswith(self.name)), self.name)

    def matches(self, file: BidsFile, *, raw: bool) -> bool:
        """Whether a file holds responses in this space (the left hemisphere stands for both)."""
        found = file.entities
        if file.suffix not in ("bold", "") or file.extension not in EXTENSIONS[self.kind]:
            return False
        if "echo" in found and "echo" not in self.entities:
            return False
        if found.get("part", self.entities.get("part", "mag")) != self.entities.get("part", "mag"):
            return False
        if any(found.get(k) != v for k, v in self.entities.items() if k not in ("part", "den")):
            return False
        if not self._has_density(found):
            return False
        if raw:
            return "space" not in found and "desc" not in found
        if self.kind != "surface" and "hemi" in found:
            return False
        wanted = self.kind != "surface" or found.get("hemi") == "L"
        wanted = wanted and (found.get("space", "func") == self.name or self._is_mesh(found))
        return wanted and found.get("desc", "preproc") == self.entities.get("desc", "preproc")

    def _is_mesh(self, found: Mapping[str, str]) -> bool:
        """Whether the space of a file is this surface by its density: ``space-fsaverage_den-10k``."""
        density = MESHES.get(self.name)
        return density is not None and found.get("den") == density and self.name.startswith(found.get("space", "?"))

    def _has_density(self, found: Mapping[str, str]) -> bool:
        density = self.entities.get("den")
        return density is None or found.get("den") == density or found.get("space") == self.surface != self.name


def list_subjects(root: Path) -> list[str]:
    """Labels of the subjects of a BIDS folder, without ``sub-``.

    Raises
    ------
    InputError
        If the folder does not exist or holds no subject.
    """
    if not root.is_dir():
        raise InputError("the BIDS folder does not exist", file=root)
    subjects = sorted(path.name.removeprefix("sub-") for path in root.glob("sub-*") if _is_subject(path))
    if not subjects:
        raise InputError("the BIDS folder holds no subject", file=root, expected="folders such as sub-01")
    return subjects


def _is_subject(path: Path) -> bool:
    """Whether a path is the folder of a subject, and no copy that somebody put away (``sub-01.bak``)."""
    return path.is_dir() and not re.search(r"[.~ ]", path.name)


def read_bids(
    root: str | Path,
    subject: str,
    *,
    tasks: Sequence[str],
    space: str = "fsaverage5",
    derivatives: str | Path | None = None,
    sessions: Sequence[str] = (),
    mask: str | Path | None = None,
    trust_header: bool = True,
    clips: ClipColumns = BIDS_CLIPS,
    tr: float | None = None,
    cut_at_start: int | None = None,
) -> Recording:
    """Open one subject's runs of some tasks.

    Run names are those of BIDS, ``ses-02_task-Training_run-01``. Responses come from fMRIPrep's derivatives
    (GIfTI, CIFTI or NIfTI, given by the space) or, without derivatives, from the raw volumes and a mask. Events and
    sidecars follow the inheritance principle; where events name the file of a stimulus, they label clips.

    Parameters
    ----------
    root : Path
        The raw data set.
    subject : str
        Label without ``sub-``.
    tasks : sequence of str
    space : str
        As in ``--output-spaces``: ``fsaverage5``, ``fsLR:den-91k``, ``MNI152NLin2009cAsym:res-2``, ``T1w`` ...;
        any name for raw volumes.
    derivatives : Path, optional
        fMRIPrep's output folder.
    sessions : sequence of str
        Only these; all, if empty.
    mask : Path, optional
        For volumes; by default the voxels that fMRIPrep's brain masks of all runs share.
    trust_header : bool
        Whether a header that contradicts the repetition time of the sidecars is an error. Set it to false only if
        headers are known to be wrong.
    clips : ClipColumns
        Columns of the events that name clips.
    tr : float, optional
        Repetition time, s, where neither sidecars nor headers state it; they may not contradict it.
    cut_at_start : int, optional
        Volumes that were cut off at the start of preprocessed runs, from the first of which events count; what else
        they lack of their raw series was cut off at their end.

    Raises
    ------
    InputError, ProblemList
        With all problems: files missing, doubled, not downloaded or damaged, repetition times that disagree,
        events beyond their run.
    """
    root = Path(root)
    derivatives = None if derivatives is None else Path(derivatives)
    mask = None if mask is None else Path(mask)
    query = SpaceQuery.parse(space)
    files = find_runs(derivatives or root, subject, query, tasks, sessions, raw=derivatives is None)
    place, masks = _place(query, files, derivatives, mask)
    problems = Problems()
    series: dict[str, Series] = {}
    tables: dict[str, Path] = {}
    seconds: dict[str, float] = {}
    started: dict[str, float | None] = {}
    cut: dict[str, tuple[int, int]] = {}
    for name, file in files.items():
        with problems.collect():
            series[name] = open_run(file, place, masks)
            if derivatives is not None:
                cut[name] = volumes_cut(root, file, series[name], cut_at_start)
        with problems.collect():
            seconds[name] = repetition_time(root, file, series.get(name), tr, trust_header=trust_header)
            started[name] = start_time(root, file, series.get(name), seconds[name])
        with problems.collect():
            tables.update(event_table(root, file))
    if len(set(seconds.values())) > 1:
        problems.found.append(InputError("runs differ in repetition time", file=derivatives or root, found=seconds))
    problems.raise_any()
    recording = assemble(subject, series, place, tr=next(iter(seconds.values())), trust_header=False, more_inputs=masks)
    recording = recording.starting_at(started).after({name: first for name, (first, _) in cut.items()})
    shortened = [name for name, (_, last) in cut.items() if last]
    return recording.with_events(tables, clips=clips, shortened=shortened)


def find_runs(
    folder: Path, subject: str, query: SpaceQuery, tasks: Sequence[str], sessions: Sequence[str] = (), *, raw: bool
) -> dict[str, BidsFile]:
    """Response file of each run (the left hemisphere's on a surface), tasks in the order given.

    Parameters
    ----------
    folder : Path
        Derivatives, or the raw data set.
    subject : str
        Label without ``sub-``.
    query : SpaceQuery
    tasks : sequence of str
    sessions : sequence of str
        Only these; all, if empty.
    raw : bool
        Whether the folder is the raw data set.

    Raises
    ------
    InputError, ProblemList
        If the folder is missing, a task or a session has no file, or two files claim to be the same run.
    """
    if not folder.is_dir():
        raise InputError(f"the {'BIDS folder' if raw else 'folder of derivatives'} does not exist", file=folder)
    files = [file for file in subject_files(folder, subject) if query.matches(file, raw=raw)]
    runs: dict[str, BidsFile] = {}
    problems = Problems()
    for task in dict.fromkeys(tasks):
        of_task = [f for f in files if f.entities.get("task") == task]
        of_task = [f for f in of_task if not sessions or f.entities.get("ses") in sessions]
        for file in of_task:
            with problems.collect():
                runs[file.run] = file if file.run not in runs else _plainer(runs[file.run], file)
        with problems.collect():
            if not of_task:
                raise _nothing(folder, subject, query, task, sessions, raw)
    problems.raise_any()
    there = {file.entities.get("ses") for file in runs.values()}
    if missing := [session for session in sessions if session not in there]:
        raise InputError(
            f"no run of the tasks {', '.join(tasks)} in session {', '.join(missing)}",
            file=folder / f"sub-{subject}",
            found=f"sessions {_listed(files, 'ses')}",
            fix="correct sessions under [data], or leave it out to read all",
        )
    return runs


def open_run(file: BidsFile, space: Space, masks: tuple[Path, ...] = ()) -> Series:
    """Open the response file of one run in its space."""
    if isinstance(space, VolumeSpace):
        return open_volumes(file.path, space, masks[0] if masks else None)
    if isinstance(space, GrayordinateSpace):
        return open_cifti(file.path, space)
    assert isinstance(space, SurfaceSpace)
    return open_gifti(file.path, other_hemisphere(file.path, "R"), space)


def _place(
    query: SpaceQuery, files: Mapping[str, BidsFile], derivatives: Path | None, mask: Path | None
) -> tuple[Space, tuple[Path, ...]]:
    """Space of the responses, and the mask files it was made from."""
    first_file = next(iter(files.values()))
    if query.name == "fsnative":
        subject = f"sub-{first_file.entities['sub']}"
        beside = (derivatives or Path()) / "sourcedata" / "freesurfer"
        return freesurfer_subject(subject, beside if beside.is_dir() else None), ()
    if query.kind == "surface":
        return surface_space(query.surface), ()
    if query.kind == "cifti":
        return GrayordinateSpace.from_file(require_file(first_file.path, "a CIFTI series")), ()
    if mask is not None:
        return read_mask(mask, query.name), (mask,)
    if derivatives is None:
        raise InputError(
            "raw volumes need a mask",
            file=first_file.path,
            fix="give mask under [data], or the fMRIPrep folder as derivatives",
        )
    paths = tuple(_mask_beside(file) for file in files.values())
    first, *others = [read_mask(path, query.name) for path in paths]
    for path, other in zip(paths[1:], others, strict=True):
        if other.mask.shape != first.mask.shape or not np.allclose(other.affine, first.affine, atol=1e-3):
            raise InputError("brain masks lie on different grids", file=path, found=other.mask.shape)
    shared = np.logical_and.reduce([first.mask, *(other.mask for other in others)])
    return VolumeSpace(shared, first.affine, query.name), paths


def _mask_beside(file: BidsFile) -> Path:
    """Path of the brain mask of a run: that of its own name, or one that applies to it."""
    own = {key: value for key, value in file.entities.items() if key != "desc"}
    patterns = ("sub-*_desc-brain_mask.nii*", "sub-*_bold_*brainmask.nii*")
    masks = [BidsFile.parse(path) for one in patterns for path in sorted(file.path.parent.glob(one))]
    of_run = BidsFile(file.path, {**own, "desc": "brain"}, "", "")
    applying = [mask for mask in masks if mask.applies_to(of_run) and mask.entities.get("space") == own.get("space")]
    if applying:
        return max(applying, key=lambda mask: len(mask.entities)).path
    stem = re.sub(r"(_desc-[A-Za-z0-9+]+)?(_bold)?$", "", file.path.name.split(".")[0])
    return file.path.with_name(f"{stem}_desc-brain_mask.nii.gz")


def _plainer(first: BidsFile, second: BidsFile) -> BidsFile:
    """Of two files of a run, the one without the resolution that the other names: ``NAME`` beside ``NAME:res-2``."""
    for one, other in ((first, second), (second, first)):
        if one.entities.items() < other.entities.items() and other.entities.keys() - one.entities.keys() <= GRIDS:
            return one
    raise _doubled(first, second)


def _doubled(first: BidsFile, second: BidsFile) -> InputError:
    ours, theirs = first.entities, second.entities
    differ = sorted(key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key))
    named = {**ours, **theirs}
    fix = f'name one, as in space = "NAME:{differ[0]}-{named[differ[0]]}"' if differ else "remove one"
    return InputError("two files claim to be the same run", file=second.path, found=first.path.name, fix=fix)


def _nothing(
    folder: Path, subject: str, query: SpaceQuery, task: str, sessions: Sequence[str], raw: bool
) -> InputError:
    if not (own := folder / f"sub-{subject}").is_dir():
        return InputError(
            "a folder holds no such subject",
            file=own,
            found=", ".join(sorted(path.name for path in folder.iterdir() if path.is_dir())[:10]) or "no folder",
            expected="the folder of the subject",
            fix="name the folder in which sub-... lie, such as derivatives/fmriprep",
        )
    files = subject_files(folder, subject)
    bold = [f for f in files if f.suffix in ("bold", "") and f.extension in sum(EXTENSIONS.values(), ())]
    kinds = {"tasks": "task", "spaces": "space", "sessions": "ses", "desc": "desc", "echoes": "echo", "parts": "part"}
    listed = {name: _listed(bold, key) for name, key in kinds.items()}
    available = "; ".join(f"{name} {text}" for name, text in listed.items() if text != "none" or name == "tasks")
    echoes = listed["echoes"] != "none" and "echo" not in query.entities
    where = "raw volumes" if raw else f"responses in {query.name}"
    more = f" in sessions {', '.join(sessions)}" if sessions else ""
    expected = f"*_task-{task}_*.{EXTENSIONS[query.kind][0]}"
    alike = next((f.path.name for f in files if f"_task-{task}_" in f.path.name and "bold" in f.path.name), None)
    return InputError(
        f"no {where} of task {task}{more}",
        file=own,
        found=f"{available}; such as {alike}" if alike else available,
        expected=expected,
        fix='combine the echoes (fMRIPrep does), or read one: space = "NAME:echo-2" under [data]' if echoes else None,
    )


def _listed(files: Iterable[BidsFile], key: str) -> str:
    return ", ".join(sorted({file.entities[key] for file in files if key in file.entities})) or "none"
