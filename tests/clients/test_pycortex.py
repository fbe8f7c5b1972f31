"""Data of pycortex in and out, and regions drawn in its subjects; pycortex itself is the oracle."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from b2m_encoding import InputError, plot_flatmap, plot_preference, surface_space
from b2m_encoding.figures.colours import ScalarColours
from b2m_encoding.figures.images import read_map
from b2m_encoding.figures.pycortex import (
    add_subject,
    add_transform,
    from_view,
    load_pycortex,
    to_vertex,
    to_vertex_2d,
    to_volume,
)
from b2m_encoding.results.bundle import ResultsWriter
from b2m_encoding.results.reader import Results
from b2m_encoding.spaces import RegionSpace, VolumeSpace, pycortex_overlays, pycortex_subject, pycortex_volume, resample

if importlib.util.find_spec("cortex") is None:  # importing it here would write into the home folder
    pytest.skip('pycortex is not installed: pip install "b2m-encoding[pycortex]"', allow_module_level=True)
SPACE = surface_space("fsaverage5")
SCORES = np.linspace(0.1, 0.6, SPACE.n_targets, dtype=np.float32)
DRAWING = """<svg xmlns="http://www.w3.org/2000/svg" xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape"
 width="2000" height="1000"><g inkscape:label="rois" id="rois"><g inkscape:label="shapes" id="shapes">
<g inkscape:label="AC"><path d="M 400,400 C 500,300 650,380 640,480 C 630,580 520,640 430,560 Z"/>
<path d="m 1350,400 l 200,20 c 60,60 20,150 -60,160 l -140,-40 z"/></g>
<g inkscape:label="A1"><path d="M 480,440 L 560,440 L 560,520 L 480,520 Z"/></g>
<g inkscape:label="nothing"></g></g><g inkscape:label="labels" id="labels"/></g></svg>"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    add_subject(SPACE, folder, "S5")
    (folder / "S5" / "overlays.svg").write_text(DRAWING)
    return folder


@pytest.fixture
def cortex(store: Path) -> Any:
    return load_pycortex(store)


def test_vertices_come_back_as_they_went(cortex: Any, store: Path) -> None:
    values, space = read_map(to_vertex(cortex, SCORES, "S5", ScalarColours(0, 1)))
    assert space == pycortex_subject("S5", store)
    np.testing.assert_array_equal(values, SCORES)
    figure = plot_flatmap(cortex.Vertex(SCORES, "S5"), view="zoom", zoom="rois")
    np.testing.assert_array_equal(figure.table["score"], SCORES)
    assert set(figure.table["region"]) == {"", "AC", "A1"}


def test_two_maps(cortex: Any) -> None:
    both = to_vertex_2d(cortex, (SCORES, SCORES[::-1].copy()), "S5")
    np.testing.assert_array_equal(both.dim2.data, SCORES[::-1])
    figure = plot_preference(both, names=("one", "other"), zoom="AC", view="zoom")
    np.testing.assert_array_equal(figure.table["score_other"], SCORES[::-1])
    with pytest.raises(InputError, match=r"Vertex2D[\s\S]*plot_preference"):
        plot_flatmap(both)
    with pytest.raises(InputError, match="a movie of 3 maps"):
        plot_flatmap(cortex.Vertex(np.stack([SCORES] * 3), "S5"))


def test_volumes_are_sampled_on_the_surface(cortex: Any, store: Path) -> None:
    shape, affine = (24, 28, 22), np.diag([7.0, 7, 7, 1])
    affine[:3, 3] = -80, -110, -70
    grid = VolumeSpace(np.ones(shape, dtype=bool), affine, "S5")
    add_transform(cortex, grid, "S5", "coarse")
    values = grid.points[:, 1].astype(np.float32)
    sampled, space = from_view(to_volume(cortex, values, grid, "S5", "coarse", ScalarColours(0, 1)))
    expected = resample(values, grid, space)[0]
    np.testing.assert_allclose(sampled, expected, rtol=1e-5)
    inside = np.isfinite(sampled)
    y = np.concatenate([space.mid_points("L"), space.mid_points("R")])[:, 1]
    np.testing.assert_allclose(sampled[inside], y[inside], atol=0.5)  # linear in y, so that sampling is exact
    assert pycortex_volume("S5", "coarse", None, store).n_targets == values.size


def test_drawn_regions_have_the_vertices_that_pycortex_finds(cortex: Any, store: Path) -> None:
    atlas = pycortex_overlays("S5", store)
    assert atlas.regions == ("A1", "AC")
    assert atlas.members("rois") == ("A1", "AC")
    overlay = cortex.db.get_overlay("S5", overlays_available=("rois",), modify_svg_file=False)
    offset = SPACE.counts[0]
    flat = np.unique(
        np.r_[SPACE.mesh("flat", "L").triangles.ravel(), SPACE.mesh("flat", "R").triangles.ravel() + offset]
    )
    for name, whole in (("A1", atlas.mask("A1")), ("AC", atlas.mask("AC") | atlas.mask("A1"))):
        theirs = np.intersect1d(overlay.rois.get_mask(name), flat)
        assert len(theirs) > 20
        assert len(np.setxor1d(theirs, np.flatnonzero(whole))) <= 2  # curves are cut into pieces
    with pytest.raises(InputError, match=r"no such layer[\s\S]*rois"):
        pycortex_overlays("S5", store, layer="sulci")
    with pytest.raises(InputError, match="cannot be read"):
        pycortex_overlays("S5", store, file=store / "none.svg")


def test_all_maps_of_results_and_their_subject(tmp_path: Path) -> None:
    """One file that pycortex opens again, with a view of every map; NaN and constant maps, too."""
    holed = np.where(np.arange(SPACE.n_targets) < 50, np.nan, SCORES)
    with ResultsWriter(tmp_path / "results", "test", ["01"]) as writer:
        writer.write_map("01", "joint", "r", holed, SPACE, {"Description": "Pearson r"})
        writer.write_map("01", "w2v_bert", "q", np.zeros(SPACE.n_targets), SPACE, {})
        writer.file("study.toml").write_text('name = "A study"\n[features.w2v_bert]\n')
    results = Results.open(tmp_path / "results")
    views = results.to_pycortex("01", tmp_path / "store", file=tmp_path / "maps.hdf")
    assert set(views.views) == {"joint_r", "W2VBert_q"}
    again = load_pycortex(tmp_path / "store").load(str(tmp_path / "maps.hdf"))
    np.testing.assert_array_equal(again.joint_r.data, holed.astype(np.float32))
    assert (again.joint_r.subject, again.joint_r.description) == ("fsaverage5", b"Pearson r")
    assert again.joint_r.vmin == pytest.approx(np.nanpercentile(holed, 1))
    assert (again.W2VBert_q.data == 0).all()
    read, space = from_view(again.joint_r)
    assert space == pycortex_subject("fsaverage5", tmp_path / "store")
    np.testing.assert_array_equal(read, holed.astype(np.float32))
    again = results.to_pycortex("sub-01", tmp_path / "store")  # the subject is there already
    assert set(again.views) == set(views.views)
    with ResultsWriter(tmp_path / "other", "test", ["01"]) as writer:
        writer.write_map("01", "joint", "r", np.zeros(1), RegionSpace(("A1",)), {})
    with pytest.raises(InputError, match="do not lie on a surface"):
        Results.open(tmp_path / "other").to_pycortex("01", tmp_path / "store")
