"""Space of the targets of a map, from its file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from b2m_encoding.errors import InputError
from b2m_encoding.results.schema.files import MAP_FILE
from b2m_encoding.spaces import (
    GrayordinateSpace,
    RegionSpace,
    Space,
    Unplaced,
    VolumeSpace,
    freesurfer_subject,
    pycortex_subject,
    surface_space,
)
from b2m_encoding.spaces.files import image_data, load_image
from b2m_encoding.spaces.surface import STANDARD


def space_of_map(path: Path) -> Space:
    """The space of a map, from its name and content."""
    match = MAP_FILE.match(path.name)
    assert match is not None
    name = match["space"]
    if path.name.endswith(".func.gii"):
        return _surface(name, path)
    if path.name.endswith(".dscalar.nii"):
        return GrayordinateSpace.from_file(path)
    if path.name.endswith(".nii.gz"):
        image = load_image(path)
        return VolumeSpace(np.isfinite(image_data(image, path)), image.affine, name)
    targets = pd.read_csv(path, sep="\t", dtype={"target": str}, keep_default_na=False)["target"]
    return RegionSpace(tuple(targets)) if name == "regions" else Unplaced(len(targets), name)


def _surface(name: str, path: Path) -> Space:
    """A standard surface, or that of a subject of FreeSurfer or pycortex on this machine."""
    if name in STANDARD:
        return surface_space(name)
    for find in (freesurfer_subject, pycortex_subject):
        try:
            return find(name)
        except InputError:
            continue
    raise InputError(
        "the surface of these maps is not on this machine",
        file=path,
        found=name,
        fix="set SUBJECTS_DIR to the subjects folder of FreeSurfer, or the filestore of pycortex",
    )
