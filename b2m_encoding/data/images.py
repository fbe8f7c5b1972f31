"""Responses from images in memory: nilearn's ``SurfaceImage`` and fitted maskers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from b2m_encoding.data.recording import Series, assemble
from b2m_encoding.data.responses import Responses
from b2m_encoding.errors import InputError
from b2m_encoding.spaces.space import RegionSpace, Space
from b2m_encoding.spaces.surface import STANDARD, SurfaceSpace, surface_space
from b2m_encoding.spaces.volume import VolumeSpace


def responses_from_surface_images(images: Mapping[str, Any], tr: float, space: SurfaceSpace | None = None) -> Responses:
    """Responses from one nilearn ``SurfaceImage`` per run.

    Parameters
    ----------
    images : mapping of run name to SurfaceImage
        Data of shape (n_vertices, n_samples) in both hemispheres.
    tr : float
        Seconds.
    space : SurfaceSpace, optional
        By default the standard surface with that number of vertices.

    Raises
    ------
    InputError
        If no standard surface fits, or a run lies on another one.

    Examples
    --------
    >>> from b2m_encoding.spaces import surface_space
    >>> space = surface_space("fsaverage5")
    >>> image = space.to_surface_image(np.ones((4, space.n_targets)))
    >>> responses_from_surface_images({"run-01": image}, tr=1.5).load().shape
    (4, 20484)
    """
    series: dict[str, Series] = {}
    for name, image in images.items():
        place = space = space or _surface_of(image)
        if (found := _counts(image)) != place.counts:
            raise InputError(f"run {name} is not on {place.name}", found=found, expected=place.counts)
        series[name] = Series(_n_samples(image), None, partial(place.from_surface_image, image), ())
    if space is None:
        raise InputError("no images are given")
    return _responses(series, space, tr)


def responses_from_masker(masker: Any, images: Mapping[str, Any], tr: float, name: str = "unknown") -> Responses:
    """Responses through a fitted nilearn masker, one image per run.

    A ``NiftiMasker`` gives voxels, a ``SurfaceMasker`` vertices (those outside its mask are missing), maskers of
    labels and maps give regions. Leave cleaning to the study, or to the masker, not to both.

    Parameters
    ----------
    masker : nilearn masker
    images : mapping of run name to image or path
    tr : float
        Seconds.
    name : str
        Reference of the voxels (``MNI152NLin2009cAsym``), or the name of the surface.

    Raises
    ------
    InputError
        If the masker is not fitted or of an unknown kind.
    """
    if not masker.__sklearn_is_fitted__():
        raise InputError("the masker is not fitted", found=type(masker).__name__, fix="masker.fit(images)")
    place = _place(masker, name)

    def read(image: Any) -> Any:
        values = np.atleast_2d(masker.transform(image))
        if not isinstance(place, SurfaceSpace):
            return values
        out = np.full((len(values), place.n_targets), np.nan, dtype=np.float32)
        parts = masker.mask_img_.data.parts
        out[:, np.concatenate([np.asarray(parts[side]).ravel() > 0 for side in ("left", "right")])] = values
        return out

    series = {run: Series(_n_samples(image), None, partial(read, image), ()) for run, image in images.items()}
    return _responses(series, place, tr)


def _place(masker: Any, name: str) -> Space:
    kind = type(masker).__name__
    if kind in ("NiftiMasker", "MultiNiftiMasker"):
        mask = masker.mask_img_
        return VolumeSpace(np.asarray(mask.dataobj) > 0, np.asarray(mask.affine, dtype=float), name)
    if kind in ("SurfaceMasker", "MultiSurfaceMasker"):
        return _surface_of(masker.mask_img_)
    if hasattr(masker, "n_elements_"):
        names = getattr(masker, "region_names_", None) or {}
        return RegionSpace(tuple(str(names.get(i, f"region-{i + 1}")) for i in range(masker.n_elements_)))
    raise InputError("unknown kind of masker", found=kind, expected="NiftiMasker, SurfaceMasker, or one of regions")


def _surface_of(image: Any) -> SurfaceSpace:
    found = _counts(image)
    for name, count in STANDARD.items():
        if found == (count, count):
            return surface_space(name)
    raise InputError("no standard surface has that number of vertices", found=found, expected=STANDARD)


def _counts(image: Any) -> tuple[int, ...]:
    return tuple(len(image.data.parts[side]) for side in ("left", "right"))


def _n_samples(image: Any) -> int:
    from nilearn.image import load_img

    if hasattr(image, "data") and hasattr(image.data, "parts"):
        return int(image.data.parts["left"].reshape(len(image.data.parts["left"]), -1).shape[1])
    shape = load_img(image).shape
    return int(shape[3]) if len(shape) == 4 else 1


def _responses(series: Mapping[str, Series], space: Space, tr: float) -> Responses:
    return assemble("", series, space, tr=tr).responses
