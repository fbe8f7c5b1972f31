"""Draw the pictures of gallery and README: one of every kind, from the results of `b2m demo` and from made-up scores.

b2m demo demo
python docs/gallery.py demo
python docs/gallery.py demo tutorials/out/localizer    # measured data as well, after tutorial 9
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from PIL import Image

from b2m_encoding.figures import FigureResult, Style, conditions, hierarchy, score_map, surface, ternary, weights
from b2m_encoding.gallery import KINDS, FigureContext, FigureRequest
from b2m_encoding.spaces import freesurfer_subject, load_atlas, surface_space

FOLDER = Path(__file__).parent / "images"
README = (
    ("accuracy", FigureRequest(view="zoom"), {"width_mm": 183, "dpi": 150}),
    ("preference", FigureRequest(view="zoom"), {"width_mm": 150, "dpi": 150}),
)
SETTINGS = {"width_mm": 120, "dpi": 130}
STYLE = Style(width_mm=120, dpi=130)
SOUNDS = ("presented", "retrieved", "generated")
GENRES = ("blues", "classical", "jazz", "pop")


def bumps(*centres: str, seed: int = 0) -> np.ndarray:
    """Smooth made-up scores with a peak in every named region."""
    space = surface_space("fsaverage5")
    atlas, rng = load_atlas("hcp-mmp1", space), np.random.default_rng(seed)
    points = np.concatenate([space.mesh("inflated", hemi).points for hemi in "LR"])
    scores = 0.03 * np.cos(points @ rng.normal(scale=0.08, size=(3, 20))).sum(axis=1) / np.sqrt(20)
    for region in centres:
        for hemi in "LR":
            distance = points - points[atlas.mask(region, hemi)].mean(axis=0)
            here = space.in_hemisphere(hemi)
            scores += 0.45 * here * np.exp(-(distance**2).sum(axis=1) / (2 * 14**2))
    return scores


def own_surface() -> FigureResult:
    """Draw made-up scores on a made-up person: fsaverage5, bent and written as FreeSurfer lays a subject out."""
    space = surface_space("fsaverage5")
    with tempfile.TemporaryDirectory() as folder:
        surf = Path(folder) / "sub-01" / "surf"
        surf.mkdir(parents=True)
        for side, hemi in (("L", "lh"), ("R", "rh")):
            for kind, name in (
                ("white", "white"),
                ("pial", "pial"),
                ("inflated", "inflated"),
                ("sphere", "sphere.reg"),
            ):
                mesh = space.mesh(kind, side)
                bent = mesh.points + (0 if kind == "sphere" else 3 * np.sin(mesh.points[:, [1, 2, 0]] / 15))
                nib.freesurfer.write_geometry(surf / f"{hemi}.{name}", bent, mesh.triangles)
            nib.freesurfer.write_morph_data(surf / f"{hemi}.sulc", space.sulcal_depth(side))
        mine, scores = freesurfer_subject("sub-01", folder), bumps("A1", "A5", "44", seed=4)
        return surface(
            scores, mine, load_atlas("hcp-mmp1", mine), significant=scores > 0.1, outline="auditory",
            title="sub-01", note="made-up scores and cortex", style=STYLE,
        )  # fmt: skip


def made_up_lag() -> FigureResult:
    """Draw delays of made-up scores, later along the auditory pathway."""
    early, late = bumps("A1", "MBelt", seed=1), bumps("A5", "STSdp", "TA2", seed=2)
    strong = np.maximum(early, late) > 0.1
    lags = 5.0 + np.clip(4 * (late - early), -1.6, 1.6)
    return score_map(
        lags, "fsaverage5", label="delay (s)", limits=(3.0, 7.5), contour=False, significant=strong,
        view="overview", note="made-up delays", style=Style(width_mm=120, dpi=130, colour_map="viridis"),
    )  # fmt: skip


def made_up(kind: str) -> FigureResult:
    """Draw kinds that need more feature spaces, or weights, than the demonstration has."""
    space = surface_space("fsaverage5")
    atlas = load_atlas("hcp-mmp1", space)
    a, b, c = bumps("A1", "MBelt", seed=1), bumps("A5", "STSdp", "55b", seed=2), bumps("PBelt", "STGa", "45", seed=3)
    shared = {"view": "overview", "note": "made-up scores", "style": STYLE}
    if kind == "ternary":
        return ternary((a, b, c), space, atlas, names=("acoustic", "text", "music"), **shared)
    if kind == "weights":
        strong = np.max([a, b, c], axis=0) > 0.1
        return weights(np.stack([a - b, b - c, c - a]), space, atlas, significant=strong, **shared)
    places = ("A1", "MBelt", "PBelt", "A4", "A5", "STSdp")
    layers = {f"layer {2 * i + 2}": bumps(place, seed=i) for i, place in enumerate(places)}
    return hierarchy(layers, space, atlas, **shared)


def made_up_learning() -> FigureResult:
    """Draw learning curves of made-up scores of five subjects."""
    rng = np.random.default_rng(1)
    rows = [
        (region, minutes, name, f"{subject:02d}", top * (1 - 1.3 / np.sqrt(minutes)) + rng.normal(0, 0.02))
        for region, drop in (("core", 0.0), ("association", 0.1))
        for name, top in (("acoustic", 0.45 - drop), ("text", 0.25 + drop), ("joint", 0.5))
        for minutes in (20.0, 30.0, 40.0, 60.0, 80.0, 120.0)
        for subject in range(1, 6)
    ]
    table = pd.DataFrame(rows, columns=["panel", "condition", "series", "subject", "value"])
    about = {"label": "prediction accuracy (r)", "axis": "minutes", "lines": True}
    return conditions(table, **about, note="made-up scores", style=STYLE)


CONDITIONS = {
    "reconstruction": ("identification accuracy", ("retrieved", "generated", "chance"), ("acoustic", "text"), 0.5),
    "classes": ("agreement", ("retrieved", "generated", "chance"), ("genre", "instrument", "mood"), None),
    "unheard": ("identification accuracy", ("trained with all", "without its genre"), ("all clips", *GENRES), 0.5),
    "penalties": ("correlation", ("fitted windows", "left-out windows"), (1.0, 10.0, 100.0, 1000.0), None),
}
"""Kinds that need reconstructions or more decoders: label, series, conditions and chance."""


def made_up_conditions(kind: str) -> FigureResult:
    """Draw a kind of decoding and reconstruction from made-up scores of five subjects."""
    label, series, names, chance = CONDITIONS[kind]
    rng = np.random.default_rng(len(kind))
    rows = []
    for place, condition in enumerate(names):
        for order, name in enumerate(series):
            mean = 0.85 - 0.06 * place - 0.14 * order
            if name == "chance":
                mean = chance or 0.4
            elif kind == "penalties":
                mean = (0.8, 0.7, 0.55, 0.4)[place] if order == 0 else (0.15, 0.25, 0.3, 0.24)[place]
            rows += [("music", condition, name, f"{s:02d}", mean + rng.normal(0, 0.03)) for s in range(1, 6)]
    table = pd.DataFrame(rows, columns=["panel", "condition", "series", "subject", "value"])
    if chance is not None:
        table["chance"] = chance
    lines = {"lines": True, "axis": "penalty (alpha)"} if kind == "penalties" else {}
    return conditions(table, label=label, **lines, note="made-up scores", style=STYLE)


def main(demo: Path, localizer: Path | None = None) -> None:
    """Draw every kind for the gallery, and the pictures of the README."""
    if localizer is not None:
        context = FigureContext.open(localizer, FigureRequest(view="zoom"), {"width_mm": 150, "dpi": 150})
        save(KINDS["accuracy"].draw(context, "01"), FOLDER / "localizer.png")
        context = FigureContext.open(localizer, FigureRequest(), SETTINGS)
        save(KINDS["slices"].draw(context, "01"), FOLDER / "gallery" / "slices.png")
    clips = sorted((demo / "study" / "stimuli" / "genres").rglob("*.wav"))
    sounds = dict(zip(SOUNDS, (clips[0], clips[1], clips[-1]), strict=True))
    for kind, content in KINDS.items():
        if kind == "slices":
            continue  # of volumes
        if kind in ("ternary", "weights", "hierarchy"):
            result = made_up(kind)
        elif kind == "lag":
            result = made_up_lag()
        elif kind == "learning":
            result = made_up_learning()
        elif kind in CONDITIONS:
            result = made_up_conditions(kind)
        else:
            context = FigureContext.open(demo / "results", FigureRequest(sounds=sounds), SETTINGS)
            result = content.draw(context, context.subjects[0] if content.per_subject else "")
        save(result, FOLDER / "gallery" / f"{kind}.png")
    save(own_surface(), FOLDER / "own_surface.png")
    for kind, request, settings in README:
        context = FigureContext.open(demo / "results", request, settings)
        save(KINDS[kind].draw(context, context.subjects[0]), FOLDER / f"{kind}.png")


def save(result: FigureResult, path: Path) -> None:
    """Write a picture without transparency, as small as it can be with all its colours."""
    result.figure.savefig(path, format="png")
    with Image.open(path) as image:
        image.convert("RGB").save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:] or ["demo"]))
