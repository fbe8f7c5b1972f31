"""What networks of torch share: device, precision, checked input, equal-length texts, shuffled weights, provenance."""

from __future__ import annotations

import importlib.metadata
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from b2m_encoding.device import resolve_device
from b2m_encoding.errors import InputError
from b2m_encoding.features.networks.base import Floats
from b2m_encoding.features.weights import Weights

TEXTS_PER_BATCH = 64


class TorchNetwork:
    """A module with its weights, ready to run.

    On a CPU all numbers are float32. On a GPU products are bfloat16 (autocast); spectrograms stay float32.

    Parameters
    ----------
    weights : Weights
    module : torch.nn.Module
    device : str
    shuffled_seed : int, optional
        Permute every parameter tensor.
    """

    dim: int

    def __init__(self, weights: Weights, module: nn.Module, device: str, shuffled_seed: int | None) -> None:
        self.name = weights.entry.name
        self.device = resolve_device(device)
        self._half = self.device.type != "cpu"
        self._weights, self._shuffled_seed = weights, shuffled_seed
        if shuffled_seed is not None:
            shuffle_weights(module, shuffled_seed)
        self._module: Any = module.to(self.device).eval().requires_grad_(False)

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Model, revision, hashes of its files, precision, what was set, and versions of packages."""
        return {
            "network": type(self).__name__,
            **self._weights.provenance,
            "shuffled_seed": self._shuffled_seed,
            "dtype": "bfloat16" if self._half else "float32",
            **self.settings(),
            "packages": {name: importlib.metadata.version(name) for name in ("torch", "transformers")},
        }

    def settings(self) -> dict[str, Any]:
        """What else decides the numbers."""
        return {}

    @contextmanager
    def running(self) -> Iterator[None]:
        """No gradients; bfloat16 products on a GPU."""
        with torch.inference_mode(), torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self._half):
            yield

    def tensor(self, values: Any) -> Tensor:
        """Values as float32 on the device."""
        return torch.as_tensor(np.asarray(values, dtype=np.float32), device=self.device)

    def embed_tokens(self, tokens: Sequence[Sequence[int]], run: Callable[[Tensor], Tensor]) -> Floats:
        """Embed texts in batches of equal length, so that nothing is padded and no text changes another's vector.

        Parameters
        ----------
        tokens : sequence of sequences of int
        run : callable
            From token identifiers, shape (n_texts, n_tokens), to vectors, shape (n_texts, dim).
        """
        out = np.empty((len(tokens), self.dim), dtype=np.float32)
        lengths = np.array([len(one) for one in tokens], dtype=np.intp)
        for length in np.unique(lengths):
            members = np.flatnonzero(lengths == length)
            for start in range(0, len(members), TEXTS_PER_BATCH):
                rows = members[start : start + TEXTS_PER_BATCH]
                batch = torch.tensor([list(tokens[i]) for i in rows], device=self.device)
                with self.running():
                    out[rows] = run(batch).float().cpu().numpy()
        return out


def check_waves(batch: Floats, rate: int, longest: float | None = None, shortest: int = 1) -> Floats:
    """Return waves as float32, or tell what is wrong with them.

    Parameters
    ----------
    batch : array, shape (n_waves, n_samples)
    rate : int
        Hertz.
    longest : float, optional
        Seconds that a wave may have.
    shortest : int
        Samples that a wave must have.

    Raises
    ------
    InputError
        If the shape is wrong, a value is not finite, or the waves are too long or too short.
    """
    waves = np.asarray(batch, dtype=np.float32)
    if waves.ndim != 2 or waves.size == 0:
        raise InputError("waves must be a batch", found=f"shape {waves.shape}", expected="(n_waves, n_samples)")
    if not np.isfinite(waves).all():
        bad = int(np.argmin(np.isfinite(waves).all(axis=1)))
        raise InputError("a wave holds a value that is not finite", found=f"wave {bad}")
    if waves.shape[1] < shortest:
        raise InputError(
            "waves are too short for the network", found=f"{waves.shape[1]} samples", expected=f"at least {shortest}"
        )
    if longest is not None and waves.shape[1] > round(longest * rate):
        raise InputError(
            "waves are longer than the network takes",
            found=f"{waves.shape[1]} samples",
            expected=f"at most {round(longest * rate)}: {longest:g} s at {rate} Hz",
            fix="cut windows, or check the sampling rate",
        )
    return waves


def chosen_layers(wanted: Sequence[int], n_layers: int) -> tuple[int, ...]:
    """Layers counted from 0 (what enters the first layer) to ``n_layers``; all of them if none is named.

    Examples
    --------
    >>> chosen_layers((-1, 7), 24)
    (24, 7)
    >>> chosen_layers((), 2)
    (0, 1, 2)
    """
    chosen = tuple(layer + n_layers + 1 if layer < 0 else layer for layer in wanted) or tuple(range(n_layers + 1))
    for layer, asked in zip(chosen, wanted or chosen, strict=True):
        if not 0 <= layer <= n_layers:
            raise InputError("the network has no such layer", found=asked, expected=f"0 to {n_layers}")
    if len(set(chosen)) < len(chosen):
        raise InputError("a layer is named twice", found=list(wanted))
    return chosen


def no_layers(wanted: Sequence[int], name: str) -> None:
    """Raise if layers are asked of a network that gives one vector per window."""
    if wanted:
        raise InputError(f"{name} has no layers to choose from", found=list(wanted), fix="leave layers out")


def shuffle_weights(module: nn.Module, seed: int) -> None:
    """Permute the values of every parameter tensor, each by itself, in place.

    The control of Tuckute et al. (2023, doi 10.1371/journal.pbio.3002366): every tensor keeps its values, and so their
    distribution, but not what was learned. Buffers, such as the running means of batch norms, stay.
    """
    for name, parameter in module.named_parameters():
        generator = torch.Generator().manual_seed(zlib.crc32(f"{seed}/{name}".encode()))
        order = torch.randperm(parameter.numel(), generator=generator)
        parameter.data = parameter.data.flatten()[order].view_as(parameter)
