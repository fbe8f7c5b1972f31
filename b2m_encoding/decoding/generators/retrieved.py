"""Baseline generator without a model: the retrieved recording itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from b2m_encoding.decoding.generators.base import Condition, Exemplar
from b2m_encoding.features.audio import Wave, decode_audio


class Retrieved:
    """Generator that returns the beginning of the exemplar."""

    name = "retrieved"
    licence = "that of the recording"
    space: str | None = None
    settings: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = {"generator": "retrieved", "model": None}

    def generate(self, condition: Condition, seconds: float, random_state: int) -> tuple[Wave, int]:
        """First seconds of the exemplar, at most the embedded ones; deterministic. See :meth:`Generator.generate`."""
        exemplar: Exemplar = condition.needs("exemplar", self.name)
        return decode_audio(exemplar.path, 0.0, min(seconds, exemplar.seconds))
