"""Networks by name: which class loads which models."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from b2m_encoding.errors import InputError
from b2m_encoding.features.networks.base import SoundEmbedder, TextEmbedder
from b2m_encoding.features.weights import Entry, catalogue, entry_of, find_weights


class Network(NamedTuple):
    """Where a class is, and the model it loads unless another one is named."""

    module: str
    cls: str
    model: str | None

    @property
    def target(self) -> tuple[str, str]:
        """The class."""
        return self.module, self.cls

    def load(self, entry: Entry, folder: Path | None, options: Mapping[str, Any]) -> Any:
        """Find the weights, then import and build the class."""
        weights = find_weights(entry, folder)
        module = import_module(f"b2m_encoding.features.networks.{self.module}")
        return getattr(module, self.cls)(weights, **options)


SOUND: Mapping[str, Network] = MappingProxyType(
    {
        "muq_mulan": Network("muq_mulan", "MuQMuLan", "muq_mulan"),
        "muq": Network("muq_mulan", "MuQ", "muq_mulan"),
        "clap": Network("clap", "Clap", "clap"),
        "musicldm_clap": Network("clap", "MusicLDMClap", "musicldm_clap"),
        "musiccoca": Network("musiccoca", "MusicCoCa", "musiccoca"),
        "w2v_bert": Network("transformers_audio", "TransformersAudio", "w2v_bert"),
        "transformers_audio": Network("transformers_audio", "TransformersAudio", None),
        "codec": Network("codec", "Codec", "codec"),
    }
)
TEXT: Mapping[str, Network] = MappingProxyType(
    {
        "muq_mulan": Network("muq_mulan", "MuQMuLan", "muq_mulan"),
        "clap": Network("clap", "Clap", "clap"),
        "musicldm_clap": Network("clap", "MusicLDMClap", "musicldm_clap"),
        "musiccoca": Network("musiccoca", "MusicCoCa", "musiccoca"),
        "sentences": Network("sentences", "Sentences", "minilm"),
    }
)


def load_sound(
    name: str,
    *,
    model: str | None = None,
    revision: str | None = None,
    layers: tuple[int, ...] = (),
    device: str = "auto",
    weights: Path | None = None,
    shuffled_seed: int | None = None,
) -> SoundEmbedder:
    """Load a network that hears; everything comes from this machine.

    Parameters
    ----------
    name : str
        A network (``muq_mulan``, ``muq``, ``clap``, ``musicldm_clap``, ``musiccoca``, ``w2v_bert``,
        ``transformers_audio``, ``codec``), or a model of the catalogue, which knows its network.
    model : str, optional
        A model of the catalogue, or a repository (``facebook/hubert-base-ls960``), instead of the network's own.
    revision : str, optional
        Commit, instead of the catalogue's.
    layers : tuple of int
        Layers of a frame model, 0 for what enters the first one, negative ones from the last; all by default. Layers
        above the highest one are not computed.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    weights : path, optional
        Folder of the weights, instead of where ``b2m models fetch`` puts them.
    shuffled_seed : int, optional
        Permute every parameter tensor with this seed: the control of an untrained network whose weights are
        distributed as the trained ones (Tuckute et al. 2023, doi 10.1371/journal.pbio.3002366).

    Raises
    ------
    InputError
        If there is no such network, model or layer; if the weights are missing (with the command that fetches them,
        their size and licence, and what could stand in) or damaged; or if a package is not installed.
    """
    options = {"layers": tuple(layers), "device": device, "shuffled_seed": shuffled_seed}
    network, entry = _chosen(SOUND, "sound", name, model, revision)
    loaded: SoundEmbedder = network.load(entry, weights, options)
    return loaded


def load_text(
    name: str,
    *,
    model: str | None = None,
    revision: str | None = None,
    device: str = "auto",
    weights: Path | None = None,
    shuffled_seed: int | None = None,
) -> TextEmbedder:
    """Load a network that reads: the text tower of a joint model, or a sentence encoder; all from this machine.

    Parameters
    ----------
    name : str
        A network (``muq_mulan``, ``clap``, ``musicldm_clap``, ``musiccoca``, ``sentences``), or a model of the
        catalogue.
    model, revision, device, weights, shuffled_seed
        As for :func:`load_sound`.

    Raises
    ------
    InputError
        As for :func:`load_sound`.
    """
    network, entry = _chosen(TEXT, "text", name, model, revision)
    loaded: TextEmbedder = network.load(entry, weights, {"device": device, "shuffled_seed": shuffled_seed})
    return loaded


def _chosen(
    networks: Mapping[str, Network], kind: str, name: str, model: str | None, revision: str | None
) -> tuple[Network, Entry]:
    """Return the network and the model that a name stands for."""
    known = catalogue()
    if name not in networks and name in known and known[name].network in networks and model is None:
        name, model = known[name].network, name
    if name not in networks:
        near = get_close_matches(name, networks, n=1)
        raise InputError(
            f"no network for {kind} has this name", found=name, expected=f"{near[0]}?" if near else ", ".join(networks)
        )
    network = networks[name]
    chosen = model or network.model
    if chosen is None:
        raise InputError(f"{name} needs a model", expected="model = a repository, or a name that b2m models list shows")
    entry = entry_of(chosen, revision, name)
    loader = networks.get(entry.network)
    if chosen != network.model and (loader is None or loader.target != network.target):
        raise InputError(
            f"{name} cannot load this model", found=chosen, expected="a model of its kind", fix="b2m models list"
        )
    return network, entry
