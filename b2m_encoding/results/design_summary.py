"""Summary of the design of a subject: features of one run, and correlations of the features."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Float32
from b2m_encoding.io.archives import read_archive, write_compressed
from b2m_encoding.results.bundle import BundleFiles
from b2m_encoding.results.schema.files import DESIGN


@dataclass(frozen=True, eq=False)
class DesignSummary:
    """Features of a run, in short.

    Parameters
    ----------
    run : str
    spaces, names : array of str, shape (n_columns,)
        Feature space and name of every column.
    reduced : array of str
        Feature spaces whose columns are principal components.
    times : array, shape (n_samples,)
        Seconds from the start of the run.
    values : array, shape (n_samples, n_columns)
        Features of the run, by mean and standard deviation of the training samples.
    correlations : array, shape (n_columns, n_columns)
        Over training samples.
    """

    run: str
    spaces: NDArray[np.str_]
    names: NDArray[np.str_]
    reduced: NDArray[np.str_]
    times: Float32
    values: Float32
    correlations: Float32

    def save(self, path: Path) -> None:
        """Write a NumPy archive (half precision)."""
        write_compressed(path, asdict(self), ("values", "correlations"))

    @classmethod
    def load(cls, path: Path) -> DesignSummary:
        """Read what :meth:`save` wrote.

        Raises
        ------
        InputError
            If the file is damaged.
        """
        arrays = read_archive(path, "a summary of features", cls.__dataclass_fields__)
        return cls(**{**arrays, "run": str(arrays["run"])})


def design_name(subject: str) -> str:
    """Path of the summary of a subject in the results folder."""
    return f"sub-{subject}/{DESIGN.format(subject=subject)}"


def write_design(writer: BundleFiles, subject: str, summary: DesignSummary, note: str | None) -> None:
    """Write the summary of a subject, with a sidecar."""
    name = design_name(subject)
    summary.save(writer.file(*name.split("/")))
    about = "Features of one run, standardised, and their correlations over training samples; at most 40 per space"
    writer.write_json(f"{name.removesuffix('.npz')}.json", {"Description": about, "Run": summary.run, "Note": note})
