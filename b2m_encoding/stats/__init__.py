"""Statistics: scores, permutation, false discovery rate, preference."""
