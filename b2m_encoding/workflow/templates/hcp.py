"""Look at folders of the HCP pipelines, and write a study of them."""

from __future__ import annotations

from pathlib import Path

from b2m_encoding.data.hcp import RESULTS, SERIES, list_hcp_subjects, list_series, read_hcp
from b2m_encoding.errors import InputError
from b2m_encoding.workflow.templates.compose import list_text, path_text, quoted, study_text
from b2m_encoding.workflow.templates.survey import Survey


def is_hcp(folder: Path) -> bool:
    """Whether a folder holds subjects of the HCP pipelines."""
    return bool(list_hcp_subjects(folder))


def hcp_study(root: Path, folder: Path) -> str:
    """A study of the runs that all subjects have, as TOML; paths are relative to ``folder``.

    Raises
    ------
    InputError
        If no run has a series that all subjects have.
    """
    subjects = list_hcp_subjects(root)
    there = {subject: _runs(root / subject / RESULTS) for subject in subjects}
    shared = set.intersection(*(set(runs) for runs in there.values()))
    kinds = sorted({kind for _, kind in shared}, key=lambda kind: (kind != SERIES, kind))
    if not kinds:
        raise InputError(
            "the subjects share no CIFTI series",
            file=root,
            found=", ".join(subjects),
            expected=f"{RESULTS.as_posix()}/RUN/RUN_{SERIES}.dtseries.nii",
        )
    runs = sorted(run for run, kind in shared if kind == kinds[0])
    recordings = tuple(read_hcp(root, subject, tasks=runs, series=kinds[0]) for subject in subjects)
    tables = [table for one in recordings for table in one.events.values()]
    conditions = tuple(sorted({str(name) for table in tables for name in table["trial_type"]}))
    found = Survey(
        root=root,
        derivatives=None,
        space=kinds[0],
        subjects=tuple(subjects),
        tasks=("HCP pipelines",),
        recordings=recordings,
        column="trial_type",
        conditions=conditions,
        sounds=None,
        spaces=(),
        mask=None,
        left_out={},
    )
    data = [
        "[data]",
        'reader = "hcp"',
        f"root = {path_text(root, folder)}",
        f"tasks = {list_text(runs)}   # patterns will do: tfMRI_MUSIC*",
        f"series = {quoted(kinds[0])}",
        *(f"# series = {quoted(kind)}" for kind in kinds[1:]),
        '# events = "events/{subject}_{run}.tsv"      # event tables with sounds; by default the files in EVs',
        "# motion = true                              # regress out Movement_Regressors.txt",
        "# discard = 10.0                             # s at the start of each run",
    ]
    return study_text(found, folder, data)


def _runs(folder: Path) -> list[tuple[str, str]]:
    """Runs below a folder of results, with the kinds of their series."""
    return [(path.name, kind) for path in sorted(folder.glob("*/")) for kind in list_series(path)]
