"""JSON and TOML from files that may be hostile: nested too deeply is an error of the content, as any other."""

from __future__ import annotations

import json
import tomllib
from typing import Any


def parse_json(content: str | bytes) -> Any:
    """Parse JSON.

    Raises
    ------
    ValueError
        If it is no JSON, or nested more deeply than Python can read.

    Examples
    --------
    >>> parse_json('{"a": [1, 2]}')
    {'a': [1, 2]}
    """
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def load_toml(content: str) -> dict[str, Any]:
    """Parse TOML; raises as :func:`parse_json` does."""
    try:
        return tomllib.loads(content)
    except RecursionError:
        raise ValueError("nested too deeply") from None
