"""Repetition time from the JSON sidecars of a run, by the inheritance principle of BIDS."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from b2m_encoding.data.entities import BidsFile, inherited
from b2m_encoding.data.files import read_json
from b2m_encoding.data.recording import Series, check_repetition_time
from b2m_encoding.errors import InputError


def repetition_time(root: Path, file: BidsFile, series: Series | None) -> float:
    """Repetition time of a run (s), on which its raw sidecars, the one beside a derivative and the header agree.

    Of the raw sidecars that apply to a run, the closest one that names a value overrides the farther ones.

    Raises
    ------
    InputError
        If no sidecar states it, it is impossible, or sidecars and header contradict each other.
    """
    raw = inherited(root, file, "bold", "json")
    beside = file.path.with_name(file.path.name.split(".")[0] + ".json")
    derived = [beside] if beside.is_file() and beside not in raw else []
    stated = [found for level in (raw, derived) if (found := _stated(level)) is not None]
    if not stated:
        expected = root / f"sub-{file.entities['sub']}" / "func" / f"sub-{file.entities['sub']}_{file.run}_bold.json"
        raise InputError(
            "no sidecar of a run states its RepetitionTime" if raw or derived else "the sidecar of a run is missing",
            file=[*raw, *derived, expected][0],
            expected="a JSON file with RepetitionTime (s)",
        )
    closest, agreed = stated[0]
    if series is not None and series.tr is not None:
        stated.append((series.files[0], series.tr))
    for path, seconds in stated:
        check_repetition_time(seconds, path)
        if abs(seconds - agreed) > 1e-3:
            raise InputError(
                "repetition times disagree",
                file=path,
                found=f"{seconds:g} s",
                expected=f"{agreed:g} s as in {closest.name}",
            )
    return agreed


def _stated(sidecars: Sequence[Path]) -> tuple[Path, float] | None:
    """Closest sidecar with a repetition time; None if none has one. All are read, so that damage is reported."""
    named = [(path, value) for path in sidecars if (value := read_json(path).get("RepetitionTime")) is not None]
    if not named:
        return None
    path, value = named[0]
    try:
        return path, float(value)
    except (TypeError, ValueError) as error:
        raise InputError(
            "a repetition time is not a number", file=path, found=repr(value), expected="seconds"
        ) from error
