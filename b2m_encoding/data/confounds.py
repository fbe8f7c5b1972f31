"""Confounds and censoring: fMRIPrep's tables through nilearn, or tables of the user."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.data.entities import RUN_ENTITIES, BidsFile
from b2m_encoding.data.files import first_line
from b2m_encoding.data.recording import Recording
from b2m_encoding.data.table import read_numbers
from b2m_encoding.errors import InputError, Problems, notice
from b2m_encoding.io.presence import require_file
from b2m_encoding.runs import Runs

if TYPE_CHECKING:
    import pandas as pd

Kept = dict[str, NDArray[np.bool_]]
WHAT = "a table of confounds"
FIRST = 5
"""Rows at the start of a table in which values may be missing: derivatives, measures of motion."""
ENDINGS = ("timeseries", "regressors")
"""Suffixes of the tables of fMRIPrep, since 20.2 and before."""
BEFORE_1_2 = {
    **{name: f"trans_{name.lower()}" for name in "XYZ"},
    **{f"Rot{name}": f"rot_{name.lower()}" for name in "XYZ"},
    "CSF": "csf",
    "WhiteMatter": "white_matter",
    "GlobalSignal": "global_signal",
    "FramewiseDisplacement": "framewise_displacement",
    "stdDVARS": "std_dvars",
    "non-stdDVARS": "dvars",
}
"""Columns of fMRIPrep before 1.2, and their names since."""
NUMBERED = {
    r"([at])CompCor(\d+)": r"\1_comp_cor_\2",
    r"Cosine(\d+)": r"cosine\1",
    r"NonSteadyStateOutlier(\d+)": r"non_steady_state_outlier\1",
    r"AROMAAggrComp(\d+)": r"aroma_motion_\1",
}
"""The same of columns with numbers."""


@dataclass(frozen=True)
class FMRIPrepConfounds:
    """Choice of fMRIPrep's confounds: arguments of :func:`nilearn.interfaces.fmriprep.load_confounds`.

    ``scrub`` and ``non_steady_state`` censor volumes; every other strategy names columns to regress out.
    """

    strategy: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


def load_fmriprep_confounds(
    recording: Recording, choice: FMRIPrepConfounds
) -> tuple[dict[str, pd.DataFrame], Kept, tuple[Path, ...]]:
    """Confounds and kept volumes of every run of a recording that was read from fMRIPrep's folder.

    Returns
    -------
    tables : dict of run name to DataFrame
    kept : dict of run name to array of bool
        False for a censored volume.
    files : tuple of Path
        The tables that were read, then their sidecars.

    Raises
    ------
    InputError, ProblemList
        If a run lacks its table or the columns of the strategy.
    """
    from nilearn.interfaces.fmriprep import load_confounds  # imports scikit-learn

    problems, tables, kept, files = Problems(), {}, {}, []
    for name, path in recording.files.items():
        rows = recording.responses.runs.slices[name]
        with problems.collect():
            files.append(_table_beside(path))
            try:
                with _alone(path, files[-1]) as images:
                    table, sample_mask = load_confounds(images, strategy=choice.strategy, **choice.options)
            except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
                explained = isinstance(error, ValueError | KeyError)  # others are raised by calculations with text
                found = first_line(error) if explained else "a column that does not hold numbers"
                raise InputError(f"the confounds of run {name} cannot be had", file=files[-1], found=found) from error
            _check_rows(len(table), recording.responses.runs, name, files[-1])
            _check_finite(table, files[-1])
            kept[name] = np.ones(rows.stop - rows.start, dtype=bool)
            if sample_mask is not None:
                kept[name] = np.isin(np.arange(rows.stop - rows.start), sample_mask)
            tables[name] = table
    problems.raise_any()
    sidecars = (path.with_suffix(".json") for path in files)  # they describe the components
    return tables, kept, (*files, *(path for path in sidecars if path.is_file()))


def read_confound_tables(files: Mapping[str, Path], runs: Runs) -> dict[str, pd.DataFrame]:
    """Read one table of confounds per run: TSV or CSV with a header, or numbers between white space.

    Values that are missing in the first rows (derivatives) become their column's mean.

    Raises
    ------
    InputError, ProblemList
        If a table is missing, not numeric, or has another number of rows than its run has volumes.
    """
    problems, tables = Problems(), {}
    for name, path in files.items():
        with problems.collect():
            table = read_numbers(path, WHAT)
            table.iloc[:FIRST] = table.iloc[:FIRST].where(table.notna().cummax().iloc[:FIRST], table.mean(), axis=1)
            _check_finite(table, path)
            _check_rows(len(table), runs, name, path)
            tables[name] = table
    problems.raise_any()
    return tables


def read_censoring(files: Mapping[str, Path], runs: Runs) -> Kept:
    """Read one text file per run: a number per volume, 0 to keep it.

    Raises
    ------
    InputError, ProblemList
        If a file is missing, holds something else, or has another length than its run.
    """
    problems: Problems = Problems()
    kept: Kept = {}
    for name, path in files.items():
        with problems.collect():
            values = read_numbers(path, "a censoring file").to_numpy()
            values = values.T if len(values) == 1 else values  # all on one line
            if values.shape[1] != 1 or not np.isfinite(values).all():
                raise InputError("a censoring file holds one number per line", file=path, found=values.shape)
            _check_rows(len(values), runs, name, path)
            kept[name] = values[:, 0] == 0
            if 0 < kept[name].sum() < len(values) / 2:
                notice(
                    f"{path}: {int((~kept[name]).sum())} of {len(values)} volumes are censored: 0 keeps a volume. "
                    "AFNI writes 1 for volumes to keep"
                )
    problems.raise_any()
    return kept


def framewise_displacement(path: Path) -> NDArray[np.float64] | None:
    """Head motion of a run, mm per volume, from fMRIPrep's table beside its responses; NaN at the first volume.

    Returns
    -------
    array, shape (n_samples,), or None
        None where there is no such table, or it lacks the column.
    """
    import pandas as pd

    try:
        wanted = ("framewise_displacement", "FramewiseDisplacement")
        table = pd.read_csv(_table_beside(path), sep="\t", na_values=["n/a"], usecols=lambda name: name in wanted)
        column = table.rename(columns=BEFORE_1_2)["framewise_displacement"]
    except (InputError, ValueError, OSError, KeyError):
        return None
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    return values if np.isfinite(values).any() else None


def motion_tables(recording: Recording) -> tuple[Path, ...]:
    """Tables that :func:`framewise_displacement` reads for the runs of a recording, where there are any."""
    tables = []
    for path in recording.files.values():
        with suppress(InputError):
            tables.append(_table_beside(path))
    return tuple(tables)


@contextmanager
def _alone(path: Path, table: Path) -> Iterator[str | list[str]]:
    """Names of the response files of a run where nilearn finds this table of confounds, and no other.

    nilearn looks for the table by names, which does not tell runs apart that differ in some entities.
    """
    desc, kind = BidsFile.parse(path).entities.get("desc", "preproc"), path.name.partition(".")[2]
    with TemporaryDirectory() as folder:
        stem = Path(folder) / "sub-01_task-run"
        own = stem.with_name(f"{stem.name}_desc-confounds_{BidsFile.parse(table).suffix}.tsv")
        if table.name.endswith("_bold_confounds.tsv"):
            _renamed(table).to_csv(own, sep="\t", index=False, na_rep="n/a")
        else:
            own.symlink_to(table.resolve())
        sidecar = table.with_suffix(".json")
        if sidecar.is_file():
            own.with_suffix(".json").symlink_to(sidecar.resolve())
        names = {
            "func.gii": [f"{stem}_hemi-{hemi}_space-fsaverage5_bold.func.gii" for hemi in "LR"],
            "dtseries.nii": [f"{stem}_space-fsLR_den-91k_bold.dtseries.nii"],
        }.get(kind, [f"{stem}_space-MNI152NLin2009cAsym_desc-{desc}_bold.nii.gz"])
        for name in names:
            Path(name).touch()
        yield names if len(names) > 1 else names[0]


def _renamed(path: Path) -> pd.DataFrame:
    """A table of fMRIPrep before 1.2 as later ones have it, with the derivatives and squares that it lacks."""
    import pandas as pd

    table = pd.read_csv(path, sep="\t", na_values=["n/a"]).rename(columns=BEFORE_1_2)
    for before, since in NUMBERED.items():
        table = table.rename(columns=lambda name, before=before, since=since: re.sub(f"^{before}$", since, name))
    known = [name for name in BEFORE_1_2.values() if name in table and not name.endswith(("displacement", "dvars"))]
    steps = table[known].diff().add_suffix("_derivative1")
    both = pd.concat([table[known], steps], axis=1)
    return pd.concat([table, steps, (both**2).add_suffix("_power2")], axis=1)


def _table_beside(path: Path) -> Path:
    """Path of fMRIPrep's table of confounds of a response file: the one whose entities say that it is of the same run.

    Where there are tables of two versions of fMRIPrep, the newer one (``timeseries``).
    """
    own = BidsFile.parse(path).of_run().entities
    of_run = BidsFile(path, {**own, "desc": "confounds"}, "", "")
    patterns = ("sub-*_desc-confounds_*.tsv", "sub-*_bold_confounds.tsv")
    there = [BidsFile.parse(one) for pattern in patterns for one in sorted(path.parent.glob(pattern))]
    applying = [one for one in there if one.suffix in ENDINGS and one.applies_to(of_run)]
    if applying:
        best = max(applying, key=lambda one: (len(one.entities), one.suffix == ENDINGS[0]))
        return require_file(best.path, "a table of confounds")
    stem = "_".join([f"sub-{own['sub']}"] if "sub" in own else []) + "".join(
        f"_{key}-{_spelt(path, key)}" for key in RUN_ENTITIES if key in own
    )
    raise InputError(
        "a table of confounds is missing",
        file=path.with_name(f"{stem}_desc-confounds_timeseries.tsv"),
        fix="fMRIPrep writes it",
    )


def _spelt(path: Path, key: str) -> str:
    """Value of an entity as the name of a file spells it (``run-1``)."""
    found = re.search(rf"(?:^|_){key}-([A-Za-z0-9+]+)", path.name)
    return found[1] if found else ""


def _check_finite(table: pd.DataFrame, path: Path) -> None:
    """Raise with the first value of a table that is no number."""
    rows, columns = np.nonzero(~np.isfinite(table.to_numpy(dtype=float)))
    if len(rows):
        raise InputError(
            "a table of confounds holds values that are not numbers",
            file=path,
            found=f"column {table.columns[columns[0]]}, row {rows[0] + 1}",
            expected="numbers; they may be missing in the first rows only",
            fix="leave the column out, or fill it",
        )


def _check_rows(n_rows: int, runs: Runs, run: str, path: Path) -> None:
    if run not in runs.slices:
        raise InputError("a file is given for a run that does not exist", file=path, found=run, expected=runs.names)
    rows = runs.slices[run]
    if n_rows != rows.stop - rows.start:
        raise InputError(
            f"a table has another number of rows than run {run} has volumes",
            file=path,
            found=n_rows,
            expected=rows.stop - rows.start,
        )
