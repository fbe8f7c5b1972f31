"""Compressed volumes under any name, damage that decompression does not meet, and headers that state no time."""

from __future__ import annotations

import bz2
import gzip
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from b2m_encoding.data.recording import Recording
from b2m_encoding.data.volume import read_volumes
from b2m_encoding.errors import InputError

GRID, VOLUMES, TR = (4, 4, 3), 40, 2.0
VALUES = np.random.default_rng(0).standard_normal((*GRID, VOLUMES)).astype(np.float32)


def image(unit: str = "sec", tr: float = TR) -> bytes:
    one = nib.Nifti1Image(VALUES, np.eye(4))
    one.header.set_xyzt_units("mm", unit)
    one.header.set_zooms((1, 1, 1, tr))
    return bytes(one.to_bytes())


def read(folder: Path, content: bytes, name: str = "bold.nii.gz", tr: float | None = None) -> Recording:
    (folder / name).write_bytes(content)
    mask = nib.Nifti1Image(np.ones(GRID, np.uint8), np.eye(4))
    nib.save(mask, folder / "mask.nii.gz")
    (folder / "mask.nii.gz").rename(folder / "MASK.NII.GZ")
    return read_volumes({"run-01": folder / name}, folder / "MASK.NII.GZ", "01", tr=tr)


FORMS = {
    "bold.NII.GZ": gzip.compress,
    "bold.nii.bz2": bz2.compress,
    "bold.NII": bytes,
    "parts.nii.gz": lambda content: gzip.compress(content[:5000]) + gzip.compress(content[5000:]),
    "padded.nii.gz": lambda content: gzip.compress(content) + bytes(512),
    "followed.nii.gz": lambda content: gzip.compress(content) + b"what is no gzip",
}


@pytest.mark.parametrize("name", FORMS)
def test_packed_volumes_are_read(name: str, tmp_path: Path) -> None:
    found = read(tmp_path, FORMS[name](image()), name).responses.load()
    np.testing.assert_array_equal(found, VALUES.reshape(-1, VOLUMES).T)


@pytest.mark.parametrize("name", ["bold.NII.GZ", "bold.nii.gz", "bold.nii.bz2"])
def test_packed_volumes_that_break_off(name: str, tmp_path: Path) -> None:
    whole = FORMS["bold.nii.bz2" if "bz2" in name else "bold.NII.GZ"](image())
    for n_bytes in (len(whole) // 2, len(whole) - 6):
        with pytest.raises(InputError, match=r"damaged or truncated|cannot be read"):
            read(tmp_path, whole[:n_bytes], name)


@pytest.mark.parametrize("level", [0, 6])
def test_values_that_changed_within_a_packed_file(level: int, tmp_path: Path) -> None:
    """Only the checksum shows them, which stands behind the values."""
    content = bytearray(image())
    checksum = zlib.crc32(content)
    content[5000:5100] = bytes(100)
    packed = bytearray(gzip.compress(bytes(content), level))
    packed[-8:-4] = checksum.to_bytes(4, "little")
    recording = read(tmp_path, bytes(packed))
    with pytest.raises(InputError, match=r"damaged(?s:.)*bold\.nii\.gz(?s:.)*CRC"):
        recording.responses.load()


@pytest.mark.parametrize(("unit", "tr"), [("hz", 1.0), ("rads", 3.0)])
def test_headers_that_state_no_time(unit: str, tr: float, tmp_path: Path) -> None:
    content = gzip.compress(image(unit, tr))
    assert read(tmp_path, content, tr=1.5).responses.runs.tr == 1.5
    with pytest.raises(InputError, match=r"no header states the repetition time(?s:.)*give tr"):
        read(tmp_path, content)


def test_values_that_begin_within_the_header(tmp_path: Path) -> None:
    content = bytearray(image())
    content[108:112] = np.array([0.0], "<f4").tobytes()
    with pytest.raises(InputError, match=r"within its header(?s:.)*vox_offset 0"):
        read(tmp_path, bytes(content), "bold.nii")
