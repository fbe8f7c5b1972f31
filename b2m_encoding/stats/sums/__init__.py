"""Sums of held-out samples within blocks, from which scores, differences and their bootstrap follow."""
