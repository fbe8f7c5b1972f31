"""Registry of pretrained networks: the class that loads each of them, imported when a network is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from b2m_encoding.errors import InputError
from b2m_encoding.features.networks.protocols import AudioEncoder, TextEncoder
from b2m_encoding.features.weights import Entry, catalogue, entry_of, find_weights


class NetworkEntry(NamedTuple):
    """One pretrained network of the registry.

    Attributes
    ----------
    module, cls : str
        Module of this package, and the class in it that loads the network.
    model : str or None
        Model that is loaded by default: a name in the catalogue of weights, or a repository ``owner/name``. None if
        the study must name the model.
    description : str
        One line for lists of networks.
    audio, text : bool
        Whether the network embeds audio, text, or both into a joint space.
    layers : tuple of str
        Names of the layers, if they have any.
    """

    module: str
    cls: str
    model: str | None
    description: str
    audio: bool = True
    text: bool = False
    layers: tuple[str, ...] = ()

    @property
    def target(self) -> tuple[str, str]:
        """Module and class."""
        return self.module, self.cls

    def load(self, entry: Entry, folder: str | Path | None, options: Mapping[str, Any]) -> Any:
        """Find the weights, then import the class and create the network."""
        weights = find_weights(entry, folder)
        module = import_module(f"b2m_encoding.features.networks.{self.module}")
        return getattr(module, self.cls)(weights, **options)


NETWORKS: Mapping[str, NetworkEntry] = MappingProxyType(
    {
        "muq_mulan": NetworkEntry("muq_mulan", "MuQMuLan", "muq_mulan", "joint embedding of music and text", text=True),
        "muq": NetworkEntry("muq_mulan", "MuQ", "muq_mulan", "layers of the MuQ encoder inside MuQ-MuLan"),
        "clap": NetworkEntry("clap", "Clap", "clap", "joint embedding of music and text", text=True),
        "musicldm_clap": NetworkEntry(
            "clap", "MusicLDMClap", "musicldm_clap", "joint embedding that conditions MusicLDM", text=True
        ),
        "musiccoca": NetworkEntry(
            "musiccoca", "MusicCoCa", "musiccoca", "joint embedding that conditions Magenta RealTime", text=True
        ),
        "w2v_bert": NetworkEntry("transformers_audio", "TransformersAudio", "w2v_bert", "layers of w2v-BERT 2.0"),
        "transformers_audio": NetworkEntry(
            "transformers_audio", "TransformersAudio", None, "layers of any audio encoder of transformers"
        ),
        "codec": NetworkEntry("codec", "Codec", "codec", "latents of EnCodec before quantisation"),
        "musicnn": NetworkEntry(
            "musicnn",
            "Musicnn",
            "musicnn",
            "layers and 50 tags of a music tagger",
            layers=(
                "front",
                "cnn1",
                "cnn2",
                "cnn3",
                "pools",
                "penultimate",
                "logits",
                "tags",
            ),
        ),
        "musicnn_vgg": NetworkEntry(
            "musicnn",
            "MusicnnVGG",
            "musicnn_vgg",
            "layers and 50 tags of a VGG trained on music",
            layers=("pool1", "pool2", "pool3", "pool4", "pool5", "logits", "tags"),
        ),
        "onnx": NetworkEntry("onnx", "Onnx", None, "outputs of any ONNX file, described by a few lines beside it"),
        "basic_pitch": NetworkEntry(
            "basic_pitch",
            "BasicPitch",
            "basic_pitch",
            "pitch and onsets: density of notes, pitch classes, melody",
            layers=("pitch", "note", "onset", "contour"),
        ),
        "sentences": NetworkEntry(
            "sentence_encoder", "Sentences", "minilm", "sentence embedding", audio=False, text=True
        ),
    }
)
AUDIO_ENCODERS = MappingProxyType({name: entry for name, entry in NETWORKS.items() if entry.audio})
TEXT_ENCODERS = MappingProxyType({name: entry for name, entry in NETWORKS.items() if entry.text})
JOINT_ENCODERS = tuple(name for name in AUDIO_ENCODERS if name in TEXT_ENCODERS)
"""Networks that embed audio and text into one space."""


def load_audio_encoder(
    name: str,
    *,
    model: str | None = None,
    revision: str | None = None,
    layers: tuple[int, ...] = (),
    device: str = "auto",
    weights: str | Path | None = None,
    shuffled_seed: int | None = None,
) -> AudioEncoder:
    """Load a pretrained audio encoder from local files.

    Parameters
    ----------
    name : str
        Name of the registry (``muq_mulan``, ``clap``, ``w2v_bert``; see :data:`AUDIO_ENCODERS`), or of a model in the
        catalogue of weights.
    model : str, optional
        Model of the catalogue, or repository (``facebook/hubert-base-ls960``), instead of the default model.
    revision : str, optional
        Commit, instead of that of the catalogue.
    layers : tuple of int
        Layers of a frame model: 0 is the input of the first layer, negative numbers count from the last; all by
        default. Layers above the highest one are not computed.
    device : {"auto", "cpu", "cuda"}
    weights : path, optional
        Folder of the weights, instead of that of ``b2m models fetch``.
    shuffled_seed : int, optional
        Permute every parameter tensor with this seed: the control of an untrained network whose weights have the
        trained distribution (Tuckute et al. 2023, doi 10.1371/journal.pbio.3002366).

    Returns
    -------
    AudioEncoder

    Raises
    ------
    InputError
        If there is no such network, model or layer; if the weights are missing (with the command that fetches them,
        their size and licence, and alternatives) or damaged; or if a package is not installed.
    """
    options = {"layers": tuple(layers), "device": device, "shuffled_seed": shuffled_seed}
    network, entry = _resolve(AUDIO_ENCODERS, "audio", name, model, revision)
    encoder: AudioEncoder = network.load(entry, weights, options)
    return encoder


def load_text_encoder(
    name: str,
    *,
    model: str | None = None,
    revision: str | None = None,
    device: str = "auto",
    weights: str | Path | None = None,
    shuffled_seed: int | None = None,
) -> TextEncoder:
    """Load a pretrained text encoder from local files: the text tower of a joint model, or a sentence encoder.

    Parameters
    ----------
    name : str
        Name of the registry (``muq_mulan``, ``clap``, ``sentences``; see :data:`TEXT_ENCODERS`), or of a model in the
        catalogue of weights.
    model, revision, device, weights, shuffled_seed
        See :func:`load_audio_encoder`.

    Returns
    -------
    TextEncoder

    Raises
    ------
    InputError
        See :func:`load_audio_encoder`.
    """
    network, entry = _resolve(TEXT_ENCODERS, "text", name, model, revision)
    encoder: TextEncoder = network.load(entry, weights, {"device": device, "shuffled_seed": shuffled_seed})
    return encoder


def _resolve(
    networks: Mapping[str, NetworkEntry], kind: str, name: str, model: str | None, revision: str | None
) -> tuple[NetworkEntry, Entry]:
    """Find the network and the model of a name."""
    models = catalogue()
    if name not in networks and name in models and models[name].network in networks and model is None:
        name, model = models[name].network, name
    if name not in networks:
        near = get_close_matches(name, networks, n=1)
        raise InputError(
            f"no {kind} encoder has this name", found=name, expected=f"{near[0]}?" if near else ", ".join(networks)
        )
    network = networks[name]
    chosen = model or network.model
    if chosen is None:
        raise InputError(f"{name} needs a model", expected="model = a repository, or a name that b2m models list shows")
    entry = entry_of(chosen, revision, name)
    loader = networks.get(entry.network)
    if chosen != network.model and (loader is None or loader.target != network.target):
        raise InputError(
            f"{name} cannot load this model",
            found=chosen,
            expected="a model of the same architecture",
            fix="b2m models list",
        )
    return network, entry
