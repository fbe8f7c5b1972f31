from .arrays import read_arrays
from .bids import read_bids
from .cleaning import Cleaning
from .events import read_events
from .images import responses_from_masker, responses_from_surface_images
from .musicgenre import check_design, read_zenodo
from .recording import Recording
from .responses import Responses, average_repeats
from .table import read_table
from .volume import read_volumes

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
