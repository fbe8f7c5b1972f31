"""Registry of decoders: the class of each name, its options in a study, and its sentence in the methods text.

A new decoder is one module with a :class:`~b2m_encoding.decoding.decoders.base.Decoder` and one entry of
:data:`DECODERS`; then a study may name it. This module imports neither torch nor scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from b2m_encoding._typing import Booleans

if TYPE_CHECKING:
    from b2m_encoding.decoding.decoders.base import Decoder


@dataclass(frozen=True, eq=False)
class DecoderSettings:
    """Settings of a study from which the options of every decoder follow.

    Parameters
    ----------
    regions : mapping of str to array of bool, shape (n_targets,)
        Targets of each region to decode from.
    n_best : int
        Number of regions that are averaged.
    n_targets : int or None
        Number of targets that decoders of the whole cortex use; None for all.
    device : str
    alphas : tuple of float, optional
        Penalties that are tried; the grid of each decoder by default.
    folds : int, optional
        Number of inner folds; one run is left out at a time by default.
    transport : float
        Weight of optimal transport in contrastive learning.
    """

    regions: Mapping[str, Booleans]
    n_best: int
    n_targets: int | None
    device: str
    alphas: tuple[float, ...] | None = None
    folds: int | None = None
    transport: float = 0.0

    @property
    def search(self) -> dict[str, Any]:
        """Options of the search for penalties."""
        return {"folds": self.folds, **({} if self.alphas is None else {"alphas": self.alphas})}


@dataclass(frozen=True)
class DecoderKind:
    """A decoder with its description.

    Parameters
    ----------
    module, cls : str
        Module below ``b2m_encoding.decoding.decoders`` and class.
    options : callable
        Keyword arguments of the class, given the settings of a study.
    methods : str
        Its description in the methods text, part of a sentence. ``{regions}`` stands for the number of regions,
        ``{targets}`` for the targets that it decodes from, ``{transport}`` for a term of optimal transport; ``[@key]``
        cites.
    combines : bool
        It averages the other decoders of the study: its ``members`` are given when these exist.
    """

    module: str
    cls: str
    options: Callable[[DecoderSettings], dict[str, Any]]
    methods: str
    combines: bool = False

    def build(self, settings: DecoderSettings, **more: Any) -> Decoder:
        """Load the class and make a decoder that is not fitted; ``more`` are further keyword arguments."""
        module = import_module(f"b2m_encoding.decoding.decoders.{self.module}")
        decoder: Decoder = getattr(module, self.cls)(**self.options(settings), **more)
        return decoder


def _whole_cortex(settings: DecoderSettings) -> dict[str, Any]:
    return {"n_targets": settings.n_targets, "device": settings.device, **settings.search}


def _regions(settings: DecoderSettings) -> dict[str, Any]:
    return {"regions": settings.regions, "n_best": settings.n_best, "device": settings.device, **settings.search}


DECODERS: Mapping[str, DecoderKind] = MappingProxyType(
    {
        "regions": DecoderKind(
            "region",
            "RegionDecoder",
            _regions,
            "one ridge regression per region, the {regions} regions that decoded best in training averaged [@denk2023]",
        ),
        "ridge": DecoderKind("ridge", "RidgeDecoder", _whole_cortex, "one ridge regression from {targets}"),
        "inverse": DecoderKind(
            "inverse",
            "InverseDecoder",
            _whole_cortex,
            "an encoding model of {targets}, inverted: the posterior mean of the features [@nishimoto2011]",
        ),
        "contrastive": DecoderKind(
            "contrastive",
            "ContrastiveDecoder",
            lambda settings: {**_whole_cortex(settings), "transport": settings.transport},
            "a linear map from {targets}, trained to tell clips apart (InfoNCE) from the ridge solution on{transport}",
        ),
        "ensemble": DecoderKind(
            "ensemble", "EnsembleDecoder", lambda settings: {}, "the mean of the others", combines=True
        ),
    }
)
"""Decoders that a study may name under ``decoding.decoders``."""


def build_decoders(names: tuple[str, ...], settings: DecoderSettings) -> dict[str, Decoder]:
    """Make decoders by name, not fitted; those that average the others come last, and the others are their members.

    Examples
    --------
    >>> import numpy as np
    >>> settings = DecoderSettings({"A1": np.ones(3, dtype=bool)}, n_best=1, n_targets=None, device="cpu")
    >>> list(build_decoders(("ensemble", "ridge", "regions", "ridge"), settings))
    ['ridge', 'regions', 'ensemble']
    """
    unique = tuple(dict.fromkeys(names))
    members = {name: DECODERS[name].build(settings) for name in unique if not DECODERS[name].combines}
    combined = [name for name in unique if DECODERS[name].combines]
    return {**members, **{name: DECODERS[name].build(settings, members=list(members.values())) for name in combined}}
