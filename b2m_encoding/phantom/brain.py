"""The listener's cortex: which vertex is driven by what, how strongly, how late, and which are broken."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from b2m_encoding.spaces import Atlas, SurfaceSpace, load_atlas, surface_space
from b2m_encoding.spaces.meshes import HEMISPHERES, Hemisphere

Array = NDArray[np.float32]

SPACES = ("acoustic", "text")
DRIVES = ("none", "acoustic", "text", "both")
"""What can drive a vertex, in the order of the codes."""
REGIONS: dict[str, tuple[str, ...]] = {
    "acoustic": ("A1", "LBelt", "MBelt", "RI"),
    "text": ("PBelt", "A4", "A5", "STSda", "STSdp", "STSva", "STSvp", "STGa", "TA2", "44", "45", "55b"),
    "both": ("PSL", "STV"),
}
PATCH_STEPS = 3
PREFRONTAL = ("44", "45", "55b")
SNR, PREFRONTAL_GAIN = 0.45, 0.7
"""Standard deviation of the driven response over that of the noise."""


@dataclass(frozen=True, eq=False)
class Brain:
    """One simulated subject, all arrays of shape (n_targets,) unless said.

    Parameters
    ----------
    drive : array of int
        Index into :data:`DRIVES`.
    snr : array of float
        Standard deviation of the driven response over that of the noise; 0 where nothing drives.
    delay : array of float
        Seconds by which the haemodynamic response is late (or early).
    constant, missing : array of bool
        Vertices that hold one value only, or NaN.
    baseline : array of float
        Raw signal at rest.
    """

    drive: NDArray[np.int64]
    snr: Array
    delay: Array
    constant: NDArray[np.bool_]
    missing: NDArray[np.bool_]
    baseline: Array


def cortex() -> tuple[SurfaceSpace, Atlas]:
    """The surface and the atlas of the simulation."""
    space = surface_space("fsaverage5")
    return space, load_atlas("hcp-mmp1", space)


@cache
def averaging(space: SurfaceSpace) -> csr_array:
    """Matrix that replaces each vertex by the mean of itself and its neighbours, (n_targets, n_targets)."""
    edges = []
    for hemi in HEMISPHERES:
        triangles = space.mesh("white", hemi).triangles + space.hemisphere(hemi).start
        edges += [triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))]
    a, b = np.concatenate(edges).T
    own = np.arange(space.n_targets)
    rows, columns = np.concatenate([a, b, own]), np.concatenate([b, a, own])
    matrix = csr_array((np.ones(len(rows), np.float32), (rows, columns)), shape=(space.n_targets,) * 2)
    matrix.data[:] = 1.0
    scale = 1.0 / np.asarray(matrix.sum(axis=1)).ravel()
    return csr_array(matrix.multiply(scale[:, None]).astype(np.float32))


def smooth_fields(rng: np.random.Generator, n_fields: int, steps: int) -> Array:
    """Random maps, smooth over the surface, of unit variance, shape (n_targets, n_fields)."""
    space, _ = cortex()
    fields = rng.standard_normal((space.n_targets, n_fields), dtype=np.float32)
    for _ in range(steps):
        fields = averaging(space) @ fields
    return np.asarray(fields / fields.std(axis=0), dtype=np.float32)


def grow_brain(rng: np.random.Generator) -> Brain:
    """Draw one subject: borders, gains and delays differ from the next."""
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
        baseline=(10000.0 + 800.0 * smooth_fields(rng, 1, 4)[:, 0]).astype(np.float32),
    )


def _drives(rng: np.random.Generator) -> NDArray[np.int64]:
    """What drives each vertex: the regions' borders, shifted a little by smooth noise."""
    space, atlas = cortex()
    votes = np.zeros((space.n_targets, len(DRIVES)), dtype=np.float32)
    for name, regions in REGIONS.items():
        votes[:, DRIVES.index(name)] = np.any([atlas.mask(region) for region in regions], axis=0)
    votes[:, 0] = 1.0 - votes.sum(axis=1)
    for _ in range(2):
        votes = averaging(space) @ votes
    winner: NDArray[np.int64] = np.argmax(votes + 0.08 * smooth_fields(rng, len(DRIVES), 4), axis=1)
    near = votes[np.arange(len(votes)), winner] > 0.05
    return np.where(near, winner, 0)


def _patch(drive: NDArray[np.int64], hemi: Hemisphere, rng: np.random.Generator) -> NDArray[np.bool_]:
    """A disc on the border of the driven temporal cortex, partly inside and partly outside."""
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
