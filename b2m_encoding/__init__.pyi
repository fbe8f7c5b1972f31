from . import (
    analysis,
    data,
    decoding,
    errors,
    features,
    figures,
    gallery,
    io,
    models,
    phantom,
    reconstruction,
    results,
    runs,
    spaces,
    stats,
    study,
    workflow,
)
from .analysis.encoding.encode import encode_subject
from .analysis.evaluation import Evaluation, evaluate
from .analysis.windows import stimulus_timeline
from .data.responses import Responses
from .decoding.retrieval.build import build_corpus
from .decoding.retrieval.corpus import Corpus
from .errors import InputError, ProblemList
from .features.extractors import build_spaces
from .features.space import FeatureSpace
from .figures.plots.images import plot_flatmap, plot_preference
from .models.delayer import Delayer
from .models.estimators import BandedRidgeCV, Ridge, RidgeCV
from .models.model import EncodingModel
from .phantom.simulate import simulate_study
from .reconstruction.run import reconstruct
from .results.reader import Results
from .runs import Runs
from .spaces.atlas import load_atlas
from .spaces.surface import surface_space
from .study import Study, load_study
from .workflow.check import check_study
from .workflow.progress import show_progress
from .workflow.run import run_study

__version__: str
__all__ = [
    "BandedRidgeCV",
    "Corpus",
    "Delayer",
    "EncodingModel",
    "Evaluation",
    "FeatureSpace",
    "InputError",
    "ProblemList",
    "Responses",
    "Results",
    "Ridge",
    "RidgeCV",
    "Runs",
    "Study",
    "__version__",
    "analysis",
    "build_corpus",
    "build_spaces",
    "check_study",
    "data",
    "decoding",
    "encode_subject",
    "errors",
    "evaluate",
    "features",
    "figures",
    "gallery",
    "io",
    "load_atlas",
    "load_study",
    "models",
    "phantom",
    "plot_flatmap",
    "plot_preference",
    "reconstruct",
    "reconstruction",
    "results",
    "run_study",
    "runs",
    "show_progress",
    "simulate_study",
    "spaces",
    "stats",
    "stimulus_timeline",
    "study",
    "surface_space",
    "workflow",
]
