"""The bridge to pycortex, with pycortex itself: the same pictures, and none of its traps."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from b2m_encoding.errors import InputError
from b2m_encoding.figures.colours import PreferenceColours, ScalarColours
from b2m_encoding.figures.flatmap import flat_layout, pixel_map
from b2m_encoding.figures.pycortex import (
    add_subject,
    add_transform,
    load_pycortex,
    quickflat,
    save_viewer,
    to_vertex,
    to_vertex_rgb,
    to_volume,
)
from b2m_encoding.spaces import (
    HEMISPHERES,
    Atlas,
    SurfaceSpace,
    VolumeSpace,
    pycortex_subject,
    pycortex_volume,
    resample,
    surface_space,
)

if importlib.util.find_spec("cortex") is None:  # importing it here would write into the home folder
    pytest.skip('pycortex is not installed: pip install "b2m-encoding[pycortex]"', allow_module_level=True)
HEIGHT = 512
COLOURS = ScalarColours(0.0, 0.5)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, space: SurfaceSpace) -> Path:
    folder = tmp_path_factory.mktemp("store")
    assert add_subject(space, folder, "S5") == "S5"
    return folder


@pytest.fixture
def cortex(store: Path) -> Iterator[Any]:
    module = load_pycortex(store)
    yield module
    module.db.auxfile = None


def at_our_pixels(cortex: Any, data: Any, space: SurfaceSpace) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """pycortex' picture at the middle of our pixels, shape (n_pixels, ...), and where it is inside."""
    picture, (left, right, bottom, top) = cortex.quickflat.utils.make_flatmap_image(data, height=HEIGHT)
    points, _ = cortex.db.get_surf(data.subject, "flat", merge=True, nudge=True)
    pixels = pixel_map(space, HEIGHT)
    x, y = (pixels.weights @ points[:, :2]).T
    rows, columns = picture.shape[:2]
    where = ((top - y) / (top - bottom) * rows - 0.5, (x - left) / (right - left) * columns - 0.5)
    layers = np.atleast_3d(np.asarray(picture, dtype=float)).transpose(2, 0, 1)
    found = np.stack([map_coordinates(layer, where, order=0, cval=np.nan) for layer in layers], axis=-1)
    return found, np.isfinite(found).all(axis=-1)


def test_both_renderers_draw_one_map_alike(
    cortex: Any, store: Path, space: SurfaceSpace, holed: NDArray[np.float64]
) -> None:
    vertex = to_vertex(cortex, holed, "S5", COLOURS)
    theirs, inside = at_our_pixels(cortex, vertex, space)
    ours = holed[pixel_map(space, HEIGHT).nearest]
    both = inside & np.isfinite(ours)
    assert both.sum() > 0.97 * np.isfinite(ours).sum()
    assert np.corrcoef(theirs[both, 0], ours[both])[0, 1] > 0.98
    smooth = pixel_map(space, HEIGHT).sample(holed)
    both &= np.isfinite(smooth)
    assert np.corrcoef(theirs[both, 0], smooth[both])[0, 1] > 0.98
    assert np.corrcoef(theirs[both, 0], smooth[both][::-1])[0, 1] < 0.5  # the comparison can fail
    missing = np.isnan(ours)
    assert np.isnan(theirs[missing, 0]).mean() > 0.9


def test_colours_of_two_maps_are_those_of_the_printed_figure(
    cortex: Any, space: SurfaceSpace, holed: NDArray[np.float64], text: NDArray[np.float64]
) -> None:
    colours, shown = PreferenceColours(0.2, 0.4), np.nan_to_num(np.maximum(holed, text)) > 0.1
    view = to_vertex_rgb(cortex, (holed, text), "S5", colours, shown=shown)
    expected = colours.table[colours.codes(np.nan_to_num(holed), text)]
    assert np.array_equal(view.vertices[0][:, :3], expected[:, :3])
    assert np.array_equal(view.vertices[0][:, 3] > 0, shown & np.isfinite(holed))
    theirs, inside = at_our_pixels(cortex, view, space)
    ours = expected[pixel_map(space, HEIGHT).nearest]
    both = inside & (theirs[:, 3] > 200)
    assert both.sum() > 1000
    assert np.corrcoef(theirs[both, :3].ravel(), ours[both, :3].ravel())[0, 1] > 0.98


def test_quickflat_has_our_outlines_where_the_regions_are(
    cortex: Any, store: Path, space: SurfaceSpace, atlas: Atlas, acoustic: NDArray[np.float64], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("PATH", "")  # no Inkscape
    vertex = to_vertex(cortex, acoustic, "S5", COLOURS)
    figure = quickflat(cortex, vertex, atlas=atlas, outline="core", colours=COLOURS, label="r", height=HEIGHT)
    [axes, bar] = figure.axes
    _, lines = (one for one in axes.collections if isinstance(one, LineCollection))
    points = np.concatenate([path.vertices for path in lines.get_paths()])
    flat, triangles = cortex.db.get_surf("S5", "flat", merge=True, nudge=True)
    core = flat[np.intersect1d(np.flatnonzero(atlas.mask("core")), triangles), :2]
    distance = np.linalg.norm(points[:, None] - core[None], axis=-1).min(axis=1)
    assert distance.max() < 6  # mm: the mesh of fsaverage5 is that wide
    assert bar.get_xlabel() == "r"
    figure.savefig(tmp_path / "flat.png", dpi=60)
    assert (tmp_path / "flat.png").stat().st_size > 10_000
    other = Atlas("half", pycortex_subject("S5", store), atlas.labels[:-5], atlas.regions)
    with pytest.raises(InputError, match="another surface"):
        quickflat(cortex, vertex, atlas=other, height=HEIGHT)


def test_a_subject_of_ours_reads_back(cortex: Any, store: Path, space: SurfaceSpace) -> None:
    again = pycortex_subject("S5", store)
    for kind in ("white", "pial", "inflated", "flat"):
        for hemi in ("L", "R"):
            assert np.allclose(again.mesh(kind, hemi).points, space.mesh(kind, hemi).points, atol=1e-3)  # type: ignore[arg-type]
    assert np.allclose(again.sulcal_depth("L"), space.sulcal_depth("L"))
    curvature = cortex.db.get_surfinfo("S5").data
    depth = np.concatenate([space.sulcal_depth("L"), space.sulcal_depth("R")])
    assert np.corrcoef(curvature, depth)[0, 1] < -0.99  # theirs is positive on gyri
    with pytest.raises(InputError, match="has a subject of this name"):
        add_subject(space, store, "S5")
    with pytest.raises(InputError, match="not a name"):
        add_subject(space, store, "../S6")
    assert [path.name for path in store.iterdir()] == ["S5"]


def test_fslr_becomes_a_subject(tmp_path: Path, rng: np.random.Generator) -> None:
    fslr = surface_space("fsLR")
    name = add_subject(fslr, tmp_path / "store")
    cortex = load_pycortex(tmp_path / "store")
    values = np.concatenate([np.cos(fslr.mesh("flat", hemi).points[:, :2] / 15).sum(axis=1) for hemi in HEMISPHERES])
    theirs, inside = at_our_pixels(cortex, to_vertex(cortex, values, name, ScalarColours(-2, 2)), fslr)
    assert inside.mean() > 0.97
    assert np.corrcoef(theirs[inside, 0], pixel_map(fslr, HEIGHT).sample(values)[inside])[0, 1] > 0.98


def test_subjects_of_the_installed_filestore() -> None:
    """S1 comes with pycortex; its maps fit the same surface read by us."""
    cortex = load_pycortex()
    if "S1" not in cortex.db.subjects:
        pytest.skip(f"no subject S1 in {cortex.db.filestore}")
    space = pycortex_subject("S1")
    depth = np.concatenate([space.sulcal_depth(hemi) for hemi in HEMISPHERES])
    vertex = to_vertex(cortex, depth, "S1", ScalarColours(-1, 1))
    assert vertex.data.shape == (space.n_targets,)
    assert (vertex.llen, vertex.rlen) == space.counts


def test_volumes_in_either_order(cortex: Any, store: Path, space: SurfaceSpace, rng: np.random.Generator) -> None:
    affine = np.array([[4.0, 0, 0, -80], [0, 4, 0, -112], [0, 0, 4, -60], [0, 0, 0, 1]])
    mask = np.zeros((41, 48, 36), dtype=bool)
    mask[2:-2, 2:-2, 2:-2] = True
    volume = VolumeSpace(mask, affine, "S5")
    if not (store / "S5" / "transforms" / "run1").exists():
        add_transform(cortex, volume, "S5", "run1")
    x, y, z = volume.points.T
    values = 0.25 + 0.1 * np.sin(x / 20) + 0.1 * np.cos(y / 25) * np.sin(z / 15)
    view = to_volume(cortex, values, volume, "S5", "run1", COLOURS)
    assert view.volume.shape == (1, 36, 48, 41)
    [theirs] = np.atleast_2d(view.map("trilinear").data)
    surface = pycortex_subject("S5", store)
    [ours] = resample(values, VolumeSpace(mask, affine, "S5"), surface)
    known = np.isfinite(theirs) & np.isfinite(ours)
    known &= np.isin(np.arange(len(ours)), flat_layout(space).triangles)  # pycortex has zero outside the flatmap
    assert known.mean() > 0.9
    assert np.corrcoef(theirs[known], ours[known])[0, 1] > 0.98
    shared = pycortex_volume("S5", "run1", None, store)
    turned = to_volume(
        cortex, shared.from_image(shared.to_image(rng.random(shared.n_targets)))[0], shared, "S5", "run1", COLOURS
    )
    assert turned.volume.shape == view.volume.shape
    whole = VolumeSpace(np.ones_like(mask), affine, "S5")
    straight = to_volume(cortex, np.arange(whole.n_targets), whole, "S5", "run1", COLOURS).volume[0]
    other = np.arange(whole.n_targets).reshape(mask.shape).transpose(2, 1, 0).ravel()
    assert np.array_equal(straight, to_volume(cortex, other, shared, "S5", "run1", COLOURS).volume[0])
    with pytest.raises(InputError, match="another grid"):
        to_volume(cortex, values, VolumeSpace(mask, affine + np.eye(4), "S5"), "S5", "run1", COLOURS)
    with pytest.raises(InputError, match="no such transform"):
        to_volume(cortex, values, volume, "S5", "run2", COLOURS)
    with pytest.raises(InputError, match="has a transform"):
        add_transform(cortex, volume, "S5", "run1")


def test_wrong_names_and_sizes_are_told(
    cortex: Any, store: Path, acoustic: NDArray[np.float64], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"no such subject[\s\S]*S5"):
        to_vertex(cortex, acoustic, "S6", COLOURS)
    with pytest.raises(InputError, match="does not fit"):
        to_vertex(cortex, acoustic[:-1], "S5", COLOURS)
    with pytest.raises(InputError, match="no such filestore"):
        load_pycortex(tmp_path / "nowhere")


def test_the_viewer_is_complete(cortex: Any, acoustic: NDArray[np.float64], tmp_path: Path) -> None:
    vertex = to_vertex(cortex, acoustic, "S5", COLOURS, "accuracy")
    page = save_viewer(cortex, {"accuracy": vertex}, tmp_path / "viewer", title="A study")
    assert "A study" in page.read_text("utf-8")
    names = {path.suffix for path in page.parent.rglob("*")}
    assert {".html", ".ctm", ".json", ".png"} <= names
    [surfaces] = page.parent.glob("*.json")
    assert json.loads(surfaces.read_text("utf-8"))
    with pytest.raises(InputError, match="exists"):
        save_viewer(cortex, vertex, tmp_path / "viewer")


CODE = """
import os, sys
from pathlib import Path
from b2m_encoding.figures.pycortex import load_pycortex
cortex = load_pycortex(sys.argv[1] or None)
config = cortex.options.config
print(cortex.db.filestore, os.environ.get("XDG_CONFIG_HOME"), config.get("basic", "filestore"),
      config.get("curvature", "contrast"), Path(config.get("webgl", "colormaps")).is_dir())
"""


@pytest.mark.parametrize("named", [True, False])
def test_importing_leaves_no_file_and_heals_a_stale_configuration(tmp_path: Path, store: Path, named: bool) -> None:
    """The user's own settings count, but not the filestore of an environment that is gone."""
    settings = tmp_path / ".config" / "pycortex" / "options.cfg"
    settings.parent.mkdir(parents=True)
    settings.write_text(
        "[basic]\nfilestore = /gone/db\n[curvature]\ncontrast = 0.123\n[webgl]\ncolormaps = /gone/maps\n"
    )
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    environment = {**os.environ, "HOME": str(tmp_path), "MPLCONFIGDIR": str(store.parent / "mpl")}
    environment.pop("XDG_CONFIG_HOME", None)
    command = [sys.executable, "-W", "error::UserWarning", "-c", CODE, str(store) if named else ""]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found = done.stdout.split()
    expected = str(store) if named else str(Path(sys.prefix, "share", "pycortex", "db"))
    assert found == [expected, "None", expected, "0.123", "True"]
    created = {path for path in tmp_path.rglob("*") if path not in before and ".cache" not in path.parts}
    assert created == set()
    assert {path: path.stat().st_mtime_ns for path in before} == before
