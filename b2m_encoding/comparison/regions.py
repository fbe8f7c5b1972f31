"""Regions of two results: scores of every subject, contributions of blocks, and their tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from b2m_encoding._typing import Float64
from b2m_encoding.analysis.tables.regions import named_regions
from b2m_encoding.comparison.differences import group_difference
from b2m_encoding.comparison.sides import Side, merged, on_targets
from b2m_encoding.results.held_out_blocks import HeldOutBlocks
from b2m_encoding.results.schema.comparison_tables import COMPARISON_REGIONS
from b2m_encoding.spaces import RegionSpace
from b2m_encoding.stats.multiplicity import fdr_q
from b2m_encoding.stats.preference import flip_widening
from b2m_encoding.stats.regions import BlockKey, compare_regions

KEYS = ["subject", "hemisphere", "region", "feature_space", "score"]


@dataclass(frozen=True, eq=False)
class RegionScores:
    """Scores of regions of both results.

    Parameters
    ----------
    table : DataFrame
        ``subject``, ``hemisphere``, ``region``, ``feature_space`` (name of the side) and ``score``.
    blocks : dict of (subject, region, side) to array, shape (n_blocks,)
        Contributions of blocks of the same samples; empty where samples differ.
    widening : dict of (subject, region) to float
    """

    table: pd.DataFrame
    blocks: Mapping[BlockKey, Float64]
    widening: Mapping[tuple[str, str], float]


def region_scores(
    sides: tuple[Side, Side], regions: tuple[str, ...], subjects: tuple[tuple[str, ...], tuple[str, ...]]
) -> RegionScores:
    """Mean r of every region and subject, over the targets that were tested, and what blocks contribute to it.

    Both have the atlas and the regions of the first.
    """
    rows: list[dict[str, Any]] = []
    shares: dict[tuple[str, str, str], list[Float64]] = {}
    held: dict[str, list[HeldOutBlocks | None]] = {}
    for side, own in zip(sides, subjects, strict=True):
        for subject in own:
            masks, scores = _masks(sides[0], side, subject, regions), side.scores(subject)
            blocks = side.blocks(subject)
            held.setdefault(subject, []).append(blocks)
            parts = None if blocks is None else on_targets(blocks, side.model, len(scores), side.path)
            for hemi, name, mask in masks:
                inside = mask & np.isfinite(scores)
                if inside.any():
                    row = (subject, hemi, name, side.name, float(scores[inside].mean()))
                    rows.append(dict(zip(KEYS, row, strict=True)))
                    if parts is not None:
                        shares.setdefault((subject, name, side.name), []).append(parts[:, inside].mean(axis=1))
    table = pd.DataFrame(rows, columns=KEYS)
    pairs = {
        subject: (own[0], own[1])
        for subject, own in held.items()
        if len(own) == 2 and own[0] is not None and own[1] is not None and own[0].same_samples(own[1])
    }
    length = max((max(a.length, b.length) for a, b in pairs.values()), default=1)
    blocks_of = {
        key: merged(pairs[key[0]][0], np.mean(values, axis=0)[:, None], length)[:, 0]
        for key, values in shares.items()
        if key[0] in pairs
    }
    widening = {
        (subject, region): float(max(own.widening(np.array([score]))[0] for own in pairs[subject]))
        for (subject, region), score in table.groupby(["subject", "region"])["score"].mean().items()
        if subject in pairs
    }
    estimated = flip_widening(min(map(len, blocks_of.values()), default=0))
    return RegionScores(table, blocks_of, {key: value * estimated for key, value in widening.items()})


def _masks(first: Side, side: Side, subject: str, regions: tuple[str, ...]) -> list[tuple[str | None, str, Any]]:
    """Regions of a subject by the atlas of the first; those of parcellated data by their names."""
    maps = first.context.maps if not regions else first.context.maps.model_copy(update={"regions": regions})
    space = side.space(subject)
    found = named_regions(space, maps)
    return [one for one in found if not isinstance(space, RegionSpace) or not regions or one[1] in regions]


def compare_pairs(scores: RegionScores, sides: tuple[Side, Side], *, level: float, n_permutations: int) -> pd.DataFrame:
    """Compare the same subjects in every region; see :func:`~b2m_encoding.stats.compare_regions`."""
    table, names = scores.table, [side.name for side in sides]
    if not len(table):
        return _columns([])
    found = compare_regions(
        table, blocks=scores.blocks, widening=scores.widening, feature_spaces=names, level=level,
        n_permutations=n_permutations, random_state=0,
    ).tests  # fmt: skip
    means = _means(table)
    rows = found.drop(columns=["first", "second"]).to_dict("records")
    for row in rows:
        row |= {
            key: means.get((row["region"], name), np.nan) for key, name in zip(("first", "second"), names, strict=True)
        }
        row["n_second"] = row["n_subjects"]
    return _columns(rows)


def compare_groups(
    scores: RegionScores, sides: tuple[Side, Side], *, level: float, n_permutations: int
) -> pd.DataFrame:
    """Compare two groups of subjects in every region that both have."""
    rows = []
    means = scores.table.groupby(["feature_space", "region", "subject"], sort=False)["score"].mean()
    for region in dict.fromkeys(scores.table["region"]):
        groups = [
            means.loc[side.name].loc[region].to_numpy()
            if (side.name, region) in means.index.droplevel(2)
            else np.zeros(0)
            for side in sides
        ]
        row = {"region": region, "n_subjects": len(groups[0]), "n_second": len(groups[1])}
        row |= {
            key: group.mean() if len(group) else np.nan for key, group in zip(("first", "second"), groups, strict=True)
        }
        row["difference"] = row["first"] - row["second"]
        if min(map(len, groups)) > 1:
            one = group_difference(
                groups[0][:, None], groups[1][:, None], level=level, n_permutations=n_permutations, random_state=0
            )
            row |= {key: float(getattr(one, key)[0]) for key in ("low", "high", "p")}
            row["test"] = "subjects exchanged between groups"
        else:
            row["test"] = "not possible: fewer than two subjects in a group"
        rows.append(row)
    table = _columns(rows)
    table["q"] = fdr_q(table["p"].to_numpy(dtype=float)) if len(table) else table["p"]
    return table


def _means(table: pd.DataFrame) -> dict[tuple[str, str], float]:
    """Mean over subjects of regions and sides, hemispheres averaged first."""
    each = table.groupby(["region", "feature_space", "subject"], sort=False)["score"].mean()
    return {(str(key[0]), str(key[1])): float(v) for key, v in each.groupby(level=[0, 1]).mean().items()}


def _columns(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows of regions that both results have, as a table."""
    table = pd.DataFrame(rows, columns=list(COMPARISON_REGIONS.columns))
    return table[(table["n_subjects"] > 0) & (table["n_second"] > 0)].reset_index(drop=True)
