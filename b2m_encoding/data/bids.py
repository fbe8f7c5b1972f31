"""BIDS: raw runs with a mask, or fMRIPrep's derivatives, with the events and sidecars of the raw data set.

Names are parsed here rather than by pybids, which an install may lack: for 5 subjects with 18 runs pybids needs 0.8 s
to import and index, this module 5 ms. The tests compare both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from b2m_encoding.data.cifti import open_cifti
from b2m_encoding.data.clips import BIDS_CLIPS, ClipColumns
from b2m_encoding.data.entities import BidsFile, inherited, subject_files
from b2m_encoding.data.files import require_file
from b2m_encoding.data.recording import Recording, Series, assemble
from b2m_encoding.data.sidecars import repetition_time
from b2m_encoding.data.surface import open_gifti, other_hemisphere
from b2m_encoding.data.volume import open_volumes, read_mask
from b2m_encoding.errors import InputError, Problems
from b2m_encoding.spaces.grayordinates import GrayordinateSpace
from b2m_encoding.spaces.space import Space
from b2m_encoding.spaces.surface import ALIASES, STANDARD, SurfaceSpace, freesurfer_subject, surface_space
from b2m_encoding.spaces.volume import VolumeSpace

Kind = Literal["surface", "cifti", "volume"]
SURFACES = (*STANDARD, *ALIASES, "fsnative")
DENSITIES = ("91k", "170k")
EXTENSIONS = {"surface": ("func.gii",), "cifti": ("dtseries.nii",), "volume": ("nii.gz", "nii")}


@dataclass(frozen=True)
class SpaceQuery:
    """Which files hold responses in a space, written as fMRIPrep's ``--output-spaces`` has it.

    Examples
    --------
    >>> SpaceQuery.parse("MNI152NLin2009cAsym:res-2")
    SpaceQuery(name='MNI152NLin2009cAsym', kind='volume', entities={'res': '2'})
    >>> SpaceQuery.parse("fsLR:den-91k").kind
    'cifti'
    """

    name: str
    kind: Kind
    entities: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> SpaceQuery:
        """Read ``NAME[:entity-value ...]``."""
        name, *rest = text.split(":")
        pairs = [part.partition("-") for part in rest]
        if not name or any(not key or not value for key, _, value in pairs):
            raise InputError("a space cannot be read", found=text, expected="fsaverage5, fsLR:den-91k, NAME:res-2 ...")
        entities = {key: value for key, _, value in pairs}
        kind: Kind = "surface" if name in SURFACES else "volume"
        return cls(name, "cifti" if entities.get("den") in DENSITIES else kind, entities)

    def matches(self, file: BidsFile, *, raw: bool) -> bool:
        """Whether a file holds responses in this space (the left hemisphere stands for both)."""
        found = file.entities
        if file.suffix not in ("bold", "") or file.extension not in EXTENSIONS[self.kind] or "echo" in found:
            return False
        if found.get("part", "mag") != "mag" or any(found.get(k) != v for k, v in self.entities.items()):
            return False
        if raw:
            return "space" not in found and "desc" not in found
        if self.kind != "surface" and "hemi" in found:
            return False
        wanted = self.kind != "surface" or found.get("hemi") == "L"
        return wanted and found.get("space", "func") == self.name and found.get("desc", "preproc") == "preproc"


def list_subjects(root: Path) -> list[str]:
    """Labels of the subjects of a BIDS folder, without ``sub-``.

    Raises
    ------
    InputError
        If the folder does not exist or holds no subject.
    """
    if not root.is_dir():
        raise InputError("the BIDS folder does not exist", file=root)
    subjects = sorted(path.name.removeprefix("sub-") for path in root.glob("sub-*") if path.is_dir())
    if not subjects:
        raise InputError("the BIDS folder holds no subject", file=root, expected="folders such as sub-01")
    return subjects


def read_bids(
    root: Path,
    subject: str,
    *,
    tasks: Sequence[str],
    space: str = "fsaverage5",
    derivatives: Path | None = None,
    sessions: Sequence[str] = (),
    mask: Path | None = None,
    trust_header: bool = True,
    clips: ClipColumns = BIDS_CLIPS,
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

    Raises
    ------
    InputError, ProblemList
        With all problems: files missing, doubled, not downloaded or damaged, repetition times that disagree,
        events beyond their run.
    """
    query = SpaceQuery.parse(space)
    files = find_runs(derivatives or root, subject, query, tasks, sessions, raw=derivatives is None)
    place, masks = _place(query, files, derivatives, mask)
    problems = Problems()
    series: dict[str, Series] = {}
    tables: dict[str, Path] = {}
    seconds: dict[str, float] = {}
    for name, file in files.items():
        with problems.collect():
            series[name] = open_run(file, place, masks)
        with problems.collect():
            seconds[name] = repetition_time(root, file, series.get(name) if trust_header else None)
        with problems.collect():
            tables.update(_event_table(root, file))
    if len(set(seconds.values())) > 1:
        problems.found.append(InputError("runs differ in repetition time", file=derivatives or root, found=seconds))
    problems.raise_any()
    recording = assemble(subject, series, place, tr=next(iter(seconds.values())), trust_header=False, more_inputs=masks)
    return recording.with_events(tables, clips=clips)


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
        If the folder is missing, a task has no file, or two files claim to be the same run.
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
                if file.run in runs:
                    raise _doubled(runs[file.run], file)
                runs[file.run] = file
        with problems.collect():
            if not of_task:
                raise _nothing(folder, subject, query, task, sessions, raw)
    problems.raise_any()
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
        return surface_space(query.name), ()
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
    paths = tuple(_mask_beside(file.path) for file in files.values())
    first, *others = [read_mask(path, query.name) for path in paths]
    for path, other in zip(paths[1:], others, strict=True):
        if other.mask.shape != first.mask.shape or not np.allclose(other.affine, first.affine, atol=1e-3):
            raise InputError("brain masks lie on different grids", file=path, found=other.mask.shape)
    shared = np.logical_and.reduce([first.mask, *(other.mask for other in others)])
    return VolumeSpace(shared, first.affine, query.name), paths


def _mask_beside(path: Path) -> Path:
    """Path of fMRIPrep's brain mask of a run."""
    stem = path.name.split(".")[0].replace("_desc-preproc_bold", "_desc-brain_mask")
    return path.with_name(f"{stem}.nii.gz")


def _event_table(root: Path, file: BidsFile) -> dict[str, Path]:
    """The event table that applies to a run, if there is one."""
    tables = inherited(root, file, "events", "tsv")
    twins = [t for t in tables[1:] if t.parent == tables[0].parent and _entities(t) == _entities(tables[0])]
    if twins:
        raise InputError("two event tables claim to be of the same run", file=tables[0], found=twins[0].name)
    return {file.run: tables[0]} if tables else {}


def _entities(path: Path) -> Mapping[str, str]:
    return BidsFile.parse(path).entities


def _doubled(first: BidsFile, second: BidsFile) -> InputError:
    differ = sorted(k for k, v in second.entities.items() if first.entities.get(k) != v)
    fix = f'name one, as in space = "NAME:{differ[0]}-{second.entities[differ[0]]}"' if differ else "remove one"
    return InputError("two files claim to be the same run", file=second.path, found=first.path.name, fix=fix)


def _nothing(
    folder: Path, subject: str, query: SpaceQuery, task: str, sessions: Sequence[str], raw: bool
) -> InputError:
    files = subject_files(folder, subject)
    bold = [f for f in files if f.suffix in ("bold", "") and f.extension in sum(EXTENSIONS.values(), ())]
    available = f"tasks {_listed(bold, 'task')}; spaces {_listed(bold, 'space')}; sessions {_listed(bold, 'ses')}"
    where = "raw volumes" if raw else f"responses in {query.name}"
    more = f" in sessions {', '.join(sessions)}" if sessions else ""
    expected = f"*_task-{task}_*.{EXTENSIONS[query.kind][0]}"
    return InputError(
        f"no {where} of task {task}{more}", file=folder / f"sub-{subject}", found=available, expected=expected
    )


def _listed(files: Iterable[BidsFile], key: str) -> str:
    return ", ".join(sorted({file.entities[key] for file in files if key in file.entities})) or "none"
