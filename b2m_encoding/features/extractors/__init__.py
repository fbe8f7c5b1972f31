"""The feature spaces a study can name, each a small table of options that builds a :class:`FeatureSpace`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated

from pydantic import Field

from b2m_encoding.features.clips import StimulusTimeline
from b2m_encoding.features.extractors.arrays import Array, Precomputed
from b2m_encoding.features.extractors.base import ClipExtractor, Extractor
from b2m_encoding.features.extractors.events import Conditions, Labels
from b2m_encoding.features.extractors.sound import Acoustic, AudioExtractor, Network, embed_together, load_together
from b2m_encoding.features.extractors.words import Caption, Context, Text, WordRate
from b2m_encoding.features.space import FeatureSpace

__all__ = [
    "Acoustic",
    "AnyExtractor",
    "AudioExtractor",
    "ClipExtractor",
    "Extractor",
    "Network",
    "StimulusTimeline",
    "build_spaces",
]

AnyExtractor = Annotated[
    Acoustic | Network | Text | Caption | Labels | Precomputed | Conditions | WordRate | Context | Array,
    Field(discriminator="extractor"),
]


def build_spaces(
    tables: Mapping[str, Extractor],
    stimulation: StimulusTimeline,
    report: Callable[[str, int, int], None] = lambda name, done, total: None,
) -> dict[str, FeatureSpace]:
    """Build feature spaces for one stimulation; several layers of one network share its calls.

    Parameters
    ----------
    tables : mapping of name to Extractor
    stimulation : StimulusTimeline
    report : callable
        Called with the name of a feature space, and how many clips are done and to do.
    """
    spaces: dict[str, FeatureSpace] = {}
    for name, table in tables.items():
        if name in spaces:
            continue
        if not isinstance(table, Network):
            spaces[name] = table.build(name, stimulation, partial(report, name))
            continue
        same = {k: t for k, t in tables.items() if isinstance(t, Network) and t.calls == table.calls}
        network = load_together([*same.values()])
        found = embed_together(network, [*same.values()], stimulation, partial(report, ", ".join(same)))
        for (own, one), features in zip(same.items(), found, strict=True):
            provenance = {**one.provenance(), "pretrained": dict(network.provenance)}
            spaces[own] = FeatureSpace(own, stimulation.lay(features), stimulation.runs, provenance)
    return {name: spaces[name] for name in tables}
