"""Feature extractors of a study: tables of options that build a :class:`~b2m_encoding.features.FeatureSpace`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated

from pydantic import Field

from b2m_encoding._typing import Progress
from b2m_encoding.features.clips import StimulusTimeline
from b2m_encoding.features.extractors.base import ClipExtractor, Extractor
from b2m_encoding.features.extractors.from_arrays import ClipArrays, RunArrays
from b2m_encoding.features.extractors.from_audio import (
    Acoustic,
    AudioExtractor,
    PretrainedAudio,
    embed_shared,
    load_shared_encoder,
)
from b2m_encoding.features.extractors.from_captions import HashedCaption, PretrainedText
from b2m_encoding.features.extractors.from_events import Conditions, EventLabels
from b2m_encoding.features.extractors.from_transcripts import SpeechContext, WordRate
from b2m_encoding.features.space import FeatureSpace

__all__ = [
    "Acoustic",
    "AnyExtractor",
    "AudioExtractor",
    "ClipArrays",
    "ClipExtractor",
    "Conditions",
    "EventLabels",
    "Extractor",
    "HashedCaption",
    "PretrainedAudio",
    "PretrainedText",
    "RunArrays",
    "SpeechContext",
    "WordRate",
    "build_spaces",
]

AnyExtractor = Annotated[
    Acoustic
    | PretrainedAudio
    | PretrainedText
    | HashedCaption
    | EventLabels
    | ClipArrays
    | Conditions
    | WordRate
    | SpeechContext
    | RunArrays,
    Field(discriminator="extractor"),
]
"""Any table under ``[features]`` of a study, selected by its key ``extractor``."""


def build_spaces(
    tables: Mapping[str, Extractor],
    stimulation: StimulusTimeline,
    progress: Progress = lambda name, done, total: None,
) -> dict[str, FeatureSpace]:
    """Build feature spaces; several layers of one pretrained network share its calls.

    Parameters
    ----------
    tables : mapping of name to Extractor
        Tables under ``[features]`` of a study.
    stimulation : StimulusTimeline
        Samples and stimulus events.
    progress : callable
        Called with the name of a feature space, the number of clips done, and the number to do.

    Returns
    -------
    dict of str to FeatureSpace
        In the order of the tables.

    Raises
    ------
    InputError
        If a file is missing or damaged, or a feature is not finite.
    """
    spaces: dict[str, FeatureSpace] = {}
    for name, table in tables.items():
        if name in spaces:
            continue
        if not isinstance(table, PretrainedAudio):
            spaces[name] = table.build(name, stimulation, partial(progress, name))
            continue
        same = {
            k: t for k, t in tables.items() if isinstance(t, PretrainedAudio) and t.shared_calls == table.shared_calls
        }
        encoder = load_shared_encoder([*same.values()])
        embedded = embed_shared(
            encoder, [*same.values()], stimulation.clips, stimulation.length, partial(progress, ", ".join(same))
        )
        for (key, layer), features in zip(same.items(), embedded, strict=True):
            provenance = {**layer.provenance(), "pretrained": dict(encoder.provenance)}
            spaces[key] = FeatureSpace(key, stimulation.clips_to_samples(features), stimulation.runs, provenance)
    return {name: spaces[name] for name in tables}
