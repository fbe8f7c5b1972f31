"""Readers of responses as tables of a study file: one class of options per kind of file."""

from typing import Annotated

from pydantic import Field

from b2m_encoding.data.sources.base import Source
from b2m_encoding.data.sources.bids import BidsSource
from b2m_encoding.data.sources.files import ArraySource, VolumeSource
from b2m_encoding.data.sources.hcp import HCPSource
from b2m_encoding.data.sources.musicgenre import MusicGenreSource, ZenodoSource
from b2m_encoding.data.sources.table import GROUP_MEAN, TableSource

AnySource = Annotated[
    BidsSource | HCPSource | MusicGenreSource | ZenodoSource | VolumeSource | ArraySource | TableSource,
    Field(discriminator="reader"),
]

__all__ = [
    "GROUP_MEAN",
    "AnySource",
    "ArraySource",
    "BidsSource",
    "HCPSource",
    "MusicGenreSource",
    "Source",
    "TableSource",
    "VolumeSource",
    "ZenodoSource",
]
