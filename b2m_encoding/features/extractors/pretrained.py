"""Options of extractors that use a pretrained network: its weights and its device."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from b2m_encoding.config import Config, StudyPath
from b2m_encoding.features.networks import AUDIO_ENCODERS, TEXT_ENCODERS, load_audio_encoder, load_text_encoder
from b2m_encoding.features.networks.protocols import AudioEncoder, TextEncoder
from b2m_encoding.features.weights import Entry, entry_of, find_weights

if TYPE_CHECKING:
    AudioEncoderName = str
    TextEncoderName = str
else:  # literals of the registry: by these values pydantic validates names, and selects the table of an extractor
    AudioEncoderName = Literal[tuple(AUDIO_ENCODERS)]
    TextEncoderName = Literal[tuple(TEXT_ENCODERS)]
Device = Literal["auto", "cpu", "cuda"]


class LoadOptions(NamedTuple):
    """Options that distinguish loaded networks of the same name."""

    model: str | None
    revision: str | None
    weights: Path | None
    shuffled_seed: int | None
    device: Device


class Pretrained(Config):
    """Options of a pretrained network."""

    model: str | None = None
    """Other weights for the same network: a name that ``b2m models list`` shows, or a repository."""
    revision: str | None = None
    """Commit of the weights, instead of that of the catalogue."""
    weights: StudyPath | None = None
    """Folder of the weights, instead of that of ``b2m models fetch``."""
    shuffled: int | None = None
    """Seed to shuffle the weights with: the control of an untrained network (Tuckute et al. 2023,
    doi 10.1371/journal.pbio.3002366)."""
    device: Device = "auto"
    """Where the network runs."""

    @property
    def load_options(self) -> LoadOptions:
        """Options of loading, beside the name of the network and its layers."""
        return LoadOptions(self.model, self.revision, self.weights, self.shuffled, self.device)

    def named_weights(self) -> tuple[Path, ...]:
        """Return the folder of the weights if the study names one."""
        return () if self.weights is None else (self.weights,)

    def find(self, default: str | None, network: str) -> Entry:
        """Find the model in the catalogue and check that its weights are installed and undamaged.

        Parameters
        ----------
        default : str or None
            Default model of the network.
        network : str

        Raises
        ------
        InputError
            If there is no such model, or its weights are missing or damaged.
        """
        entry = entry_of(self.model or default or "", self.revision, network)
        find_weights(entry, self.weights)
        return entry


@lru_cache(maxsize=1)
def cached_audio_encoder(name: str, layers: tuple[int, ...], options: LoadOptions) -> AudioEncoder:
    """Load an audio encoder; the last one stays in memory."""
    return load_audio_encoder(name, layers=layers, **_keywords(options))


@lru_cache(maxsize=1)
def cached_text_encoder(name: str, options: LoadOptions) -> TextEncoder:
    """Load a text encoder; the last one stays in memory."""
    return load_text_encoder(name, **_keywords(options))


def _keywords(options: LoadOptions) -> dict[str, Any]:
    return options._asdict()
