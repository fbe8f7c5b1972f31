"""A made-up study on fsaverage5."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from b2m_encoding.figures.colours import PreferenceColours, ScalarColours
from b2m_encoding.figures.interactive import (
    BestClips,
    Clip,
    LevelColours,
    Score,
    Sound,
    TimeCourses,
    View,
    ViewMap,
    ViewSubject,
    interactive_page,
)
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


def tone(frequency: float, seconds: float = 3.0) -> bytes:
    """A sine as a WAV file."""
    stream = io.BytesIO()
    time = np.arange(int(8000 * seconds)) / 8000
    soundfile.write(stream, 0.2 * np.sin(2 * np.pi * frequency * time), 8000, format="WAV", subtype="PCM_16")
    return stream.getvalue()


N_CLIPS, N_SAMPLES = 6, 80


@pytest.fixture(scope="session")
def view(
    atlas: Atlas, bumps: Callable[..., NDArray[np.float64]], holed: NDArray[np.float64], text: NDArray[np.float64]
) -> View:
    """Two subjects with all that a page can show; the first was not tested everywhere."""
    rng = np.random.default_rng(5)
    subjects = []
    for name, acoustic, words in (("01", holed, text), ("02", bumps(3, "A1", "RI"), bumps(4, "A4"))):
        joint = np.maximum(acoustic, words) + 0.02
        n = len(joint)
        best = np.where(acoustic >= words, 0.0, 1.0)
        preference = np.where(np.isnan(joint), np.nan, np.where(joint > 0.15, best, np.where(joint > 0.1, -1.0, -2.0)))
        row = np.full(n, -1)
        kept = np.flatnonzero(np.nan_to_num(joint) > 0.25)[:200]
        row[kept] = np.arange(len(kept))
        measured = rng.normal(size=(len(kept), N_SAMPLES))
        scores = {
            "acoustic": acoustic, "text": words, "joint": joint, "ceiling": np.where(np.isnan(joint), np.nan, 0.6),
            "acoustic_unique": 0.4 * acoustic**2, "text_unique": 0.4 * words**2,
        }  # fmt: skip
        scores["shared"] = joint**2 - scores["acoustic_unique"] - scores["text_unique"]
        scores["preferred"] = np.where(np.isnan(joint), np.nan, preference)
        subjects.append(
            ViewSubject(
                name, atlas, scores, q=np.where(np.isnan(joint), np.nan, np.clip(0.3 - joint, 0.0005, 1)),
                intervals={"joint": (joint - 0.05, joint + 0.04)}, preference=preference,
                courses=TimeCourses(row, measured, 0.6 * measured + rng.normal(size=measured.shape), 1.5),
                best=BestClips.of(np.where(np.isnan(joint), np.nan, rng.normal(size=(N_CLIPS, n))), 3),
            )
        )  # fmt: skip
    clips = [
        Clip(f"blues.{i:05d}", f"slow guitar {i}", (Sound("heard", tone(200 + 50 * i), "audio/wav"),))
        for i in range(N_CLIPS)
    ]
    retrieved = Sound("retrieved", tone(900), "audio/wav")
    clips[0] = replace(clips[0], sounds=(*clips[0].sounds, retrieved))
    r = ScalarColours(0.0, 0.5)
    maps = [
        ViewMap("joint", "Accuracy, both", "prediction accuracy (r)", ("joint",), r),
        ViewMap("acoustic", "Accuracy, acoustic", "prediction accuracy (r)", ("acoustic",), r),
        ViewMap("text", "Accuracy, text", "prediction accuracy (r)", ("text",), r),
        ViewMap("preference", "Preference", "r", ("acoustic", "text"), PreferenceColours(0.2, 0.4)),
        ViewMap("preferred", "Preferred feature space", "", ("preferred",),
                LevelColours(("acoustic", "text"), ("#0072B2", "#D55E00")), strength="joint"),
        ViewMap("ceiling", "Noise ceiling", "noise ceiling (r)", ("ceiling",), ScalarColours(0, 0.8), masked=False),
    ]  # fmt: skip
    titles = [
        Score("joint", "both"), Score("acoustic", "acoustic"), Score("text", "text"), Score("ceiling", "noise ceiling"),
        Score("acoustic_unique", "acoustic alone", "R2"), Score("text_unique", "text alone", "R2"),
        Score("shared", "shared", "R2"),
        Score("preferred", "preferred", ""),
    ]  # fmt: skip
    return View(
        "Made-up study", subjects, titles, maps, note="simulated data", caption="Numbers of a simulation.",
        feature_spaces=("acoustic", "text"), zoom="auditory_zoom", clips=clips,
    )  # fmt: skip


@pytest.fixture(scope="session")
def view_page(view: View) -> str:
    return interactive_page(view)


@pytest.fixture(scope="session")
def hostile_page(view: View, hostile: str) -> str:
    """A page in which every text tries to become HTML."""
    atlas = view.subjects[0].atlas
    atlas = replace(atlas, regions=(hostile, *atlas.regions[1:]), sets={}, citation=hostile)
    first = replace(view.subjects[0], name=hostile, atlas=atlas)
    courses = first.courses
    assert courses is not None
    first = replace(first, courses=replace(courses, about=hostile))
    return interactive_page(
        replace(
            view, title=hostile, note=hostile, caption=hostile, interval=hostile, zoom=None,
            subjects=[first], feature_spaces=(hostile, hostile),
            maps=[replace(one, title=hostile, label=hostile) for one in view.maps],
            scores=[replace(one, title=hostile, measure=one.measure and hostile) for one in view.scores],
            clips=[replace(one, name=hostile, about=hostile) for one in view.clips],
        )
    )  # fmt: skip


@pytest.fixture(scope="session")
def hostile() -> str:
    return "</script><script>alert(1)</script>\"'<img src=x onerror=alert(2)>&amp;\u2028${1}`"
