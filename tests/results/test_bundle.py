"""Maps of every space under the names of BIDS derivatives, and back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.results.bundle import ResultsWriter, read_map
from b2m_encoding.results.schema.tables import REGIONS
from b2m_encoding.spaces import (
    RegionSpace,
    Space,
    Unplaced,
    VolumeSpace,
    grayordinate_space,
    surface_space,
)

FILES: list[tuple[Space, list[str]]] = [
    (
        surface_space("fsaverage5"),
        [f"sub-01_hemi-{hemi}_space-fsaverage5_desc-joint_stat-r_statmap.func.gii" for hemi in "LR"],
    ),
    (grayordinate_space(), ["sub-01_space-fsLR_den-91k_desc-joint_stat-r_statmap.dscalar.nii"]),
    (
        VolumeSpace(np.ones((3, 4, 5), dtype=bool), np.eye(4)),
        ["sub-01_space-MNI152NLin2009cAsym_desc-joint_stat-r_statmap.nii.gz"],
    ),
    (RegionSpace(("A1", "V1")), ["sub-01_space-regions_desc-joint_stat-r_statmap.tsv"]),
    (Unplaced(7), ["sub-01_space-unplaced_desc-joint_stat-r_statmap.tsv"]),
]


@pytest.mark.parametrize(("space", "names"), FILES, ids=lambda value: getattr(value, "name", ""))
def test_maps_of_every_space(space: Space, names: list[str], tmp_path: Path, rng: np.random.Generator) -> None:
    values = rng.standard_normal(space.n_targets).astype(np.float32)
    values[1] = np.nan
    with ResultsWriter(tmp_path / "results", "test", ["01"]) as writer:
        writer.write_map("01", "joint", "r", values, space, {"Note": "simulated"})
    folder = tmp_path / "results" / "sub-01"
    assert sorted(path.name for path in folder.iterdir() if path.suffix != ".json") == names
    for name in names:
        assert json.loads((folder / f"{name.split('.')[0]}.json").read_text()) == {"Note": "simulated"}
    back = read_map(tmp_path / "results", "01", "joint", "r", space)
    assert np.allclose(back, values, rtol=1e-5, equal_nan=True)  # tables have six digits
    with pytest.raises(InputError, match=r"missing|no such map"):
        read_map(tmp_path / "results", "02", "joint", "r", space)


def test_the_bids_validator_finds_no_error(tmp_path: Path) -> None:
    with ResultsWriter(
        tmp_path / "results", "test", ["01"], [{"URL": "https://doi.org/10.18112/openneuro.ds003720"}]
    ) as w:
        w.write_map("01", "joint", "r", np.zeros(3), Unplaced(3), {"Description": "r"})
        w.write_table(REGIONS, pd.DataFrame({"region": ["a"]}))
        w.file("figures", "accuracy.png").write_bytes(b"")
    command = [Path(sys.executable).with_name("bids-validator-deno"), "--json", tmp_path / "results"]
    environment = {**os.environ, "NO_COLOR": "1", "DENO_DIR": str(tmp_path / "deno")}
    found = json.loads(subprocess.run(command, capture_output=True, text=True, env=environment).stdout)
    errors = [issue for issue in found["issues"]["issues"] if issue["severity"] == "error"]
    assert errors == []
    (tmp_path / "results/dataset_description.json").write_text("{}")
    found = json.loads(subprocess.run(command, capture_output=True, text=True, env=environment).stdout)
    assert any(issue["severity"] == "error" for issue in found["issues"]["issues"])
