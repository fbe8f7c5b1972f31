"""Definition of an atlas: a TOML file with the sources, citation and licence of its labels, and sets of regions."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from b2m_encoding.config import Config
from b2m_encoding.errors import InputError
from b2m_encoding.io.parsing import load_toml
from b2m_encoding.spaces.meshes import Hemisphere


class RegionSet(Config):
    """``[sets.NAME]``: regions joined under one name, in one hemisphere or both, where a map allows it."""

    title: str = ""
    parcels: tuple[str, ...] = Field(min_length=1)
    """Regions, or other sets."""
    hemispheres: tuple[Hemisphere, ...] = ("L", "R")
    map: str | None = None
    """Name of a map that the caller must give, such as ``r``."""
    above: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _threshold_is_whole(self) -> RegionSet:
        if (self.map is None) != (self.above is None and self.below is None):
            raise ValueError("a threshold needs a map, and at least one of above and below")
        return self


class LabelSource(Config):
    """``[[source]]``: one place where the labels may be; the first that is there is read.

    In ``file``, ``{hemi}`` stands for L and R, ``{lh}`` for lh and rh, ``{left}`` for left and right, ``{subject}`` for
    the subject of a single surface, or fsaverage.
    """

    kind: Literal["npz", "cifti", "annot", "gifti", "volume"]
    root: str = "."
    """``package:NAME``, ``nilearn`` (its data folder), ``freesurfer`` (``SUBJECTS_DIR``), or a folder."""
    file: str
    table: str | None = None
    """Numbers and names of a volume's labels (TSV), if they are not beside it."""
    reference: str = "MNI152NLin6Asym"
    """Where a volume lies."""
    fetch: str | None = None
    """Advice where it is missing."""


class AtlasDefinition(Config):
    """An atlas as its TOML file describes it."""

    schema_: Literal[1] = Field(alias="schema")
    name: str
    title: str
    citation: str
    licence: str
    base: str | None = None
    """Another atlas, whose labels and sets are taken over."""
    strip: str = ""
    """Regular expression: what to remove from the names of the labels."""
    drop: tuple[str, ...] = ("", "???", "unknown", "Unknown", "Medial_wall", "Medial_Wall", "Background")
    """Labels that are no region."""
    source: tuple[LabelSource, ...] = ()
    sets: dict[str, RegionSet] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _labels_come_from_somewhere(self) -> AtlasDefinition:
        if bool(self.source) == bool(self.base):
            raise ValueError("an atlas has either [[source]] tables or a base")
        return self


def atlas_folder() -> Path:
    """The ``atlases`` folder: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_atlases", package.parent / "atlases"):
        if folder.is_dir():
            return folder
    raise InputError("the atlas definitions are missing", expected=package / "_atlases", fix="reinstall b2m-encoding")


def list_atlases() -> list[str]:
    """Names of the atlases that come with the package; see :func:`atlas_states` for labels on this machine."""
    return sorted(path.stem for path in atlas_folder().glob("*.toml"))


def find_definition(name: str) -> Path:
    """TOML file of an atlas: one of the package by name, or any by path.

    Raises
    ------
    InputError
        If there is none.
    """
    path = Path(name).expanduser() if name.endswith(".toml") else atlas_folder() / f"{name}.toml"
    if not path.is_file():
        known = list_atlases()
        raise InputError(
            "unknown atlas",
            found=name,
            expected=", ".join(known) + ", or a file (.toml, .dlabel.nii, .annot, .label.gii, .nii.gz)",
        )
    return path.absolute()


def read_definition(path: Path) -> AtlasDefinition:
    """Read and check the TOML file of an atlas; its content is parsed once.

    Raises
    ------
    InputError
        If it is no TOML, or a key is unknown, missing or wrong.
    """
    return _parsed(path, path.read_bytes())


@cache
def _parsed(path: Path, content: bytes) -> AtlasDefinition:
    try:
        return AtlasDefinition.model_validate(load_toml(content.decode("utf-8")))
    except ValueError as error:
        raise InputError("the definition of an atlas is not valid TOML", file=path, found=error) from error
    except ValidationError as error:
        found = ["{}: {}".format(".".join(map(str, e["loc"])) or "atlas", e["msg"]) for e in error.errors()]
        raise InputError("the definition of an atlas is wrong", file=path, found="; ".join(found)) from error
