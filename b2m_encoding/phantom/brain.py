"""Simulated cortex: feature space that drives each vertex, signal-to-noise ratio, delay, and unusable vertices."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from scipy.sparse import csr_array

from b2m_encoding._typing import Booleans, Float32, Integers
from b2m_encoding.spaces import Atlas, SurfaceSpace, load_atlas, surface_space
from b2m_encoding.spaces.meshes import HEMISPHERES, Hemisphere

SPACES = ("acoustic", "text")
DRIVES = ("none", "acoustic", "text", "both")
"""Feature spaces that drive a vertex, in the order of their codes."""
REGIONS: dict[str, tuple[str, ...]] = {
    "acoustic": ("A1", "LBelt", "MBelt", "RI"),
    "text": ("PBelt", "A4", "A5", "STSda", "STSdp", "STSva", "STSvp", "STGa", "TA2", "44", "45", "55b"),
    "both": ("PSL", "STV"),
}
PATCH_STEPS, SLAB_STEPS = 3, 10
PREFRONTAL = ("44", "45", "55b")
SNR, PREFRONTAL_GAIN = 0.45, 0.7
"""Standard deviation of the driven response over that of the noise."""


@dataclass(frozen=True, eq=False)
class Brain:
    """One simulated subject; all arrays have shape (n_targets,).

    Parameters
    ----------
    drive : array of int
        Index into :data:`DRIVES`.
    snr : array of float
        Standard deviation of the driven response over that of the noise; 0 for vertices that are not driven.
    delay : array of float
        Delay of the haemodynamic response relative to the canonical one, s.
    constant, missing : array of bool
        Vertices with a constant time series, or NaN.
    baseline : array of float
        Raw signal without drive and noise.
    """

    drive: Integers
    snr: Float32
    delay: Float32
    constant: Booleans
    missing: Booleans
    baseline: Float32


def cortex() -> tuple[SurfaceSpace, Atlas]:
    """Surface and atlas of the simulation."""
    space = surface_space("fsaverage5")
    return space, load_atlas("hcp-mmp1", space)


@cache
def averaging(space: SurfaceSpace) -> csr_array:
    """Matrix that averages each vertex with its neighbours, shape (n_targets, n_targets)."""
    edges = []
    for hemi in HEMISPHERES:
        triangles = space.mesh("white", hemi).triangles + space.hemisphere(hemi).start
        edges += [triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))]
    a, b = np.concatenate(edges).T
    diagonal = np.arange(space.n_targets)
    rows, columns = np.concatenate([a, b, diagonal]), np.concatenate([b, a, diagonal])
    matrix = csr_array((np.ones(len(rows), np.float32), (rows, columns)), shape=(space.n_targets,) * 2)
    matrix.data[:] = 1.0
    scale = 1.0 / np.asarray(matrix.sum(axis=1)).ravel()
    return csr_array(matrix.multiply(scale[:, None]).astype(np.float32))


def smooth_fields(rng: np.random.Generator, n_fields: int, steps: int) -> Float32:
    """Draw random maps, smooth over the surface and of unit variance, shape (n_targets, n_fields)."""
    space, _ = cortex()
    fields = rng.standard_normal((space.n_targets, n_fields), dtype=np.float32)
    for _ in range(steps):
        fields = averaging(space) @ fields
    return np.asarray(fields / fields.std(axis=0), dtype=np.float32)


def grow_brain(rng: np.random.Generator) -> Brain:
    """Draw one subject; borders of regions, gains and delays differ between subjects."""
    _, atlas = cortex()
    drive = _drives(rng)
    gain = np.exp(0.3 * smooth_fields(rng, 1, 8)[:, 0] + 0.1 * rng.standard_normal())
    gain[np.any([atlas.mask(region) for region in PREFRONTAL], axis=0)] *= PREFRONTAL_GAIN
    delay = np.clip(0.4 * smooth_fields(rng, 1, 12)[:, 0] + 0.2 * rng.standard_normal(), -1.0, 1.0)
    constant, missing = _patch(drive, "L", rng), _patch(drive, "R", rng)
    return Brain(
        drive=drive,
        snr=np.where(drive > 0, SNR * gain, 0.0).astype(np.float32),
        delay=delay.astype(np.float32),
        constant=constant,
        missing=missing,
        baseline=(1000.0 + 80.0 * smooth_fields(rng, 1, 4)[:, 0]).astype(np.float32),
    )


def restricted(brain: Brain, n_targets: int, rng: np.random.Generator) -> Brain:
    """The same subject, recorded in so many vertices: driven ones and those near them; others are missing.

    At most six of ten vertices are driven, as long as there are more of them.

    Parameters
    ----------
    brain : Brain
    n_targets : int
    rng : numpy.random.Generator
    """
    space, _ = cortex()
    usable, near = ~(brain.constant | brain.missing), (brain.drive > 0).astype(np.float32)
    for _ in range(SLAB_STEPS):
        near = averaging(space) @ near
    driven, others = np.flatnonzero(usable & (brain.drive > 0)), np.flatnonzero(usable & (brain.drive == 0))
    n_driven = min(len(driven), round(0.6 * n_targets))
    outside = np.ones(len(usable), dtype=bool)
    outside[rng.choice(driven, n_driven, replace=False)] = False
    outside[others[np.argsort(-near[others], kind="stable")][: n_targets - n_driven]] = False
    return replace(brain, missing=brain.missing | (outside & ~brain.constant))


def _drives(rng: np.random.Generator) -> Integers:
    """Draw the drive of each vertex: the regions, with borders shifted by smooth noise."""
    space, atlas = cortex()
    votes = np.zeros((space.n_targets, len(DRIVES)), dtype=np.float32)
    for name, regions in REGIONS.items():
        votes[:, DRIVES.index(name)] = np.any([atlas.mask(region) for region in regions], axis=0)
    votes[:, 0] = 1.0 - votes.sum(axis=1)
    for _ in range(2):
        votes = averaging(space) @ votes
    winner: Integers = np.argmax(votes + 0.08 * smooth_fields(rng, len(DRIVES), 4), axis=1)
    near = votes[np.arange(len(votes)), winner] > 0.05
    return np.where(near, winner, 0)


def _patch(drive: Integers, hemi: Hemisphere, rng: np.random.Generator) -> Booleans:
    """Draw a disc on the border of the driven temporal cortex, partly inside and partly outside."""
    space, atlas = cortex()
    frontal = np.any([atlas.mask(region) for region in PREFRONTAL], axis=0)
    outside = (drive == 0).astype(np.float32)
    near = (drive > 0) & ~frontal
    near[: space.hemisphere(hemi).start] = near[space.hemisphere(hemi).stop :] = False
    for _ in range(PATCH_STEPS):
        outside = averaging(space) @ outside
    disc = np.zeros(space.n_targets, dtype=np.float32)
    disc[rng.choice(np.flatnonzero(near & (outside > 0.35) & (outside < 0.6)))] = 1.0
    for _ in range(PATCH_STEPS):
        disc = averaging(space) @ disc
    return disc > 0
