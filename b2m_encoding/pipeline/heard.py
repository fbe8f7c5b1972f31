"""What is kept of the held-out samples: the response of every target to every clip, and a time course per region."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from b2m_encoding.data import Recording
from b2m_encoding.data.events import NOTHING, clip_label
from b2m_encoding.pipeline.encode import JOINT, Encoding
from b2m_encoding.results.bundle import BundleFiles
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import HEMISPHERES, Atlas, SurfaceSpace, load_atlas
from b2m_encoding.spaces.files import read_archive
from b2m_encoding.study import Study

MOST_SAMPLES = 1000
"""Longer time courses are cut."""


@dataclass(frozen=True, eq=False)
class Heard:
    """Held-out responses of one subject in short.

    Parameters
    ----------
    clips : array of str, shape (n_clips,)
    start, duration : array, shape (n_clips,)
        The part of its file that was played, s; NaN where events do not tell.
    responses : array, shape (n_clips, n_targets)
        Mean measured response while the clip acts on the BOLD signal.
    targets : array of int, shape (n_rows,)
        Targets whose time course is kept: the best predicted of every region in each hemisphere.
    measured, predicted : array, shape (n_rows, n_samples)
    step : float
        Seconds between samples.
    """

    clips: NDArray[np.str_]
    start: NDArray[np.float32]
    duration: NDArray[np.float32]
    responses: NDArray[np.float32]
    targets: NDArray[np.int64]
    measured: NDArray[np.float32]
    predicted: NDArray[np.float32]
    step: float

    def save(self, path: Path) -> None:
        """Write a NumPy archive (half precision)."""
        arrays: dict[str, Any] = {
            key: np.asarray(value, dtype=np.float16 if key in ("responses", "measured", "predicted") else None)
            for key, value in asdict(self).items()
        }
        with path.open("wb") as stream:
            np.savez_compressed(stream, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path) -> Heard:
        """Read what :meth:`save` wrote.

        Raises
        ------
        InputError
            If the file is damaged.
        """
        found = read_archive(path, "held-out responses", cls.__dataclass_fields__)
        single = {key: found[key].astype(np.float32) for key in ("responses", "measured", "predicted")}
        return cls(**{**found, **single, "step": float(found["step"])})


def heard_name(subject: str) -> str:
    """Name of the file in the folder of a subject."""
    return f"sub-{subject}_desc-heldout_responses.npz"


def write_heard(writer: BundleFiles, subject: str, heard: Heard, study: Study) -> None:
    """Write the file of one subject, with a sidecar."""
    name = heard_name(subject)
    heard.save(writer.file(f"sub-{subject}", name))
    about = {
        "Description": "Held-out responses: mean response to every clip; time courses of the best target per region",
        "RepetitionTime": heard.step,
        "Note": study.note,
    }
    writer.write_json(f"sub-{subject}/{name.removesuffix('.npz')}.json", about)


def heard_by(encoding: Encoding, recording: Recording, study: Study) -> Heard:
    """Shorten the held-out samples of a subject; a clip gets credit from the middle of the delays on."""
    held_out, r, space = encoding.held_out, encoding.r[JOINT], recording.responses.space
    assert held_out is not None
    lag = study.decoding.lag if study.decoding else float(np.median(study.model.delays or (0.0,)))
    clips, responses = clip_responses(held_out.measured, held_out.runs, lag)
    responses[:, ~np.isfinite(r)] = np.nan
    played = _played(recording.events)
    parts = np.array([played.get(clip, (np.nan, np.nan)) for clip in clips], dtype=np.float32).reshape(-1, 2)
    targets = np.zeros(0, dtype=np.int64)
    if isinstance(space, SurfaceSpace):
        targets = best_of_regions(r, load_atlas(study.maps.atlas, space))
    measured, predicted = (part[:MOST_SAMPLES, targets].T for part in (held_out.measured, held_out.predicted))
    names = np.array(clips, dtype=str)
    return Heard(names, parts[:, 0], parts[:, 1], responses, targets, measured, predicted, held_out.runs.tr)


def clip_responses(measured: NDArray[np.floating], runs: Runs, lag: float) -> tuple[list[str], NDArray[np.float32]]:
    """Mean response to every clip over its presentations, from ``lag`` seconds after each began to its end.

    Only samples under the clip itself count: what comes later belongs to the next one as well.

    Returns
    -------
    clips : list of str
    responses : array, shape (n_clips, n_targets)
    """
    found: dict[str, list[NDArray[np.floating]]] = {}
    for rows in runs.presentations:
        length = rows.stop - rows.start
        late = min(round(lag / runs.tr), length // 2)
        found.setdefault(str(runs.clip[rows.start]), []).append(measured[rows.start + late : rows.stop].mean(axis=0))
    responses = np.zeros((len(found), measured.shape[1]), dtype=np.float32)
    for row, values in enumerate(found.values()):
        responses[row] = np.mean(values, axis=0)
    return list(found), responses


def best_of_regions(r: NDArray[np.floating], atlas: Atlas) -> NDArray[np.int64]:
    """The best predicted target of every region in each hemisphere that has a tested one."""
    best = []
    for hemi in HEMISPHERES:
        inside = atlas.space.in_hemisphere(hemi) & np.isfinite(r)
        for label in np.unique(atlas.labels[inside & (atlas.labels > 0)]):
            members = np.flatnonzero(inside & (atlas.labels == label))
            best.append(int(members[np.argmax(r[members])]))
    return np.array(best, dtype=np.int64)


def _played(events: Mapping[str, pd.DataFrame]) -> dict[str, tuple[float, float]]:
    """Start and duration of the part of each clip that was played last: that of the test runs."""
    played: dict[str, tuple[float, float]] = {}
    for table in events.values():
        if {"genre", "track", "start", "duration"} <= set(table.columns):
            for event in table.to_dict("records"):
                if event["track"] not in NOTHING:
                    clip = clip_label(event["genre"], event["track"])
                    played[clip] = (float(event["start"]), float(event["duration"]))
    return played
