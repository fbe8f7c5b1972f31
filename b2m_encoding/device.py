"""The torch device of computations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from b2m_encoding.errors import InputError

if TYPE_CHECKING:
    import torch


def resolve_device(device: str | torch.device) -> torch.device:
    """Resolve a device by name; ``"auto"`` is the first CUDA device where there is one, else the CPU.

    Raises
    ------
    InputError
        If torch has no such device, or there is no CUDA device.

    Examples
    --------
    >>> resolve_device("cpu")
    device(type='cpu')
    """
    import torch

    if str(device) == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError):
        raise InputError("unknown device", found=device, expected='"auto", "cpu" or "cuda"') from None
    if chosen.type not in ("cpu", "cuda"):
        raise InputError("unsupported device", found=str(device), expected='"auto", "cpu" or "cuda"')
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise InputError("there is no CUDA device", found=str(device), fix='device="auto" uses the CPU')
    return chosen
