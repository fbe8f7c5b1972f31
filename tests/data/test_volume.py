"""Volumes: what is no NIfTI says what it is, and what is stored is what comes back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from b2m_encoding.data.volume import read_volumes
from b2m_encoding.errors import InputError

GRID = (4, 4, 3)
TR = 2.0
VOLUMES = 40


def save(data: np.ndarray, path: Path, affine: np.ndarray | None = None) -> None:
    image = nib.Nifti1Image(data, np.diag([2.0, 2, 2, 1]) if affine is None else affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((*image.header.get_zooms()[:3], *([TR] if data.ndim == 4 else [])))
    nib.save(image, path)


def test_scaled_integers_are_scaled(tmp_path: Path) -> None:
    stored = np.arange(np.prod(GRID) * 5, dtype=np.int16).reshape(*GRID, 5)
    image = nib.Nifti1Image(stored, np.eye(4))
    image.header.set_zooms((1, 1, 1, TR))
    nib.save(image, tmp_path / "plain.nii")
    raw = bytearray((tmp_path / "plain.nii").read_bytes())
    raw[112:120] = np.array([0.25, -3.0], "<f4").tobytes()
    (tmp_path / "bold.nii").write_bytes(raw)
    save(np.ones(GRID, np.uint8), tmp_path / "mask.nii.gz", affine=np.eye(4))
    found = read_volumes({"run-01": tmp_path / "bold.nii"}, tmp_path / "mask.nii.gz", "01").responses.load()
    assert np.array_equal(found, (stored.reshape(-1, 5) * 0.25 - 3.0).T)


STUDY = """
name = "volumes"
output = "results"
[data]
reader = "volume"
images = { run-01 = "IMAGE" }
mask = "MASK"
tr = 2.0
[features.mine]
extractor = "array"
files = "{run}.npy"
[evaluation]
kind = "cross-validation"
blocks = 2
gap = 8.0
"""


def mgz(folder: Path) -> Path:
    image = nib.MGHImage(np.ones((*GRID, VOLUMES), dtype=np.float32), np.eye(4))
    nib.save(image, folder / "bold.mgz")
    return folder / "bold.mgz"


def gifti(folder: Path) -> Path:
    array = nib.gifti.GiftiDataArray(np.ones(10242, dtype=np.float32), intent="NIFTI_INTENT_TIME_SERIES")
    nib.save(nib.gifti.GiftiImage(darrays=[array] * 3), folder / "bold.func.gii")
    return folder / "bold.func.gii"


def cifti(folder: Path) -> Path:
    axis = nib.cifti2.BrainModelAxis.from_surface(np.arange(5), 32492, "CORTEX_LEFT")
    header = nib.Cifti2Header.from_axes((nib.cifti2.SeriesAxis(0, 2, 4), axis))
    nib.save(nib.Cifti2Image(np.ones((4, 5), dtype=np.float32), header), folder / "bold.dtseries.nii")
    return folder / "bold.dtseries.nii"


def analyze(folder: Path) -> Path:
    nib.save(nib.Spm99AnalyzeImage(np.ones((*GRID, VOLUMES), dtype=np.int16), np.eye(4)), folder / "bold.img")
    return folder / "bold.hdr"


OTHER_KINDS = {
    mgz: ["no NIfTI volume", "FreeSurfer volume", "mri_convert"],
    gifti: ["no NIfTI volume", "a surface (GIfTI)", 'reader = "bids"', 'space = "fsaverage5"'],
    cifti: ["no NIfTI volume", "grayordinates (CIFTI)", 'reader = "bids"', 'space = "fsLR:den-91k"'],
    analyze: ["no NIfTI volume", "AnalyzeImage", "nib-convert"],
}


@pytest.mark.parametrize("write", OTHER_KINDS)
@pytest.mark.parametrize("key", ["IMAGE", "MASK"])
def test_other_kinds_of_image_say_what_they_are(
    write: Callable[[Path], Path], key: str, tmp_path: Path, b2m: Callable[..., tuple[int, str]]
) -> None:
    save(np.ones((*GRID, VOLUMES), np.int16), tmp_path / "IMAGE.nii")
    save(np.ones(GRID, np.uint8), tmp_path / "MASK.nii")
    names = {"IMAGE": "IMAGE.nii", "MASK": "MASK.nii", key: write(tmp_path).name}
    study = STUDY
    for name, file in names.items():
        study = study.replace(f'"{name}"', f'"{file}"')
    (tmp_path / "study.toml").write_text(study)
    code, printed = b2m("check", tmp_path / "study.toml")
    assert code == 2, printed
    assert "Traceback" not in printed
    for text in OTHER_KINDS[write]:
        assert text in printed, printed


def test_a_pair_of_header_and_image_is_read(tmp_path: Path) -> None:
    values = np.arange(np.prod(GRID) * 5, dtype=np.int16).reshape(*GRID, 5)
    pair = nib.Nifti1Pair(values, np.diag([2.0, 2, 2, 1]))
    pair.header.set_zooms((2, 2, 2, TR))
    nib.save(pair, tmp_path / "bold.img")
    save(np.ones(GRID, np.uint8), tmp_path / "mask.nii.gz")
    for name in ("bold.img", "bold.hdr"):
        responses = read_volumes({"run-01": tmp_path / name}, tmp_path / "mask.nii.gz", "01").responses
        assert np.array_equal(responses.load(), values.reshape(-1, 5).T)
    (tmp_path / "bold.img").write_bytes((tmp_path / "bold.img").read_bytes()[:-5])
    with pytest.raises(InputError, match=r"truncated[\s\S]*475 bytes of 480"):
        read_volumes({"run-01": tmp_path / "bold.hdr"}, tmp_path / "mask.nii.gz", "01")
