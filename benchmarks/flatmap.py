"""Redraw of a flatmap, both hemispheres, 1024 pixels high: ours against cortex.quickshow and tripcolor.

    python benchmarks/flatmap.py [--quick] [--repeats N]

All draw the same scores (with NaN) on fsaverage5 over curvature after their set-up, into axes that exist.
``quickshow`` gets no outlines, names or colour bar (they need Inkscape or cost time); it does not include matplotlib's
own drawing, and neither does ours. ``tripcolor`` has no picture before matplotlib draws, so that is in it; the row
"data only" leaves out its curvature, which is less than the others draw.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import nibabel as nib
import numpy as np
from harness import Row, alternate, arguments, environment, finish, peak_memory, seconds
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.tri import Triangulation
from scipy.ndimage import map_coordinates

from b2m_encoding.figures import Style, score_map
from b2m_encoding.figures.colours import ScalarColours
from b2m_encoding.figures.flatmap import PixelMap, flat_layout, pixel_map
from b2m_encoding.figures.layers import ScoreMap, compose
from b2m_encoding.figures.options import View
from b2m_encoding.spaces import SurfaceSpace, load_atlas, surface_space

HEIGHT = 1024
SUBJECT = "fsaverage5"
COLOURS = ScalarColours(0.0, 0.5)


def make_scores(space: SurfaceSpace) -> np.ndarray:
    """Smooth scores, high in auditory cortex, with a patch of NaN."""
    rng = np.random.default_rng(0)
    points = np.concatenate([space.mesh("inflated", hemi).points for hemi in "LR"])
    waves = rng.normal(scale=0.05, size=(40, 3))
    scores = 0.2 + 0.05 * np.cos(points @ waves.T + rng.uniform(0, 2 * np.pi, 40)).sum(axis=1) / 2
    scores[points[:, 2] < -45] = np.nan
    return scores


def prepare_pycortex(folder: Path, space: SurfaceSpace) -> Any:
    """Import pycortex with a filestore of its own, and give it the surface."""
    store = folder / "store"
    (folder / "config" / "pycortex").mkdir(parents=True)
    (folder / "config" / "pycortex" / "options.cfg").write_text(f"[basic]\nfilestore = {store}\n")
    for name in ("surfaces", "surface-info", "transforms", "anatomicals", "cache", "views"):
        (store / SUBJECT / name).mkdir(parents=True)
    for side, hemi in (("lh", "L"), ("rh", "R")):
        for ours, theirs in (("white", "wm"), ("pial", "pia"), ("inflated", "inflated"), ("flat", "flat")):
            mesh = space.mesh(ours, hemi)
            arrays = [
                nib.gifti.GiftiDataArray(mesh.points.astype("f4"), "NIFTI_INTENT_POINTSET", datatype="float32"),
                nib.gifti.GiftiDataArray(mesh.triangles.astype("i4"), "NIFTI_INTENT_TRIANGLE", datatype="int32"),
            ]
            nib.save(nib.GiftiImage(darrays=arrays), store / SUBJECT / "surfaces" / f"{theirs}_{side}.gii")
    np.savez(
        store / SUBJECT / "surface-info" / "curvature.npz",
        left=-space.sulcal_depth("L"),
        right=-space.sulcal_depth("R"),
    )
    os.environ["XDG_CONFIG_HOME"] = os.environ["XDG_CACHE_HOME"] = str(folder / "config")
    import cortex

    cortex.db.filestore = str(store)
    cortex.db.reload_subjects()
    return cortex


def correlation_with_pycortex(cortex: Any, vertex: Any, pixels: PixelMap, scores: np.ndarray) -> float:
    """Correlation of both pictures at the middle of our pixels, nearest vertex as pycortex does."""
    picture, (left, right, bottom, top) = cortex.quickflat.utils.make_flatmap_image(vertex, height=HEIGHT)
    points, _ = cortex.db.get_surf(SUBJECT, "flat", merge=True, nudge=True)
    x, y = (pixels.weights @ points[:, :2]).T
    rows, columns = picture.shape
    where = ((top - y) / (top - bottom) * rows - 0.5, (x - left) / (right - left) * columns - 0.5)
    theirs = map_coordinates(np.asarray(picture, dtype=float), where, order=0, cval=np.nan)
    mine = scores[pixels.nearest]
    both = np.isfinite(theirs) & np.isfinite(mine)
    return float(np.corrcoef(theirs[both], mine[both])[0, 1])


def main() -> None:
    args = arguments(__doc__ or "", lambda parser: parser.add_argument("--repeats", type=int))
    repeats = args.repeats or (7 if args.quick else 25)
    env = environment()
    space = surface_space(SUBJECT)
    layout, scores = flat_layout(space), make_scores(space)
    data = ScoreMap.of(space, (scores,))

    with tempfile.TemporaryDirectory() as folder, peak_memory() as peak:
        cortex = prepare_pycortex(Path(folder), space)
        start = time.perf_counter(), time.process_time()
        pixels = pixel_map(space, HEIGHT)
        assert pixels.bands
        env["setup_s"], env["setup_cpu_s"] = time.perf_counter() - start[0], time.process_time() - start[1]
        axes = Figure().add_axes((0, 0, 1, 1))
        image = axes.imshow(compose(space, pixels, data, COLOURS), interpolation="none")

        def ours() -> None:
            image.set_data(compose(space, pixels, data, COLOURS))

        env["redraw_cpu_s"] = median(_cpu_seconds(ours) for _ in range(repeats))
        vertex = cortex.Vertex(scores, SUBJECT, vmin=0, vmax=0.5, cmap="inferno")
        theirs = Figure().add_axes((0, 0, 1, 1))

        def quickshow() -> None:
            theirs.clear()
            cortex.quickshow(vertex, height=HEIGHT, fig=theirs, with_curvature=True, with_rois=False,
                             with_labels=False, with_colorbar=False)  # fmt: skip

        quickshow()
        canvas = FigureCanvasAgg(Figure(figsize=(pixels.shape[1] / 100, HEIGHT / 100), dpi=100))
        plain = canvas.figure.add_axes((0, 0, 1, 1))
        keep = np.isfinite(scores[layout.triangles]).all(axis=1)
        mesh = Triangulation(*layout.points.T, layout.triangles[keep])
        filled = np.nan_to_num(scores)

        everywhere = Triangulation(*layout.points.T, layout.triangles)
        sulcus = np.concatenate([space.sulcal_depth("L"), space.sulcal_depth("R")]) > 0

        def tripcolor(underlay: bool = True) -> None:
            plain.clear()
            if underlay:
                plain.tripcolor(everywhere, sulcus.astype(float), shading="gouraud", cmap="Greys", vmin=-1, vmax=2)
            plain.tripcolor(mesh, filled, shading="gouraud", cmap="inferno", vmin=0, vmax=0.5)
            canvas.draw()

        agreement = correlation_with_pycortex(cortex, vertex, pixels, scores)
        times = alternate(ours, quickshow, repeats)
        row = Row("redraw", "compose", "cortex.quickshow (Vertex, warm)", *times, {"correlation": agreement})
        slow = max(3, repeats // 4)
        rows = [row]
        for name, work in (("tripcolor", tripcolor), ("tripcolor, data only", lambda: tripcolor(False))):
            ours_s, peer_s, ratio = alternate(ours, work, slow)
            rows.append(replace(row, peer=name, ours_s=ours_s, peer_s=peer_s, ratio=ratio, agreement=None))
        cases: dict[View, str] = {"whole": "the whole cortex", "overview": "the whole cortex, and zooms with names"}
        for view, what in cases.items():
            ours_s = _pdf(Path(folder), space, view, env)
            rows.append(Row(f"pdf {view}", f"accuracy, {what}, 183 mm, drawn and saved", ours_s=ours_s))
    for row in rows:
        row.peak_mb = peak.mb
    finish("flatmap", rows, env, agreed=agreement > 0.98, quick=args.quick)


def _cpu_seconds(work: Callable[[], None]) -> float:
    """Processor time of one call: what a busy machine does not change."""
    start = time.process_time()
    work()
    return time.process_time() - start


def _pdf(folder: Path, space: SurfaceSpace, view: View, env: dict[str, Any]) -> float:
    """Median time from scores to PDF, pixel maps in place; its size goes into the environment."""
    atlas, scores = load_atlas("hcp-mmp1", space), make_scores(space)

    def draw() -> None:
        (path, *_) = score_map(scores, space, atlas, view=view, style=Style()).save(folder / "figure", ("pdf",))
        env[f"pdf_{view}_mb"] = path.stat().st_size / 1e6

    draw()
    return median(seconds(draw) for _ in range(3))


if __name__ == "__main__":
    main()
