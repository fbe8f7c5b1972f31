"""Units of work of a study: each done once, kept with a record of what it followed from, done again if that changed."""

from b2m_encoding.workflow.engine.context import Desk, Output
from b2m_encoding.workflow.engine.store import WorkFolder
from b2m_encoding.workflow.engine.unit import Unit

__all__ = ["Desk", "Output", "Unit", "WorkFolder"]
