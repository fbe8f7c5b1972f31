"""Feature spaces from the event tables alone: conditions, and labels of clips."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from b2m_encoding.data.events import NOTHING
from b2m_encoding.errors import InputError
from b2m_encoding.features.clips import StimulusTimeline
from b2m_encoding.features.events import event_features
from b2m_encoding.features.extractors.base import Extractor, Report, silent


class Conditions(Extractor):
    """Event regressors: the amount of each condition, or group of conditions, in each sample."""

    extractor: Literal["conditions"]
    column: str = "trial_type"
    groups: dict[str, tuple[str, ...]] = Field(min_length=1)

    def columns(self) -> tuple[str, ...]:
        """Return the column of the conditions."""
        return (self.column,)

    def needs(self) -> tuple[Path, ...]:
        """Nothing beside the events."""
        return ()

    def check(self, stimulation: StimulusTimeline) -> None:
        """Raise if a condition never occurs."""
        self.values(stimulation)

    def values(self, stimulation: StimulusTimeline, report: Report = silent) -> NDArray[np.float32]:
        """Count events per sample."""
        counts = event_features(stimulation.volumes, stimulation.events, self.column, self.groups)
        return stimulation.sampled(counts)


class Labels(Extractor):
    """One feature for each label of a column, by default the genre: 1 while an event with this label lasts."""

    extractor: Literal["labels"]
    column: str = "genre"
    labels: tuple[str, ...] = ()
    """The labels that may occur, one feature each; by default all that do."""

    def columns(self) -> tuple[str, ...]:
        """Return the column of the labels."""
        return (self.column,)

    def needs(self) -> tuple[Path, ...]:
        """Nothing beside the events."""
        return ()

    def check(self, stimulation: StimulusTimeline) -> None:
        """Raise if a label occurs that the study does not name."""
        self._labels(stimulation)

    def values(self, stimulation: StimulusTimeline, report: Report = silent) -> NDArray[np.float32]:
        """Share of each sample that each label fills."""
        labels, found = self._labels(stimulation)
        events = {run: table.astype({self.column: str}) for run, table in stimulation.events.items()}
        groups = {label: (label,) for label in labels if label in found}
        out = np.zeros((len(stimulation.volumes), len(labels)), dtype=np.float32)
        columns = [labels.index(label) for label in groups]
        out[:, columns] = event_features(stimulation.volumes, events, self.column, groups)
        return stimulation.sampled(out)

    def _labels(self, stimulation: StimulusTimeline) -> tuple[list[str], set[str]]:
        """Labels that have a feature, and those that occur."""
        found = {str(label) for table in stimulation.events.values() for label in table[self.column]} - set(NOTHING)
        if self.labels and (unknown := sorted(found - set(self.labels))):
            raise InputError(
                f"column {self.column} of the events holds labels that the study does not name",
                found=unknown,
                expected=list(self.labels),
            )
        if not found:
            raise InputError(f"column {self.column} of the events holds no label")
        return list(self.labels) or sorted(found), found
