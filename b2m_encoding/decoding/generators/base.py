"""Protocol of generators: from a condition that was decoded from responses to a wave, the same for each seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from b2m_encoding._typing import Float32, Float64
from b2m_encoding.errors import InputError
from b2m_encoding.features.audio import Wave


@dataclass(frozen=True)
class Exemplar:
    """A retrieved recording, never the stimulus.

    Parameters
    ----------
    path : Path
    seconds : float
        Length that is used, from its beginning.
    about : str
        Title and artist.
    licence : str
        Empty where it is unknown.
    """

    path: Path
    seconds: float
    about: str = ""
    licence: str = ""


@dataclass(frozen=True, eq=False)
class Condition:
    """Input of a generator: only what follows from responses.

    Parameters
    ----------
    clip : str
        Name of the presented clip, for records; its sound is no input.
    embedding : array, shape (n_dimensions,)
        Decoded embedding, in the units of the feature space.
    exemplar : Exemplar, optional
        The recording that was retrieved with the embedding.
    text : str
        Tags of the retrieved recording, for generators with a text encoder.
    series : array, shape (n_windows, n_dimensions), optional
        Decoded embedding over time, for generators that follow it.
    times : array, shape (n_windows,), optional
        Middle of each window of the series, seconds from the beginning of the clip.
    """

    clip: str
    embedding: Float32
    exemplar: Exemplar | None = None
    text: str = ""
    series: Float32 | None = None
    times: Float64 | None = None

    def needs(self, what: str, generator: str) -> Any:
        """An optional part, by its name.

        Raises
        ------
        InputError
            If it is missing; the error names the generator.
        """
        value = getattr(self, what)
        if value is None or (isinstance(value, str) and not value):
            raise InputError(f"{generator} needs the {what} of a condition", found=f"none for {self.clip}")
        return value


@runtime_checkable
class Generator(Protocol):
    """Interface of a generator of music.

    Attributes
    ----------
    name : str
    licence : str
        Licence of the weights, and so of the sounds.
    space : str or None
        Extractor of the embeddings that it accepts; None for any.
    provenance : mapping
        Model, revision, hashes of the weights, settings, versions: plain JSON values.
    """

    name: str
    licence: str
    space: str | None

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Model, revision, hashes of the weights, settings, versions."""

    def generate(self, condition: Condition, seconds: float, random_state: int) -> tuple[Wave, int]:
        """Generate a sound; the same seed gives the same sound on the same machine.

        Parameters
        ----------
        condition : Condition
        seconds : float
            Length of the sound.
        random_state : int

        Returns
        -------
        wave : array of float32, shape (n_samples,)
        rate : int
            Sampling rate, Hz.

        Raises
        ------
        InputError
            If the condition lacks a part that the generator needs.
        """
