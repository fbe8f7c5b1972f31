from .check import check_study
from .engine.cluster import ClusterSpec
from .extract_features import fill_features, write_stimuli
from .plan import STEPS
from .run import explain_study, run_study, work_folder

__all__ = [
    "STEPS",
    "ClusterSpec",
    "check_study",
    "explain_study",
    "fill_features",
    "run_study",
    "work_folder",
    "write_stimuli",
]
