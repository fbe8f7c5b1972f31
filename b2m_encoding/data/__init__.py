"""Data: readers of images and tables, cleaning, and responses that stream run by run."""

from b2m_encoding.data.cleaning import Cleaning
from b2m_encoding.data.events import read_events
from b2m_encoding.data.recording import Recording
from b2m_encoding.data.responses import Responses, average_repeats

__all__ = ["Cleaning", "Recording", "Responses", "average_repeats", "read_events"]
