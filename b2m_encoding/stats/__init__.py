"""Statistics: scores, permutation, false discovery rate, preference."""

from b2m_encoding.stats.permutation import block_permutation_p, check_arrangements, fdr_q
from b2m_encoding.stats.preference import Preference, preferred
from b2m_encoding.stats.scores import pearson_r, r2_score

__all__ = ["Preference", "block_permutation_p", "check_arrangements", "fdr_q", "pearson_r", "preferred", "r2_score"]
