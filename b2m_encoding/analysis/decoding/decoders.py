"""Decoders of a study, and the regions of the brain that they decode from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from b2m_encoding._typing import Booleans
from b2m_encoding.decoding.decoders.base import Decoder
from b2m_encoding.decoding.decoders.registry import DecoderSettings, build_decoders
from b2m_encoding.spaces import (
    HEMISPHERES,
    Atlas,
    RegionSpace,
    Space,
    is_labelled,
    load_atlas,
)
from b2m_encoding.study import Study

MIN_REGION = 10
"""Number of targets that a region needs."""
Masks = Mapping[str, Booleans]
"""Targets of each region, shape (n_targets,)."""


def decoded_regions(space: Space, study: Study) -> dict[str, Booleans]:
    """Regions to decode from: those of the atlas, the columns of a table, or all targets elsewhere."""
    if isinstance(space, RegionSpace):
        return {name: np.arange(space.n_targets) == i for i, name in enumerate(space.regions)}
    if is_labelled(space):
        return region_masks(load_atlas(study.maps.atlas, space))
    return {"all": np.ones(space.n_targets, dtype=bool)}


def region_masks(atlas: Atlas) -> dict[str, Booleans]:
    """Each region of each hemisphere that is large enough to decode from."""
    masks = {f"{hemi}_{name}": atlas.mask(name, hemi) for name in atlas.regions for hemi in HEMISPHERES}
    return {name: mask for name, mask in masks.items() if mask.sum() >= MIN_REGION}


def new_decoders(masks: Masks, study: Study) -> dict[str, Decoder]:
    """Make the decoders that a study names, not fitted; an ensemble comes last, and its members are the others."""
    table = study.decoding
    assert table is not None
    n_targets = None if table.best_targets == "all" else table.best_targets
    alphas = None if table.alphas is None else tuple(table.alphas.grid().tolist())
    settings = DecoderSettings(
        masks, table.regions, n_targets, study.model.device, alphas, table.folds, table.transport
    )
    return build_decoders(table.decoders, settings)
