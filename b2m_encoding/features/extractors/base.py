"""What all feature spaces of a study have in common: a table of options that builds a :class:`FeatureSpace`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from b2m_encoding.config import Config
from b2m_encoding.features.clips import CLIP_COLUMNS, Clip, StimulusTimeline
from b2m_encoding.features.space import FeatureSpace

Report = Callable[[int, int], None]
"""Called with the clips done, and the clips to do in all."""


def silent(done: int, total: int) -> None:
    """Report nothing."""


class Extractor(Config, ABC):
    """Options every feature space has."""

    pca: Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)] | None = None
    """Keep this many principal components, or this share of the variance; fitted on training samples."""

    @abstractmethod
    def values(self, stimulation: StimulusTimeline, report: Report = silent) -> NDArray[np.float32]:
        """Features of every sample, shape (n_samples, n_features)."""

    @abstractmethod
    def needs(self) -> tuple[Path, ...]:
        """Files that must exist."""

    def columns(self) -> tuple[str, ...]:
        """Columns that the events of every run must have."""
        return ()

    def check(self, stimulation: StimulusTimeline) -> None:
        """Raise with everything that will be wrong when the features are made; the files of :meth:`needs` are there."""
        return None

    def provenance(self) -> dict[str, Any]:
        """Record the options."""
        return self.model_dump(mode="json")

    def build(self, name: str, stimulation: StimulusTimeline, report: Report = silent) -> FeatureSpace:
        """Extract, and record how."""
        return FeatureSpace(name, self.values(stimulation, report), stimulation.runs, self.provenance())


class ClipExtractor(Extractor):
    """Features that depend on the clip under a sample, and on where in the clip the sample lies."""

    def columns(self) -> tuple[str, ...]:
        """Return what names a clip."""
        return CLIP_COLUMNS

    @abstractmethod
    def of_clips(self, stimulation: StimulusTimeline, report: Report = silent) -> Mapping[Clip, NDArray[np.float32]]:
        """Features of the stretches of every clip, shape (n_spans, n_features)."""

    def values(self, stimulation: StimulusTimeline, report: Report = silent) -> NDArray[np.float32]:
        """Lay the features of the clips onto the samples."""
        return stimulation.lay(self.of_clips(stimulation, report))
