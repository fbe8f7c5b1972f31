"""Times of a run from its JSON sidecars, by the inheritance principle of BIDS, from its header, or from the study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from b2m_encoding.data.entities import BidsFile, inherited, subject_files
from b2m_encoding.data.files import open_image, read_json
from b2m_encoding.data.recording import Series, check_repetition_time
from b2m_encoding.errors import InputError, notice

SPARSE = 0.25
"""Share of the repetition time without acquisition from which on a run was sampled sparsely."""


def repetition_time(
    root: Path, file: BidsFile, series: Series | None, tr: float | None = None, *, trust_header: bool = True
) -> float:
    """Repetition time of a run (s), on which its raw sidecars, those beside a derivative, header and study agree.

    Of the raw sidecars that apply to a run, the closest one that names a value overrides the farther ones.

    Parameters
    ----------
    root : Path
        The raw data set.
    file : BidsFile
        Response file of the run.
    series : Series or None
        The opened file.
    tr : float, optional
        What the study states.
    trust_header : bool
        Whether the header counts.

    Raises
    ------
    InputError
        If nothing states it, it is impossible, two of these contradict each other, or the run was sampled sparsely.
    """
    raw, derived = inherited(root, file, "bold", "json"), _beside(file)
    derived = [path for path in derived if path not in raw]
    stated = [found for level in (raw, derived) if (found := _stated(level, "RepetitionTime")) is not None]
    _refuse_sparse(raw)
    header = None if series is None or series.tr is None or not trust_header else (series.files[0], series.tr)
    study = None if tr is None else (Path("tr under [data]"), tr)
    known = [one for one in (*stated, study, header) if one is not None]
    if not known:
        expected = root / f"sub-{file.entities['sub']}" / "func" / f"sub-{file.entities['sub']}_{file.run}_bold.json"
        raise InputError(
            "no sidecar of a run states its RepetitionTime" if raw or derived else "the sidecar of a run is missing",
            file=[*raw, *derived, expected][0],
            expected="a JSON file with RepetitionTime (s)",
            fix="add it, or give tr (s) under [data]",
        )
    closest, agreed = known[0]
    for path, seconds in known:
        check_repetition_time(seconds, path)
        if abs(seconds - agreed) > 1e-3:
            raise InputError(
                "repetition times disagree",
                file=path,
                found=f"{seconds:g} s",
                expected=f"{agreed:g} s as in {closest.name}",
                fix="correct the wrong one; trust_header = false under [data] if only the header is wrong",
            )
    if known[0] is header:
        notice(f"{closest}: no sidecar states RepetitionTime; the {agreed:g} s of the header are taken")
    return agreed


def start_time(root: Path, file: BidsFile, series: Series | None, tr: float) -> float | None:
    """Time within a volume that its slices were corrected to, s; None if not stated.

    It is the ``StartTime`` of a derivative, or the start of a CIFTI series where that is not 0.

    Raises
    ------
    InputError
        If it is no time within a volume, or both are stated and differ.
    """
    raw = inherited(root, file, "bold", "json")
    derived = [path for path in _beside(file) if path not in raw]
    stated = _stated(derived, "StartTime")
    corrected = next((path for path in derived if read_json(path).get("SliceTimingCorrected") is True), None)
    if stated is None and corrected is not None:
        notice(
            f"{corrected.parent}: slices were corrected in time, and no StartTime states to which; volumes are taken "
            f"to stand for their acquisition. Add StartTime to the sidecars ({tr / 2:g} s by default of fMRIPrep)"
        )
    header = None if series is None or series.start is None else (series.files[0], series.start)
    found = stated or header
    if found is None:
        return None
    path, seconds = found
    if not 0 <= seconds <= tr + 1e-6:
        raise InputError(
            "a StartTime lies outside of its volume" if stated else "a series starts outside of its first volume",
            file=path,
            found=f"{seconds:g} s",
            expected=f"0 to {tr:g} s",
            fix=None if stated else "volumes that were cut off shift the events: correct these, then the header",
        )
    if header is not None and abs(header[1] - seconds) > 1e-3:
        raise InputError(
            "the start of a series and its StartTime disagree",
            file=header[0],
            found=f"{header[1]:g} s",
            expected=f"{seconds:g} s as in {path.name}",
            fix="correct the wrong one",
        )
    return seconds


_WHERE_CUT = (
    "give cut_at_start under [data]: the volumes that were cut off at the start of runs, 0 if all that are missing "
    "were cut off at the end (noise volumes). Otherwise take responses from which none was cut off or censored "
    "(discard and confounds do that); or name as root a data set without raw images, whose events count from the "
    "first volume left"
)


def volumes_cut(root: Path, file: BidsFile, series: Series, at_start: int | None = None) -> tuple[int, int]:
    """Volumes that a preprocessed run lacks at its start and at its end; its raw series tells how many, if it is there.

    Events count from the first raw volume. Programs that cut off or censor volumes (XCP-D) shift what follows these.

    Parameters
    ----------
    root : Path
        The raw data set.
    file : BidsFile
        Response file of the run.
    series : Series
        The opened file.
    at_start : int, optional
        Volumes that the study states were cut off at the start; all others at the end.

    Raises
    ------
    InputError
        If the numbers of volumes differ and nothing states where volumes were cut off, or not as stated.
    """
    own = file.of_run()
    files = [one for one in subject_files(root, own.entities["sub"]) if own.applies_to(one)]
    raw = [one for one in files if one.suffix == "bold" and one.extension in ("nii.gz", "nii")]
    lengths = {one.path: length for one in raw if (length := _n_volumes(one.path)) is not None}
    if not lengths:
        return at_start or 0, 0
    path, length = next(iter(lengths.items()))
    missing = 0 if series.n_samples in lengths.values() else length - series.n_samples
    stated = _discarded(root, file) if at_start is None else at_start
    if missing == 0 and at_start is None:
        return 0, 0
    if stated is None or not stated <= missing or (at_start is None and stated != missing):
        raise InputError(
            "a preprocessed run has another number of volumes than its raw series, from which its events count"
            if missing
            else "a preprocessed run has as many volumes as its raw series, from which events count",
            file=file.path,
            found=f"{series.n_samples} volumes"
            + ("" if stated is None else f", {stated} stated to be cut off at the start"),
            expected=f"{length}, as in {path.name}",
            fix=_WHERE_CUT if missing else "leave out cut_at_start of [data]",
        )
    return stated, missing - stated


def _discarded(root: Path, file: BidsFile) -> int | None:
    """Volumes cut off at the start as a sidecar of a derivative states, which is no copy of the raw one."""
    raw = inherited(root, file, "bold", "json")
    derived = [path for path in _beside(file) if path not in raw]
    key = "NumberOfVolumesDiscardedByUser"
    found = None if _stated(raw, key) else _stated(derived, key)
    return None if found is None else int(found[1])


def _n_volumes(path: Path) -> int | None:
    """Volumes of a raw series; None where it cannot be opened, which is no error: it is not needed."""
    try:
        shape = open_image(path).shape
    except InputError:
        return None
    return int(shape[3]) if len(shape) == 4 else None


def _beside(file: BidsFile) -> list[Path]:
    """Sidecars in the folder of a response file that apply to it, closest first."""
    own = file.path.with_name(file.path.name.split(".")[0] + ".json")
    there = [BidsFile.parse(path) for path in file.path.parent.glob("sub-*_bold.json")]
    others = [one for one in there if one.path != own and one.applies_to(file)]
    others.sort(key=lambda one: (-len(one.entities), one.path.name))
    return [*([own] if own.is_file() else []), *(one.path for one in others)]


def _stated(sidecars: Sequence[Path], key: str) -> tuple[Path, float] | None:
    """Closest sidecar with a time (s); None if none has one. All are read, so that damage is reported."""
    named = [(path, value) for path in sidecars if (value := read_json(path).get(key)) is not None]
    if not named:
        return None
    path, value = named[0]
    try:
        if isinstance(value, bool):
            raise TypeError
        return path, float(value)
    except (TypeError, ValueError) as error:
        what = "a repetition time" if key == "RepetitionTime" else f"{key} of a sidecar"
        raise InputError(f"{what} is not a number", file=path, found=repr(value), expected="seconds") from error


def _refuse_sparse(sidecars: Sequence[Path]) -> None:
    """Raise if the sidecars of a run describe sparse sampling: volumes with silence between them."""
    for path in sidecars:
        content = read_json(path)
        if (found := _sparse(content)) is not None:
            raise InputError(
                "a run was sampled sparsely: volumes were not acquired one after the other",
                file=path,
                found=found,
                expected="continuous acquisition; delays are multiples of the repetition time",
                fix='give responses and features of each volume as arrays: reader = "array", extractor = "array"',
            )


def _sparse(content: dict[str, Any]) -> str | None:
    """What in a sidecar states that sampling was sparse."""
    if content.get("VolumeTiming"):
        return "VolumeTiming"
    try:
        tr, delay = float(content.get("RepetitionTime") or 0), float(content.get("DelayTime") or 0)
        acquired = float(content.get("AcquisitionDuration") or tr)
        last = max(map(float, content.get("SliceTiming") or [tr]), default=tr)
    except (TypeError, ValueError):
        return None
    if tr > 0 and delay > SPARSE * tr:
        return f"DelayTime {delay:g} s of {tr:g} s"
    if tr > 0 and acquired < (1 - SPARSE) * tr:
        return f"AcquisitionDuration {acquired:g} s of {tr:g} s"
    if tr > 4 and 0 < last < tr / 2:
        return f"the last slice at {last:g} s of {tr:g} s"
    return None
