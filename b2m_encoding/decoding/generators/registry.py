"""Registry of generators by name."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from b2m_encoding.decoding.generators.base import Generator
from b2m_encoding.errors import InputError
from b2m_encoding.features.weights import entry_of, find_weights


class _Entry(NamedTuple):
    """Module, class, and model of the weights catalogue."""

    module: str
    cls: str
    model: str | None


GENERATORS: Mapping[str, _Entry] = MappingProxyType(
    {
        "retrieved": _Entry("retrieved", "Retrieved", None),
        "musicldm": _Entry("musicldm", "MusicLDM", "musicldm"),
        "musicgen": _Entry("musicgen", "MusicGen", "musicgen"),
        "magenta_rt": _Entry("magenta", "MagentaRT", "magenta_rt"),
    }
)


def load_generator(
    name: str,
    *,
    weights: str | Path | None = None,
    revision: str | None = None,
    device: str = "auto",
    space: str | None = None,
    **settings: Any,
) -> Generator:
    """Load a generator from files on this machine.

    Parameters
    ----------
    name : str
        ``retrieved``, ``musicldm``, ``musicgen`` or ``magenta_rt``.
    weights : Path, optional
        Folder of the weights, instead of where ``b2m models fetch`` puts them.
    revision : str, optional
    device : str
    space : str, optional
        Extractor of the embeddings in the conditions.
    **settings
        Settings of the generator: ``strength``, ``steps``, ``guidance`` ...

    Raises
    ------
    InputError
        If there is no such generator, it needs embeddings of another space, or its weights are missing; the error
        names the command that fetches them, their size and licence.
    """
    weights = None if weights is None else Path(weights)
    if name not in GENERATORS:
        near = get_close_matches(name, GENERATORS, n=1)
        expected = f"{near[0]}?" if near else ", ".join(GENERATORS)
        raise InputError("no generator has this name", found=name, expected=expected)
    entry = GENERATORS[name]
    cls = getattr(import_module(f"b2m_encoding.decoding.generators.{entry.module}"), entry.cls)
    if unknown := sorted(set(settings) - set(cls.settings)):
        raise InputError(f"{name} has no such setting", found=unknown, expected=", ".join(cls.settings) or "none")
    if space is not None and cls.space not in (None, space):  # before the weights, which may be gigabytes, are fetched
        raise InputError(
            f"{name} needs embeddings of another space",
            found=f'extractor = "{space}"',
            expected=f'a decoded feature space with extractor = "{cls.space}"',
        )
    if entry.model is None:
        plain: Generator = cls()
        return plain
    made: Generator = cls(find_weights(entry_of(entry.model, revision), weights), device=device, **settings)
    return made
