from .agreement import GroupPreference, Overlap, group_preference, overlap
from .arrangements import check_arrangements
from .audit import (
    Check,
    alpha_at_edge,
    control_model,
    fold_gap,
    noise_across_gap,
    repeats_in_a_row,
    shuffled_blocks,
    stimulus_overlap,
    time_features,
)
from .autocorrelation import Autocorrelation, autocorrelation_at, joint_autocorrelation
from .ceilings import (
    Ceiling,
    NoCeiling,
    find_repeats,
    inter_subject_ceiling,
    noise_ceiling,
    normalised_score,
    repeat_ceiling,
    split_half_reliability,
)
from .clusters import Clusters, cluster_test, mesh_adjacency, standardised_maps, tfce, tfce_test
from .fitted_features import standardised_on_test
from .generalisation import (
    LeftOut,
    TestSet,
    clips_in_other_training,
    leave_one_label_out,
    leave_one_subject_out,
    samples_unaffected_by,
)
from .intervals import Interval, score_interval
from .joined_folds import FoldDependence, refitted_null
from .mixed import MixedModel, mixed_model
from .multiplicity import fdr_q, max_statistic_p
from .nulls import RefittedNull, gaussian_null_p
from .permutation import Significance, null_maps, significance
from .population_prevalence import Prevalence, prevalence
from .preference import Preference, prefer, prefer_by_deltas, sign_flips
from .regions import RegionComparison, compare_regions, hedges_g, sign_flip_p
from .scores import pearson_r, r2_score, scores_by
from .sums.blocks import BlockSums
from .sums.bootstrap import bootstrap_weights
from .sums.gather import block_sums
from .sums.join import join_models, join_splits, join_targets
from .tuning import NamedTuning, Tuning, named_tuning, weight_components
from .variance_partition import (
    GroupPartition,
    Partition,
    partition,
    partition_blocks,
    partition_groups,
    partition_matrix,
)

__all__ = [
    "Autocorrelation",
    "BlockSums",
    "Ceiling",
    "Check",
    "Clusters",
    "FoldDependence",
    "GroupPartition",
    "GroupPreference",
    "Interval",
    "LeftOut",
    "MixedModel",
    "NamedTuning",
    "NoCeiling",
    "Overlap",
    "Partition",
    "Preference",
    "Prevalence",
    "RefittedNull",
    "RegionComparison",
    "Significance",
    "TestSet",
    "Tuning",
    "alpha_at_edge",
    "autocorrelation_at",
    "block_sums",
    "bootstrap_weights",
    "check_arrangements",
    "clips_in_other_training",
    "cluster_test",
    "compare_regions",
    "control_model",
    "fdr_q",
    "find_repeats",
    "fold_gap",
    "gaussian_null_p",
    "group_preference",
    "hedges_g",
    "inter_subject_ceiling",
    "join_models",
    "join_splits",
    "join_targets",
    "joint_autocorrelation",
    "leave_one_label_out",
    "leave_one_subject_out",
    "max_statistic_p",
    "mesh_adjacency",
    "mixed_model",
    "named_tuning",
    "noise_across_gap",
    "noise_ceiling",
    "normalised_score",
    "null_maps",
    "overlap",
    "partition",
    "partition_blocks",
    "partition_groups",
    "partition_matrix",
    "pearson_r",
    "prefer",
    "prefer_by_deltas",
    "prevalence",
    "r2_score",
    "refitted_null",
    "repeat_ceiling",
    "repeats_in_a_row",
    "samples_unaffected_by",
    "score_interval",
    "scores_by",
    "shuffled_blocks",
    "sign_flip_p",
    "sign_flips",
    "significance",
    "split_half_reliability",
    "standardised_maps",
    "standardised_on_test",
    "stimulus_overlap",
    "tfce",
    "tfce_test",
    "time_features",
    "weight_components",
]
