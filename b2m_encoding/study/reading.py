"""Reader of the study file: strict, with every problem and where its key is explained."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from b2m_encoding.config import Config
from b2m_encoding.errors import InputError, ProblemList
from b2m_encoding.io.toml import STUDY_FILE, parse_toml, read_bytes
from b2m_encoding.study.study import Study

PAGE = 'the page "study.toml, every key" of the documentation'
"""Where keys are explained."""

NEEDED = {
    "path_type": "a path is needed, as text",
    "string_type": "text in quotes is needed",
    **dict.fromkeys(("list_type", "tuple_type"), "a list in brackets is needed, such as [1, 2]"),
    **dict.fromkeys(
        ("float_parsing", "float_type", "int_parsing", "int_type"),
        "a number is needed, without quotes and with a decimal point",
    ),
    **dict.fromkeys(("bool_parsing", "bool_type"), "true or false is needed, without quotes"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "a table is needed"),
}
"""What a value of another type should be, by pydantic's name of the problem."""
LONGEST_FOUND = 100
"""Characters of a wrong value in a message."""


def load_study(path: str | Path) -> Study:
    """Read a study file; relative paths start at its folder.

    Raises
    ------
    InputError
        If the file is missing or no TOML.
    ProblemList
        With every unknown key and wrong value; the nearest known key is suggested.
    """
    path = Path(path)
    content = read_bytes(path, *STUDY_FILE)
    table = parse_toml(content, path, STUDY_FILE[0])
    try:
        return Study.model_validate(table, context={"folder": path.resolve().parent}).with_source(content)
    except ValidationError as error:
        raise ProblemList([_problem(path, detail) for detail in _causes(error.errors())]) from error


def _causes(details: Sequence[Any]) -> list[Any]:
    """Complaints without those that a list is too short because what it holds was refused."""

    def follows(detail: Any) -> bool:
        place = detail["loc"]
        return detail["type"] == "too_short" and any(
            other["loc"] != place and other["loc"][: len(place)] == place for other in details
        )

    return [detail for detail in details if not follows(detail)]


def _problem(path: Path, detail: Any) -> InputError:
    """Turn one of pydantic's complaints into ours."""
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, InputError):
        return InputError(cause.problem, file=path, found=cause.found, expected=cause.expected, fix=cause.fix)
    where = ".".join(map(str, written_keys(detail["loc"])))
    heading, meaning = documented(detail["loc"])
    fix = f"see {heading} on {PAGE}"
    if detail["type"] == "extra_forbidden":
        known = _known_keys(detail["loc"][:-1])
        near = get_close_matches(str(detail["loc"][-1]), known, n=1, cutoff=0.5)
        return InputError(
            "unknown key", file=path, found=where, expected=near[0] if near else ", ".join(known), fix=fix
        )
    if detail["type"] == "missing":
        return InputError("a key is missing", file=path, expected=f"{where}: {meaning}" if meaning else where, fix=fix)
    if detail["type"] == "union_tag_invalid":
        return _unknown_kind(path, where, detail, fix)
    message = NEEDED.get(detail["type"]) or str(detail["msg"]).removeprefix("Value error, ")
    if detail["type"] == "literal_error":
        message, meaning = "unknown value", detail["ctx"]["expected"]
    given = repr(detail["input"])
    found = f"{where} = {given if len(given) <= LONGEST_FOUND else given[:LONGEST_FOUND] + ' ...'}" if where else None
    return InputError(message, file=path, found=found, expected=meaning or None, fix=fix)


def _unknown_kind(path: Path, where: str, detail: Any, fix: str) -> InputError:
    """An unknown reader or extractor, with the nearest known one."""
    key, given = detail["ctx"]["discriminator"].strip("'"), str(detail["ctx"]["tag"])
    known = [name.strip("'") for name in detail["ctx"]["expected_tags"].split(", ")]
    near = get_close_matches(given, known, n=1, cutoff=0.5)
    expected = near[0] if near else ", ".join(known)
    return InputError(f"unknown {key}", file=path, found=f'{where}.{key} = "{given}"', expected=expected, fix=fix)


def documented(location: tuple[Any, ...]) -> tuple[str, str]:
    """The table of a key, as it is headed on the page of all keys, and the meaning of the key.

    Examples
    --------
    >>> documented(("features", "mel", "acoustic", "stimuli"))[0]
    '[features.NAME] with extractor = "acoustic"'
    >>> documented(("data", "bids", "confounds", "n_compcor"))
    ('[data.confounds]', 'Number of these components.')
    >>> documented(("statistics", "q")), documented(("nothing",))
    (('[statistics]', 'Error rate that is allowed.'), ('Top level', ''))
    """
    models: list[type[Config]] = [Study]
    heading: list[str] = []
    choice, meaning = "", ""
    for part in map(str, location):
        meaning = next((one.meanings()[part] for one in models if part in one.model_fields), meaning)
        if not (below := _children(models, part)):
            continue
        if any(part in one.model_fields for one in models):
            heading, choice = [*heading, part], ""
        else:
            choice = f' with {"reader" if heading == ["data"] else "extractor"} = "{part}"'
        models = below
    table = ".".join(heading).replace("features", "features.NAME")
    return (f"[{table}]{choice}" if heading else "Top level"), meaning


def written_keys(location: tuple[Any, ...]) -> list[Any]:
    """Keys as they are written in the file: without the name of the reader or extractor that pydantic adds.

    Examples
    --------
    >>> written_keys(("features", "category", "conditions", "groups")), written_keys(("data", "bids", "tasks"))
    (['features', 'category', 'groups'], ['data', 'tasks'])
    """
    keys = list(location)
    place = {"data": 1, "features": 2}.get(str(keys[0]) if keys else "")
    if place is not None and len(keys) > place:
        del keys[place]
    return keys


def _known_keys(location: tuple[Any, ...]) -> list[str]:
    """Keys of the table at a location of the schema."""
    models: list[type[Config]] = [Study]
    for part in location:
        models = _children(models, str(part)) or models
    return sorted({name for model in models for name in model.model_fields})


def _children(models: list[type[Config]], key: str) -> list[type[Config]]:
    """Table types found below a key, or picked by the value of a discriminator."""
    fields = [(m, f) for m in models for f in m.model_fields.values() if f.is_required()]
    picked = [m for m, f in fields if key in getattr(f.annotation, "__args__", ())]
    if picked:
        return picked
    annotations = [m.model_fields[key].annotation for m in models if key in m.model_fields]
    found: list[type[Config]] = []
    while annotations:
        annotation = annotations.pop()
        if isinstance(annotation, type) and issubclass(annotation, Config):
            found.append(annotation)
        annotations.extend(getattr(annotation, "__args__", ()))
    return found
