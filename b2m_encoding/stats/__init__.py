"""Statistics: scores, permutation, false discovery rate, preference."""

from b2m_encoding.stats.arrangements import check_arrangements
from b2m_encoding.stats.multiplicity import fdr_q, max_statistic_p
from b2m_encoding.stats.permutation import Significance, block_permutation_p, null_maps, significance
from b2m_encoding.stats.preference import Preference, prefer
from b2m_encoding.stats.scores import pearson_r, r2_score

__all__ = [
    "Preference",
    "Significance",
    "block_permutation_p",
    "check_arrangements",
    "fdr_q",
    "max_statistic_p",
    "null_maps",
    "pearson_r",
    "prefer",
    "r2_score",
    "significance",
]
