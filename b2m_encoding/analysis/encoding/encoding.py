"""What encoding models show of one subject: scores, significance and comparison of feature spaces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Bands, Float64
from b2m_encoding.analysis.encoding.clusters import ClusterMap
from b2m_encoding.analysis.encoding.held_out import HeldOut
from b2m_encoding.models.status import TESTED
from b2m_encoding.stats import Preference, Significance
from b2m_encoding.stats.ceilings import Ceiling, NoCeiling
from b2m_encoding.stats.intervals import Interval
from b2m_encoding.stats.joined_folds import Refits
from b2m_encoding.stats.variance_partition import Partition


@dataclass(frozen=True, eq=False)
class Scores:
    """Prediction accuracy of the models of one subject.

    Models are named after their feature space; ``joint`` has all of them. Arrays have shape (n_targets,); NaN marks
    targets that were not tested.

    Parameters
    ----------
    r, r2 : dict of str to array
    interval : Interval or None
        Of r of the joint model.
    alpha : array
        Penalty of the joint model.
    status : array of str
    product : dict of str to array, or None
        Share of each feature space in the R2 of the joint model (product measure): they add up to it, but for what a
        wrong mean of the prediction costs.
    n_train, n_test : int
        Samples of a training set (mean over splits), and held-out samples.
    ceiling : Ceiling or NoCeiling
    stack : dict of tuple of str to array, or None
        Weight of each member (its feature spaces) of the stacked joint model; they are not negative and sum to one.
        None where the joint model is not stacked.
    """

    r: Mapping[str, Float64]
    r2: Mapping[str, Float64]
    interval: Interval | None
    alpha: Float64
    status: NDArray[np.str_]
    product: Mapping[str, Float64] | None
    n_train: int
    n_test: int
    ceiling: Ceiling | NoCeiling
    stack: Mapping[Bands, Float64] | None = None

    @property
    def any_tested(self) -> bool:
        """Whether some target was tested."""
        return bool((self.status == TESTED).any())


@dataclass(frozen=True, eq=False)
class TestedModel:
    """Significance of one model.

    Parameters
    ----------
    significance : Significance
    q : array, shape (n_targets,)
        Adjusted for multiple targets as the study asks for; NaN where not tested.
    """

    significance: Significance
    q: Float64


@dataclass(frozen=True, eq=False)
class Inference:
    """Significance of the models of one subject.

    Parameters
    ----------
    significance : Significance
        Of the joint model.
    q : array, shape (n_targets,)
        Of the joint model, adjusted for multiple targets as the study asks for; NaN where not tested.
    clusters : ClusterMap or None
    spaces : dict of str to TestedModel
        The model of each feature space by itself, with the same arrangements; empty where there is only one.
    resemblance : float
        Of predictions of the joint model to their rearrangements (:func:`~b2m_encoding.stats.permutation.resemblance`).
    """

    significance: Significance
    q: Float64
    clusters: ClusterMap | None
    spaces: Mapping[str, TestedModel] = field(default_factory=dict)
    resemblance: float = np.nan

    def of(self, model: str) -> TestedModel:
        """Significance of a model: ``joint`` or a feature space."""
        return self.spaces.get(model, TestedModel(self.significance, self.q))


@dataclass(frozen=True, eq=False)
class Comparison:
    """Comparison of the feature spaces of one subject.

    Parameters
    ----------
    preference : Preference or None
    partition : Partition or None
    block_length, n_blocks : int
        Samples of a block whose sign is flipped, or that is drawn, and number of blocks.
    """

    preference: Preference | None
    partition: Partition | None
    block_length: int = 0
    n_blocks: int = 0


@dataclass(frozen=True, eq=False)
class Encoding:
    """Everything that encoding models show of one subject.

    Parameters
    ----------
    scores : Scores
    inference : Inference
    comparison : Comparison
    refits : Refits, optional
        Where folds are joined.
    held_out : HeldOut, optional
        Large; left out where everything has been computed from it.
    """

    scores: Scores
    inference: Inference
    comparison: Comparison
    refits: Refits | None = None
    held_out: HeldOut | None = None

    @property
    def r(self) -> Mapping[str, Float64]:
        """Pearson r of every model, each of shape (n_targets,)."""
        return self.scores.r

    @property
    def r2(self) -> Mapping[str, Float64]:
        """R2 of every model, each of shape (n_targets,)."""
        return self.scores.r2

    @property
    def interval(self) -> Interval | None:
        """Interval of r of the joint model."""
        return self.scores.interval

    @property
    def alpha(self) -> Float64:
        """Penalty of the joint model, shape (n_targets,)."""
        return self.scores.alpha

    @property
    def status(self) -> NDArray[np.str_]:
        """Status of each target: tested, constant or missing."""
        return self.scores.status

    @property
    def tested(self) -> NDArray[np.bool_]:
        """Targets that were tested, shape (n_targets,)."""
        return np.asarray(self.scores.status == TESTED)

    @property
    def product(self) -> Mapping[str, Float64] | None:
        """Share of each feature space in R2 of the joint model."""
        return self.scores.product

    @property
    def stack(self) -> Mapping[Bands, Float64] | None:
        """Weight of each member of the stacked joint model; None where it is not stacked."""
        return self.scores.stack

    @property
    def n_train(self) -> int:
        """Samples of a training set (mean over splits)."""
        return self.scores.n_train

    @property
    def n_test(self) -> int:
        """Held-out samples."""
        return self.scores.n_test

    @property
    def ceiling(self) -> Ceiling | NoCeiling:
        """Noise ceiling."""
        return self.scores.ceiling

    @property
    def significance(self) -> Significance:
        """Test of r of the joint model."""
        return self.inference.significance

    @property
    def p(self) -> Float64:
        """One-sided p of r of the joint model, shape (n_targets,)."""
        return self.inference.significance.p

    @property
    def q(self) -> Float64:
        """P of the joint model, adjusted for multiple targets, shape (n_targets,)."""
        return self.inference.q

    def q_of(self, model: str) -> Float64:
        """P of a model, adjusted for multiple targets, shape (n_targets,)."""
        return self.inference.of(model).q

    @property
    def clusters(self) -> ClusterMap | None:
        """Clusters of the map of r of the joint model."""
        return self.inference.clusters

    @property
    def preference(self) -> Preference | None:
        """Preferred feature space of each target."""
        return self.comparison.preference

    @property
    def partition(self) -> Partition | None:
        """Unique and shared variance of the feature spaces."""
        return self.comparison.partition
