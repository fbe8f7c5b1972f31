"""Coordinates of targets as columns of a table: hemisphere and vertex, voxel and millimetres, structure, region."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from b2m_encoding.errors import InputError
from b2m_encoding.spaces.grayordinates import GrayordinateSpace
from b2m_encoding.spaces.meshes import HEMISPHERES
from b2m_encoding.spaces.names import space_or_unplaced
from b2m_encoding.spaces.space import RegionSpace, Space
from b2m_encoding.spaces.surface import SurfaceSpace
from b2m_encoding.spaces.volume import VolumeSpace


def target_table(space: Space) -> pd.DataFrame:
    """Describe every target of a space, one row each, in the order of maps.

    Parameters
    ----------
    space : Space

    Returns
    -------
    DataFrame
        Columns ``hemisphere`` and ``vertex`` of a surface; ``i``, ``j``, ``k``, ``x``, ``y``, ``z`` (mm) of a volume;
        ``structure``, ``vertex`` (-1 below the cortex) and ``i``, ``j``, ``k`` (-1 on it) of grayordinates; ``region``.
        The index is called ``target``.

    Examples
    --------
    >>> from b2m_encoding.spaces import surface_space
    >>> target_table(surface_space("fsaverage5")).iloc[10242].to_dict()
    {'hemisphere': 'R', 'vertex': 0}
    """
    columns: dict[str, object] = {}
    if isinstance(space, SurfaceSpace):
        columns["hemisphere"] = np.repeat(HEMISPHERES, space.counts)
        columns["vertex"] = np.concatenate([np.arange(count) for count in space.counts])
    elif isinstance(space, VolumeSpace):
        columns |= dict(zip("ijk", np.argwhere(space.mask).T, strict=True))
        columns |= dict(zip("xyz", space.points.T, strict=True))
    elif isinstance(space, GrayordinateSpace):
        columns["structure"] = [name.removeprefix("CIFTI_STRUCTURE_").lower() for name in space.axis.name]
        columns["vertex"] = space.axis.vertex
        columns |= dict(zip("ijk", space.axis.voxel.T, strict=True))
    elif isinstance(space, RegionSpace):
        columns["region"] = list(space.regions)
    return pd.DataFrame(columns, index=pd.RangeIndex(space.n_targets, name="target"))


def to_dataset(
    maps: Mapping[str, ArrayLike], space: Space | str | None = None, attributes: Mapping[str, object] | None = None
) -> Any:
    """Put maps into an ``xarray.Dataset`` with the dimension ``target`` and the coordinates of the targets.

    Parameters
    ----------
    maps : dict of str to array, shape (n_targets,)
    space : Space or str, optional
    attributes : mapping, optional
        Attributes of the dataset, besides the name of the space.

    Raises
    ------
    InputError
        If xarray is not installed, or a map does not fit the space.
    """
    try:
        import xarray
    except ImportError as error:
        raise InputError("xarray is not installed", fix='pip install "b2m-encoding[xarray]"') from error
    arrays = {name: np.asarray(values) for name, values in maps.items()}
    where = space_or_unplaced(space, len(next(iter(arrays.values()))))
    if wrong := {name: values.shape for name, values in arrays.items() if values.shape != (where.n_targets,)}:
        raise InputError(f"maps do not fit {where.name}", found=wrong, expected=(where.n_targets,))
    places = target_table(where)
    return xarray.Dataset(
        {name: ("target", values) for name, values in arrays.items()},
        coords={"target": places.index, **{name: ("target", places[name].to_numpy()) for name in places}},
        attrs={"space": where.name, **(attributes or {})},
    )
