"""Readers of images and tables, cleaning, and responses that are loaded run by run."""

from b2m_encoding.data.arrays import read_arrays
from b2m_encoding.data.bids import read_bids
from b2m_encoding.data.cleaning import Cleaning
from b2m_encoding.data.events import read_events
from b2m_encoding.data.images import responses_from_masker, responses_from_surface_images
from b2m_encoding.data.musicgenre import check_design, read_zenodo
from b2m_encoding.data.recording import Recording
from b2m_encoding.data.responses import Responses, average_repeats
from b2m_encoding.data.table import read_table
from b2m_encoding.data.volume import read_volumes

__all__ = [
    "Cleaning",
    "Recording",
    "Responses",
    "average_repeats",
    "check_design",
    "read_arrays",
    "read_bids",
    "read_events",
    "read_table",
    "read_volumes",
    "read_zenodo",
    "responses_from_masker",
    "responses_from_surface_images",
]
