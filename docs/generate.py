"""Pages that are made from the code: one per public name, the commands, the results folder, one per tutorial."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
import textwrap
import types
import typing
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import ModuleType

from pydantic.fields import FieldInfo

import b2m_encoding
from b2m_encoding.config import Config
from b2m_encoding.data.sources.base import ClipsTable
from b2m_encoding.data.sources.bids import ConfoundsTable
from b2m_encoding.results.schema import MAPS, TABLES, files
from b2m_encoding.study import Study

ROOT = "b2m_encoding"
MODULES = (f"{ROOT}.runs", f"{ROOT}.errors", f"{ROOT}.study")
"""Modules beside the rooms, all of whose own names have pages."""
WITHOUT = f"{ROOT}.cli"
"""The command has a page of another kind."""
REQUESTS = "set_fit_request, set_partial_fit_request, set_predict_request, set_score_request"
"""Methods that scikit-learn adds."""
OWNERS = {
    "joint": "`joint`",
    "models": "`joint`, each feature space",
    "spaces": "each feature space",
    "sets": "a set of feature spaces (`acoustic_text`)",
    "preference": "`preference`",
    "intersubject": "`intersubject`",
}
"""What a kind of map describes, as in ``desc`` of the file name."""
MEANINGS = {
    "reader": "What the data are read by.",
    "extractor": "What the features are computed by.",
    "clips": "Columns of the events that name clips; see `[data.clips]`.",
    "name": "Name of the study, on its pages.",
    "output": "Folder of the results.",
    "seed": "Seed of everything that is random.",
    "data": "What is read; see `[data]`.",
    "cleaning": "See `[cleaning]`.",
    "features": "A table for each feature space, under its name; see `[features.NAME]`.",
    "model": "See `[model]`.",
    "windows": "See `[windows]`.",
    "evaluation": "See `[evaluation]`.",
    "statistics": "See `[statistics]`.",
    "maps": "See `[maps]`.",
    "figures": "See `[figures]`.",
    "results": "See `[results]`.",
    "decoding": "See `[decoding]`.",
    "detrend": "Slow drifts that are removed from each run: lines, cosines, a running median, or none.",
    "cutoff": "Period above which drifts are removed, s.",
    "zscore": "Whether each target has mean 0 and variance 1 in each run.",
    "solver": "One penalty per target, or one per target and feature space.",
    "delays": "Delays of the features before the responses, s; multiples of the repetition time.",
    "alphas": "Grid of penalties; see `[model.alphas]`.",
    "alpha_per": "Whether each target has a penalty of its own.",
    "device": "Where it is computed.",
    "low": "Smallest penalty.",
    "high": "Largest penalty.",
    "number": "Number of penalties.",
    "length": "Length of a window, s.",
    "step": "Distance between the starts of windows, s.",
    "lag": "Seconds from a sound to the response that goes with it.",
    "kind": "Test runs, or cross-validation over runs or blocks.",
    "permutations": "Number of permutations.",
    "q": "Error rate that is allowed.",
    "bootstraps": "Number of bootstrap samples of intervals.",
    "level": "Coverage of intervals.",
    "cluster_permutations": "Number of permutations of clusters.",
    "zoom": "Region set that detail maps show.",
    "regions": "Region sets, or names of regions.",
    "outline_colour": "Colour of the outlines of regions.",
    "targets": "Feature spaces that are decoded.",
    "window": "Length of a window, s.",
    "root": "The raw BIDS data set.",
    "tasks": "Tasks whose runs are read.",
    "tr": "Repetition time, s.",
    "discard": "Seconds at the start of each run that never enter a fit.",
    "mask": "Mask of the voxels that are read.",
    "files": "Files of the responses.",
    "strategy": "Kinds of confounds: motion, wm_csf, global_signal, compcor, ica_aroma, scrub, high_pass.",
    "motion": "Motion parameters, and their derivatives and squares.",
    "wm_csf": "Signals of white matter and of the fluid.",
    "global_signal": "Global signal.",
    "compcor": "Kind of components.",
    "n_compcor": "Number of components.",
    "ica_aroma": "Kind of ICA-AROMA.",
    "fd_threshold": "Framewise displacement above which volumes are censored, mm.",
    "std_dvars_threshold": "Standardised DVARS above which volumes are censored.",
    "network": "Network of the embedding.",
}
"""Meaning of keys that have no text of their own."""
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
    "window": "10.0",
    "shuffled": "1",
    "ids": '"clips.txt"',
    "targets": '["acoustic"]',
    "own_windows": "{ text = 15.0 }",
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
CELL = re.compile(r"^# %%[ ]?(.*)$", re.MULTILINE)
MARKDOWN = "[markdown]"


def write_pages(docs: Path) -> None:
    """Write everything below ``docs/api`` and ``docs/tutorials``, and the pages beside them; remove old pages."""
    pages = {docs / "commands.md": commands(), docs / "results_folder.md": results_folder(),
             docs / "study_keys.md": study_keys()}  # fmt: skip
    names, homes = public_names(), home_modules()
    for module, public in names.items():
        here = [name for name in public if homes[module, name] == module]
        pages |= {docs / "api" / f"{module}.{name}.md": page_of(module, name) for name in here}
        links = {name: f"{homes[module, name]}.{name}.md" for name in public}
        pages[docs / "api" / f"{module}.md"] = page_of_room(module, links)
    pages[docs / "api" / "index.md"] = _index("Reference", [f"{module}.md" for module in names])
    scripts = [path for path in sorted((docs.parent / "tutorials").glob("*.py")) if CELL.search(path.read_text())]
    pages |= {docs / "tutorials" / f"{script.stem}.md": tutorial(script) for script in scripts}
    pages[docs / "tutorials" / "index.md"] = _index("Tutorials", [f"{script.stem}.md" for script in scripts])
    for folder in ("api", "tutorials"):
        for old in set((docs / folder).glob("*.md")) - set(pages):
            old.unlink()
    for path, text in pages.items():
        _write(path, text)


def public_names() -> dict[str, list[str]]:
    """Public names of the package, of every room and drawer, and of some modules; names of modules are left out."""
    found = {}
    for module in (*packages(), *MODULES):
        room = importlib.import_module(module)
        names = list(_defined(room)) if module in MODULES else getattr(room, "__all__", [])
        found[module] = [n for n in names if not n.startswith("_") and not isinstance(getattr(room, n), ModuleType)]
    return {module: names for module, names in found.items() if names}


def packages() -> list[str]:
    """Packages, from the top down; those of the command are left out."""
    root = Path(b2m_encoding.__file__).parent
    folders = [path.parent.relative_to(root) for path in sorted(root.rglob("__init__.py"))]
    found = [".".join((ROOT, *folder.parts)) for folder in folders]
    return [module for module in found if not module.startswith(WITHOUT)]


def home_modules() -> dict[tuple[str, str], str]:
    """Module of the one page of every public name: a room rather than its drawers or the top of the package."""
    names = public_names()
    first: dict[tuple[str, int], str] = {}
    homes = {}
    for module in sorted(names, key=lambda module: (module == ROOT, module.count("."))):
        for name in names[module]:
            thing = getattr(importlib.import_module(module), name)
            homes[module, name] = first.setdefault((name, id(thing)), module)
    return homes


def _defined(module: ModuleType) -> Iterator[str]:
    for name, thing in vars(module).items():
        if not name.startswith("_") and getattr(thing, "__module__", None) == module.__name__:
            yield name


def page_of(module: str, name: str) -> str:
    """Make the page of a name."""
    thing = getattr(importlib.import_module(module), name)
    if inspect.isclass(thing):
        directive = f"autoclass:: {name}\n   :members:\n   :exclude-members: {REQUESTS}"
    elif inspect.isroutine(thing):
        directive = f"autofunction:: {name}"
    else:  # sphinx would show the text of its class
        directive = f"py:data:: {name}\n\n   {_constant_text(name, thing)}"
    return f"# {name}\n\n```{{eval-rst}}\n.. currentmodule:: {module}\n.. {directive}\n```\n"


def page_of_room(module: str, links: dict[str, str]) -> str:
    """Make the page of a room: its docstring, and its names with their first lines and the pages they have."""
    room = importlib.import_module(module)
    rows = [f"| [{name}]({link}) | {_first_line(name, getattr(room, name))} |" for name, link in links.items()]
    table = "\n".join(["| name | |", "|---|---|", *rows])
    tree = "\n".join(link for name, link in links.items() if link == f"{module}.{name}.md")
    hidden = f"\n```{{toctree}}\n:hidden:\n\n{tree}\n```\n" if tree else ""
    about = f"```{{eval-rst}}\n.. automodule:: {module}\n   :no-members:\n```"
    return f"# {module}\n\n{about}\n\n{table}\n{hidden}"


def _first_line(name: str, thing: object) -> str:
    described = inspect.isclass(thing) or inspect.isroutine(thing)
    text = inspect.getdoc(thing) if described else _constant_text(name, thing)
    return _one_line((text or "").split("\n")[0]).replace("|", "\\|")


def _constant_text(name: str, thing: object) -> str:
    """Text below a constant in the module that defines it."""
    modules = [module for full, module in sorted(sys.modules.items()) if full.startswith(f"{ROOT}.")]
    with_it = [module for module in modules if vars(module).get(name) is thing]
    return next((" ".join(texts[name].split()) for module in with_it if name in (texts := _texts(module))), "")


@cache
def _texts(module: ModuleType) -> dict[str, str]:
    """Texts below the constants of a module."""
    body = ast.parse(inspect.getsource(module)).body
    return {
        ast.unparse(named.targets[0] if isinstance(named, ast.Assign) else named.target): str(text.value.value)
        for named, text in pairwise(body)
        if isinstance(named, ast.Assign | ast.AnnAssign) and isinstance(text, ast.Expr)
        if isinstance(text.value, ast.Constant)
    }


def commands() -> str:
    """Every command with its help, as the terminal shows it."""
    import click
    import typer

    from b2m_encoding.cli import app

    group = typer.main.get_command(app)
    parts = ["# Commands\n\nWhat `b2m COMMAND --help` says.\n"]
    for name, command in sorted(_leaves(group, "b2m")):
        context = click.Context(command, info_name=name, max_content_width=100)
        parts.append(f"## {name}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


def results_folder() -> str:
    """Make the page of the results folder from its schema: files, maps, and tables with their columns."""
    file_rows = [f"| `{name}` | {_one_line(text)} |" for name, text in _described_files()]
    map_rows = [f"| `{kind.stat}` | {OWNERS[kind.of]} | {kind.description} |" for kind in MAPS]
    parts = [
        "# The results folder",
        "Where a name holds a field in braces, there is a file for each of its values.",
        "## Files",
        "\n".join(["| file | content |", "|---|---|", *file_rows]),
        "## Maps",
        "`desc` and `stat` are entities of the file name; `Results.map(subject, desc, stat)` reads a map.",
        "\n".join(["| stat | desc | content |", "|---|---|---|", *map_rows]),
        "## Tables",
    ]
    for table in TABLES:
        rows = [f"| `{name}` | {text} |" for name, text in table.columns.items()]
        parts += [f"### `{table.file}`", "\n".join(["| column | content |", "|---|---|", *rows])]
    return "\n\n".join(parts) + "\n"


def _described_files() -> Iterator[tuple[str, str]]:
    """File names of the schema, with the text below each."""
    for name, text in _texts(files).items():
        value = getattr(files, name)
        if isinstance(value, str) and "." in value:
            yield value, text


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
    """Keys of a table, each with its field and the text below it in the class that defines it."""
    texts: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if issubclass(kind, Config) and kind.__module__.startswith(ROOT):
            [found] = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
            assert isinstance(found, ast.ClassDef)
            for named, text in pairwise(found.body):
                below = text.value if isinstance(text, ast.Expr) else None
                if isinstance(named, ast.AnnAssign) and isinstance(below, ast.Constant):
                    texts[ast.unparse(named.target)] = _one_line(str(below.value))
    return [(name, field, texts.get(name) or MEANINGS.get(name, "")) for name, field in model.model_fields.items()]


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
    return _one_line((inspect.getdoc(kind) or "").split("\n\n")[0])


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


def _one_line(text: str) -> str:
    return re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", " ".join(text.split())).replace("``", "`")


def _leaves(group: object, name: str) -> Iterator[tuple[str, object]]:
    for key, command in getattr(group, "commands", {}).items():
        if getattr(command, "commands", None):
            yield from _leaves(command, f"{name} {key}")
        else:
            yield f"{name} {key}", command


def tutorial(script: Path) -> str:
    """A tutorial as a page: its cells in order, texts as texts and code as code."""
    head, *rest = CELL.split(script.read_text(encoding="utf-8"))
    about = inspect.cleandoc(re.sub(r'^"""|"""\s*$', "", head.strip()))
    title, _, text = about.partition("\n")
    parts = [f"# {title.rstrip('.')}", text.strip().replace("``", "`")]
    for heading, body in zip(rest[::2], rest[1::2], strict=True):
        prose, code = _cell(body)
        if heading.strip() and heading.strip() != MARKDOWN:
            parts.append(f"## {heading.strip()}")
        parts += [part for part in (prose, code and f"```python\n{code}\n```") if part]
    parts.append(f"The whole script: `tutorials/{script.name}`.")
    return "\n\n".join(part for part in parts if part) + "\n"


def _cell(body: str) -> tuple[str, str]:
    """The comment at the top of a cell, and the code below it."""
    lines = body.strip("\n").split("\n")
    count = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    prose = "\n".join(line[2:] if line.startswith("# ") else line[1:] for line in lines[:count])
    return prose.replace("``", "`").strip(), "\n".join(lines[count:]).strip("\n")


def _index(title: str, pages: list[str]) -> str:
    return f"# {title}\n\n```{{toctree}}\n:maxdepth: 1\n\n" + "\n".join(pages) + "\n```\n"


def _write(path: Path, text: str) -> None:
    """Write what has changed: unchanged pages need not be built again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
