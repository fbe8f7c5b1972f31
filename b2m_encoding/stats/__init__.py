"""Statistics: scores, intervals, ceilings, significance, clusters, partitioning, preference, regions, leakage audit."""

from b2m_encoding.stats.arrangements import check_arrangements
from b2m_encoding.stats.ceilings import Ceiling, NoCeiling, noise_ceiling, normalised_score, repeat_ceiling
from b2m_encoding.stats.clusters import cluster_test, mesh_adjacency, standardised_maps, tfce_test
from b2m_encoding.stats.intervals import Interval, score_interval
from b2m_encoding.stats.multiplicity import fdr_q, max_statistic_p
from b2m_encoding.stats.permutation import Significance, block_permutation_p, null_maps, significance
from b2m_encoding.stats.preference import Preference, prefer, prefer_by_deltas
from b2m_encoding.stats.scores import pearson_r, r2_score, scores_by

__all__ = [
    "Ceiling",
    "Interval",
    "NoCeiling",
    "Preference",
    "Significance",
    "block_permutation_p",
    "check_arrangements",
    "cluster_test",
    "fdr_q",
    "max_statistic_p",
    "mesh_adjacency",
    "noise_ceiling",
    "normalised_score",
    "null_maps",
    "pearson_r",
    "prefer",
    "prefer_by_deltas",
    "r2_score",
    "repeat_ceiling",
    "score_interval",
    "scores_by",
    "significance",
    "standardised_maps",
    "tfce_test",
]
