"""Maps as users hold them, brought to the surface that is drawn: arrays, images of nilearn, nibabel and pycortex.

A map of a volume or of grayordinates is moved to the cortex; what lies below the cortex is not drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from b2m_encoding._typing import Booleans, Float32
from b2m_encoding.errors import InputError
from b2m_encoding.figures.options import MapKeywords
from b2m_encoding.spaces import (
    HEMISPHERES,
    Atlas,
    GrayordinateSpace,
    Space,
    SurfaceSpace,
    VolumeSpace,
    as_space,
    drawing_surface,
    list_atlases,
    load_atlas,
    pycortex_overlays,
    reason_not_drawn,
    resample,
)
from b2m_encoding.spaces.files import image_data, load_image
from b2m_encoding.spaces.gifti import gifti_arrays
from b2m_encoding.spaces.meshes import PycortexFiles
from b2m_encoding.spaces.names import space_of_size

MapLike = Any
"""An array, shape (n_targets,); a ``SurfaceImage``; an image of nibabel or its path, for a surface a pair of them or a
path with ``{hemi}``; a ``Vertex`` or ``Volume`` of pycortex."""
ATLAS = "hcp-mmp1"
"""Atlas where none is named."""
NO_ATLAS = "none"


def read_map(image: MapLike, space: Space | str | None = None) -> tuple[Float32, Space]:
    """Read one map in any form.

    Parameters
    ----------
    image : array, image, path, pair of images or paths, data of pycortex
    space : Space or str, optional
        By default a standard surface or grayordinates of this size; of a volume, MNI152NLin2009cAsym with the voxels
        that are neither 0 nor NaN.

    Returns
    -------
    values : array, shape (n_targets,)
    space : Space

    Raises
    ------
    InputError
        If there are several maps, or they fit no space.

    Examples
    --------
    >>> values, space = read_map(np.zeros((20484, 1)))
    >>> values.shape, space.name
    ((20484,), 'fsaverage5')
    """
    if type(image).__module__.split(".")[0] == "cortex":
        from b2m_encoding.figures.pycortex import from_view

        return from_view(image)
    if isinstance(image, str | Path):
        image = _open(image)
    if isinstance(image, Mapping) or (isinstance(image, Sequence) and len(image) == 2):
        return _of_size(_of_pair(image), space)
    parts = getattr(getattr(image, "data", None), "parts", None)
    if parts is not None:
        return _of_surface_image(parts, image, space)
    if hasattr(image, "affine") and hasattr(image, "shape"):
        return _of_volume(image, space)
    if hasattr(image, "header") and hasattr(image.header, "get_axis"):
        given = as_space(space) if space is not None else GrayordinateSpace.of_image(image)
        return _one(given.from_image(image), image), given  # type: ignore[attr-defined]
    if hasattr(image, "darrays"):
        raise InputError("a GIfTI image holds one hemisphere", fix="give both: (left, right), or a path with {hemi}")
    if np.iscomplexobj(values := np.asarray(image)):
        raise InputError("a map holds complex numbers", found=values.dtype, fix="draw their amplitude: abs(values)")
    return _of_size(_one(values.astype(np.float32), image), space)


def placed(
    maps: Iterable[MapLike],
    space: Space | str | None,
    atlas: Atlas | str | None,
    keywords: MapKeywords | None = None,
    *,
    solid: bool = False,
) -> tuple[list[Float32], SurfaceSpace, Atlas]:
    """Bring maps to the surface on which they are drawn, and load the atlas there.

    Parameters
    ----------
    maps : sequence of map
        As for :func:`read_map`.
    space : Space or str, optional
    atlas : Atlas or str, optional
        By default the regions that were drawn on a subject of pycortex, else HCP-MMP1 where it can be had there. One
        on another surface is loaded again on that of the maps.
    keywords : dict, optional
        Keywords of a figure; the masks ``tested`` and ``significant`` in it are moved, too.
    solid : bool
        Whether an inflated mesh is enough to draw on a surface itself; else it takes a flat one.

    Returns
    -------
    maps : list of array, shape (n_vertices,)
    surface : SurfaceSpace
    atlas : Atlas

    Raises
    ------
    InputError
        If a map cannot be drawn on the cortex.
    """
    read = [read_map(image, space) for image in maps]
    if not read:
        raise InputError("no map to draw")
    surface = _surface(read[0][1], solid)
    values = [resample(own, place, surface)[0] if place != surface else own for own, place in read]
    if keywords is not None:
        if keywords.get("tested") is not None:
            keywords["tested"] = _mask(keywords["tested"], read[0][1], surface)
        if keywords.get("significant") is not None:
            keywords["significant"] = _mask(keywords["significant"], read[0][1], surface)
    return values, surface, _atlas(atlas, surface)


def placed_masks(
    masks: Mapping[str, Any] | None, image: MapLike, space: Space | str | None, surface: SurfaceSpace
) -> dict[str, Booleans]:
    """Bring masks to the surface on which maps are drawn.

    Parameters
    ----------
    masks : mapping of str to array of bool or image, optional
        In the space of the maps, or on the surface.
    image : map
        One of the maps, as for :func:`read_map`.
    space : Space or str, optional
        As for :func:`placed`.
    surface : SurfaceSpace
    """
    if not masks:
        return {}
    place = read_map(image, space)[1]
    return {name: np.asarray(_mask(mask, place, surface), dtype=bool) for name, mask in masks.items()}


def _surface(space: Space, solid: bool) -> SurfaceSpace:
    if solid and isinstance(space, SurfaceSpace) and all(space.has_mesh("inflated", hemi) for hemi in HEMISPHERES):
        return space
    surface = drawing_surface(space)
    if surface is None:
        why = reason_not_drawn(space) or f"maps of {space.name} cannot be drawn on the cortex"
        raise InputError(why, found=space.name, fix='resample(values, space, "fsaverage5")')
    return surface


def _mask(mask: Any, place: Space, surface: SurfaceSpace) -> Any:
    """A mask on the surface that is drawn: itself, or moved there as the maps are."""
    if np.shape(mask) == (surface.n_targets,):
        return mask
    own, where = read_map(np.asarray(mask, dtype=np.float32) if isinstance(mask, np.ndarray) else mask, place)
    return np.nan_to_num(resample(own, where, surface)[0]) >= 0.5


def _atlas(atlas: Atlas | str | None, surface: SurfaceSpace) -> Atlas:
    if isinstance(atlas, Atlas):
        return atlas if atlas.space == surface or atlas.name not in list_atlases() else load_atlas(atlas.name, surface)
    if isinstance(atlas, str):
        return load_atlas(atlas, surface)
    try:
        if isinstance(surface.files, PycortexFiles) and (surface.files.folder / "overlays.svg").is_file():
            return pycortex_overlays(surface)
        return load_atlas(ATLAS, surface)
    except InputError:  # a subject's own surface without a registered sphere
        return Atlas(NO_ATLAS, surface, np.zeros(surface.n_targets, dtype=np.int32), ())


def _open(path: str | Path) -> Any:
    if "{hemi}" in str(path):
        return [load_image(str(path).replace("{hemi}", hemi)) for hemi in HEMISPHERES]
    return load_image(path)


def _of_pair(image: Any) -> Float32:
    """Left vertices, then right ones, of a pair of images, paths or arrays."""
    if isinstance(image, Mapping):
        sides = {str(name)[:1].upper(): part for name, part in image.items()}
        if set(sides) != {"L", "R"}:
            raise InputError("a pair has a left and a right hemisphere", found=list(image), expected="left, right")
        image = [sides["L"], sides["R"]]
    parts = []
    for part, hemi in zip(image, HEMISPHERES, strict=True):
        opened = load_image(part) if isinstance(part, str | Path) else part
        if hasattr(opened, "darrays"):
            opened = np.stack([np.asarray(array) for array in gifti_arrays(opened, hemi)])
        parts.append(_one(np.asarray(opened, dtype=np.float32), part))
    return np.concatenate(parts)


def _of_surface_image(parts: Mapping[str, Any], image: Any, space: Space | str | None) -> tuple[Float32, Space]:
    """Values of a ``SurfaceImage``; a hemisphere that it lacks is NaN."""
    sides: dict[str, Float32] = {
        side: _one(np.asarray(values, dtype=np.float32), image) for side, values in parts.items()
    }
    if missing := {"left", "right"} - set(sides):
        [there] = sides.values()
        sides[missing.pop()] = np.full_like(there, np.nan)
    return _of_size(np.concatenate([sides["left"], sides["right"]]), space)


def _of_volume(image: Any, space: Space | str | None) -> tuple[Float32, Space]:
    if isinstance(space, VolumeSpace):
        return _one(space.from_image(image), image), space
    data = _one_volume(np.asarray(image_data(image), dtype=np.float32))
    inside = np.isfinite(data) & (data != 0)
    if np.isnan(data).any():  # 0 is then a value
        inside = np.isfinite(data)
    if not inside.any():
        raise InputError("the image is empty", found="no voxel that is neither 0 nor NaN")
    name = space if isinstance(space, str) else VolumeSpace.name
    own = VolumeSpace(inside, np.asarray(image.affine, dtype=np.float64), name)
    return data[inside], own


def _one_volume(data: Any) -> Any:
    if data.ndim == 4 and data.shape[3] == 1:
        data = data[..., 0]
    if data.ndim != 3:
        raise _several(data.shape, "nilearn.image.index_img(image, 0)")
    return data


def _one(values: Any, image: Any) -> Float32:
    """The only map of an array of maps, whichever of its axes is of length one."""
    squeezed = np.asarray(np.squeeze(values), dtype=np.float32)
    if squeezed.ndim != 1:
        what = "one column of its data" if hasattr(image, "mesh") else "one of its maps"
        raise _several(np.shape(values), what)
    return squeezed


def _several(shape: Any, fix: str) -> InputError:
    return InputError("one map is drawn at a time", found=shape, expected="(n_targets,)", fix=f"give {fix}")


def _of_size(values: Float32, space: Space | str | None) -> tuple[Float32, Space]:
    place = space_of_size(len(values)) if space is None else as_space(space)
    if place.n_targets != len(values):
        raise InputError(f"not a map of {place.name}", found=values.shape, expected=(place.n_targets,))
    return values, place
