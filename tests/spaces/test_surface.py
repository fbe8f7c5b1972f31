from __future__ import annotations

import numpy as np
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.spaces import load_atlas, surface_space


@pytest.mark.parametrize("name", ["fsaverage5", "fsLR"])
@pytest.mark.parametrize("hemi", ["L", "R"])
def test_meshes_fit_their_space(name: str, hemi: str) -> None:
    space = surface_space(name)
    for kind in ("white", "pial", "inflated", "flat", "sphere"):
        mesh = space.mesh(kind, hemi)
        assert len(mesh.points) == space.n_vertices
        assert mesh.triangles.max() < space.n_vertices
    side = np.sign(space.mid_points(hemi)[:, 0].mean())
    assert side == {"L": -1, "R": 1}[hemi]


@pytest.mark.parametrize("name", ["fsaverage5", "fsLR"])
def test_underlay_is_positive_in_sulci(name: str) -> None:
    """A sulcus lies nearer to the centre of its hemisphere than a gyrus."""
    space = surface_space(name)
    points = space.mid_points("L")
    radius = np.linalg.norm(points - points.mean(axis=0), axis=1)
    depth = space.sulcal_depth("L")
    assert radius[depth > 0].mean() < radius[depth < 0].mean()


@pytest.mark.parametrize("name", ["fsaverage5", "fsLR"])
@pytest.mark.parametrize(("region", "centre"), [("A1", (43, -24, 10)), ("V1", (13, -80, 2)), ("4", (29, -19, 54))])
def test_regions_lie_where_they_belong(name: str, region: str, centre: tuple[float, float, float]) -> None:
    space = surface_space(name)
    atlas = load_atlas("hcp-mmp1", space)
    for hemi, sign in (("L", -1), ("R", 1)):
        inside = atlas.mask(region, hemi)[space.hemisphere(hemi)]
        found = space.mid_points(hemi)[inside].mean(axis=0)
        assert np.linalg.norm(found - np.multiply(centre, (sign, 1, 1))) < 9


def test_published_sizes_of_auditory_areas() -> None:
    """Vertices per hemisphere on fsLR, as counted from the parcellation itself."""
    atlas = load_atlas("hcp-mmp1", surface_space("fsLR"))
    for region, sizes in {"A1": (77, 66), "RI": (205, 238), "A4": (204, 187), "STSda": (123, 188)}.items():
        assert (atlas.mask(region, "L").sum(), atlas.mask(region, "R").sum()) == sizes


def test_sets_are_unions_of_regions() -> None:
    atlas = load_atlas("hcp-mmp1", surface_space("fsaverage5"))
    union = np.any([atlas.mask(region) for region in atlas.members("belt")], axis=0)
    assert np.array_equal(atlas.mask("belt"), union)
    assert not (atlas.mask("core") & atlas.mask("belt")).any()


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(InputError, match="PBelt"):
        load_atlas("hcp-mmp1", surface_space("fsaverage5")).mask("Pbelt")
    with pytest.raises(InputError, match="fsaverage5"):
        surface_space("fsaverage4")
    with pytest.raises(InputError, match="hcp-mmp1"):
        load_atlas("destrieux2", surface_space("fsaverage5"))
