"""A recording: everything known of one subject before features and models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from b2m_encoding.data.responses import Responses


@dataclass(frozen=True, eq=False)
class Recording:
    """Responses of one subject with the events and the file of each run, and all files that were read."""

    subject: str
    responses: Responses
    events: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    inputs: tuple[Path, ...] = ()
