"""Feature extractors from event tables: conditions, and labels of clips."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from b2m_encoding._typing import Float32
from b2m_encoding.data.clip_columns import NOTHING
from b2m_encoding.errors import InputError
from b2m_encoding.features.clips import ClipProgress, StimulusTimeline
from b2m_encoding.features.events import event_features, tell_alike
from b2m_encoding.features.extractors.base import Extractor, silent
from b2m_encoding.io.text_tables import plain_label


class Conditions(Extractor):
    """Event regressors: amount of each condition, or group of conditions, in each sample."""

    extractor: Literal["conditions"]
    column: str = "trial_type"
    """Column of the conditions."""
    groups: dict[str, tuple[str, ...]] = Field(min_length=1)
    """Conditions of each feature."""

    def columns(self) -> tuple[str, ...]:
        """Return the column of the conditions."""
        return (self.column,)

    def needs(self) -> tuple[Path, ...]:
        """Return no file: the events are part of the data."""
        return ()

    def check(self, stimulation: StimulusTimeline) -> None:
        """Raise if a condition never occurs in the events."""
        self.values(stimulation)

    def width(self, stimulation: StimulusTimeline) -> int:
        """Return the number of groups."""
        return len(self.groups)

    def values(self, stimulation: StimulusTimeline, progress: ClipProgress = silent) -> Float32:
        """Compute the amount of each group of conditions in each sample."""
        counts = event_features(stimulation.volumes, stimulation.events, self.column, self.groups)
        return stimulation.volumes_to_samples(counts)


class EventLabels(Extractor):
    """Indicator of each label of a column of the events: 1 during events with this label."""

    extractor: Literal["labels"]
    column: str | None = None
    """Column of the labels; by default that of the groups of clips."""
    labels: tuple[str, ...] = ()
    """Labels that may occur, one feature each; by default all that occur."""

    def columns(self) -> tuple[str, ...]:
        """Return the column of the labels."""
        return (self.column,) if self.column else ()

    def needs(self) -> tuple[Path, ...]:
        """Return no file: the events are part of the data."""
        return ()

    def check(self, stimulation: StimulusTimeline) -> None:
        """Raise if the study names labels and another one occurs."""
        self._labels(stimulation)

    def width(self, stimulation: StimulusTimeline) -> int:
        """Return the number of labels."""
        return len(self._labels(stimulation)[0])

    def values(self, stimulation: StimulusTimeline, progress: ClipProgress = silent) -> Float32:
        """Compute the share of each sample that events with each label fill."""
        labels, occurring = self._labels(stimulation)
        column = self._column(stimulation)
        events = {run: table.astype({column: str}) for run, table in stimulation.events.items()}
        groups = {label: (label,) for label in labels if label in occurring}
        out = np.zeros((len(stimulation.volumes), len(labels)), dtype=np.float32)
        columns = [labels.index(label) for label in groups]
        out[:, columns] = event_features(stimulation.volumes, events, column, groups)
        return stimulation.volumes_to_samples(out)

    def _column(self, stimulation: StimulusTimeline) -> str:
        column = self.column or stimulation.columns.group
        if column is None:
            raise InputError(
                "no column of labels is named",
                expected="the column of the events that holds them",
                fix="give column under this feature space, or group under [data.clips]",
            )
        if absent := [name for name, table in stimulation.events.items() if column not in table]:
            raise InputError(f"the events of run {absent[0]} lack the column of the labels", expected=column)
        return column

    def _labels(self, stimulation: StimulusTimeline) -> tuple[list[str], set[str]]:
        """Labels that have a feature, and labels that occur."""
        column, known = self._column(stimulation), [plain_label(label) for label in self.labels]
        occurring = {str(label) for table in stimulation.events.values() for label in table[column]} - set(NOTHING)
        tell_alike(occurring, column)
        if known and (unknown := sorted(occurring - set(known))):
            raise InputError(
                f"column {column} of the events contains labels that the study does not name",
                found=unknown,
                expected=known,
            )
        if not occurring:
            raise InputError(f"column {column} of the events contains no label")
        return known or sorted(occurring), occurring
