"""Results of a study, subject by subject, before they are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from b2m_encoding._typing import Float64
from b2m_encoding.analysis.decoding.decode import Decoding
from b2m_encoding.analysis.encoding.encoding import Encoding
from b2m_encoding.analysis.tables.regions import RegionBlocks, RegionRows
from b2m_encoding.spaces import Space
from b2m_encoding.stats.audit import Check
from b2m_encoding.stats.ceilings import NoCeiling
from b2m_encoding.stats.generalisation import LeftOut

Bounds = dict[str, tuple[Float64, Float64]] | NoCeiling
"""Lower and upper inter-subject ceiling of every subject, or why there is none."""


@dataclass(eq=False)
class StudyResults:
    """Results of all steps of a study."""

    spaces: dict[str, Space] = field(default_factory=dict)
    encodings: dict[str, Encoding] = field(default_factory=dict)
    decodings: dict[str, list[Decoding]] = field(default_factory=dict)
    checks: dict[str, list[Check]] = field(default_factory=dict)
    regions: list[dict[str, Any]] = field(default_factory=list)
    """Rows of the region table."""
    parts: list[dict[str, Any]] = field(default_factory=list)
    """Rows of the partition table of regions."""
    blocks: dict[str, RegionBlocks | None] = field(default_factory=dict)
    """Of the regions of each subject."""
    groups: dict[str, LeftOut] = field(default_factory=dict)
    others: dict[str, Float64] = field(default_factory=dict)
    """r of each subject by a model of the other subjects."""
    breakdown: list[dict[str, Any]] = field(default_factory=list)
    """Rows of the table of scores by run, clip and group."""
    quality: list[dict[str, Any]] = field(default_factory=list)
    """Rows of the table of runs."""
    learning: list[dict[str, Any]] = field(default_factory=list)
    """Rows of the table of learning curves."""
    bounds: Bounds | None = None
    """Inter-subject ceiling."""


def collect_results(
    spaces: dict[str, Space],
    encodings: dict[str, Encoding],
    region_rows: Mapping[str, RegionRows],
    quality: Mapping[str, list[dict[str, Any]]],
    audits: dict[str, list[Check]],
    groups: Mapping[str, LeftOut | None],
    learning: Mapping[str, list[dict[str, Any]]],
    decodings: Mapping[str, Sequence[list[Decoding]]],
    pooled: Mapping[str, list[Decoding]],
    others: dict[str, Float64],
    bounds: Bounds | None,
) -> StudyResults:
    """Results of a study from those of its steps; by subject, each empty where the study does not ask for it."""
    results = StudyResults(spaces, encodings, checks=audits, others=others, bounds=bounds)
    for subject, rows in region_rows.items():
        results.regions += rows.scores
        results.parts += rows.parts
        results.blocks[subject] = rows.blocks
        results.breakdown += rows.breakdown
    results.quality = [row for rows in quality.values() for row in rows]
    results.learning = [row for rows in learning.values() for row in rows]
    results.groups = {subject: left for subject, left in groups.items() if left is not None}
    for subject in encodings:
        every = [one for group in (*decodings.get(subject, ()), pooled.get(subject, [])) for one in group]
        if every:
            results.decodings[subject] = every
    return results
