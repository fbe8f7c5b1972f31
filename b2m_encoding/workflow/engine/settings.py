"""The study as a step sees it: the settings that its unit declares, and no other."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from copy import copy
from types import MethodType
from typing import Any

from b2m_encoding.config import Config


class UndeclaredSettingError(Exception):
    """A step reads a setting that its unit does not declare, so that a change of it would not redo the step."""


class DeclaredSettings:
    """A table of a study of which only declared keys can be read.

    Methods and properties of the table work; they read what is declared too.

    Parameters
    ----------
    table : Config
        A study, or one of its tables.
    keys : iterable of str
        Declared keys, with dots for those of a table below: ``"model"``, ``"statistics.audit"``.
    path : str
        Of the table in its study.

    Examples
    --------
    >>> from b2m_encoding.study import StatisticsTable
    >>> statistics = DeclaredSettings(StatisticsTable(), ["level", "partition"], "statistics")
    >>> statistics.level, statistics.partitions(2)
    (0.95, True)
    >>> statistics.q
    Traceback (most recent call last):
    b2m_encoding.workflow.engine.settings.UndeclaredSettingError: statistics.q
    """

    def __init__(self, table: Config, keys: Iterable[str], path: str = "") -> None:
        self._table, self._path = table, path
        self._below: dict[str, set[str]] = {}
        for key in keys:
            first, _, rest = key.partition(".")
            self._below.setdefault(first, set()).add(rest)

    def model_copy(self, *, update: Mapping[str, Any]) -> DeclaredSettings:
        """The same table with other values; what is declared stays the same."""
        copied = copy(self)
        copied._table = self._table.model_copy(update=update)
        return copied

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        kind = type(self._table)
        full = f"{self._path}.{name}".lstrip(".")
        if name in kind.model_fields:
            if name not in self._below:
                raise UndeclaredSettingError(full)
            value, keys = getattr(self._table, name), self._below[name]
            return value if "" in keys or not isinstance(value, Config) else DeclaredSettings(value, keys, full)
        attribute = inspect.getattr_static(kind, name)
        if isinstance(attribute, property):
            assert attribute.fget is not None
            return attribute.fget(self)
        return MethodType(attribute, self)


def values_of(tables: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """Declared settings as JSON, by key; a key that a study does not have is left out.

    Examples
    --------
    >>> values_of({"statistics": {"q": 0.05, "level": 0.95}, "seed": 1}, ["seed", "statistics.q", "data.discard"])
    {'seed': 1, 'statistics.q': 0.05}
    """
    values = {}
    for key in keys:
        value: Any = tables
        for part in key.split("."):
            value = value.get(part, values_of) if isinstance(value, Mapping) else values_of
        if value is not values_of:
            values[key] = value
    return values
