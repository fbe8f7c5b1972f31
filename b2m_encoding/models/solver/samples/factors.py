"""Store of what fits need of the features alone, so that it is computed once for all slices, subjects and workers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from b2m_encoding.io.tensors import write_tensors
from b2m_encoding.io.writing import locked, reported_as_input_error

VERSION = "1"
"""Part of every key: raise it when a factor would be computed differently."""


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

    def get(self, kind: str, key: Sequence[object], make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        """Load a factor, or compute and store it.

        Parameters
        ----------
        kind : str
            Start of the file name.
        key : sequence of object
            Everything that it depends on: tensors, and what JSON can hold.
        make : callable
        """
        if self.folder is None:
            return make()
        path = self.folder / f"{kind}-{_hash(kind, key)}.safetensors"
        with locked(path.with_suffix(".lock"), "another process computes this factor", wait=True):
            parts = _load(path, self.device)
            if parts is None:
                parts = make()
                with reported_as_input_error("factors of the features cannot be written", self.folder):
                    write_tensors({name: part.cpu() for name, part in parts.items()}, path)
        return parts


def _load(path: Path, device: torch.device) -> dict[str, Tensor] | None:
    """Tensors of a file; None if there is none, or it is damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path, device=str(device)) if path.is_file() else None
    except (SafetensorError, OSError):
        return None


def _hash(kind: str, key: Sequence[object]) -> str:
    digest = hashlib.sha256(f"{VERSION}|{kind}".encode())
    for part in key:
        if isinstance(part, Tensor):
            digest.update(f"|{part.dtype} {tuple(part.shape)}|".encode())
            digest.update(part.detach().cpu().contiguous().view(torch.uint8).numpy())
        else:
            digest.update(f"|{part!r}|".encode())
    return digest.hexdigest()[:32]
