"""The page of the study file, made from its models: every table with its keys, their kinds, defaults and meanings."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Iterator
from pathlib import Path

from pydantic.fields import FieldInfo

from b2m_encoding.config import Config, one_line
from b2m_encoding.data.sources.base import ClipsTable
from b2m_encoding.data.sources.bids import ConfoundsTable
from b2m_encoding.study import Study

EXAMPLES = {
    "name": '"My study"',
    "output": '"results"',
    "root": '"bids"',
    "derivatives": '"bids/derivatives/fmriprep"',
    "mask": '"masks/sub-{subject}.nii.gz"',
    "tasks": '["listening"]',
    "subjects": '["01", "02"]',
    "sessions": '["01"]',
    "strategy": '["motion", "wm_csf", "scrub"]',
    "confounds": '{ strategy = ["motion"] }',
    "clips": '{ stimulus = "stim_file", group = "genre" }',
    "group": '"speaker"',
    "images": '{ run-01 = "bold.nii.gz" }',
    "events": '{ run-01 = "events.tsv" }',
    "event_columns": '["trial_type", "onset", "duration"]',
    "censor": '{ run-01 = "censor.txt" }',
    "tr": "2.0",
    "folder": '"zenodo"',
    "regions": '["core", "belt"]',
    "stimuli": '"stimuli"',
    "captions": '"captions.tsv"',
    "transcript": '"stimuli/{clip}.TextGrid"',
    "textgrid": '"story.TextGrid"',
    "groups": '{ speech = ["speech", "talk"] }',
    "column": '"condition"',
    "labels": '["speech", "music"]',
    "pca": "0.9",
    "model": '"facebook/hubert-base-ls960"',
    "weights": '"weights"',
    "layer": "7",
    "every": "5.0",
    "window": "10.0",
    "shuffled": "1",
    "ids": '"clips.txt"',
    "targets": '["acoustic"]',
    "own_windows": "{ text = 15.0 }",
    "own": "{ w2v_bert = 5.0 }",
    "preset": '"brain2music"',
    "stands_for": '{ mine = "MuLan_music" }',
    "alphas": "{ low = 1.0, high = 1e6, number = 13 }",
    "lags": "[3.0, 4.5, 6.0]",
    "note": '"simulated data"',
    "folds": "5",
    "blocks": "4",
    "generalise": '["group"]',
    "partition": "true",
    "features": '{ mel = { extractor = "acoustic", stimuli = "stimuli" } }',
    "data": '{ reader = "bids" }',
    "evaluation": '{ kind = "cross-validation" }',
    "files": '"features/{run}.npy"',
    "affine": '"sform"',
    "revision": '"0f1e2d3"',
}
"""Examples of keys without a default."""


def study_keys() -> str:
    """Make the page of the study file from its models: every table, reader and extractor, with all of their keys."""
    parts = [
        "# study.toml, every key",
        "A study is a TOML file. Relative paths start at its folder; `~` and `${VARIABLE}` are expanded. Every wrong "
        "key is an error that names the nearest known one. Keys without a default must be given.",
    ]
    for heading, model, about in _study_tables():
        fields = study_fields(model)
        rows = [
            f"| `{name}` | {_kind(one.annotation)} | {_default(one)} | {text} | `{name} = {_example(name, one)}` |"
            for name, one, text in fields
        ]
        header = ["| key | kind | default | meaning | example |", "|---|---|---|---|---|"]
        parts += [f"## {heading}", about, "\n".join([*header, *rows])]
    return "\n\n".join(parts) + "\n"


def study_fields(model: type[Config]) -> list[tuple[str, FieldInfo, str]]:
    """Keys of a table, each with its field and its meaning."""
    meanings = model.meanings()
    return [(name, one, meanings[name] or _self_explaining(name, one)) for name, one in model.model_fields.items()]


def _self_explaining(name: str, field: FieldInfo) -> str:
    """Meaning of a key that holds a table, or chooses one."""
    chosen = {"reader": "Reader of the responses.", "extractor": "Extractor of the features."}
    below = {"data": "data", "features": "features.NAME", "clips": "data.clips", "alphas": "model.alphas"}
    return chosen.get(name) or (f"See `[{below.get(name, name)}]`." if _models(field.annotation) else "")


def _study_tables() -> Iterator[tuple[str, type[Config], str]]:
    """Headings, models and texts of all tables: of the study, of its readers and of its extractors."""
    yield "Top level", Study, "Keys above the first table."
    for name, field in Study.model_fields.items():
        own = [kind for kind in _models(field.annotation)]
        for kind in own if name not in ("data", "features") else ():
            yield f"`[{name}]`", kind, _about(kind)
            yield from _tables_below(name, kind)
    for kind in _models(Study.model_fields["data"].annotation):
        [label] = typing.get_args(kind.model_fields["reader"].annotation)
        yield f'`[data]` with `reader = "{label}"`', kind, _about(kind)
    for kind in (ConfoundsTable, ClipsTable):
        yield f"`[data.{'confounds' if kind is ConfoundsTable else 'clips'}]`", kind, _about(kind)
    for kind in _models(Study.model_fields["features"].annotation):
        labels = " or ".join(f'`"{one}"`' for one in typing.get_args(kind.model_fields["extractor"].annotation))
        yield f"`[features.NAME]` with `extractor =` {labels}", kind, _about(kind)


def _tables_below(name: str, kind: type[Config]) -> Iterator[tuple[str, type[Config], str]]:
    for key, field in kind.model_fields.items():
        for below in _models(field.annotation):
            yield f"`[{name}.{key}]`", below, _about(below)


def _models(annotation: object) -> list[type[Config]]:
    """Tables that a type names."""
    if isinstance(annotation, type) and issubclass(annotation, Config):
        return [annotation]
    return [kind for part in typing.get_args(annotation) for kind in _models(part)]


def _about(kind: type[Config]) -> str:
    return one_line((inspect.getdoc(kind) or "").split("\n\n")[0])


def _kind(annotation: object) -> str:
    """A type in words."""
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _kind(parts[0])
    if origin is typing.Literal:
        return " or ".join(f'`"{part}"`' if isinstance(part, str) else f"`{part}`" for part in parts)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(_kind(part) for part in parts if part is not type(None)))
    if origin is tuple:
        return f"list of {_kind(parts[0])}"
    if origin is dict:
        return f"table of {_kind(parts[1])}"
    if isinstance(annotation, type) and issubclass(annotation, Config):
        return "table"
    return {str: "text", float: "number", int: "whole number", bool: "true or false", Path: "path"}.get(
        annotation, "table"
    )


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    return "none" if value is None else "see its table" if isinstance(value, Config) else f"`{_toml(value)}`"


def _example(name: str, field: FieldInfo) -> str:
    """An example value: of the list, or the default, or the first that a choice has."""
    if name in EXAMPLES:
        return EXAMPLES[name]
    value = None if field.is_required() else field.get_default(call_default_factory=True)
    if value not in (None, (), {}) and not isinstance(value, Config):
        return _toml(value)
    annotation = field.annotation
    while (parts := typing.get_args(annotation)) and typing.get_origin(annotation) is not typing.Literal:
        annotation = parts[0]
    if parts:
        return _toml(parts[0])
    return {str: '"name"', float: "1.0", int: "1", bool: "true", Path: '"path"'}.get(annotation, "{ }")


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, Path):
        return f'"{value}"'
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_toml(one)}' for key, one in value.items())} }}"
    return f'"{value}"' if isinstance(value, str) else repr(value)
