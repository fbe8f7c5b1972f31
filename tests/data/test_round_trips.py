"""Image to responses to image: what lies inside the mask is what was there, bit for bit."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from b2m_encoding.data.bids import read_bids
from b2m_encoding.data.volume import read_volumes
from b2m_encoding.errors import InputError
from b2m_encoding.spaces import write_maps
from b2m_encoding.spaces.files import load_image

TASK = "task-listening_run-1"


def header_of(path: Path) -> float:
    return float(nib.load(path).header.get_zooms()[3])


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti(suffix: str, bids, tmp_path: Path) -> None:
    bids.volumes("01", TASK)
    source = next(bids.derivatives.rglob("*bold.nii.gz"))
    if suffix == ".nii":
        nib.save(nib.load(source), tmp_path / "bold.nii")
        source = tmp_path / "bold.nii"
    mask = next(bids.derivatives.rglob("*brain_mask.nii.gz"))
    responses = read_volumes({"run-01": source}, mask, "01").responses
    (written,) = write_maps(responses.space, tmp_path / "again.nii.gz", responses.load(), tr=responses.runs.tr)
    again, original = nib.load(written), nib.load(source)
    inside = np.asarray(nib.load(mask).dataobj) > 0
    assert np.array_equal(np.asarray(again.dataobj)[inside], np.asarray(original.dataobj)[inside])
    assert np.isnan(np.asarray(again.dataobj)[~inside]).all()
    assert np.array_equal(again.affine, original.affine)
    assert header_of(written) == header_of(source)


def test_gifti(bids, tmp_path: Path) -> None:
    bids.surface("01", TASK)
    bids.sidecar("01", TASK)
    responses = read_bids(bids.root, "01", tasks=["listening"], derivatives=bids.derivatives).responses
    written = write_maps(responses.space, tmp_path / "hemi-{hemi}.func.gii", responses.load(), tr=responses.runs.tr)
    for path, hemi in zip(written, "LR", strict=True):
        original = nib.load(next(bids.derivatives.rglob(f"*hemi-{hemi}*.func.gii")))
        again = nib.load(path)
        assert len(again.darrays) == len(original.darrays)
        for a, b in zip(again.darrays, original.darrays, strict=True):
            assert np.array_equal(a.data, b.data)


def test_gifti_of_one_array(bids, tmp_path: Path) -> None:
    """Some tools write all volumes as one array, (n_vertices, n_volumes)."""
    values = bids.surface("01", TASK)
    bids.sidecar("01", TASK)
    for path in bids.derivatives.rglob("*.func.gii"):
        image = nib.load(path)
        stacked = np.stack([array.data for array in image.darrays], axis=1)
        one = nib.gifti.GiftiDataArray(stacked, "NIFTI_INTENT_TIME_SERIES", datatype="NIFTI_TYPE_FLOAT32")
        nib.save(nib.gifti.GiftiImage(darrays=[one]), path)
    responses = read_bids(bids.root, "01", tasks=["listening"], derivatives=bids.derivatives).responses
    assert np.array_equal(responses.load(), values)


@pytest.mark.slow
def test_cifti(bids, tmp_path: Path) -> None:
    bids.grayordinates("01", TASK, n_samples=5)
    bids.sidecar("01", TASK)
    responses = read_bids(
        bids.root, "01", tasks=["listening"], space="fsLR:den-91k", derivatives=bids.derivatives
    ).responses
    source = next(bids.derivatives.rglob("*.dtseries.nii"))
    (written,) = write_maps(responses.space, tmp_path / "a.dtseries.nii", responses.load(), tr=responses.runs.tr)
    again, original = load_image(written), load_image(source)
    assert np.array_equal(np.asarray(again.dataobj), np.asarray(original.dataobj))
    assert again.header.get_axis(1) == original.header.get_axis(1)
    assert again.header.get_axis(0) == original.header.get_axis(0)
    source.write_bytes(source.read_bytes()[:-100])
    with pytest.raises(InputError, match="damaged or truncated"):
        read_bids(bids.root, "01", tasks=["listening"], space="fsLR:den-91k", derivatives=bids.derivatives)
