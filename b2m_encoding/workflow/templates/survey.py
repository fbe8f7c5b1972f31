"""Look at a BIDS folder: which subjects, space, tasks and features a study of it can have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from b2m_encoding.data.bids import SpaceQuery, list_subjects, read_bids
from b2m_encoding.data.clip_columns import NOTHING
from b2m_encoding.data.entities import BidsFile, subject_files
from b2m_encoding.data.files import first_line
from b2m_encoding.data.recording import Recording
from b2m_encoding.errors import InputError, Problems
from b2m_encoding.spaces.surface import surface_space
from b2m_encoding.workflow.templates.sounds import Sounds, find_sounds

SURFACES = ("fsaverage5", "fsaverage6", "fsaverage", "fsLR")
NO_CONDITIONS = {"onset", "duration", "sample", "response_time", "HED"}
MAX_CONDITIONS = 20
RAW, MASK = "scanner", "sub-{subject}.nii.gz"
"""Name of the space of raw volumes, and of their masks."""

Opened = Mapping[str, tuple[Recording, ...]]
"""Recordings of every subject, by task."""


@dataclass(frozen=True)
class Survey:
    """What a BIDS folder holds that can be analysed.

    Parameters
    ----------
    root, derivatives : Path
    space : str
    subjects, tasks : tuple of str
    recordings : tuple of Recording
        Of each subject, all tasks together.
    column : str
        Of the events, that names conditions; empty if none does.
    conditions : tuple of str
    sounds : Sounds or None
        Sound files that the events name, and what else is known of them.
    spaces : tuple of str
        All spaces that there are responses in.
    left_out : mapping of task to str
        Why tasks were left out.
    mask : Path or None
        Folder of the masks that raw volumes are read with.
    """

    root: Path
    derivatives: Path | None
    space: str
    subjects: tuple[str, ...]
    tasks: tuple[str, ...]
    recordings: tuple[Recording, ...]
    column: str
    conditions: tuple[str, ...]
    sounds: Sounds | None
    left_out: Mapping[str, str]
    spaces: tuple[str, ...] = ()
    mask: Path | None = None


def is_bids(folder: Path) -> bool:
    """Whether a folder is a BIDS data set (it holds subjects)."""
    return folder.is_dir() and any(path.is_dir() for path in folder.glob("sub-*"))


def survey(root: Path, masks: Path | None = None) -> Survey:
    """Find the subjects that were preprocessed, the best space for maps, and the tasks; headers are read only.

    Tasks whose events tell what was heard, by clips or by conditions, are preferred to tasks without.

    Parameters
    ----------
    root : Path
    masks : Path, optional
        Folder of masks to make of raw volumes, where nothing was preprocessed.

    Raises
    ------
    InputError, ProblemList
        If nothing was preprocessed, or a file cannot be used.
    """
    labels = list_subjects(root)
    for derivatives in (*sorted((root / "derivatives").glob("*")), root):
        files = {label: subject_files(derivatives, label) for label in labels}
        found = _spaces([file for own in files.values() for file in own])
        for space in found:
            query = SpaceQuery.parse(space)
            tasks_of = {
                label: {f.entities["task"] for f in own if query.matches(f, raw=False) and "task" in f.entities}
                for label, own in files.items()
            }
            if any(tasks_of.values()):
                return _survey(root, derivatives, space, tasks_of, tuple(found))
    if masks is not None:
        return _survey_raw(root, labels, masks)
    raise _nothing_preprocessed(root, labels)


def _survey_raw(root: Path, labels: Sequence[str], masks: Path) -> Survey:
    """A study of raw volumes, with a mask of each subject, made of its volumes."""
    query, tasks_of = SpaceQuery.parse(RAW), {}
    for label in labels:
        own = [file for file in subject_files(root, label) if query.matches(file, raw=True)]
        tasks_of[label] = {file.entities["task"] for file in own if "task" in file.entities}
        if own:
            make_mask([file.path for file in own], masks / MASK.format(subject=label))
    if not any(tasks_of.values()):
        raise _nothing_preprocessed(root, labels)
    return _survey(root, None, RAW, tasks_of, (RAW,), masks)


def _survey(
    root: Path,
    derivatives: Path | None,
    space: str,
    tasks_of: Mapping[str, set[str]],
    spaces: tuple[str, ...],
    masks: Path | None = None,
) -> Survey:
    """Open the runs of the tasks that all subjects share, or else of the task that most have."""
    some = [own for own in tasks_of.values() if own]
    tasks = set.intersection(*some)
    if not tasks:
        tasks = {max(sorted(set.union(*some)), key=lambda task: sum(task in own for own in some))}
    subjects = tuple(label for label, own in tasks_of.items() if tasks <= own)

    def read(chosen: Sequence[str]) -> tuple[Recording, ...]:
        problems, found = Problems(), []
        for label in subjects:
            with problems.collect():
                found.append(
                    read_bids(
                        root,
                        label,
                        tasks=chosen,
                        space=space,
                        derivatives=derivatives,
                        mask=None if masks is None else masks / MASK.format(subject=label),
                    )
                )
        problems.raise_any()
        return tuple(found)

    opened, subjects = _same_repetition_times({task: read([task]) for task in sorted(tasks)}, subjects)
    sounds = {task: find_sounds(root, recordings) for task, recordings in opened.items()}
    kinds = {task: "clips" if sounds[task] else condition_column(recordings) for task, recordings in opened.items()}
    kind = max(kinds.values(), key=lambda found: (found == "clips", found == "trial_type", found != ""))
    chosen, left_out = _chosen(opened, kinds, kind)
    recordings = read(chosen)
    column = "" if kind == "clips" else kind
    return Survey(
        root,
        derivatives,
        space,
        subjects,
        tuple(chosen),
        recordings,
        column,
        conditions_of(recordings, column) if column else (),
        find_sounds(root, recordings) if kind == "clips" else None,
        left_out,
        spaces,
        masks,
    )


def _same_repetition_times(opened: Opened, subjects: tuple[str, ...]) -> tuple[Opened, tuple[str, ...]]:
    """The subjects who share their repetition times with most others: one set of delays has to do for all."""
    of_subject = [tuple(round(own[i].responses.runs.tr, 3) for own in opened.values()) for i in range(len(subjects))]
    common = max(of_subject, key=of_subject.count)
    kept = [i for i, own in enumerate(of_subject) if own == common]
    return {task: tuple(own[i] for i in kept) for task, own in opened.items()}, tuple(subjects[i] for i in kept)


def _chosen(opened: Opened, kinds: Mapping[str, str], kind: str) -> tuple[list[str], dict[str, str]]:
    """Tasks with one kind of features and one repetition time; why the others are left out."""
    like = [task for task in opened if kinds[task] == kind]
    tr = opened[like[0]][0].responses.runs.tr
    left_out = {task: "its events tell less of what was heard" for task in opened if kinds[task] != kind}
    left_out |= {task: "it has no events" for task in left_out if not any(r.events for r in opened[task])}
    for task in like:
        if abs((own := opened[task][0].responses.runs.tr) - tr) > 1e-3:
            left_out[task] = f"its repetition time is {own:g} s, not {tr:g} s"
    return [task for task in like if task not in left_out], left_out


def condition_column(recordings: Sequence[Recording]) -> str:
    """The name of a column of conditions that the events of every run have, or nothing."""
    tables = [table for recording in recordings for table in recording.events.values()]
    if not tables or any(len(r.events) < len(r.responses.runs.names) for r in recordings):
        return ""
    shared = set.intersection(*(set(table.columns) for table in tables))
    columns = [name for name in tables[0].columns if name in shared - NO_CONDITIONS]
    columns.sort(key=lambda name: name != "trial_type")
    return next((name for name in columns if _names_conditions(recordings, name)), "")


def _names_conditions(recordings: Sequence[Recording], column: str) -> bool:
    """Whether a column holds a few names; a column of numbers does only where it is called a condition."""
    shared = conditions_of(recordings, column)
    named = column == "trial_type" or any(not name.replace(".", "").lstrip("-").isdigit() for name in shared)
    return 0 < len(shared) <= MAX_CONDITIONS and named


def conditions_of(recordings: Sequence[Recording], column: str) -> tuple[str, ...]:
    """Conditions that every subject has, the most frequent first."""
    of_subjects = [
        [name for table in recording.events.values() for name in table[column] if name not in NOTHING]
        for recording in recordings
    ]
    shared = set.intersection(*map(set, of_subjects))
    return tuple(sorted(shared, key=lambda name: (-sum(own.count(name) for own in of_subjects), name)))


def _spaces(files: Sequence[BidsFile]) -> list[str]:
    """Spaces of response files that can be drawn on the cortex, best first, then all other volumes."""
    surfaces = {f.entities.get("space") for f in files if f.extension == "func.gii"}
    found = [name for name in SURFACES if name in surfaces and _installed(name)]
    if any(f.extension == "dtseries.nii" and f.entities.get("den") == "91k" for f in files):
        found.append("fsLR:den-91k")
    volumes = [f for f in files if f.extension == "nii.gz" and f.suffix == "bold" and "space" in f.entities]
    named = {_named(f) for f in volumes}
    return found + sorted(named, key=lambda name: ("desc-" in name, not name.startswith("MNI152"), name))


def _named(file: BidsFile) -> str:
    """Space of a volume, with what else tells its files apart."""
    found = file.entities
    parts = [f"{key}-{found[key]}" for key in ("cohort", "res") if key in found]
    desc = [f"desc-{found['desc']}"] if found.get("desc", "preproc") not in ("preproc", "brain") else []
    return ":".join([found["space"], *parts, *desc])


def _installed(surface: str) -> bool:
    try:
        surface_space(surface)
    except InputError:
        return False
    return True


def _nothing_preprocessed(root: Path, labels: Sequence[str]) -> InputError:
    raw = [file for label in labels for file in subject_files(root, label) if file.suffix == "bold"]
    tasks = sorted({file.entities["task"] for file in raw if "task" in file.entities})
    return InputError(
        "nothing in this BIDS folder has been preprocessed",
        file=root,
        found=f"raw volumes of {', '.join(tasks)}" if tasks else "no response files",
        expected="fMRIPrep's output under derivatives/",
        fix="run fMRIPrep; or read raw volumes with a mask of each subject: b2m init bids DIR --mask makes them, or "
        'give your own: space = "scanner", mask = "masks/sub-{subject}.nii.gz" under [data], and no derivatives',
    )


def make_mask(images: Sequence[Path], path: Path) -> None:
    """Make a brain mask of raw volumes with nilearn, from the first run.

    Raises
    ------
    InputError
        If no brain is found.
    """
    from nilearn.masking import compute_epi_mask

    try:
        mask = compute_epi_mask(str(images[0]))
    except Exception as error:  # nilearn raises errors of many kinds
        raise InputError("no mask can be made of a run", file=images[0], found=first_line(error)) from error
    path.parent.mkdir(parents=True, exist_ok=True)
    mask.to_filename(path)
