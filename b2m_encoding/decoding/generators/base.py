"""What every generator offers: a condition that was decoded from responses in, a wave out, the same for a seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.features.audio import Wave

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Exemplar:
    """A recording that was retrieved: never the stimulus.

    Parameters
    ----------
    path : Path
    seconds : float
        From its beginning that are used.
    about : str
        Title and artist.
    licence : str
        Empty where nobody knows.
    """

    path: Path
    seconds: float
    about: str = ""
    licence: str = ""


@dataclass(frozen=True, eq=False)
class Condition:
    """What a generator is told: only what follows from responses.

    Parameters
    ----------
    clip : str
        Name of the clip that was heard, for records; its sound is not here.
    embedding : array, shape (n_dimensions,)
        Decoded, in units of the feature space.
    exemplar : Exemplar, optional
        The recording that was retrieved with it.
    text : str
        Tags of what was retrieved, for generators that read.
    series : array, shape (n_windows, n_dimensions), optional
        Decoded over time, for generators that follow it.
    times : array, shape (n_windows,), optional
        Middle of each window of the series, seconds from the beginning of the clip.
    """

    clip: str
    embedding: Floats
    exemplar: Exemplar | None = None
    text: str = ""
    series: Floats | None = None
    times: NDArray[np.float64] | None = None

    def needs(self, what: str, generator: str) -> Any:
        """One of the optional parts, or an error."""
        value = getattr(self, what)
        if value is None or (isinstance(value, str) and not value):
            raise InputError(f"{generator} needs the {what} of a condition", found=f"none for {self.clip}")
        return value


@runtime_checkable
class Generator(Protocol):
    """Something that makes music.

    Attributes
    ----------
    name : str
    licence : str
        Of its weights, and so of what it makes.
    space : str or None
        The feature space whose embeddings it takes; None where any will do.
    provenance : mapping
        Model, revision, hashes of the weights, settings, versions: plain JSON values.
    """

    name: str
    licence: str
    space: str | None

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Where its sounds come from."""

    def generate(self, condition: Condition, seconds: float, random_state: int) -> tuple[Wave, int]:
        """Make a mono wave, and tell its rate; the same seed gives the same wave on the same machine."""
