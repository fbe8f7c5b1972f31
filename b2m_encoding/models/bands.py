"""Sets of feature spaces, by name."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

from b2m_encoding._typing import Bands


def all_subsets(names: Iterable[str]) -> list[Bands]:
    """List every non-empty set of feature spaces, small sets first.

    Examples
    --------
    >>> all_subsets(["a", "b"])
    [('a',), ('b',), ('a', 'b')]
    """
    members = list(names)
    return [subset for size in range(1, len(members) + 1) for subset in combinations(members, size)]
