"""What Brain2Music (arXiv 2307.11078) did and published: the preset of a study, and its numbers, from one data file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from b2m_encoding.features.networks import JOINT_ENCODERS
from b2m_encoding.io.parsing import load_toml

PRESET = "brain2music"
"""Name of the preset in a study file."""
STANDS_FOR: Mapping[str, str] = MappingProxyType(
    {
        "codec": "SoundStream-avg",
        "w2v_bert": "w2v-BERT-avg",
        "caption": "MuLan_text",
        "text": "MuLan_text",
        **dict.fromkeys((*JOINT_ENCODERS, "mulan_precomputed"), "MuLan_music"),
        "labels": "genre one-hot",
    }
)
"""Embedding of the paper in whose place each extractor stands."""
EMBEDDINGS = ("SoundStream-avg", "w2v-BERT-avg", "MuLan_text", "MuLan_music", "genre one-hot")
"""Feature spaces of the paper, those of Table 2 first and in its order."""


@dataclass(frozen=True)
class Published:
    """A number of the paper.

    Parameters
    ----------
    id, where, what : str
        Name of the number, table or figure or section that it stands in, and what it is.
    value : float
    sd : float or None
        Standard deviation over subjects.
    """

    id: str
    where: str
    what: str
    value: float
    sd: float | None = None


@cache
def paper() -> Mapping[str, Any]:
    """Content of the data file."""
    path = files("b2m_encoding.results.schema").joinpath("brain2music.toml")
    content: dict[str, Any] = load_toml(path.read_text(encoding="utf-8"))
    return MappingProxyType(content)


@cache
def published() -> Mapping[str, Published]:
    """Every number of the paper, by its name."""
    return {one["id"]: Published(**one) for one in paper()["number"]}


def with_preset(table: Any) -> Any:
    """A study file as a table, completed by the preset that it names; what the study sets itself stays.

    Examples
    --------
    >>> with_preset({"preset": "brain2music", "cleaning": {"cutoff": 128.0}})["cleaning"]["cutoff"]
    128.0
    """
    if not isinstance(table, dict) or table.get("preset") != PRESET:
        return table
    completed = dict(table)
    for name, keys in preset_of(table).items():
        own = table.get(name, {})
        completed[name] = {**keys, **own} if isinstance(own, dict) else own
    return completed


def preset_of(table: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Tables of the preset for the feature spaces of a study; no windows where the study names delays of volumes."""
    preset = {name: dict(keys) for name, keys in paper()["preset"].items() if not name.startswith("by_extractor")}
    model, features = table.get("model", {}), table.get("features", {})
    spaces = {
        name: str(one.get("extractor")) for name, one in features.items() if isinstance(one, dict)
    } if isinstance(features, dict) else {}  # fmt: skip
    by_extractor = paper()["preset"]["by_extractor"]
    own = {name: by_extractor["own"][kind] for name, kind in spaces.items() if kind in by_extractor["own"]}
    decoded = {name: by_extractor["decoded"][kind] for name, kind in spaces.items() if kind in by_extractor["decoded"]}
    preset["decoding"]["targets"] = [name for name, kind in spaces.items() if kind != "labels"]
    if isinstance(model, dict) and "delays" in model and "windows" not in table:
        del preset["windows"]
        decoded = own | decoded
    else:
        preset["windows"]["own"] = own
    preset["decoding"]["own_windows"] = decoded
    return preset


def deviations(settings: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Settings of a study that are not those of the paper: key, value of the paper, value of the study.

    Parameters
    ----------
    settings : mapping
        The study with every default.
    """
    if "windows" in (preset := preset_of(settings)) and not settings.get("windows"):
        yield "windows", "windows of clips are the samples", "volumes are the samples, with delays"
        del preset["windows"]
    for name, keys in preset.items():
        own = settings.get(name) or {}
        for key, value in keys.items():
            found = own.get(key)
            if key != "targets" and shown(found) != shown(value) and not (key == "test_runs" and found):
                yield f"{name}.{key}", shown(value), shown(found)


def shown(value: Any) -> str:
    """A setting as text, as a study file has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return ", ".join(f"{key} {shown(one)}" for key, one in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value)) or "none"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
