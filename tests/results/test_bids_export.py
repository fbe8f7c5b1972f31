"""Maps as a data set of BIDS derivatives: names by a grammar of its own, pybids, the validator, and values again."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from bids import layout as bids_layout

from b2m_encoding.errors import InputError
from b2m_encoding.results import to_bids
from b2m_encoding.results.reader import Results
from b2m_encoding.spaces import RegionSpace, Space, SurfaceSpace, VolumeSpace

from .test_reader import SPACES, write

GRAMMAR = re.compile(
    r"(sub-[a-zA-Z0-9]+|group)(_hemi-[LR])?_space-[a-zA-Z0-9]+(_den-[a-zA-Z0-9]+)?_stat-[a-zA-Z0-9]+_desc-[a-zA-Z0-9]+_statmap"
    r"(\.func\.gii|\.nii\.gz|\.dscalar\.nii|\.tsv|\.json)"
)


@pytest.mark.parametrize("space", [SPACES[0], *SPACES[2:]], ids=lambda space: space.name)
def test_maps_and_names(space: Space, tmp_path: Path, rng: np.random.Generator) -> None:
    values = rng.standard_normal(space.n_targets).astype(np.float32)
    results = write(tmp_path / "results", space, values)
    out = results.to_bids(tmp_path / "derivatives")
    files = [path for path in out.rglob("*") if path.is_file() and path.parent != out]
    assert all(GRAMMAR.fullmatch(path.name) for path in files), [path.name for path in files]
    assert {path.parent.relative_to(out).as_posix() for path in files} == {"sub-01/func", "sub-02/func", "group"}
    maps = [path for path in files if path.suffix != ".json"]
    assert len(maps) == (10 if isinstance(space, SurfaceSpace) else 5)
    assert all((path.parent / f"{path.name.split('.')[0]}.json").is_file() for path in maps)
    found = sorted(path for path in maps if "sub-02" in path.name and "_desc-W2VBert_" in path.name)
    if isinstance(space, SurfaceSpace):
        read = np.concatenate([nib.load(path).agg_data() for path in found])
    elif isinstance(space, VolumeSpace):
        read = nib.load(found[0]).get_fdata()[space.mask]
    else:
        read = pd.read_csv(found[0], sep="\t")["r"].to_numpy()
    np.testing.assert_allclose(read, values / 2, rtol=1e-5)


def test_the_data_set_is_described(tmp_path: Path) -> None:
    results = write(tmp_path / "results", SPACES[0], np.zeros(20484))
    out = to_bids(results, tmp_path / "maps", subjects=["sub-02"])
    description = json.loads((out / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative"
    assert [one["Name"] for one in description["GeneratedBy"]] == ["b2m_encoding", "b2m_encoding to_bids"]
    known = pd.read_csv(out / "descriptions.tsv", sep="\t").set_index("desc_id")["description"]
    assert known.to_dict() == {
        "desc-W2VBert": "feature space w2v_bert", "desc-joint": "model of all feature spaces",
    }  # fmt: skip
    assert not (out / "group").exists()
    layout = bids_layout.BIDSLayout(out, is_derivative=True, validate=False)
    [left] = layout.get(subject="02", desc="joint", hemi="L", extension=".func.gii")
    assert (left.entities["space"], left.entities["suffix"], left.entities["datatype"]) == (
        "fsaverage5",
        "statmap",
        "func",
    )
    assert left.get_metadata() == {"SamplesTested": 30}
    assert layout.get_subjects() == ["02"]


def test_spaces_of_a_subject_are_referred_to(tmp_path: Path) -> None:
    own = VolumeSpace(np.ones((2, 2, 2), dtype=bool), np.eye(4), "T1w_of us")
    out = write(tmp_path / "results", own, np.zeros(8)).to_bids(tmp_path / "maps")
    [path] = out.glob("sub-01/func/*desc-joint*.json")
    assert "_space-T1WOfUs_" in path.name
    assert json.loads(path.read_text())["SpatialReference"] == "orig"


def test_the_validator_finds_no_error(tmp_path: Path) -> None:
    out = write(tmp_path / "results", SPACES[2], np.zeros(60)).to_bids(tmp_path / "maps")
    command = [Path(sys.executable).with_name("bids-validator-deno"), "--json", out]
    environment = {**os.environ, "NO_COLOR": "1", "DENO_DIR": str(tmp_path / "deno")}
    found = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    issues = json.loads(found.stdout)["issues"]["issues"]
    assert [one for one in issues if one["severity"] == "error"] == []


def test_what_cannot_be_written(tmp_path: Path) -> None:
    results = write(tmp_path / "results", RegionSpace(("A1",)), np.zeros(1))
    with pytest.raises(InputError, match="the folder of the derivative exists"):
        results.to_bids(results.path)
    with pytest.raises(InputError, match="no such subject"):
        results.to_bids(tmp_path / "maps", subjects=["03"])
    [path] = results.map_files("01", "joint", "r")
    path.write_text("target\tr\nA1\t1\n")
    if Results.open(results.path).hashes:
        with pytest.raises(InputError, match="not as it was written"):
            results.to_bids(tmp_path / "maps")
    assert not (tmp_path / "maps").exists()


def test_maps_of_one_name_in_bids_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = write(tmp_path / "results", SPACES[0], np.zeros(SPACES[0].n_targets, np.float32))
    monkeypatch.setattr("b2m_encoding.results.bids._label", lambda text: "same")
    with pytest.raises(InputError, match="same name in BIDS"):
        results.to_bids(tmp_path / "derivatives")
    assert not (tmp_path / "derivatives").exists()
