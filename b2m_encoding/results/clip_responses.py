"""Summary of the held-out responses of a subject: mean response to every clip, time course of every region."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Float32, Integers
from b2m_encoding.io.archives import read_archive, write_compressed
from b2m_encoding.results.bundle import BundleFiles
from b2m_encoding.results.schema.files import CLIP_RESPONSES

HALVED = ("responses", "measured", "predicted")
"""Arrays that are kept in half precision."""


@dataclass(frozen=True, eq=False)
class ClipResponses:
    """Summary of the held-out responses of one subject.

    Parameters
    ----------
    clips : array of str, shape (n_clips,)
    start, duration : array, shape (n_clips,)
        Presented part of the stimulus file, s; NaN where the events do not state it.
    responses : array, shape (n_clips, n_targets)
        Mean measured response while the clip acts on the BOLD signal.
    targets : array of int, shape (n_rows,)
        Targets with a time course: the best predicted of every region in each hemisphere.
    measured, predicted : array, shape (n_rows, n_samples)
    step : float
        Seconds between samples.
    """

    clips: NDArray[np.str_]
    start: Float32
    duration: Float32
    responses: Float32
    targets: Integers
    measured: Float32
    predicted: Float32
    step: float

    def save(self, path: str | Path) -> None:
        """Write a NumPy archive (half precision)."""
        path = Path(path)
        write_compressed(path, asdict(self), HALVED)

    @classmethod
    def load(cls, path: str | Path) -> ClipResponses:
        """Read what :meth:`save` wrote.

        Raises
        ------
        InputError
            If the file is damaged.
        """
        path = Path(path)
        arrays = read_archive(path, "held-out responses", cls.__dataclass_fields__)
        single = {key: arrays[key].astype(np.float32) for key in HALVED}
        return cls(**{**arrays, **single, "step": float(arrays["step"])})


def clip_responses_name(subject: str) -> str:
    """Name of the file in the folder of a subject."""
    return CLIP_RESPONSES.format(subject=subject)


def write_clip_responses(writer: BundleFiles, subject: str, responses: ClipResponses, note: str | None) -> None:
    """Write the responses of one subject, with a sidecar."""
    name = clip_responses_name(subject)
    responses.save(writer.file(f"sub-{subject}", name))
    sidecar = {
        "Description": "Held-out responses: mean response to every clip; time courses of the best target per region",
        "RepetitionTime": responses.step,
        "Note": note,
    }
    writer.write_json(f"sub-{subject}/{name.removesuffix('.npz')}.json", sidecar)
