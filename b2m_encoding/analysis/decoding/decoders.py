"""The decoders of a study, and from where in the brain they decode."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.decoding.decoders.base import Decoder
from b2m_encoding.decoding.decoders.contrastive import ContrastiveDecoder
from b2m_encoding.decoding.decoders.ensemble import EnsembleDecoder
from b2m_encoding.decoding.decoders.inverse import InverseDecoder
from b2m_encoding.decoding.decoders.region import RegionDecoder
from b2m_encoding.decoding.decoders.ridge import RidgeDecoder
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
Masks = Mapping[str, NDArray[np.bool_]]


def decoded_regions(space: Space, study: Study) -> dict[str, NDArray[np.bool_]]:
    """Regions to decode from: those of the atlas, the columns of a table, or all targets where nobody knows better."""
    if isinstance(space, RegionSpace):
        return {name: np.arange(space.n_targets) == i for i, name in enumerate(space.regions)}
    if is_labelled(space):
        return region_masks(load_atlas(study.maps.atlas, space))
    return {"all": np.ones(space.n_targets, dtype=bool)}


def region_masks(atlas: Atlas) -> dict[str, NDArray[np.bool_]]:
    """Each region of each hemisphere that is large enough to decode from."""
    masks = {f"{hemi}_{name}": atlas.mask(name, hemi) for name in atlas.regions for hemi in HEMISPHERES}
    return {name: mask for name, mask in masks.items() if mask.sum() >= MIN_REGION}


def new_decoders(masks: Masks, study: Study) -> dict[str, Decoder]:
    """The decoders that a study names, not fitted; an ensemble comes last, and its members are the others."""
    assert study.decoding is not None
    table, device = study.decoding, study.model.device
    best = None if table.best_targets == "all" else table.best_targets
    n_inverse = max(int(mask.size) for mask in masks.values()) if best is None else best
    makers: dict[str, Callable[[], Decoder]] = {
        "regions": lambda: RegionDecoder(masks, n_best=table.regions, device=device),
        "ridge": lambda: RidgeDecoder(n_targets=best, device=device),
        "inverse": lambda: InverseDecoder(n_targets=n_inverse, device=device),
        "contrastive": lambda: ContrastiveDecoder(n_targets=best, device=device),
    }
    found: dict[str, Decoder] = {name: makers[name]() for name in dict.fromkeys(table.decoders) if name in makers}
    return {**found, "ensemble": EnsembleDecoder(list(found.values()))} if "ensemble" in table.decoders else found
