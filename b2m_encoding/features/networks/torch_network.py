"""Base class of networks in torch: device, precision, input checks, batches of texts, shuffled weights, provenance."""

from __future__ import annotations

import importlib.metadata
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from b2m_encoding._typing import Float32
from b2m_encoding.device import resolve_device
from b2m_encoding.errors import InputError
from b2m_encoding.features.weights import Weights

TEXTS_PER_BATCH = 64


class TorchNetwork:
    """A torch module with its weights, in evaluation mode on a device.

    Computation is in float32 on a CPU. On a GPU matrix products are bfloat16 (autocast), spectrograms float32.

    Parameters
    ----------
    weights : Weights
    module : torch.nn.Module
    device : str
    shuffled_seed : int, optional
        Permute every parameter tensor with this seed, see :func:`shuffle_weights`.
    """

    dim: int
    widths: tuple[int, ...] = ()
    packages: tuple[str, ...] = ("torch", "transformers")
    """Packages whose versions are recorded."""

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
        """Model, revision, hashes of its files, precision, settings, and versions of packages."""
        return {
            "network": type(self).__name__,
            **self._weights.provenance,
            "shuffled_seed": self._shuffled_seed,
            "dtype": "bfloat16" if self._half else "float32",
            **self.settings(),
            "packages": {name: importlib.metadata.version(name) for name in self.packages},
        }

    def settings(self) -> dict[str, Any]:
        """Further settings that determine the embeddings: plain JSON values."""
        return {}

    @contextmanager
    def running(self) -> Iterator[None]:
        """Disable gradients, and use bfloat16 products on a GPU."""
        with torch.inference_mode(), torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self._half):
            yield

    def tensor(self, values: Any) -> Tensor:
        """Copy values to the device as float32."""
        return torch.as_tensor(np.asarray(values, dtype=np.float32), device=self.device)

    def embed_tokens(self, tokens: Sequence[Sequence[int]], run: Callable[[Tensor], Tensor]) -> Float32:
        """Embed tokenised texts in batches of equal length: without padding, no text changes the embedding of another.

        Parameters
        ----------
        tokens : sequence of sequences of int
        run : callable
            Map from token identifiers, shape (n_texts, n_tokens), to embeddings, shape (n_texts, dim).

        Returns
        -------
        array of float32, shape (n_texts, dim)
        """
        out = np.empty((len(tokens), self.dim), dtype=np.float32)
        lengths = np.array([len(text) for text in tokens], dtype=np.intp)
        for length in np.unique(lengths):
            members = np.flatnonzero(lengths == length)
            for start in range(0, len(members), TEXTS_PER_BATCH):
                rows = members[start : start + TEXTS_PER_BATCH]
                batch = torch.tensor([list(tokens[i]) for i in rows], device=self.device)
                with self.running():
                    out[rows] = run(batch).float().cpu().numpy()
        return out


def check_waves(batch: Float32, rate: int, longest: float | None = None, shortest: int = 1) -> Float32:
    """Check a batch of waves, and convert it to float32.

    Parameters
    ----------
    batch : array, shape (n_waves, n_samples)
    rate : int
        Sampling rate, Hz.
    longest : float, optional
        Maximal length, s.
    shortest : int
        Minimal number of samples.

    Raises
    ------
    InputError
        If the shape is wrong, a value is not finite, or the waves are too long or too short.
    """
    waves = np.asarray(batch, dtype=np.float32)
    if waves.ndim != 2 or waves.size == 0:
        raise InputError(
            "waves must be a two-dimensional batch", found=f"shape {waves.shape}", expected="(n_waves, n_samples)"
        )
    if not np.isfinite(waves).all():
        bad = int(np.argmin(np.isfinite(waves).all(axis=1)))
        raise InputError("a wave contains a value that is not finite", found=f"wave {bad}")
    if waves.shape[1] < shortest:
        raise InputError(
            "waves are too short for the network", found=f"{waves.shape[1]} samples", expected=f"at least {shortest}"
        )
    if longest is not None and waves.shape[1] > round(longest * rate):
        raise InputError(
            "waves are longer than the window of the network",
            found=f"{waves.shape[1]} samples",
            expected=f"at most {round(longest * rate)}: {longest:g} s at {rate} Hz",
            fix="cut windows, or check the sampling rate",
        )
    return waves


def resolve_layers(wanted: Sequence[int], n_layers: int) -> tuple[int, ...]:
    """Resolve layers to numbers from 0 (input of the first layer) to ``n_layers``; all layers if none is named.

    Examples
    --------
    >>> resolve_layers((-1, 7), 24)
    (24, 7)
    >>> resolve_layers((), 2)
    (0, 1, 2)
    """
    layers = tuple(layer + n_layers + 1 if layer < 0 else layer for layer in wanted) or tuple(range(n_layers + 1))
    for layer, requested in zip(layers, wanted or layers, strict=True):
        if not 0 <= layer <= n_layers:
            raise InputError("the network has no such layer", found=requested, expected=f"0 to {n_layers}")
    if len(set(layers)) < len(layers):
        raise InputError("a layer is named twice", found=list(wanted))
    return layers


def refuse_layers(wanted: Sequence[int], name: str) -> None:
    """Raise if layers are requested from a network with one vector per window."""
    if wanted:
        raise InputError(f"{name} has no layers to choose from", found=list(wanted), fix="leave layers out")


def shuffle_weights(module: nn.Module, seed: int) -> None:
    """Permute the values of every parameter tensor separately, in place.

    The control of Tuckute et al. (2023, doi 10.1371/journal.pbio.3002366): each tensor keeps the distribution of its
    values, but not their learned arrangement. Buffers, such as the running means of batch norms, are not permuted.

    Parameters
    ----------
    module : torch.nn.Module
    seed : int
    """
    for name, parameter in module.named_parameters():
        generator = torch.Generator().manual_seed(zlib.crc32(f"{seed}/{name}".encode()))
        order = torch.randperm(parameter.numel(), generator=generator)
        parameter.data = parameter.data.flatten()[order].view_as(parameter)
