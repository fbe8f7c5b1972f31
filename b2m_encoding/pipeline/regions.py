"""The region table: mean score of each region, hemisphere, feature space and subject."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from b2m_encoding.pipeline.encode import Encoding
from b2m_encoding.spaces import Atlas, RegionSpace
from b2m_encoding.spaces.meshes import HEMISPHERES

COLUMNS = {
    "subject": "Subject label",
    "hemisphere": "L or R; n/a where a region has none",
    "region": "Region or region set of the atlas",
    "feature_space": "Feature space of the model; joint has all",
    "score": "Mean Pearson r over the tested targets of the region, on held-out samples",
    "targets": "Tested targets in the region",
    "significant": "Share of them with q below the threshold (joint model)",
}


def surface_regions(encodings: Mapping[str, Encoding], atlas: Atlas, names: tuple[str, ...], q: float) -> pd.DataFrame:
    """Table of region sets on a surface."""
    masks = {(hemi, name): atlas.mask(name, hemi) for name in names for hemi in HEMISPHERES}
    rows = [
        {"subject": subject, "hemisphere": hemi, "region": name, **row}
        for subject, encoding in encodings.items()
        for (hemi, name), mask in masks.items()
        for row in _rows(encoding, mask, q)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def named_regions(encodings: Mapping[str, Encoding], space: RegionSpace, q: float) -> pd.DataFrame:
    """Table of responses that are regions already."""
    rows = [
        {"subject": subject, "hemisphere": None, "region": region, **row}
        for subject, encoding in encodings.items()
        for i, region in enumerate(space.regions)
        for row in _rows(encoding, np.arange(space.n_targets) == i, q)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(encoding: Encoding, mask: np.ndarray[tuple[int], np.dtype[np.bool_]], q: float) -> list[dict[str, object]]:
    inside = mask & encoding.tested
    count = int(inside.sum())
    return [
        {
            "feature_space": name,
            "score": float(r[inside].mean()) if count else np.nan,
            "targets": count,
            "significant": float((encoding.q[inside] < q).mean()) if count else np.nan,
        }
        for name, r in encoding.r.items()
    ]
