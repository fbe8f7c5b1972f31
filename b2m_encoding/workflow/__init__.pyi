from .check import check_study
from .engine.cluster import ClusterSpec, slurm_cluster
from .extract_features import fill_features, write_stimuli
from .plan import STEPS
from .progress import show_progress
from .run import explain_study, run_study, work_folder
from .templates import left_to_do, write_template

__all__ = [
    "STEPS",
    "ClusterSpec",
    "check_study",
    "explain_study",
    "fill_features",
    "left_to_do",
    "run_study",
    "show_progress",
    "slurm_cluster",
    "work_folder",
    "write_stimuli",
    "write_template",
]
