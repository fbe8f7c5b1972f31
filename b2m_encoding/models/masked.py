"""Images in and out of an encoding model, through a masker of nilearn; nilearn itself is not imported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from b2m_encoding._typing import Float64, Floating
from b2m_encoding.errors import InputError
from b2m_encoding.models.solver.options import Scoring
from b2m_encoding.runs import Runs


def is_image(Y: Any) -> bool:
    """Whether responses are an image, the path of one, or a list of these, one per run."""
    if isinstance(Y, list | tuple):
        return bool(Y) and all(is_image(part) for part in Y)
    return isinstance(Y, str | Path) or hasattr(Y, "get_fdata") or (hasattr(Y, "mesh") and hasattr(Y, "data"))


class OfImages:
    """Part of an encoding model that turns images into responses, and responses into images.

    Attributes
    ----------
    masker_ : masker of nilearn
        Fitted.
    """

    masker: Any
    masker_: Any
    cv_scores_: Float64

    def predict(self, X: Any, runs: Runs | ArrayLike | None = None) -> Floating:
        """Predict the responses."""
        raise NotImplementedError

    def score_targets(
        self, X: Any, Y: Any, runs: Runs | ArrayLike | None = None, scoring: Scoring | None = None
    ) -> Float64:
        """Score every target."""
        raise NotImplementedError

    def predict_image(self, X: Any, runs: Runs | ArrayLike | None = None) -> Any:
        """Predict the responses as one image (4D, or a ``SurfaceImage``), with all runs one after the other.

        Raises
        ------
        InputError
            If the model has no masker, or was fitted to an array by one that is not fitted.
        """
        return self._to_image(self.predict(X, runs))

    def score_image(self, X: Any, Y: Any, runs: Runs | ArrayLike | None = None, scoring: Scoring | None = None) -> Any:
        """Scores of :meth:`score_targets` as an image; NaN where a target was not tested."""
        return self._to_image(self.score_targets(X, Y, runs, scoring))

    @property
    def score_image_(self) -> Any:
        """Cross-validated score of the chosen penalty as an image; biased by that choice."""
        check_is_fitted(self, "weights_")
        return self._to_image(self.cv_scores_)

    def _to_image(self, values: Any) -> Any:
        if not hasattr(self, "masker_"):
            raise InputError(
                "the model was not fitted to images",
                expected="a masker, such as NiftiMasker() or SurfaceMasker()",
                fix="EncodingModel(masker=SurfaceMasker()).fit(X, images, runs)",
            )
        return self.masker_.inverse_transform(np.asarray(values, dtype=np.float32))

    def _fit_masker(self, Y: Any) -> None:
        """Keep the masker if it has been fitted, else fit a copy to the image of the first run."""
        if self.masker is None:
            if is_image(Y):
                raise InputError(
                    "images need a masker", found=_kind(Y), fix="EncodingModel(masker=NiftiMasker()) or SurfaceMasker()"
                )
            return
        is_fitted = getattr(self.masker, "__sklearn_is_fitted__", None)
        if is_fitted is not None and is_fitted():
            self.masker_ = self.masker
        elif getattr(self.masker, "mask_img", None) is not None:
            self.masker_ = clone(self.masker).fit()
        elif is_image(Y):
            self.masker_ = clone(self.masker).fit(Y[0] if isinstance(Y, list | tuple) else Y)

    def _responses(self, Y: Any, runs: Any) -> tuple[Any, Any]:
        """Responses as an array, and the runs, which follow from a list of images and the ``t_r`` of the masker."""
        if not is_image(Y):
            return Y, runs
        if not hasattr(self, "masker_"):
            raise InputError(
                "images need a masker", found=_kind(Y), fix="EncodingModel(masker=...) and fit it to images"
            )
        each = Y if isinstance(Y, list | tuple) else [Y]
        parts = [np.atleast_2d(self.masker_.transform(image)) for image in each]
        if runs is None and len(parts) > 1:
            runs = self._runs_of([len(part) for part in parts])
        return np.concatenate(parts), runs

    def _runs_of(self, lengths: Sequence[int]) -> Any:
        tr = getattr(self.masker_, "t_r", None)
        if tr is None:
            return np.repeat([f"run-{i:02d}" for i in range(1, len(lengths) + 1)], lengths)
        return Runs.from_lengths(lengths, float(tr))


def _kind(Y: Any) -> str:
    return f"{len(Y)} images" if isinstance(Y, list | tuple) else type(Y).__name__
