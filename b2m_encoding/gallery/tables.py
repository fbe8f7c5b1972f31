"""Tables of results in the form that figures need: noise ceilings of regions, clips with groups, decoders to draw."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control, ttest_1samp

from b2m_encoding._typing import Booleans, Float32
from b2m_encoding.gallery.context import FigureContext
from b2m_encoding.results.reader import Results
from b2m_encoding.results.schema import JOINT, maps, tables
from b2m_encoding.spaces import (
    HEMISPHERES,
    GrayordinateSpace,
    Hemisphere,
    RegionSpace,
    Space,
    SurfaceSpace,
    VolumeSpace,
    load_atlas,
)

MIN_SUBJECTS = 3
"""Fewest subjects with a t over subjects."""


def region_ceilings(context: FigureContext, regions: tuple[str, ...]) -> pd.DataFrame | None:
    """Noise ceilings of regions: their mean in the subject with the lowest, and in the subject with the highest.

    Returns
    -------
    DataFrame or None
        Columns ``region``, ``lower`` and ``upper``; None where no subject has a noise ceiling.
    """
    rows = [
        row
        for subject in context.subjects
        if context.results.has_map(subject, JOINT, maps.CEILING.stat)
        for row in _subject_ceilings(context, subject, regions)
    ]
    table = pd.DataFrame(rows, columns=["region", "ceiling"]).dropna()
    if not len(table):
        return None
    return table.groupby("region", sort=False)["ceiling"].agg(lower="min", upper="max").reset_index()


def _subject_ceilings(context: FigureContext, subject: str, regions: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    """Mean noise ceiling of every region of a subject, hemispheres averaged."""
    ceiling, space = context.results.map(subject, JOINT, maps.CEILING.stat), context.results.space(subject)
    if isinstance(space, RegionSpace):
        yield from ((region, ceiling[space.regions.index(region)]) for region in regions)
    elif isinstance(space, SurfaceSpace | GrayordinateSpace | VolumeSpace):
        atlas = load_atlas(context.maps.atlas, space)
        for region in regions:
            means = [_finite_mean(ceiling[atlas.mask(region, hemi)]) for hemi in HEMISPHERES]
            if finite := [mean for mean in means if mean is not None]:
                yield region, float(np.mean(finite))


def masked_regions(context: FigureContext, table: pd.DataFrame) -> pd.DataFrame:
    """The table of regions, its scores those of the targets of the requested mask, the same for all feature spaces.

    Not for tests: targets that were chosen by a score cannot be used to compare it.
    """
    compared = tuple(name for name in table["feature_space"].unique() if name != JOINT)
    rows = []
    for subject, own in table.groupby("subject", sort=False):
        space, name = context.results.space(str(subject)), str(subject)
        shown = context.predicted(name, context.masking(name, compared))
        inside = region_masks(context, space)
        scores = {model: context.results.map(name, model, maps.R.stat) for model in own["feature_space"].unique()}
        for row in own.to_dict("records"):
            targets = inside(row["region"], row["hemisphere"]) & shown
            mean = _finite_mean(scores[row["feature_space"]][targets])
            rows.append(row | {"score": np.nan if mean is None else float(mean)})
    return pd.DataFrame(rows, columns=list(table.columns))


def region_masks(context: FigureContext, space: Space) -> Callable[[str, Hemisphere | None], Booleans]:
    """Targets of a region and hemisphere in a space that has regions."""
    if isinstance(space, SurfaceSpace | GrayordinateSpace | VolumeSpace):
        return load_atlas(context.maps.atlas, space).mask
    assert isinstance(space, RegionSpace)
    return lambda region, _: np.array([name == region for name in space.regions])


def _finite_mean(values: Float32) -> np.float32 | None:
    finite = values[np.isfinite(values)]
    return np.mean(finite) if finite.size else None


def with_groups(table: pd.DataFrame, results: Results) -> tuple[pd.DataFrame, str]:
    """The identification table with the groups of clips, and what they are called; as it is where there are none."""
    if not results.has(tables.CLIPS):
        return table, "group"
    clips = results.table(tables.CLIPS)
    groups = dict(zip(clips["clip"], clips["group"], strict=True))
    for column, named in (("group", "clip"), ("identified_group", "identified")):
        if named in table and all(isinstance(groups.get(str(clip)), str) for clip in table[named]):
            table = table.assign(**{column: [groups[str(clip)] for clip in table[named]]})
    return table, str(clips["grouped_by"].iloc[0]) if "group" in table else "group"


def t_of_group(scores: Float32) -> tuple[Float32 | None, Float32 | None]:
    """One-sample t of Fisher's z over subjects, and its q (one-sided, Benjamini-Hochberg); None for fewer than three.

    Parameters
    ----------
    scores : array, shape (n_subjects, n_targets)
        Correlations; a target that is not tested in every subject has no t.
    """
    if len(scores) < MIN_SUBJECTS:
        return None, None
    tested = np.isfinite(scores).all(axis=0)
    t, q = np.full((2, scores.shape[1]), np.nan, dtype=np.float32)
    z = np.arctanh(np.clip(scores[:, tested], -0.999999, 0.999999).astype(float))
    found = ttest_1samp(z, 0.0, axis=0, alternative="greater")
    t[tested], q[tested] = found.statistic, false_discovery_control(found.pvalue)
    return t, q


def fewer_decoders(table: pd.DataFrame, n_colours: int) -> tuple[pd.DataFrame, list[str]]:
    """Rows of as many feature spaces and decoders as there are colours, and the names of those left out.

    The first decoder of every feature space comes before the second one of any.
    """
    if "decoder" not in table:
        return table, []
    pairs = table[["target", "decoder"]].drop_duplicates()
    order = pairs.groupby("target", sort=False).cumcount().sort_values(kind="stable").index
    shown, left_out = pairs.loc[order[:n_colours]], pairs.loc[order[n_colours:]]
    rows = table.merge(shown, on=["target", "decoder"])
    return rows, [f"{row.target} by {row.decoder}" for row in left_out.itertuples()]
