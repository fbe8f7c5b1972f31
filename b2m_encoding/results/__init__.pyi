from .bids import to_bids
from .clip_responses import ClipResponses
from .decoded import Decoded, DecodedWindows
from .pycortex import to_pycortex
from .reader import Results
from .report import write_report
from .reranking_model import RerankingModel
from .viewers import write_viewers

__all__ = [
    "ClipResponses",
    "Decoded",
    "DecodedWindows",
    "RerankingModel",
    "Results",
    "to_bids",
    "to_pycortex",
    "write_report",
    "write_viewers",
]
