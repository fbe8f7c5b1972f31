"""Regions: scores, partition of the variance, and comparison of feature spaces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from b2m_encoding._typing import Booleans, Float64
from b2m_encoding.analysis.encoding.blocks import BlockLayout, comparison_sums
from b2m_encoding.analysis.encoding.encoding import Encoding
from b2m_encoding.analysis.tables.breakdown import breakdown_rows
from b2m_encoding.data.sources import GROUP_MEAN
from b2m_encoding.features.space import all_subsets
from b2m_encoding.results.schema import JOINT
from b2m_encoding.spaces import RegionSpace, Space, is_labelled, load_atlas
from b2m_encoding.spaces.meshes import HEMISPHERES
from b2m_encoding.stats.preference import flip_widening
from b2m_encoding.stats.regions import BlockKey, RegionComparison, compare_regions
from b2m_encoding.stats.variance_partition import partition_groups
from b2m_encoding.study import MapsTable, Study

Region = tuple[str | None, str, Booleans]
EVERYWHERE = "all targets"
"""Name of the region of the variance partition where the data have none."""


def study_regions(space: Space, study: Study) -> list[Region]:
    """List the regions of a study in a space; see :func:`named_regions`."""
    return named_regions(space, study.maps)


def named_regions(space: Space, maps: MapsTable) -> list[Region]:
    """List hemisphere, name and targets of regions of an atlas; empty for volumes in no standard space.

    Returns
    -------
    list of (hemisphere or None, name, array of bool, shape (n_targets,))
    """
    if isinstance(space, RegionSpace):
        return [(None, name, np.arange(space.n_targets) == i) for i, name in enumerate(space.regions)]
    if is_labelled(space):
        atlas = load_atlas(maps.atlas, space)
        return [(hemi, name, atlas.mask(name, hemi)) for name in maps.regions for hemi in HEMISPHERES]
    return []


@dataclass(frozen=True, eq=False)
class RegionRows:
    """Rows of the tables of regions, and of scores by run, clip and group, of one subject."""

    scores: list[dict[str, Any]]
    parts: list[dict[str, Any]]
    blocks: RegionBlocks | None
    breakdown: list[dict[str, Any]]


@dataclass(frozen=True, eq=False)
class RegionBlocks:
    """Contribution of each of the shortest held-out blocks to the scores of the regions of a subject.

    Parameters
    ----------
    contributions : dict of (subject, region, feature space) to array, shape (n_blocks,)
    layout : BlockLayout
    widening : dict of str to float
        By region: standard error of a difference relative to that for fixed predictions, where folds are joined.
    """

    contributions: Mapping[BlockKey, Float64]
    layout: BlockLayout
    widening: Mapping[str, float]


def region_rows(subject: str, encoding: Encoding, space: Space, study: Study) -> RegionRows:
    """Scores of the regions of a subject, their parts of variance, and scores by run, clip and group."""
    masks = study_regions(space, study)
    return RegionRows(
        score_rows(subject, encoding, masks, study),
        partition_rows(subject, encoding, masks, study),
        block_scores(subject, encoding, masks, study),
        breakdown_rows(subject, encoding, study),
    )


def score_rows(subject: str, encoding: Encoding, masks: list[Region], study: Study) -> list[dict[str, Any]]:
    """Mean score of each region, hemisphere and feature space of a subject.

    Columns are those of :data:`~b2m_encoding.results.schema.tables.REGIONS`.
    """
    return [
        {"subject": subject, "hemisphere": hemi, "region": name, **row}
        for hemi, name, mask in masks
        for row in _rows(encoding, mask, study.statistics.q)
    ]


def _rows(encoding: Encoding, mask: Booleans, q: float) -> list[dict[str, object]]:
    inside = mask & encoding.tested
    count = int(inside.sum())
    return [
        {
            "feature_space": name,
            "score": float(r[inside].mean()) if count else np.nan,
            "targets": count,
            "significant": float((encoding.q_of(name)[inside] < q).mean()) if count else np.nan,
        }
        for name, r in encoding.r.items()
    ]


def partition_rows(subject: str, encoding: Encoding, masks: list[Region], study: Study) -> list[dict[str, Any]]:
    """Unique and shared parts of every region of a subject; of all its targets together, where there are no regions."""
    if encoding.partition is None or encoding.held_out is None:
        return []
    masks = masks or [(None, EVERYWHERE, np.ones(len(encoding.tested), dtype=bool))]
    names, table = encoding.partition.names, study.statistics
    sums = comparison_sums(encoding.held_out, study).take_models(all_subsets(names))
    groups = np.stack([mask & encoding.tested for _, _, mask in masks])
    accuracy = np.array([np.nan_to_num(encoding.r[JOINT][group]).mean() if group.any() else 0.0 for group in groups])
    anywhere = np.flatnonzero(groups.any(axis=0))
    partition = partition_groups(
        sums.take_targets(anywhere),
        groups[:, anywhere],
        n_bootstraps=table.bootstraps,
        level=table.level,
        widening=encoding.refits.dependence.of_parts(all_subsets(names), accuracy) if encoding.refits else None,
        random_state=study.seed,
    )
    return [
        {
            "subject": subject,
            "hemisphere": hemi,
            "region": name,
            "part": "+".join(part),
            "r2": values[i],
            "low": partition.interval[part][0, i],
            "high": partition.interval[part][1, i],
            "targets": int(partition.n_targets[i]),
            "negative": int(partition.n_negative[part][i]),
            "product": _mean_product(encoding, part, groups[i]),
            "doubt": partition.doubts[part][i] or None,
        }
        for i, (hemi, name, _) in enumerate(masks)
        for part, values in partition.parts.items()
    ]


def _mean_product(encoding: Encoding, part: tuple[str, ...], inside: Booleans) -> float:
    if len(part) > 1 or encoding.product is None or not inside.any():
        return float("nan")
    return float(encoding.product[part[0]][inside].mean())


def block_scores(subject: str, encoding: Encoding, masks: list[Region], study: Study) -> RegionBlocks | None:
    """Contribution of each held-out block to the score of each region and feature space, hemispheres averaged."""
    if encoding.held_out is None or not masks:
        return None
    out: dict[BlockKey, list[Float64]] = {}
    accuracy: dict[str, list[Float64]] = {}
    names = [name for name in encoding.r if name != JOINT]
    products = {name: encoding.held_out.sums.contributions((name,)) for name in names}
    for _, region, mask in masks:
        inside = mask & encoding.tested
        accuracy.setdefault(region, []).append(encoding.r[JOINT][inside])
        for name in names:
            values = np.nan_to_num(products[name][:, inside])  # a constant prediction adds nothing
            if values.size:
                out.setdefault((subject, region, name), []).append(values.mean(axis=1))
    return RegionBlocks(
        {key: np.mean(parts, axis=0) for key, parts in out.items()},
        BlockLayout.of(encoding.held_out, study),
        {region: _widening(encoding, np.concatenate(parts)) for region, parts in accuracy.items()},
    )


def _widening(encoding: Encoding, accuracy: Float64) -> float:
    """Factor of the error of a difference in a region, whose targets have these accuracies."""
    if encoding.refits is None or "difference" not in encoding.refits.dependence.ratios or not len(accuracy):
        return 1.0
    return float(encoding.refits.dependence.ratio("difference", np.array([accuracy.mean()]))[0])


def comparison(table: pd.DataFrame, blocks: Mapping[str, RegionBlocks | None], study: Study) -> RegionComparison | None:
    """Compare the feature spaces in every region; None if there is nothing to compare.

    Blocks are as long in all subjects as the slowest needs, so that their signs can be flipped together.
    """
    single = table[(table["feature_space"] != JOINT) & (table["subject"] != GROUP_MEAN) & table["score"].notna()]
    if single["feature_space"].nunique() < 2:
        return None
    known = {subject: own for subject, own in blocks.items() if own is not None}
    length = max((own.layout.length for own in known.values()), default=1)
    merged = {
        key: own.layout.merge(values, length) for own in known.values() for key, values in own.contributions.items()
    }
    estimated = flip_widening(min(map(len, merged.values()), default=0))
    return compare_regions(
        single,
        blocks=merged,
        widening={
            (subject, region): factor * estimated
            for subject, own in known.items()
            for region, factor in own.widening.items()
        },
        level=study.statistics.level,
        n_permutations=study.statistics.permutations,
        random_state=study.seed,
    )
