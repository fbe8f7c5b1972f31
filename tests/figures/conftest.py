"""A made-up study on fsaverage5, and what to ask of a finished figure."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from b2m_encoding.figures.page import Page
from b2m_encoding.spaces import Atlas, SurfaceSpace, load_atlas, surface_space

REGIONS = ("A1", "LBelt", "MBelt", "PBelt", "RI", "A4", "A5", "STSdp")


@pytest.fixture(scope="session")
def space() -> SurfaceSpace:
    return surface_space("fsaverage5")


@pytest.fixture(scope="session")
def atlas(space: SurfaceSpace) -> Atlas:
    return load_atlas("hcp-mmp1", space)


@pytest.fixture(scope="session")
def bumps(space: SurfaceSpace, atlas: Atlas) -> Callable[..., NDArray[np.float64]]:
    """Smooth bumps on regions, with some smooth noise."""

    def make(seed: int, *regions: str) -> NDArray[np.float64]:
        rng = np.random.default_rng(seed)
        out = np.zeros(space.n_targets)
        for hemi in ("L", "R"):
            points, here = space.mesh("inflated", hemi).points, space.hemisphere(hemi)
            noise = rng.normal(size=len(points))[cKDTree(points).query(points, k=30)[1]].mean(axis=1)
            out[here] = 0.15 * noise
            for region in regions:
                distance = points - points[atlas.mask(region, hemi)[here]].mean(axis=0)
                out[here] += 0.4 * np.exp(-(distance**2).sum(axis=1) / (2 * 12**2))
        return out

    return make


@pytest.fixture(scope="session")
def acoustic(bumps: Callable[..., NDArray[np.float64]]) -> NDArray[np.float64]:
    return bumps(1, "A1", "MBelt")


@pytest.fixture(scope="session")
def text(bumps: Callable[..., NDArray[np.float64]]) -> NDArray[np.float64]:
    return bumps(2, "A5", "STSdp")


@pytest.fixture(scope="session")
def holed(acoustic: NDArray[np.float64], space: SurfaceSpace) -> NDArray[np.float64]:
    """Scores with a patch of NaN below the left temporal lobe, and single NaN vertices."""
    scores = acoustic.copy()
    points = space.mesh("inflated", "L").points
    scores[: space.n_vertices][points[:, 2] < -45] = np.nan
    scores[::501] = np.nan
    return scores


@pytest.fixture(scope="session")
def region_table() -> Callable[..., pd.DataFrame]:
    def make(
        n_subjects: int = 3,
        regions: tuple[str, ...] = REGIONS,
        spaces: tuple[str, ...] = ("acoustic", "text"),
        hemispheres: tuple[str | None, ...] = ("L", "R"),
    ) -> pd.DataFrame:
        rng = np.random.default_rng(0)
        rows = [
            {"subject": f"{s:03d}", "hemisphere": h, "region": r, "feature_space": f, "score": rng.normal(0.2, 0.05)}
            for s in range(n_subjects)
            for h in hemispheres
            for r in regions
            for f in spaces
        ]
        return pd.DataFrame(rows)

    return make


@pytest.fixture(scope="session")
def text_problems() -> Callable[[Page], list[str]]:
    """Words that are cut off by the page, too small, or written over each other."""

    def find(page: Page) -> list[str]:
        with page.style.context():
            renderer = page.canvas.get_renderer()
            page.draw(renderer)
        found, boxes = [], []
        axis_of = [axis for axes in page.axes for axis in (axes.xaxis, axes.yaxis)]
        outside = {
            label
            for axis in axis_of
            for tick in axis.get_major_ticks() + axis.get_minor_ticks()
            for label in (tick.label1, tick.label2)
            if not min(axis.get_view_interval()) - 1e-9 <= tick.get_loc() <= max(axis.get_view_interval()) + 1e-9
        }
        for artist in page.findobj(lambda one: hasattr(one, "get_window_extent") and hasattr(one, "get_text")):
            if (
                not artist.get_visible()
                or not artist.get_text().strip()
                or artist.get_path_effects()
                or artist in outside
            ):
                continue
            if not all(parent.get_visible() for parent in (artist.axes,) if parent is not None):
                continue
            if artist.get_fontsize() < 5:
                found.append(f"too small: {artist.get_text()!r}")
            box = artist.get_window_extent(renderer)
            if box.x0 < 0 or box.y0 < 0 or box.x1 > page.bbox.x1 or box.y1 > page.bbox.y1:
                found.append(f"cut off: {artist.get_text()!r}")
            if artist.get_rotation() % 90:
                continue  # its box is larger than its ink
            boxes.append((artist.get_text(), box.padded(-0.15 * box.height) if artist.axes is not None else box))
        found += [f"{a!r} over {b!r}" for (a, one), (b, other) in combinations(boxes, 2) if one.overlaps(other)]
        return found

    return find
