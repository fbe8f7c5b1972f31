"""Shorten the held-out samples of a subject: mean responses to clips, and a time course per region."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.analysis.encoding.encoding import Encoding
from b2m_encoding.data import Recording
from b2m_encoding.results.clip_responses import ClipResponses
from b2m_encoding.results.schema import JOINT
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import HEMISPHERES, Atlas, SurfaceSpace, load_atlas
from b2m_encoding.study import Study

MOST_SAMPLES = 1000
"""Longer time courses are cut."""


def summarise_held_out(encoding: Encoding, recording: Recording, study: Study) -> ClipResponses:
    """Shorten the held-out samples of a subject; a clip gets credit from the middle of the delays on."""
    held_out, r, space = encoding.held_out, encoding.r[JOINT], recording.responses.space
    assert held_out is not None
    lag = study.decoding.lag if study.decoding else float(np.median(study.model.delays or (0.0,)))
    clips, responses = mean_clip_responses(np.asarray(held_out.measured), held_out.runs, lag)
    responses[:, ~np.isfinite(r)] = np.nan
    played = {label: (one.start, one.duration) for label, one in recording.presented.items()}
    parts = np.array([played.get(clip, (np.nan, np.nan)) for clip in clips], dtype=np.float32).reshape(-1, 2)
    targets = np.zeros(0, dtype=np.int64)
    if isinstance(space, SurfaceSpace):
        targets = best_of_regions(r, load_atlas(study.maps.atlas, space))
    measured, predicted = (part[:MOST_SAMPLES, targets].T for part in (held_out.measured, held_out.predicted))
    names = np.array(clips, dtype=str)
    return ClipResponses(names, parts[:, 0], parts[:, 1], responses, targets, measured, predicted, held_out.runs.tr)


def mean_clip_responses(
    measured: NDArray[np.floating], runs: Runs, lag: float
) -> tuple[list[str], NDArray[np.float32]]:
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
