"""Images in and out of an encoding model, through a masker of nilearn; nilearn itself is not imported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone

from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs


def is_image(Y: Any) -> bool:
    """Whether responses are an image, the path of one, or a list of these, one per run."""
    if isinstance(Y, list | tuple):
        return bool(Y) and all(is_image(part) for part in Y)
    return isinstance(Y, str | Path) or hasattr(Y, "get_fdata") or (hasattr(Y, "mesh") and hasattr(Y, "data"))


def fitted_masker(masker: Any, Y: Any) -> Any:
    """The masker if it has been fitted, else a copy fitted to the image of the first run; None where that is not given.

    Raises
    ------
    InputError
        If there are images and no masker.
    """
    if masker is None:
        if is_image(Y):
            raise InputError(
                "images need a masker", found=_kind(Y), fix="EncodingModel(masker=NiftiMasker()) or SurfaceMasker()"
            )
        return None
    is_fitted = getattr(masker, "__sklearn_is_fitted__", None)
    if is_fitted is not None and is_fitted():
        return masker
    if getattr(masker, "mask_img", None) is not None:
        return clone(masker).fit()
    return clone(masker).fit(Y[0] if isinstance(Y, list | tuple) else Y) if is_image(Y) else None


def responses_of(masker: Any, Y: Any, runs: Any) -> tuple[Any, Any]:
    """Responses as an array, and the runs, which follow from a list of images and the ``t_r`` of the fitted masker."""
    if not is_image(Y):
        return Y, runs
    if masker is None:
        raise InputError("images need a masker", found=_kind(Y), fix="EncodingModel(masker=...) and fit it to images")
    parts = [np.atleast_2d(masker.transform(image)) for image in (Y if isinstance(Y, list | tuple) else [Y])]
    if runs is None and len(parts) > 1:
        runs = _runs_of([len(part) for part in parts], getattr(masker, "t_r", None))
    return np.concatenate(parts), runs


def _runs_of(lengths: Sequence[int], tr: float | None) -> Any:
    if tr is None:
        return np.repeat([f"run-{i:02d}" for i in range(1, len(lengths) + 1)], lengths)
    return Runs.from_lengths(lengths, float(tr))


def _kind(Y: Any) -> str:
    return f"{len(Y)} images" if isinstance(Y, list | tuple) else type(Y).__name__
