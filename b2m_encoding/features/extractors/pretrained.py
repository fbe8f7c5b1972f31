"""What feature spaces from pretrained networks have in common: which weights, and where they are computed."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from b2m_encoding.config import Config, StudyPath
from b2m_encoding.features.networks import load_sound, load_text
from b2m_encoding.features.networks.base import SoundEmbedder, TextEmbedder
from b2m_encoding.features.weights import Entry, entry_of, find_weights

Device = Literal["auto", "cpu", "cuda"]


class Identity(NamedTuple):
    """What tells one loaded network from another of the same name."""

    model: str | None
    revision: str | None
    weights: Path | None
    shuffled: int | None
    device: Device


class Pretrained(Config):
    """Options of a network."""

    model: str | None = None
    """Other weights for the same network: a name that ``b2m models list`` shows, or a repository."""
    revision: str | None = None
    """Commit of the weights, instead of the one in the catalogue."""
    weights: StudyPath | None = None
    """Folder of the weights, instead of where ``b2m models fetch`` puts them."""
    shuffled: int | None = None
    """Shuffle the weights with this seed: the control of an untrained network (Tuckute et al. 2023,
    doi 10.1371/journal.pbio.3002366)."""
    device: Device = "auto"

    @property
    def identity(self) -> Identity:
        """Everything but the name of the network."""
        return Identity(self.model, self.revision, self.weights, self.shuffled, self.device)

    def named_weights(self) -> tuple[Path, ...]:
        """Return the folder of the weights, if the study names one."""
        return () if self.weights is None else (self.weights,)

    def find(self, usual: str | None, network: str) -> Entry:
        """What the catalogue says of the model; ``usual`` is the network's own.

        Raises
        ------
        InputError
            If there is no such model, or its weights are not here or damaged.
        """
        entry = entry_of(self.model or usual or "", self.revision, network)
        find_weights(entry, self.weights)
        return entry


@lru_cache(maxsize=1)
def load_sound_once(name: str, layers: tuple[int, ...], *identity: Any) -> SoundEmbedder:
    """Load a network that hears; the last one stays loaded."""
    return load_sound(name, layers=layers, **_options(Identity(*identity)))


@lru_cache(maxsize=1)
def load_text_once(name: str, *identity: Any) -> TextEmbedder:
    """Load a network that reads; the last one stays loaded."""
    return load_text(name, **_options(Identity(*identity)))


def _options(chosen: Identity) -> dict[str, Any]:
    options = chosen._asdict()
    options["shuffled_seed"] = options.pop("shuffled")
    return options
