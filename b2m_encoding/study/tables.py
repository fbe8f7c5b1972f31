"""Tables of the study file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from b2m_encoding.config import Config, resolve_path
from b2m_encoding.data.cleaning import Cleaning, Detrend
from b2m_encoding.decoding.decoders.registry import DECODERS
from b2m_encoding.models.penalties import HIGHEST_ALPHA, LOWEST_ALPHA, N_ALPHAS, penalty_grid
from b2m_encoding.results.schema.brain2music import EMBEDDINGS
from b2m_encoding.spaces.atlas import LABEL_FILES

Positive = Annotated[float, Field(gt=0)]
Lag = Annotated[float, Field(ge=0, le=30)]
"""Seconds; after thirty the response to a sound is over."""


if TYPE_CHECKING:
    DecoderName = str
    EmbeddingName = str
else:  # a name of the registry; pydantic lists them in its error
    DecoderName = Literal[tuple(DECODERS)]
    EmbeddingName = Literal[EMBEDDINGS]


class CleaningTable(Config):
    """``[cleaning]``: what is done to the responses of each run."""

    detrend: Detrend = "cosine"
    """How slow drift is removed from each run."""
    cutoff: Positive = 128.0
    """Period above which drift is removed, s."""
    zscore: bool = True
    """Give each target mean 0 and variance 1 in each run."""

    def build(self) -> Cleaning:
        """The recipe."""
        return Cleaning(self.detrend, self.cutoff, self.zscore)


class AlphaTable(Config):
    """``[model.alphas]``: the grid of penalties, log-spaced, scikit-learn's scale."""

    low: Positive = LOWEST_ALPHA
    """Smallest penalty."""
    high: Positive = HIGHEST_ALPHA
    """Largest penalty."""
    number: Annotated[int, Field(ge=2, le=10_000)] = N_ALPHAS
    """Number of penalties."""

    @model_validator(mode="after")
    def _increasing(self) -> Self:
        if not self.low < self.high:
            raise ValueError("low, the smallest penalty, must be less than high, the largest")
        return self

    def grid(self) -> NDArray[np.float64]:
        """The penalties."""
        return penalty_grid(self.low, self.high, self.number)


class ModelTable(Config):
    """``[model]``: delays, penalties, and how feature spaces are put together."""

    solver: Literal["stacked", "ridge", "banded"] = "stacked"
    """How several feature spaces make one model: ``stacked`` weighs the models of each, of all but one and of all by
    cross-validation; ``ridge`` has one penalty for all, so that a large space crowds out a small one; ``banded`` has a
    penalty for each."""
    scalings: Annotated[int, Field(ge=1)] = 50
    """How many balances between feature spaces a banded model tries; few are enough for few feature spaces."""
    refine: Annotated[int, Field(ge=0)] = 0
    """Gradient steps of a banded model from the best of these balances, for each target by itself; slow, and seldom
    worth more than further ``scalings``."""
    delays: tuple[float, ...] = (3.0, 4.5, 6.0, 7.5)
    """Delays of the features before the responses, s; multiples of the repetition time."""
    delay_prior: Literal["hrf", "flat"] = "hrf"
    """How large the weights at each delay are expected to be: as the haemodynamic response is there, so that more
    delays cost little, or the same at all."""
    smoothness: Positive | None = None
    """Width, s, of a Gaussian prior that makes weights at neighbouring delays alike; by default 1.5 s with the prior
    "hrf", and none with "flat"."""
    scoring: Literal["r2_pooled", "r2", "r"] = "r2_pooled"
    """Score that cross-validation maximises to choose penalties: R2 over all held-out samples, the mean over folds of
    the R2 of each, or that of the correlation."""
    center: Literal["all", "block"] = "all"
    """Remove one mean of all training samples from features and responses, or the mean of every block (run), which
    leaves differences between runs out of the fit."""
    filter_features: bool | None = None
    """Remove slow drift from the features as ``[cleaning]`` does from the responses, so that both hold the same
    frequencies; by default where that is by cosines, a running median or a Savitzky-Golay filter."""
    alphas: AlphaTable = AlphaTable()
    alpha_per: Literal["target", "all"] = "target"
    """Choose a penalty for each target, or one for all."""
    screening: bool = True
    """Compute exact scores only of penalties that can be the best of a target, where that is cheaper; false computes
    all."""
    folds: Annotated[int, Field(ge=2)] | None = None
    """Number of inner folds; by default one block is left out at a time."""
    blocks: Annotated[int, Field(ge=2)] | None = None
    """Cut the training part of each run into this many blocks, to choose the penalty where there is only one run."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where models are fitted."""
    memory: Annotated[float, Field(gt=0, le=1e6)] = 2.0
    """Gigabytes that the statistics of the targets fitted at a time may take; more targets are fitted in parts."""
    parts: Annotated[int, Field(ge=1)] = 1
    """Fit the targets in at least this many parts: units of work for a cluster."""


class WindowsTable(Config):
    """``[windows]``: windows of clips are the samples, instead of volumes, as in Brain2Music.

    Features of a window go with the mean of the responses ``lag`` seconds later; there are no delays.
    """

    length: Positive = 10.0
    """Length of a window, s."""
    step: Positive = 1.5
    """Distance between the starts of windows, s."""
    lag: Lag = 4.5
    """Seconds from a sound to the response that goes with it."""
    own: dict[str, Positive] = Field(default_factory=dict)
    """Length of the windows of some feature spaces, s, as in Table 1 of Brain2Music: each is fitted once more by itself
    with them (maps ``rown``, ``pown``, ``qown``), and decoded from them. What compares feature spaces keeps ``length``,
    for all of them then predict the same responses."""

    def of(self, name: str) -> WindowsTable:
        """The windows of one feature space."""
        return self.model_copy(update={"length": self.own.get(name, self.length), "own": {}})


class EvaluationTable(Config):
    """``[evaluation]``: samples that models are evaluated on."""

    kind: Literal["test", "cross-validation"]
    """Test runs, or cross-validation over runs or blocks."""
    test_runs: str = "task-Test*"
    """Pattern of the names of the test runs (``kind = "test"``)."""
    average_repeats: bool = False
    """Average the presentations of each clip in the test runs."""
    blocks: Annotated[int, Field(ge=2)] | None = None
    """Cut each run into this many blocks."""
    gap: Annotated[float, Field(ge=0)] = 0.0
    """Seconds left out between blocks, at least the longest delay."""

    @property
    def presentations(self) -> Literal["average", "repeat"]:
        """What is scored: the average over repeats, or every presentation by itself."""
        return "average" if self.average_repeats else "repeat"


class StatisticsTable(Config):
    """``[statistics]``: significance, comparison of feature spaces, and the audit."""

    test: Literal["auto", "shift", "block", "clip", "paper"] = "auto"
    """How the null distribution is made; "auto" moves clips where repeats are averaged, else takes circular shifts, or
    the longest blocks that are enough."""
    permutations: Annotated[int, Field(ge=100, le=10_000_000)] = 10_000
    """Number of permutations."""
    refits: Annotated[int, Field(ge=1000, le=10_000_000)] = 20_000
    """Rearranged responses that models are fitted to for the null distribution of joined folds (cross-validation)."""
    block: Positive = 15.0
    """Length of a block of the bootstrap, and of ``test = "block"``, s; one clip, as a rule."""
    q: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Error rate that is allowed."""
    correction: Literal["bh", "by", "fwe"] = "bh"
    """False discovery rate (Benjamini-Hochberg, -Yekutieli), or family-wise error by the largest statistic."""
    bootstraps: Annotated[int, Field(ge=100, le=10_000_000)] = 1000
    """Number of bootstrap samples of intervals."""
    level: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    """Coverage of intervals."""
    intervals: bool = True
    """Maps of the interval of r."""
    preference: Literal["r", "unique", "deltas"] = "r"
    """Compare feature spaces by r of each alone, by what only it explains, or by the penalties of a banded model, which
    describe but do not test."""
    clusters: Literal["none", "mass", "extent", "tfce"] = "none"
    """Family-wise p of clusters, or of threshold-free enhancement, on the mesh of a surface."""
    cluster_threshold: Positive = 3.09
    """z of the vertices of a cluster (mass, extent)."""
    cluster_permutations: Annotated[int, Field(ge=100, le=10_000_000)] = 1000
    """Number of permutations of clusters."""
    inter_subject: bool = False
    """Ceiling from the responses of the other subjects to the same test stimuli, on one surface or template."""
    partition: bool | None = None
    """Variance partitioning, 2^k - 1 models; by default of two or three feature spaces."""
    audit: bool = True
    """Look for leaks from test to training."""
    generalise: tuple[Literal["group", "subject"], ...] = ()
    """Predict (and decode) groups of clips (genres, speakers) that were left out of training, or subjects by a model of
    the others."""
    learning_curve: Annotated[int, Field(ge=0, le=100)] = 0
    """Fit the models to subsets of the training runs too, in so many draws of nested subsets, and score them on the
    same test runs: what more data would bring (``learning_curve.tsv``, mean r of the regions)."""

    def partitions(self, n_features: int) -> bool:
        """Whether the variance is partitioned among this many feature spaces."""
        return 2 <= n_features <= 3 if self.partition is None else self.partition and n_features > 1


class DecodingTable(Config):
    """``[decoding]``: which feature spaces are decoded from the responses, and how."""

    targets: tuple[str, ...] = Field(min_length=1)
    """Feature spaces that are decoded."""
    decoders: tuple[DecoderName, ...] = Field(("regions",), min_length=1)
    """``regions`` is that of Brain2Music; ``ridge`` and ``contrastive`` decode from the whole cortex, ``inverse``
    inverts an encoding model, ``ensemble`` averages the others named here."""
    window: Positive = 10.0
    """Length of a window, s."""
    own_windows: dict[str, Positive] = Field(default_factory=dict)
    """Length of the windows of some targets (the paper has 5 s for w2v-BERT, 15 s for captions)."""
    step: Positive = 1.5
    """Distance between the starts of windows, s."""
    lag: Lag = 4.5
    """Of the windows that are decoded; those of ``[windows]`` where the study has that table."""
    lags: tuple[Lag, ...] = ()
    """Choose the lag among these, by cross-validated r in training."""
    regions: Annotated[int, Field(ge=1)] = 6
    """How many of the best regions are averaged."""
    best_targets: Annotated[int, Field(ge=1)] | Literal["all"] = 2000
    """How many targets the other decoders use: those that an encoding model predicts best in training."""
    calibrate: Literal["none", "all", "dimension"] = "all"
    """Give decoded features the spread of training features, by cross-validated predictions of training windows: all
    dimensions together, or each by itself, which weighs up those that are decoded badly."""
    transport: Annotated[float, Field(ge=0, le=1000)] = 0.0
    """Weight of optimal transport beside the contrastive loss of the decoder ``contrastive``."""
    alphas: AlphaTable | None = None
    """Penalties that the decoders try; by default those of ``[model.alphas]`` where the study has that table, else a
    grid that suits the number of targets: 1 to 10^6 (``regions``), 10 to 10^9 (``ridge``, ``contrastive``)."""
    folds: Annotated[int, Field(ge=2)] | None = None
    """Number of inner folds of the decoders, of whole runs; by default those of ``model.folds``."""
    align: Literal["none", "ridge", "procrustes", "srm"] = "none"
    """Align subjects by the clips they share in training, and decode each by all of them, and by the others alone."""

    @model_validator(mode="after")
    def _decoders_fit(self) -> DecodingTable:
        if "ensemble" in self.decoders and len(set(self.decoders)) < 3:
            raise ValueError('decoding.decoders: "ensemble" averages the others named there, at least two')
        if self.transport and "contrastive" not in self.decoders:
            raise ValueError('decoding.transport is a part of the decoder "contrastive", which is not named')
        return self

    @property
    def windows(self) -> WindowsTable:
        """The windows that are decoded."""
        return WindowsTable(length=self.window, step=self.step, lag=self.lag)

    def windows_of(self, target: str, lag: float | None = None) -> WindowsTable:
        """The windows of one target, at a lag that is tried."""
        length = self.own_windows.get(target, self.window)
        return WindowsTable(length=length, step=self.step, lag=self.lag if lag is None else lag)


class ResultsTable(Config):
    """``[results]``: what is kept beside maps and tables, in Zarr."""

    weights: bool = True
    """Weights of the model of all feature spaces."""
    statistics: bool = False
    """Sufficient statistics of the training runs: any penalty and set of feature spaces can be fitted from them."""


def _atlas_path(name: str, info: ValidationInfo) -> str:
    """A file of the user's lies relative to the study; a name stays a name."""
    return str(resolve_path(Path(name), info)) if name.endswith((".toml", *LABEL_FILES)) else name


AtlasName = Annotated[str, AfterValidator(_atlas_path)]


class MapsTable(Config):
    """``[maps]``: atlas and region set of the figures and the region table."""

    atlas: AtlasName = "hcp-mmp1"
    """One that ``b2m atlases`` lists, or the path of a definition or of label files."""
    zoom: str = "auditory_zoom"
    """Region set that detail maps show."""
    regions: tuple[str, ...] = ("core", "belt", "association", "inferior_frontal")
    """Region sets, or names of regions."""
