from .context import FigureContext, FigureRequest
from .draw import draw_kind
from .explorer import write_view
from .kinds import KINDS, Kind
from .paper.page import write_paper
from .report import write_pages

__all__ = [
    "KINDS",
    "FigureContext",
    "FigureRequest",
    "Kind",
    "draw_kind",
    "write_pages",
    "write_paper",
    "write_view",
]
