"""Maps of a volume on the cortex, beside nilearn: the same surfaces, the same depths, the same interpolation.

The matrix is built once per mask and kept on disk; building and loading it are timed apart. nilearn samples the image
again in every call.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from harness import Row, alternate, arguments, environment, finish, peak_memory, save, seconds
from nilearn.datasets import load_mni152_brain_mask
from nilearn.surface import vol_to_surf
from scipy.ndimage import gaussian_filter
from scipy.sparse import csr_array

from b2m_encoding.spaces import HEMISPHERES, VolumeSpace, project, surface_space, volume_to_surface
from b2m_encoding.spaces.projection import DEPTHS
from b2m_encoding.spaces.registration import surface_to_surface

N_MAPS = 50
SURFACE = surface_space("fsLR")


def main() -> None:
    options = arguments(__doc__ or "")
    env = environment(n_maps=N_MAPS, surface="fsLR 32k, white to pial, 7 depths, linear")
    rows: list[Row] = []
    agreed = True
    with TemporaryDirectory() as folder:
        os.environ["B2M_CACHE"] = folder
        for resolution in (3,) if options.quick else (3, 2):
            row = volume_case(resolution, 3 if options.quick else 5)
            rows.append(row)
            agreed &= row.agreement is not None and row.agreement["r"] > 0.9999
            save("projection", rows, env, quick=options.quick)
        rows.append(many_maps(200 if options.quick else 2000))
        rows.append(surface_case())
    finish("projection", rows, env, agreed=agreed, quick=options.quick)


def volume_case(resolution: int, repeats: int) -> Row:
    """Fifty smooth maps that fill the volume: nilearn knows no mask of voxels."""
    image = load_mni152_brain_mask(resolution=resolution)
    space = VolumeSpace(np.ones(image.shape, dtype=bool), image.affine)
    rng = np.random.default_rng(0)
    volumes = [gaussian_filter(rng.standard_normal(image.shape), 6 / resolution) for _ in range(N_MAPS)]
    maps = np.stack([volume.ravel() for volume in volumes]).astype(np.float32)
    series = space.to_image(maps)
    meshes = {
        h: [[m.points, m.triangles] for m in (SURFACE.mesh(k, h) for k in ("pial", "white"))] for h in HEMISPHERES
    }

    building = seconds(lambda: volume_to_surface(space, SURFACE))
    volume_to_surface.cache_clear()
    loading = seconds(lambda: volume_to_surface(space, SURFACE))
    matrix = volume_to_surface(space, SURFACE)

    def ours() -> np.ndarray:
        return project(matrix, maps.T)

    def theirs() -> np.ndarray:
        sampled = [vol_to_surf(series, pial, inner_mesh=white, depth=DEPTHS) for pial, white in meshes.values()]
        return np.concatenate(sampled)

    a, b = ours(), theirs()
    known = np.isfinite(a).all(axis=1) & np.isfinite(b).all(axis=1)
    worst = min(np.corrcoef(one, other)[0, 1] for one, other in zip(a[known].T, b[known].T, strict=True))
    agreement = {
        "r": float(worst),
        "largest_difference": float(np.abs(a[known] - b[known]).max() / b[known].std()),
        "vertices_compared": float(known.mean()),
        "building_s": building,
        "loading_s": loading,
    }
    with peak_memory() as peak:
        ours()
    mine, other, ratio = alternate(ours, theirs, repeats)
    name = "volume_to_surface" if resolution == 3 else f"volume_to_surface_{resolution}mm"
    return Row(name, f"project, {resolution} mm", "nilearn vol_to_surf", mine, other, ratio, agreement, peak.mb)


def many_maps(n_maps: int) -> Row:
    """The voxels of a brain mask, some of them not tested: permutation maps, or a time series."""
    image = load_mni152_brain_mask(resolution=3)
    space = VolumeSpace(np.asarray(image.dataobj) > 0, image.affine)
    matrix = volume_to_surface(space, SURFACE)
    maps = np.random.default_rng(0).standard_normal((space.n_targets, n_maps)).astype(np.float32)
    maps[::50] = np.nan
    with peak_memory() as peak:
        ours = median(seconds(lambda: project(matrix, maps)) for _ in range(3))
    return Row(f"{n_maps}_maps", "project, 2% of voxels NaN", None, ours, None, None, None, peak.mb)


def surface_case() -> Row:
    """Fifty maps from fsLR to fsaverage5; the peer is the same matrix applied map by map."""
    matrix: csr_array = surface_to_surface("fsLR", "fsaverage5")
    maps = np.random.default_rng(0).standard_normal((SURFACE.n_targets, N_MAPS)).astype(np.float32)

    def one_by_one() -> np.ndarray:
        return np.stack([matrix @ maps[:, i] for i in range(N_MAPS)], axis=1)

    difference = float(np.abs(project(matrix, maps) - one_by_one()).max())
    ours, peer, ratio = alternate(lambda: project(matrix, maps), one_by_one, 5)
    agreement = {"largest_difference": difference}
    return Row("surface_to_surface", "project", "one map at a time", ours, peer, ratio, agreement)


if __name__ == "__main__":
    main()
