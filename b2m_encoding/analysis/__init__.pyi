from .encoding.encode import Comparison, Encoding, Inference, Scores, encode_subject
from .splits import Split, evaluated, split_samples
from .study_results import StudyResults
from .windows import stimulus_timeline, windowed

__all__ = [
    "Comparison",
    "Encoding",
    "Inference",
    "Scores",
    "Split",
    "StudyResults",
    "encode_subject",
    "evaluated",
    "split_samples",
    "stimulus_timeline",
    "windowed",
]
