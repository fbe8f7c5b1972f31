"""Statistics that are too large for memory: the products ``X'Y`` of every block in a file, all else in memory."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from b2m_encoding.errors import InputError
from b2m_encoding.io.writing import reported_as_input_error
from b2m_encoding.models.solver.moments import Moments
from b2m_encoding.models.solver.statistics import SufficientStatistics

MARGIN = 1.1  # times the space needed: other programs write to the same disk


@dataclass
class DiskStatistics:
    """Sufficient statistics of all targets, written and read slice by slice.

    Files are read, not memory-mapped: pages of a map would count as memory of this process.

    Parameters
    ----------
    folder : Path
        Holds one file per run and block, rows of targets, while this object is in use.
    bands : dict of str to int
        Columns of each feature space.
    n_targets : int
    dtype : torch.dtype
        Type of the products.
    device : str or torch.device
    """

    folder: Path
    bands: dict[str, int]
    n_targets: int
    dtype: torch.dtype = torch.float32
    device: torch.device | str = "cpu"
    _parts: dict[tuple[str, str], Moments] = field(default_factory=dict)

    @property
    def row_bytes(self) -> int:
        """Bytes of one target in one file."""
        return sum(self.bands.values()) * torch.finfo(self.dtype).bits // 8

    def check_space(self, n_files: int) -> None:
        """Check that the disk has room for so many files.

        Raises
        ------
        InputError
            If it has not.
        """
        needed, free = MARGIN * n_files * self.n_targets * self.row_bytes, shutil.disk_usage(self.folder).free
        if free < needed:
            raise InputError(
                "no room for the statistics that do not fit in memory",
                file=self.folder,
                found=f"{free / 1e9:.1f} GB free",
                expected=f"{needed / 1e9:.1f} GB",
                fix="set TMPDIR to a folder with more room, or raise memory_limit",
            )

    def update(self, block: str, targets: slice, X: Any, Y: Any, run: str = "") -> None:
        """Write the statistics of one slice of targets in one block of a run; a second call replaces them.

        Parameters
        ----------
        block : str
        targets : slice
        X : array, shape (n_samples, n_features)
        Y : array, shape (n_samples, n_slice_targets)
            Responses of these targets alone, of all samples that the block has in the run.
        run : str
            A block may be part of several runs.
        """
        part = block, run
        new = Moments.from_samples(X, Y, dtype=self.dtype, device=self.device)
        failed = reported_as_input_error("statistics that do not fit in memory cannot be written", self.folder)
        with failed, self._open(part, "r+b" if part in self._parts else "wb") as file:
            file.seek(targets.start * self.row_bytes)
            new.xy.cpu().numpy().tofile(file)
        if part not in self._parts:
            empty = torch.full((self.n_targets,), torch.nan, dtype=torch.float64, device=self.device)
            self._parts[part] = replace(new, xy=new.xy[:0].clone(), mean_y=empty, yy=empty.clone())
        moments = self._parts[part]
        moments.mean_y[targets], moments.yy[targets] = new.mean_y, new.yy

    def load(self, targets: slice) -> SufficientStatistics:
        """Read the statistics of a slice of targets."""
        blocks: dict[str, Moments] = {}
        for part, moments in self._parts.items():
            xy, block = self._read(part, targets), part[0]
            own = replace(moments, mean_y=moments.mean_y[targets], yy=moments.yy[targets], xy=xy)
            blocks[block] = blocks[block] + own if block in blocks else own
        return SufficientStatistics(dict(self.bands), blocks, self.dtype, self.device)

    def _read(self, part: tuple[str, str], targets: slice) -> Tensor:
        width, start = sum(self.bands.values()), targets.start * self.row_bytes
        count = (targets.stop - targets.start) * width
        kind = np.float64 if self.dtype == torch.float64 else np.float32
        with self._open(part, "rb") as file:
            rows = np.fromfile(file, dtype=kind, count=count, offset=start)
        return torch.from_numpy(rows.reshape(-1, width)).to(self.device)

    def _open(self, part: tuple[str, str], mode: str) -> Any:
        number = list(self._parts).index(part) if part in self._parts else len(self._parts)
        return (self.folder / f"{number}.bin").open(mode, buffering=0)
