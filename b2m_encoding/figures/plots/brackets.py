"""Brackets over pairs of feature spaces that differ, with stars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes

from b2m_encoding.figures.style import Style

BRACKET = 0.075
"""Height of a bracket, as a share of the axis."""


@dataclass(frozen=True)
class Bracket:
    """A difference between two feature spaces in a region, and its level above the points."""

    region: str
    first: str
    second: str
    stars: str
    level: int


def significant_pairs(tests: pd.DataFrame | None, spaces: Sequence[str], q: float) -> list[Bracket]:
    """Differences that are significant, narrow ones below wide ones.

    Parameters
    ----------
    tests : DataFrame or None
        Columns ``region``, ``first``, ``second`` and ``q``.
    spaces : sequence of str
        Feature spaces from left to right; pairs with others are left out.
    q : float
        One star below it, two below a fifth of it, three below a fiftieth.
    """
    brackets: list[Bracket] = []
    if tests is None:
        return brackets
    place = {name: index for index, name in enumerate(spaces)}
    significant = tests[tests["first"].isin(place) & tests["second"].isin(place) & (tests["q"] < q)]
    width = (significant["first"].map(place) - significant["second"].map(place)).abs()
    levels: dict[str, int] = {}
    for row in significant.assign(width=width).sort_values("width", kind="stable").itertuples():
        region = str(row.region)
        stars = "*" * (1 + (row.q < q / 5) + (row.q < q / 50))
        brackets.append(Bracket(region, row.first, row.second, stars, levels.setdefault(region, 0)))
        levels[region] += 1
    return brackets


def draw_brackets(
    axes: Axes,
    brackets: Sequence[Bracket],
    row: Sequence[str],
    offset: Callable[[str], float],
    limits: tuple[float, float],
    style: Style,
) -> None:
    """Draw brackets between the points of a row of regions and the upper limit."""
    top = max((bracket.level for bracket in brackets), default=0)
    unit = BRACKET * (limits[1] - limits[0])
    for bracket in brackets:
        x = sorted(row.index(bracket.region) + offset(name) for name in (bracket.first, bracket.second))
        y = limits[1] - (top - bracket.level + 0.75) * unit
        axes.plot([x[0], x[0], x[1], x[1]], [y - 0.2 * unit, y, y, y - 0.2 * unit], color="black", linewidth=0.5)
        axes.text(sum(x) / 2, y - 0.15 * unit, bracket.stars, size=style.small_size, ha="center", va="bottom",
                  parse_math=False)  # fmt: skip
