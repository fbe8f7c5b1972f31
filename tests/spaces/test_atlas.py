"""Atlases: where labels come from, what sets mean, and that regions stay in place when they move."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial import cKDTree
from typer.testing import CliRunner

from b2m_encoding.cli import app
from b2m_encoding.errors import InputError
from b2m_encoding.spaces import (
    VolumeSpace,
    atlas_states,
    grayordinate_space,
    list_atlases,
    load_atlas,
    surface_space,
)
from b2m_encoding.spaces.definition import find_definition, read_definition
from b2m_encoding.spaces.registration import resample_labels
from b2m_encoding.study import MapsTable

MMP_SETS = {
    "core": "A1",
    "belt": "LBelt MBelt PBelt RI",
    "core_belt": "A1 LBelt MBelt PBelt RI",
    "association": "A4 A5 STGa TA2 STSda STSdp STSva STSvp",
    "inferior_frontal": "44 45 55b",
}
HEADER = """
schema = 1
name = "mine"
title = "Mine"
citation = "me"
licence = "CC0"
"""


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Dice coefficient."""
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_sets_are_those_of_the_literature() -> None:
    atlas = load_atlas("hcp-mmp1", surface_space("fsLR"))
    assert len(atlas.regions) == 180
    assert {key: " ".join(atlas.members(key)) for key in MMP_SETS} == MMP_SETS
    assert {"52", "PSL", "STV"} <= set(atlas.members("auditory_zoom"))
    assert {"44", "45", "55b", "46", "IFSa"} <= set(atlas.members("lateral_frontal"))


@pytest.mark.parametrize("through", ["fsaverage6", "fsaverage5"])
@pytest.mark.parametrize("region", ["A1", "V1", "4"])
def test_regions_survive_a_round_trip(through: str, region: str) -> None:
    """From fsLR to fsaverage and back; A1 has 26 vertices on fsaverage5, so its edge is coarse there."""
    fslr, other = surface_space("fsLR"), surface_space(through)
    start = load_atlas("hcp-mmp1", fslr)
    back = resample_labels(load_atlas("hcp-mmp1", other).labels, other, fslr)
    there_and_back = back == start.regions.index(region) + 1
    for hemi in ("L", "R"):
        side = fslr.in_hemisphere(hemi)
        least = {"fsaverage6": 0.93, "fsaverage5": 0.78}[through]
        assert overlap(start.mask(region, hemi), there_and_back & side) > least


@pytest.mark.parametrize("region", ["A1", "V1", "4"])
def test_regions_lie_in_the_same_anatomy_on_both_surfaces(region: str) -> None:
    """By a way that knows nothing of spheres: the nearest point in mm, fsaverage moved from MNI305 to MNI152."""
    fslr, other = surface_space("fsLR"), surface_space("fsaverage5")
    to_mni152 = np.array([[0.9975, -0.0073, 0.0176, -0.0429], [0.0146, 1.0009, -0.0024, 1.5496]])
    to_mni152 = np.vstack([to_mni152, [-0.0130, -0.0093, 0.9971, 1.1840]])
    for hemi in ("L", "R"):
        points = other.mid_points(hemi) @ to_mni152[:, :3].T + to_mni152[:, 3]
        inside = load_atlas("hcp-mmp1", fslr).mask(region, hemi)[fslr.hemisphere(hemi)]
        found = inside[cKDTree(fslr.mid_points(hemi)).query(points)[1]]
        ours = load_atlas("hcp-mmp1", other).mask(region, hemi)[other.hemisphere(hemi)]
        assert overlap(ours, found) > 0.55


def test_heschl_of_another_atlas_holds_a1() -> None:
    """Desikan-Killiany was drawn by other people from other data."""
    for name in ("fsLR", "fsaverage5"):
        space = surface_space(name)
        a1 = load_atlas("hcp-mmp1", space).mask("A1")
        heschl = load_atlas("desikan-killiany", space).mask("heschl")
        assert (a1 & heschl).sum() / a1.sum() > 0.9


def test_grayordinates_have_regions_below_the_cortex() -> None:
    atlas = load_atlas("hcp-mmp1", grayordinate_space())
    assert "thalamus" in atlas.regions
    assert "thalamus" not in load_atlas("hcp-mmp1", surface_space("fsLR")).regions
    rows = grayordinate_space().structures["CIFTI_STRUCTURE_THALAMUS_RIGHT"]
    assert np.array_equal(np.flatnonzero(atlas.mask("thalamus", "R")), np.arange(rows.start, rows.stop))
    assert atlas.mask("A1", "L").sum() == 77


def test_cortical_labels_mark_voxels_of_the_cortex() -> None:
    """In an MNI152 volume A1 lies round its published centre."""
    shape = (41, 41, 31)
    affine = np.diag([4.0, 4, 4, 1])
    affine[:3, 3] = (-80, -110, -50)
    volume = VolumeSpace(np.ones(shape, dtype=bool), affine)
    atlas = load_atlas("hcp-mmp1", volume)
    for hemi, x in (("L", -43), ("R", 43)):
        centre = volume.points[atlas.mask("A1", hemi)].mean(axis=0)
        assert np.linalg.norm(centre - (x, -24, 11)) < 5
    assert 0.03 < (atlas.labels > 0).mean() < 0.35  # the ribbon, not the brain


def define(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(HEADER + text)
    return str(path)


def test_a_set_combines_parcels_hemispheres_and_thresholds(tmp_path: Path, rng: np.random.Generator) -> None:
    space = surface_space("fsaverage5")
    name = define(
        tmp_path,
        """
        base = "hcp-mmp1"
        [sets.left_early]
        parcels = ["core", "LBelt"]
        hemispheres = ["L"]
        [sets.responsive]
        parcels = ["auditory"]
        map = "r"
        above = 0.1
        [sets.both]
        parcels = ["left_early", "responsive"]
        """,
    )
    atlas, published = load_atlas(name, space), load_atlas("hcp-mmp1", space)
    left = published.mask("A1", "L") | published.mask("LBelt", "L")
    assert np.array_equal(atlas.mask("left_early"), left)
    assert not atlas.mask("left_early", "R").any()
    r = rng.uniform(-0.2, 0.4, space.n_targets)
    r[published.mask("A4")] = np.nan
    responsive = published.mask("auditory") & (np.nan_to_num(r) > 0.1)
    assert np.array_equal(atlas.mask("responsive", maps={"r": r}), responsive)
    assert np.array_equal(atlas.mask("both", "R", maps={"r": r}), responsive & space.in_hemisphere("R"))
    assert np.array_equal(atlas.mask("belt"), published.mask("belt"))  # sets of the base are there too
    with pytest.raises(InputError, match="needs a map"):
        atlas.mask("both")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('base = "hcp-mmp1"\n[sets.a]\nparcels = ["Pbelt"]', r"unknown region[\s\S]*PBelt"),
        ('base = "hcp-mmp1"\n[sets.a]\nparcels = ["b"]\n[sets.b]\nparcels = ["a"]', "contains itself"),
        ('base = "hcp-mmp1"\n[sets.A1]\nparcels = ["V1"]', "name of a region"),
        ('base = "hcp-mmp1"\n[sets.a]\nparcels = ["V1"]\nabove = 1.0', "a threshold needs a map"),
        ('base = "hcp-mmp1"\n[sets.a]\nparcles = ["V1"]', "parcles"),
        ('[sets.a]\nparcels = ["V1"]', "source"),
        ('base = "hcp-mmp"', "hcp-mmp1"),
        ('[[source]]\nkind = "npz"\nfile = "no.npz"\nfetch = "ask me"', r"not on this machine[\s\S]*ask me"),
        ("= 3", "not valid TOML"),
    ],
)
def test_wrong_definitions_say_what_is_wrong(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        load_atlas(define(tmp_path, text), surface_space("fsaverage5"))


def two_regions(space_name: str = "fsaverage5") -> np.ndarray:
    """A label per vertex: 0, 1 where y < 0, 2 above the centre; both hemispheres."""
    space = surface_space(space_name)
    points = np.concatenate([space.mid_points(hemi) for hemi in ("L", "R")])
    return np.where(points[:, 1] < 0, 1, np.where(points[:, 2] > 20, 2, 0))


def write_annot(folder: Path) -> str:
    table = np.array([[25, 5, 25, 0, 0], [10, 20, 30, 0, 0], [30, 20, 10, 0, 0]])
    for hemi, labels in zip(("lh", "rh"), np.split(two_regions(), 2), strict=True):
        path = folder / f"{hemi}.mine.annot"
        nib.freesurfer.write_annot(path, labels, table, ["unknown", "posterior", "dorsal"], fill_ctab=True)
    return str(folder / "{lh}.mine.annot")


def write_gifti(folder: Path) -> str:
    for hemi, labels in zip("LR", np.split(two_regions(), 2), strict=True):
        table = nib.gifti.GiftiLabelTable()
        for key, name in enumerate(["???", "posterior", "dorsal"]):
            label = nib.gifti.GiftiLabel(key)
            label.label = name
            table.labels.append(label)
        array = nib.gifti.GiftiDataArray(labels.astype(np.int32), intent="NIFTI_INTENT_LABEL")
        nib.save(nib.gifti.GiftiImage(darrays=[array], labeltable=table), folder / f"hemi-{hemi}.label.gii")
    return str(folder / "hemi-{hemi}.label.gii")


def write_dlabel(folder: Path) -> str:
    space = grayordinate_space()
    values = np.zeros(space.n_targets)
    values[space.cortex] = two_regions("fsLR")[space.vertices]
    names = {0: ("???", (0, 0, 0, 0)), 1: ("posterior", (1, 0, 0, 1)), 2: ("dorsal", (0, 1, 0, 1))}
    header = nib.Cifti2Header.from_axes((nib.cifti2.LabelAxis(["mine"], [names]), space.axis))
    nib.save(nib.Cifti2Image(values[None].astype(np.float32), header), folder / "mine.dlabel.nii")
    return str(folder / "mine.dlabel.nii")


def write_volume(folder: Path) -> str:
    affine = np.diag([4.0, 4, 4, 1])
    affine[:3, 3] = (-80, -110, -60)
    points = np.stack(np.meshgrid(*(np.arange(n) for n in (41, 50, 40)), indexing="ij"), axis=-1) * 4 + affine[:3, 3]
    labels = np.where(points[..., 1] < 0, 1, np.where(points[..., 2] > 20, 2, 0)).astype(np.int16)
    nib.save(nib.Nifti1Image(labels, affine), folder / "mine.nii.gz")
    (folder / "mine.tsv").write_text("index\tname\n1\tposterior\n2\tdorsal\n")
    return str(folder / "mine.nii.gz")


@pytest.mark.parametrize("write", [write_annot, write_gifti, write_dlabel, write_volume])
def test_label_files_of_a_user(write: Callable[[Path], str], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    name = write(tmp_path)
    capfd.readouterr()
    space = surface_space("fsaverage5")
    atlas = load_atlas(name, space)
    assert set(atlas.regions) == {"posterior", "dorsal"}
    truth = two_regions()
    for region, number in (("posterior", 1), ("dorsal", 2)):
        exact = write in (write_annot, write_gifti)
        assert overlap(atlas.mask(region), truth == number) > (0.9999 if exact else 0.93)
    assert capfd.readouterr().err == ""
    for file in tmp_path.iterdir():
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 3])
    load_atlas.cache_clear()
    with pytest.raises(InputError, match=str(tmp_path)):
        load_atlas(name, space)


def test_labels_of_the_other_hemisphere_are_refused(tmp_path: Path) -> None:
    name = write_gifti(tmp_path)
    for hemi, structure in (("L", "CortexRight"), ("R", "CortexLeft")):
        image = nib.load(tmp_path / f"hemi-{hemi}.label.gii")
        image.meta["AnatomicalStructurePrimary"] = structure
        nib.save(image, tmp_path / f"hemi-{hemi}.label.gii")
    load_atlas.cache_clear()
    with pytest.raises(InputError, match="other hemisphere"):
        load_atlas(name, surface_space("fsaverage5"))


def test_annotations_of_freesurfer_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Destrieux is nowhere in the installed packages: it is read where FreeSurfer or nilearn keeps it."""
    monkeypatch.delenv("SUBJECTS_DIR", raising=False)
    monkeypatch.delenv("FREESURFER_HOME", raising=False)
    monkeypatch.setenv("NILEARN_DATA", str(tmp_path / "nilearn"))
    space = surface_space("fsaverage5")
    with pytest.raises(InputError, match="fetch_atlas_surf_destrieux"):
        load_atlas("destrieux", space)
    names = {name for members in load_definition_sets("destrieux") for name in members}
    folder = tmp_path / "subjects" / "fsaverage5" / "label"
    folder.mkdir(parents=True)
    table = np.column_stack([np.arange(len(names) + 1)[:, None] * [[1, 2, 3]], np.zeros((len(names) + 1, 2))])
    labels = np.arange(space.n_vertices) % (len(names) + 1)
    for hemi in ("lh", "rh"):
        path = folder / f"{hemi}.aparc.a2009s.annot"
        nib.freesurfer.write_annot(path, labels, table.astype(int), ["Unknown", *sorted(names)], fill_ctab=True)
    monkeypatch.setenv("SUBJECTS_DIR", str(tmp_path / "subjects"))
    atlas = load_atlas("destrieux", space)
    assert set(atlas.regions) == names
    assert np.array_equal(atlas.labels, np.tile(labels, 2))
    assert {state.definition.name for state in atlas_states() if state.found} >= {"destrieux", "hcp-mmp1"}


def load_definition_sets(name: str) -> list[tuple[str, ...]]:
    sets = read_definition(find_definition(name)).sets
    return [tuple(parcel for parcel in content.parcels if parcel not in sets) for content in sets.values()]


def test_the_command_lists_licence_citation_and_what_to_fetch() -> None:
    printed = CliRunner().invoke(app, ["atlases"]).output
    for name in list_atlases():
        assert f"{name}: " in printed
    assert printed.count("licence:") == printed.count("citation:") == len(list_atlases())
    assert "fetch_atlas_schaefer_2018" in printed
    one = CliRunner().invoke(app, ["atlases", "desikan-killiany"]).output
    assert "transversetemporal" in one
    assert "34 regions" in one


def test_a_study_names_an_atlas_of_ours_or_a_file_beside_it(tmp_path: Path) -> None:
    context = {"folder": tmp_path}
    assert MapsTable.model_validate({"atlas": "hcp-mmp1"}, context=context).atlas == "hcp-mmp1"
    atlas = MapsTable.model_validate({"atlas": "mine.toml"}, context=context).atlas
    define(tmp_path, 'base = "hcp-mmp1"\n[sets.early]\nparcels = ["core_belt"]')
    assert load_atlas(atlas, surface_space("fsaverage5")).members("early") == tuple(MMP_SETS["core_belt"].split())
