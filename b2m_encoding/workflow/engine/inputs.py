"""What a step is given: results of other steps, recordings, constants, and values derived from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any


@dataclass(frozen=True)
class RecordingOf:
    """The recording of a subject: responses, events and files."""

    subject: str


@dataclass(frozen=True)
class TimelineOf:
    """What was presented to a subject during which samples; it does not depend on the responses."""

    subject: str


@dataclass(frozen=True)
class SpaceOf:
    """The space of the responses of a subject."""

    subject: str


@dataclass(frozen=True)
class FileOf:
    """Path of a file that a unit left beside its value; None where it left none."""

    unit: str
    name: str


@dataclass(frozen=True)
class ResultsFolder:
    """The results folder as far as it is written, with the files of some units in it."""

    units: tuple[str, ...]


@dataclass(frozen=True)
class Constant:
    """A value that is stated in the plan (JSON)."""

    value: Any


@dataclass(frozen=True, eq=False)
class Derived:
    """The value of a function of other inputs, computed when it is asked for.

    Parameters
    ----------
    function : callable
        Of the package, called with the inputs by name.
    inputs : mapping of str to Input
    name : str
        Under which the value stays in memory for the next units; "" for none.
    stored : bool
        The large arrays of its inputs stay in their files until the function, or who uses its value, reads them.
    """

    function: Callable[..., Any]
    inputs: Mapping[str, Input]
    name: str = ""
    stored: bool = False


class Given(Enum):
    """What the engine itself provides."""

    OUTPUT = "output"
    """An :class:`~b2m_encoding.workflow.engine.context.Output`: files beside the value of a unit."""
    PROGRESS = "progress"
    """Called with what is done now, how much of it is done, and of how much."""
    FACTORS = "factors"
    """Folder of what fits need of the features alone, which all units and processes of a run share."""


Input = (
    str  # name of a unit
    | RecordingOf
    | TimelineOf
    | SpaceOf
    | FileOf
    | ResultsFolder
    | Constant
    | Derived
    | Given
    | Sequence["Input"]
    | Mapping[str, "Input"]
)


def leaves(source: Input) -> Iterator[Any]:
    """Inputs that consist of no other inputs."""
    if isinstance(source, Derived):
        source = source.inputs
    if isinstance(source, Mapping):
        for part in source.values():
            yield from leaves(part)
    elif isinstance(source, Sequence) and not isinstance(source, str):
        for part in source:
            yield from leaves(part)
    else:
        yield source


def needed_units(source: Input) -> tuple[str, ...]:
    """Names of the units whose values or files an input consists of."""
    names: list[str] = []
    for leaf in leaves(source):
        if isinstance(leaf, FileOf):
            names.append(leaf.unit)
        elif isinstance(leaf, ResultsFolder):
            names += leaf.units
        elif isinstance(leaf, str):
            names.append(leaf)
    return tuple(dict.fromkeys(names))


def values_in(source: Input) -> Iterator[str]:
    """Names of the values of units, and of derived values, that an input is made of."""
    if isinstance(source, str):
        yield source
    elif isinstance(source, Derived):
        yield source.name
        yield from values_in(source.inputs)
    elif isinstance(source, Mapping):
        for part in source.values():
            yield from values_in(part)
    elif isinstance(source, Sequence):
        for part in source:
            yield from values_in(part)


def describe(source: Input) -> Any:
    """An input as JSON, in its order: part of what the result of a unit depends on."""
    if isinstance(source, Mapping):
        return [[name, describe(part)] for name, part in source.items()]
    if isinstance(source, str):
        return source
    if isinstance(source, Sequence):
        return [describe(part) for part in source]
    if isinstance(source, Constant):
        return {"constant": source.value}
    if isinstance(source, Derived):
        return {source.function.__qualname__: describe(source.inputs)}
    if isinstance(source, Given):
        return source.value
    return {type(source).__name__: list(vars(source).values())}
