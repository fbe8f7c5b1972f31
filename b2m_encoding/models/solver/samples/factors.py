"""Store of what fits need of the features alone, so that it is computed once for all slices, subjects and workers."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from b2m_encoding.io.hashes import sources_hash
from b2m_encoding.io.tensors import write_tensors
from b2m_encoding.io.writing import locked, reported_as_input_error

logger = logging.getLogger(__name__)
SOLVERS = Path(__file__).parents[2]
"""Folder of the code that is part of every key: a killed run leaves factors, which other code must not use."""
DIGEST = "sha256"
LARGEST = 10_000
"""Numbers of a tensor that is part of a key itself."""


@dataclass(frozen=True)
class Factors:
    """Factors in a folder, addressed by the hash of everything that they depend on; or none kept.

    Parameters
    ----------
    folder : Path or None
        Safetensors files; each is computed by one process while others wait for it. A damaged one is computed again.
    device : torch.device
        Where factors are given.
    """

    folder: Path | None
    device: torch.device
    _intact: set[Path] = field(default_factory=set)

    def get(self, kind: str, key: Sequence[object], make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        """Load a factor, or compute and store it.

        Parameters
        ----------
        kind : str
            Part of the key.
        key : sequence of object
            Everything that it depends on: small tensors, and what has a stable ``repr``.
        make : callable
        """
        if self.folder is None:
            return make()
        path = self.folder / f"{_key(kind, key)}.safetensors"
        with locked(path.with_suffix(".lock"), "another process computes this factor", wait=-1):
            parts = self._load(path)
            if parts is None:
                logger.info("%s: factors of the features computed", kind)
                parts = make()
                with reported_as_input_error("factors of the features cannot be written", self.folder):
                    on_disk = {name: part.cpu().contiguous() for name, part in parts.items()}
                    write_tensors(on_disk, path, {DIGEST: _digest(on_disk)})
                self._intact.add(path)
        return parts

    def _load(self, path: Path) -> dict[str, Tensor] | None:
        """Tensors of a file; None if there is none, or it is damaged."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="pt", device=str(self.device)) as file:
                parts = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
                known = (file.metadata() or {}).get(DIGEST)
        except (SafetensorError, OSError):
            return None
        if path not in self._intact:
            if _digest(parts) != known:
                return None
            self._intact.add(path)
        return parts


def _digest(parts: Mapping[str, Tensor]) -> str:
    total = hashlib.sha256()
    for name in sorted(parts):
        total.update(name.encode())
        total.update(_bytes(parts[name]))
    return total.hexdigest()


def _key(kind: str, key: Sequence[object]) -> str:
    total = hashlib.sha256(f"{_code(SOLVERS)}|{kind}".encode())
    for part in key:
        if isinstance(part, Tensor) and part.numel() > LARGEST:
            raise ValueError("large tensors belong into the key by their hash")
        total.update(f"|{part.tolist() if isinstance(part, Tensor) else part!r}|".encode())
    return total.hexdigest()[:32]


@cache
def _code(folder: Path) -> str:
    return sources_hash(folder)


def _bytes(values: Tensor) -> memoryview:
    array: NDArray[np.uint8] = values.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
    return array.data
