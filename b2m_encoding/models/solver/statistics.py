"""Sufficient statistics: all that ridge regression needs of the data, one set per block of samples."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from b2m_encoding.errors import InputError
from b2m_encoding.io.parsing import parse_json
from b2m_encoding.io.tensors import write_tensors
from b2m_encoding.models.solver.moments import Moments, Pool


@dataclass
class SufficientStatistics:
    """Moments of every block: computed once, added up across runs and machines, stored on disk.

    Every alpha, every set of feature spaces and every fold of blocks is answered from these, at a cost that does
    not depend on the number of samples.

    Parameters
    ----------
    bands : dict of str to int
        Columns of each feature space, in the order of the columns.
    blocks : dict of str to Moments
    dtype : torch.dtype
        Type of the products ``X'Y``; all else is float64.
    device : str or torch.device

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, Y = rng.standard_normal((20, 3)), rng.standard_normal((20, 2))
    >>> whole = SufficientStatistics({"a": 2, "b": 1}).update("run-01", X, Y)
    >>> halves = SufficientStatistics({"a": 2, "b": 1})
    >>> _ = halves.update("run-01", X[:10], Y[:10]).update("run-01", X[10:], Y[10:])
    >>> bool(torch.allclose(whole.blocks["run-01"].xx, halves.blocks["run-01"].xx))
    True
    >>> whole.subset(["b"]).n_features
    1
    """

    bands: dict[str, int]
    blocks: dict[str, Moments] = field(default_factory=dict)
    dtype: torch.dtype = torch.float32
    device: torch.device | str = "cpu"

    @property
    def n_features(self) -> int:
        """Columns of X."""
        return sum(self.bands.values())

    @property
    def n_targets(self) -> int:
        """Columns of Y."""
        return len(next(iter(self.blocks.values())).yy) if self.blocks else 0

    @property
    def n_samples(self) -> int:
        """Samples of all blocks."""
        return sum(block.count for block in self.blocks.values())

    @property
    def nbytes(self) -> int:
        """Memory of the arrays, bytes."""
        tensors = [t for block in self.blocks.values() for t in vars(block).values() if isinstance(t, Tensor)]
        return sum(t.numel() * t.element_size() for t in tensors)

    @property
    def band_columns(self) -> dict[str, slice]:
        """Columns of each feature space."""
        stops = np.cumsum(list(self.bands.values())).tolist()
        return {name: slice(stop - width, stop) for (name, width), stop in zip(self.bands.items(), stops, strict=True)}

    def update(self, block: str, X: Any, Y: Any) -> SufficientStatistics:
        """Add samples to a block, in place.

        Parameters
        ----------
        block : str
        X, Y : array or Tensor, shape (n_samples, n_features), (n_samples, n_targets)

        Raises
        ------
        InputError
            If the shapes do not fit, or there are no samples.
        """
        if X.shape[1] != self.n_features:
            raise InputError("X has the wrong number of columns", found=X.shape[1], expected=self.n_features)
        if self.blocks and Y.shape[1] != self.n_targets:
            raise InputError("Y has the wrong number of targets", found=Y.shape[1], expected=self.n_targets)
        if len(X) != len(Y) or not len(X):
            raise InputError("X and Y need the same number of samples", found=(len(X), len(Y)))
        new = Moments.from_samples(X, Y, dtype=self.dtype, device=self.device)
        self.blocks[block] = self.blocks[block] + new if block in self.blocks else new
        return self

    def merge(self, other: SufficientStatistics) -> SufficientStatistics:
        """Statistics of both, in a new object; the samples of a block that is in both are joined.

        Raises
        ------
        InputError
            If feature spaces or numbers of targets differ.
        """
        if self.bands != other.bands:
            raise InputError("the feature spaces of the statistics differ", found=other.bands, expected=self.bands)
        if self.blocks and other.blocks and self.n_targets != other.n_targets:
            raise InputError(
                "the numbers of targets of the statistics differ", found=other.n_targets, expected=self.n_targets
            )
        blocks = dict(self.blocks)
        for name, block in other.blocks.items():
            blocks[name] = blocks[name] + block if name in blocks else block
        return replace(self, blocks=blocks)

    def subset(self, bands: Iterable[str]) -> SufficientStatistics:
        """Statistics of some feature spaces, in the order given."""
        members, columns = list(bands), self.band_columns
        unknown = [name for name in members if name not in columns]
        if unknown:
            raise InputError("unknown feature space", found=unknown, expected=list(columns))
        keep = torch.cat([torch.arange(columns[name].start, columns[name].stop) for name in members])
        return self._map({name: self.bands[name] for name in members}, keep)

    def _map(self, bands: dict[str, int], keep: Tensor) -> SufficientStatistics:
        index = keep.to(self.device)
        return replace(self, bands=bands, blocks={name: b.columns(index) for name, b in self.blocks.items()})

    def of_targets(self, keep: Tensor) -> SufficientStatistics:
        """Statistics of some targets."""
        at = keep.to(self.device)
        return replace(self, blocks={name: block.targets(at) for name, block in self.blocks.items()})

    def without(self, blocks: Iterable[str]) -> SufficientStatistics:
        """Statistics of all but some blocks."""
        left_out = set(blocks)
        unknown = sorted(left_out - set(self.blocks))
        if unknown:
            raise InputError("unknown block", found=unknown, expected=list(self.blocks))
        return replace(self, blocks={name: block for name, block in self.blocks.items() if name not in left_out})

    def pool(self) -> Pool:
        """Pool all blocks into one."""
        return Pool(list(self.blocks.values()))

    def save(self, path: str | Path) -> Path:
        """Write one safetensors file, whole or not at all."""
        path = Path(path)
        arrays: dict[str, Tensor] = {}
        counts: dict[str, int] = {}
        for i, (name, block) in enumerate(self.blocks.items()):
            counts[name] = block.count
            arrays |= {f"{i}.{key}": getattr(block, key).cpu().contiguous() for key in _ARRAYS}
        header = {"bands": json.dumps(self.bands), "counts": json.dumps(counts), "dtype": str(self.dtype)}
        return write_tensors(arrays, path, header)

    @classmethod
    def load(
        cls, path: str | Path, device: torch.device | str = "cpu", targets: slice | None = None
    ) -> SufficientStatistics:
        """Read a file that :meth:`save` wrote.

        Parameters
        ----------
        path : path
        device : str or torch.device
        targets : slice, optional
            Targets to read; all by default.
        """
        rows = targets or slice(None)
        with safe_open(str(path), framework="pt", device=str(device)) as file:
            header: Mapping[str, str] = file.metadata()
            blocks = {
                name: Moments(
                    count,
                    **{k: file.get_slice(f"{i}.{k}")[rows if k in _OF_TARGETS else slice(None)] for k in _ARRAYS},
                )
                for i, (name, count) in enumerate(parse_json(header["counts"]).items())
            }
        dtype = torch.float64 if header["dtype"] == "torch.float64" else torch.float32
        return cls(parse_json(header["bands"]), blocks, dtype, device)


_ARRAYS = ("mean_x", "mean_y", "xx", "xy", "yy")
_OF_TARGETS = ("mean_y", "xy", "yy")
