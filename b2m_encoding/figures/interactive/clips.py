"""Presented clips and responses: sounds, best clips of every target, time courses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Floating
from b2m_encoding.errors import InputError


@dataclass(frozen=True)
class Sound:
    """An audio file that goes into the page.

    Parameters
    ----------
    label : str
        "heard", "retrieved", "reconstructed".
    content : bytes
    kind : str
        MIME type that browsers play, as ``audio/mpeg``.
    """

    label: str
    content: bytes
    kind: str = "audio/mpeg"

    def __post_init__(self) -> None:
        if not self.kind.startswith("audio/") or not self.kind.removeprefix("audio/").replace("-", "").isalnum():
            raise InputError("not the MIME type of a sound", found=self.kind, expected="audio/mpeg, audio/wav ...")


@dataclass(frozen=True)
class Clip:
    """A presented clip: name, description, its sound and the sounds reconstructed from responses."""

    name: str
    about: str = ""
    sounds: tuple[Sound, ...] = ()


@dataclass(frozen=True, eq=False)
class BestClips:
    """The clips that every target responds to most, strongest first.

    Parameters
    ----------
    clips : array of int, shape (n_targets, n_best)
        Index into the clips of the page; -1 for none.
    responses : array, shape (n_targets, n_best)
    unit : str
        Unit of the responses.
    """

    clips: NDArray[np.integer]
    responses: Floating
    unit: str = "mean response, s.d."

    @classmethod
    def of(cls, responses: Floating, n_best: int = 5, unit: str = "mean response, s.d.") -> BestClips:
        """Rank the responses to every clip, shape (n_clips, n_targets); NaN is never among the best.

        Examples
        --------
        >>> best = BestClips.of(np.array([[0.1, np.nan], [0.3, np.nan], [0.2, 1.0]]), n_best=2)
        >>> best.clips.tolist()
        [[1, 2], [2, -1]]
        """
        ranked = np.where(np.isfinite(responses), responses, -np.inf)
        order = np.argsort(-ranked, axis=0, kind="stable")[:n_best]
        best = np.take_along_axis(ranked, order, axis=0)
        return cls(np.where(np.isfinite(best), order, -1).T, np.where(np.isfinite(best), best, np.nan).T, unit)


@dataclass(frozen=True, eq=False)
class TimeCourses:
    """Measured and predicted responses of some targets, or of means of targets.

    Parameters
    ----------
    row : array of int, shape (n_targets,)
        Row of every target; -1 where none is stored.
    measured, predicted : array, shape (n_rows, n_samples)
    step : float
        Seconds between samples.
    about : str
        Description of a row, for the caption of the curve.
    """

    row: NDArray[np.integer]
    measured: Floating
    predicted: Floating
    step: float
    about: str = "held-out samples"

    def __post_init__(self) -> None:
        if self.measured.shape != self.predicted.shape or self.measured.ndim != 2:
            found = self.measured.shape, self.predicted.shape
            raise InputError("measured and predicted time courses differ in shape", found=found)
        if self.row.max(initial=-1) >= len(self.measured):
            raise InputError("a target names a time course that is not there", found=int(self.row.max()))
