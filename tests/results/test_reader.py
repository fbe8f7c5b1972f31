"""A results folder reopened as objects."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.image import math_img

from b2m_encoding.errors import InputError
from b2m_encoding.results.bundle import ResultsWriter
from b2m_encoding.results.place import work_folder_of
from b2m_encoding.results.reader import Results
from b2m_encoding.results.schema.tables import REGIONS
from b2m_encoding.results.viewers import write_viewers
from b2m_encoding.spaces import (
    RegionSpace,
    Space,
    SurfaceSpace,
    Unplaced,
    VolumeSpace,
    grayordinate_space,
    surface_space,
)

STUDY = 'name = "A study"\nnote = "simulated data"\n[features.w2v_bert]\n[features.text]\n'
SPACES: list[Space] = [
    surface_space("fsaverage5"),
    grayordinate_space(),
    VolumeSpace(np.ones((3, 4, 5), dtype=bool), np.diag([2.0, 2.0, 2.0, 1.0])),
    RegionSpace(("A1", "V1", "NA")),
    Unplaced(7),
]


def write(folder: Path, space: Space, values: np.ndarray) -> Results:
    with ResultsWriter(folder, "test", ["01", "02"]) as writer:
        for subject in ("01", "02"):
            writer.write_map(subject, "joint", "r", values, space, {"SamplesTested": 30})
            writer.write_map(subject, "w2v_bert", "r", values / 2, space, {})
        writer.write_map("group", "preference", "index", values, space, {})
        writer.write_table(REGIONS, pd.DataFrame({"subject": ["01", "02"], "score": [0.5, np.nan]}))
        writer.file("study.toml").write_text(STUDY)
    return Results.open(folder)


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_maps_and_spaces_come_back(space: Space, tmp_path: Path, rng: np.random.Generator) -> None:
    values = rng.standard_normal(space.n_targets).astype(np.float32)
    results = write(tmp_path / "results", space, values)
    assert results.subjects == ("01", "02")
    found = results.space("01")
    assert (type(found), found.name, found.n_targets) == (type(space), space.name, space.n_targets)
    assert np.allclose(results.map("02", "joint", "r"), values, rtol=1e-5)
    assert np.allclose(results.map("01", "w2v_bert", "r"), values / 2, rtol=1e-5)
    if isinstance(space, RegionSpace):
        assert found == space


def test_voxels_outside_the_mask_are_no_targets(tmp_path: Path) -> None:
    mask = np.zeros((3, 4, 5), dtype=bool)
    mask[1:, 1:] = True
    space = VolumeSpace(mask, np.eye(4))
    results = write(tmp_path / "results", space, np.arange(space.n_targets, dtype=np.float32))
    assert (results.map("01", "joint", "r") == np.arange(space.n_targets)).all()


def test_study_tables_and_sidecars(tmp_path: Path) -> None:
    space = surface_space("fsaverage5")
    results = write(tmp_path / "results", space, np.zeros(space.n_targets))
    assert results.feature_spaces == ("w2v_bert", "text")
    assert results.note == "simulated data"
    assert results.table("regions.tsv")["subject"].tolist() == ["01", "02"]
    assert results.table("regions.tsv")["score"].isna().tolist() == [False, True]
    assert results.sidecar("01", "joint", "r") == {"SamplesTested": 30}
    assert results.stats("01") == {"joint": ("r",), "W2VBert": ("r",)}
    assert results.provenance == {}
    assert isinstance(results.space("group"), SurfaceSpace)


def test_known_spaces_are_taken(tmp_path: Path) -> None:
    space = surface_space("fsaverage5")
    write(tmp_path / "results", space, np.zeros(space.n_targets))
    assert Results.open(tmp_path / "results", {"01": space}).space("01") is space


def test_the_folder_that_one_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``b2m report .``, in results, above them, and in an empty folder."""
    space = surface_space("fsaverage5")
    write(tmp_path / "results", space, np.zeros(space.n_targets))
    (tmp_path / "empty").mkdir()
    for place, work in (("results", ".results.work"), ("empty", ".empty.work")):
        monkeypatch.chdir(tmp_path / place)
        assert work_folder_of(Path(".")) == tmp_path / work
    with pytest.raises(InputError, match=r"no results here(?s:.)*b2m run the study first"):
        Results.open(".")
    assert work_folder_of(Path("..")) == tmp_path.with_name(f".{tmp_path.name}.work")
    with pytest.raises(InputError, match=r"no results here(?s:.)*to do: +name \.\./results"):
        Results.open("..")
    monkeypatch.chdir(tmp_path / "results")
    assert Results.open(".").subjects


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no results here"):
        Results.open(tmp_path / "nowhere")
    (tmp_path / ".begun.work").mkdir()
    with pytest.raises(InputError, match=r"a run that has not ended(?s:.)*goes on where it stopped"):
        Results.open(tmp_path / "begun")
    (tmp_path / "dataset_description.json").write_text("{}")
    with pytest.raises(InputError, match="no results here"):
        Results.open(tmp_path)
    space = surface_space("fsaverage5")
    results = write(tmp_path / "results", space, np.zeros(space.n_targets))
    with pytest.raises(InputError, match=r"no such map(.|\n)*joint/r$"):
        results.map("01", "joint", "r2")
    with pytest.raises(InputError, match=r"no such subject(.|\n)*01, 02"):
        results.space("03")
    with pytest.raises(InputError, match=r"no such table[\s\S]*regions"):
        results.table("identification.tsv")


@pytest.mark.parametrize("name", ["study.toml", "provenance.json"])
def test_a_damaged_file_is_named(name: str, tmp_path: Path) -> None:
    space = surface_space("fsaverage5")
    results = write(tmp_path / "results", space, np.zeros(space.n_targets))
    (results.path / name).write_text('{"a": [')
    with pytest.raises(InputError, match=rf"is damaged(.|\n)*{name}"):
        _ = (results.study, results.provenance)


@pytest.mark.parametrize("space", [SPACES[0], *SPACES[2:]], ids=lambda space: space.name)
def test_maps_as_images(space: Space, tmp_path: Path, rng: np.random.Generator) -> None:
    """What nilearn and nibabel take, and what they give back."""
    values = rng.standard_normal(space.n_targets).astype(np.float32)
    with ResultsWriter(tmp_path / "results", "test", ["01"]) as writer:
        writer.write_map("01", "joint", "r", values, space, {})
    results = Results.open(tmp_path / "results")
    if isinstance(space, RegionSpace | Unplaced):
        with pytest.raises(InputError, match="have no image"):
            results.to_image("01", "joint", "r")
        return
    image = results.to_image("sub-01", "joint", "r")
    if isinstance(space, SurfaceSpace):
        assert type(image).__name__ == "SurfaceImage"
        found = np.concatenate([image.data.parts["left"].ravel(), image.data.parts["right"].ravel()])
    else:
        found = math_img("img * 2", img=image).get_fdata()[space.mask] / 2
    np.testing.assert_allclose(found, values, rtol=1e-5)


def test_scripts_for_other_programs_name_files_that_exist(tmp_path: Path) -> None:
    results = write(tmp_path / "results", SPACES[0], np.linspace(0, 1, 20484))
    freeview, wb_view = write_viewers(results, "01", tmp_path / "it's", [("joint", "r"), ("w2v_bert", "r")])
    words = shlex.split(wb_view.read_text().splitlines()[1])
    assert len(words) == 1 + 2 + 4
    assert all(Path(word).is_file() for word in words[1:])
    mesh = nib.load(words[1])
    assert mesh.darrays[0].dims[0] == nib.load(words[3]).darrays[0].dims[0] == 10242
    assert mesh.darrays[0].metadata["AnatomicalStructurePrimary"] == "CortexLeft"
    assert np.allclose(mesh.darrays[0].data, results.space("01").files.mesh("inflated", "L").points, atol=1e-4)
    named = re.findall(r"overlay=([^:]+)", " ".join(shlex.split(freeview.read_text().splitlines()[1])))
    assert sorted(named) == sorted(words[3:])
    everything = write_viewers(results, "01", tmp_path / "all", "all")[1].read_text()
    assert set(words[3:]) == {str(path.absolute()) for path in (results.path / "sub-01").glob("*.gii")}
    assert all(word in everything for word in words[3:])
    with pytest.raises(InputError, match="no such map"):
        write_viewers(results, "01", tmp_path, [("joint", "nothing")])
    assert (
        "heatscale="
        in write_viewers(write(tmp_path / "d", SPACES[2], np.arange(60)), "01", tmp_path / "e")[0].read_text()
    )
    with pytest.raises(InputError, match="no maps that these programs show"):
        write_viewers(write(tmp_path / "f", SPACES[3], np.zeros(3)), "01", tmp_path / "g")


WRONG = {
    "a list of provenance": ("provenance.json", b"[]"),
    "provenance that is no text": ("provenance.json", b"\xff\xfe\0"),
    "a study that is no text": ("study.toml", b"\xff\xfe\0"),
    "features that are a number": ("study.toml", b"features = 3"),
    "an empty table": ("regions.tsv", b""),
    "a table in another encoding": ("regions.tsv", "subject\tscore\n\xe9\t1\n".encode("latin-1")),
    "a row that lacks a field": ("regions.tsv", b"subject\tscore\n01\n"),
    "a quote that is not closed": ("regions.tsv", b'subject\tscore\n"01\t1\n'),
}


@pytest.mark.parametrize(("name", "content"), WRONG.values(), ids=WRONG)
def test_what_others_wrote_into_results_is_named(name: str, content: bytes, tmp_path: Path) -> None:
    """Without a manifest nothing tells that a file is not as it was written."""
    results = write(tmp_path / "results", Unplaced(3), np.zeros(3, dtype=np.float32))
    for path in (results.path / "manifest.json", results.path / name):
        path.unlink(missing_ok=True)
    (results.path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"is damaged(?s:.)*{name}"):
        _ = (results.provenance, results.study, results.table(REGIONS))
