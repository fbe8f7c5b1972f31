"""Statistics: scores, intervals, ceilings, significance, clusters, partitioning, preference, regions, leakage audit."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from b2m_encoding.stats.agreement import GroupPreference, Overlap, group_preference, overlap
    from b2m_encoding.stats.arrangements import check_arrangements
    from b2m_encoding.stats.audit import (
        Check,
        alpha_at_edge,
        control_model,
        fold_gap,
        shuffled_blocks,
        standardised_on_test,
        stimulus_overlap,
        time_features,
    )
    from b2m_encoding.stats.autocorrelation import Autocorrelation, joint_autocorrelation
    from b2m_encoding.stats.ceilings import (
        Ceiling,
        NoCeiling,
        find_repeats,
        inter_subject_ceiling,
        noise_ceiling,
        normalised_score,
        repeat_ceiling,
        split_half_reliability,
    )
    from b2m_encoding.stats.clusters import Clusters, cluster_test, mesh_adjacency, standardised_maps, tfce, tfce_test
    from b2m_encoding.stats.generalisation import (
        LeftOut,
        TestSet,
        clips_in_other_training,
        genres_of,
        leave_one_label_out,
        leave_one_subject_out,
        samples_unaffected_by,
    )
    from b2m_encoding.stats.intervals import Interval, score_interval
    from b2m_encoding.stats.mixed import MixedModel, mixed_model
    from b2m_encoding.stats.multiplicity import fdr_q, max_statistic_p
    from b2m_encoding.stats.nulls import gaussian_null_p
    from b2m_encoding.stats.permutation import Significance, block_permutation_p, null_maps, significance
    from b2m_encoding.stats.population_prevalence import Prevalence, prevalence
    from b2m_encoding.stats.preference import Preference, prefer, prefer_by_deltas, sign_flips
    from b2m_encoding.stats.regions import RegionComparison, compare_regions, hedges_g, sign_flip_p
    from b2m_encoding.stats.scores import pearson_r, r2_score, scores_by
    from b2m_encoding.stats.sums import BlockSums, block_sums, bootstrap_weights, join_models, join_splits, join_targets
    from b2m_encoding.stats.tuning import Tuning, weight_components
    from b2m_encoding.stats.variance_partition import (
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
    "GroupPartition",
    "GroupPreference",
    "Interval",
    "LeftOut",
    "MixedModel",
    "NoCeiling",
    "Overlap",
    "Partition",
    "Preference",
    "Prevalence",
    "RegionComparison",
    "Significance",
    "TestSet",
    "Tuning",
    "alpha_at_edge",
    "block_permutation_p",
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
    "genres_of",
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
    "repeat_ceiling",
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

# Names load on first use: the package shall not wait for torch and statsmodels.
_MODULES = {
    "agreement": "GroupPreference Overlap group_preference overlap",
    "arrangements": "check_arrangements",
    "audit": "Check alpha_at_edge control_model fold_gap shuffled_blocks standardised_on_test "
    "stimulus_overlap time_features",
    "autocorrelation": "Autocorrelation joint_autocorrelation",
    "ceilings": "Ceiling NoCeiling find_repeats inter_subject_ceiling noise_ceiling normalised_score "
    "repeat_ceiling split_half_reliability",
    "clusters": "Clusters cluster_test mesh_adjacency standardised_maps tfce tfce_test",
    "generalisation": "LeftOut TestSet clips_in_other_training genres_of leave_one_label_out "
    "leave_one_subject_out samples_unaffected_by",
    "intervals": "Interval score_interval",
    "mixed": "MixedModel mixed_model",
    "multiplicity": "fdr_q max_statistic_p",
    "nulls": "gaussian_null_p",
    "permutation": "Significance block_permutation_p null_maps significance",
    "population_prevalence": "Prevalence prevalence",
    "preference": "Preference prefer prefer_by_deltas sign_flips",
    "regions": "RegionComparison compare_regions hedges_g sign_flip_p",
    "scores": "pearson_r r2_score scores_by",
    "sums": "BlockSums block_sums bootstrap_weights join_models join_splits join_targets",
    "tuning": "Tuning weight_components",
    "variance_partition": "GroupPartition Partition partition partition_blocks partition_groups partition_matrix",
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
