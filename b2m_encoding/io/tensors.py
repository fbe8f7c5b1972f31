"""Tensors as safetensors files, with the errors of the system."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from b2m_encoding.io.removal import replacing_path


def write_tensors(tensors: Mapping[str, Any], path: Path, metadata: Mapping[str, str] | None = None) -> Path:
    """Write a safetensors file of torch tensors, whole or not at all.

    Raises
    ------
    OSError
        If the system refuses: safetensors itself raises an error of its own, with the number of the system in its text.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with replacing_path(path) as temporary:
        try:
            save_file(dict(tensors), temporary, metadata=dict(metadata or {}))
        except SafetensorError as error:
            number = re.search(r"os error (\d+)", str(error))
            code = int(number[1]) if number else errno.EIO
            raise OSError(code, os.strerror(code), str(path)) from error
    return path
