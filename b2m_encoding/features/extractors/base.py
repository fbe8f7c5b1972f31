"""Base classes of feature extractors: tables of options in a study file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field, field_validator

from b2m_encoding._typing import Float32
from b2m_encoding.config import Config
from b2m_encoding.features.clips import Clip, ClipProgress, StimulusTimeline
from b2m_encoding.features.space import FeatureSpace


def silent(done: int, total: int) -> None:
    """Ignore the progress."""


class Extractor(Config, ABC):
    """Base class of feature extractors.

    A subclass has a field ``extractor`` with its name as a literal, and implements :meth:`values` and :meth:`needs`.
    """

    pca: Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)] | None = None
    """Number of principal components to keep, or below 1 the share of the variance; fitted on training samples."""

    @field_validator("pca", mode="before")
    @classmethod
    def _share_or_number(cls, value: Any) -> Any:
        if isinstance(value, float) and not value < 1:
            raise ValueError("a number of components is a whole number, a share of the variance lies below 1")
        return value

    needs_clips: ClassVar[bool] = False
    """Whether the events must name the file of each stimulus."""

    @abstractmethod
    def values(self, stimulation: StimulusTimeline, progress: ClipProgress = silent) -> Float32:
        """Compute the features of every sample, shape (n_samples, n_features)."""

    @abstractmethod
    def needs(self) -> tuple[Path, ...]:
        """Return the files and folders that must exist."""

    def columns(self) -> tuple[str, ...]:
        """Return the columns that the events of every run must have."""
        return ()

    def shared(self) -> bool:
        """Return whether features are found by the names of runs alone, the same for all subjects."""
        return False

    def check(self, stimulation: StimulusTimeline) -> None:
        """Check the inputs without computing features; the files of :meth:`needs` exist.

        Raises
        ------
        InputError, ProblemList
            With every problem that :meth:`values` would meet.
        """
        return None

    def width(self, stimulation: StimulusTimeline) -> int | None:
        """Return the number of features before principal components; None where only computing them would tell."""
        return None

    def provenance(self) -> dict[str, Any]:
        """Return the options as plain JSON values."""
        return self.model_dump(mode="json")

    def build(self, name: str, stimulation: StimulusTimeline, progress: ClipProgress = silent) -> FeatureSpace:
        """Compute the features as a feature space with provenance."""
        return FeatureSpace(name, self.values(stimulation, progress), stimulation.runs, self.provenance())


class ClipExtractor(Extractor):
    """Base class of extractors whose features depend on the presented clip and the position of the sample in it."""

    needs_clips: ClassVar[bool] = True

    @abstractmethod
    def clip_features(self, stimulation: StimulusTimeline, progress: ClipProgress = silent) -> Mapping[Clip, Float32]:
        """Compute the features of every span in ``stimulation.clips``, per clip of shape (n_spans, n_features)."""

    def values(self, stimulation: StimulusTimeline, progress: ClipProgress = silent) -> Float32:
        """Copy the features of the clips to the samples of their presentations."""
        return stimulation.clips_to_samples(self.clip_features(stimulation, progress))
