"""Spaces by name or by number of targets."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from b2m_encoding.errors import InputError
from b2m_encoding.spaces.grayordinates import grayordinate_space
from b2m_encoding.spaces.space import Space, Unplaced
from b2m_encoding.spaces.surface import STANDARD, SurfaceSpace, surface_space

GRAYORDINATES = "fsLR_den-91k"
KNOWN = ", ".join([*STANDARD, GRAYORDINATES, "freesurfer:SUBJECT", "pycortex:SUBJECT"])


def as_space(space: Space | str) -> Space:
    """Return a space as it is, or by its name.

    Parameters
    ----------
    space : Space or str
        ``fsaverage5`` and so on as for :func:`~b2m_encoding.spaces.surface_space`, or ``fsLR_den-91k`` (also ``91k``).

    Raises
    ------
    InputError
        If there is no such name, or a volume is named, which needs a mask.

    Examples
    --------
    >>> as_space("fsaverage5").n_targets, as_space("91k").n_targets
    (20484, 91282)
    """
    if not isinstance(space, str):
        return space
    if space in (GRAYORDINATES, "91k"):
        return grayordinate_space()
    if space.startswith(("MNI", "T1w")):
        raise InputError(
            "a volume needs a mask besides its name",
            found=space,
            expected=f"one of {KNOWN}, or a space",
            fix=f'VolumeSpace.from_file("mask.nii.gz", "{space}")',
        )
    return surface_space(space)


def as_surface(space: Space | str) -> SurfaceSpace:
    """Return a surface as it is, or by its name.

    Raises
    ------
    InputError
        If it is no surface.
    """
    found = as_space(space)
    if not isinstance(found, SurfaceSpace):
        raise InputError("a surface is needed", found=found.name, expected=", ".join(STANDARD), fix="resample to one")
    return found


def space_of_size(n_targets: int) -> Space:
    """Return the standard space with so many targets.

    Raises
    ------
    InputError
        If there is none; the message lists what there is.

    Examples
    --------
    >>> space_of_size(64984).name
    'fsLR'
    """
    sizes: dict[int, Callable[[], Any]] = {2 * n: partial(surface_space, name) for name, n in STANDARD.items()}
    sizes[91282] = grayordinate_space
    if n_targets not in sizes:
        known = ", ".join(f"{2 * n} ({name})" for name, n in STANDARD.items())
        raise InputError(
            "no standard space has so many targets",
            found=n_targets,
            expected=f"{known}, 91282 ({GRAYORDINATES})",
            fix="say where they are: space=...",
        )
    return sizes[n_targets]()  # type: ignore[no-any-return]


def space_or_unplaced(space: Space | str | None, n_targets: int) -> Space:
    """Return a space by name, as it is, or without one targets that have no place."""
    return Unplaced(n_targets) if space is None else as_space(space)
