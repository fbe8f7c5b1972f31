from .encoding.encode import encode_subject
from .encoding.encoding import Comparison, Encoding, Inference, Scores
from .evaluation import Evaluation, evaluate
from .learning import LearningCurve, learning_curve
from .splits import Split, evaluated, split_samples
from .study_results import StudyResults
from .windows import stimulus_timeline, windowed

__all__ = [
    "Comparison",
    "Encoding",
    "Evaluation",
    "Inference",
    "LearningCurve",
    "Scores",
    "Split",
    "StudyResults",
    "encode_subject",
    "evaluate",
    "evaluated",
    "learning_curve",
    "split_samples",
    "stimulus_timeline",
    "windowed",
]
