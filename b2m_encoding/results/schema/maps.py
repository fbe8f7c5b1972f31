"""Kinds of statistical maps: name, statistic, description in the sidecar, label in figures, and mask.

A new map is a :class:`MapKind` here, the numbers, and a call in :mod:`b2m_encoding.workflow.write_maps`; figures draw
it as ``b2m figure accuracy --score STAT``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from b2m_encoding.results.schema.files import JOINT

Owner = Literal["joint", "models", "members", "spaces", "sets", "preference", "intersubject", "comparison", "measured"]
PREFERENCE, INTER_SUBJECT, MEASURED = "preference", "intersubject", "measured"


@dataclass(frozen=True)
class MapKind:
    """A kind of map in the results folder.

    Parameters
    ----------
    stat : str
        The statistic, as in ``_stat-`` of the file name.
    of : Owner
        What the map describes, as in ``_desc-`` of the file name: the joint model; every model (``joint`` and each
        feature space); members of the joint model, of the same names; each feature space; each set of feature spaces
        (one for ``unique``, several for ``shared``); the preference map; the ceiling from other subjects; the
        comparison of two results; the responses themselves.
    description : str
        Text of the sidecar, with fields in braces.
    label, short : str
        Label of a colour bar, and the same where there is less room; default: ``stat``.
    masked : bool
        Drawn only in significant targets. Otherwise wherever a target was tested.
    group : bool
        One map of all subjects instead of one per subject.
    needs : str
        What a study needs for this map, where not every study has it; named where the map is missing.
    """

    stat: str
    of: Owner
    description: str
    label: str = ""
    short: str = ""
    masked: bool = True
    group: bool = False
    needs: str = ""

    def descs(self, feature_spaces: Sequence[str]) -> tuple[str, ...]:
        """Every ``desc`` that this kind has in a study with these feature spaces.

        Examples
        --------
        >>> SHARED.descs(["a", "b", "c"])
        ('a_b', 'a_c', 'b_c', 'a_b_c')
        >>> R.descs(["a", "b"])
        ('joint', 'a', 'b')
        """
        if self.of in ("models", "members"):
            return (JOINT, *feature_spaces)
        if self.of == "spaces":
            return tuple(feature_spaces)
        if self.of == "sets":
            sizes = (1,) if self.stat == UNIQUE.stat else range(2, len(feature_spaces) + 1)
            return tuple("_".join(names) for size in sizes for names in combinations(feature_spaces, size))
        return (self.of,)

    def sidecar(self, **fields: object) -> dict[str, object]:
        """Description of a map, with the fields of its text filled in."""
        return {"Description": self.description.format(**fields)}


R = MapKind("r", "models", "Pearson r of predicted and measured responses", label="prediction accuracy (r)")
R2 = MapKind("r2", "models", "Coefficient of determination", label="prediction accuracy (R²)", short="R²")
P = MapKind("p", "models", "One-sided p of r", masked=False)
P_FAMILY_WISE = MapKind("pfwe", "joint", "Family-wise p: largest r of each permutation", masked=False)
Q = MapKind("q", "models", "Adjusted p: {correction}", masked=False)
R_OWN = MapKind(
    "rown",
    "spaces",
    "Pearson r of predicted and measured responses, both averaged under windows of the length of this feature space",
    label="prediction accuracy (r), own windows",
    short="own r",
)
P_OWN = MapKind("pown", "spaces", "One-sided p of r with the windows of this feature space", masked=False)
Q_OWN = MapKind("qown", "spaces", "Adjusted p of the same: {correction}", masked=False)
ALPHA = MapKind("alpha", "joint", "Ridge penalty (scikit-learn's scale)", masked=False)
R_LOW = MapKind("rlow", "joint", "Lower end of the interval of r")
R_HIGH = MapKind("rhigh", "joint", "Upper end of the interval of r")
CLUSTERS = {
    "mass": MapKind("pmass", "joint", "Family-wise p by cluster mass"),
    "extent": MapKind("pextent", "joint", "Family-wise p by cluster extent"),
    "tfce": MapKind("ptfce", "joint", "Family-wise p by threshold-free cluster enhancement"),
}
"""Maps of cluster tests, by the option ``statistics.clusters``."""
EXPLAINABLE = MapKind(
    "explainable",
    "joint",
    "Share of signal in the variance of one presentation",
    label="explainable variance",
    masked=False,
)
CEILING = MapKind(
    "ceiling", "joint", "Highest r to expect with {responses}", label="noise ceiling (r)", masked=False
)  # fmt: skip
R_NORMALISED = MapKind(
    "rnormalised",
    "joint",
    "r of the joint model over its ceiling",
    label="share of the noise ceiling (r / ceiling)",
    short="r / ceiling",
)
R_OTHERS = MapKind(
    "rothers",
    "joint",
    "Pearson r of the joint model of all other subjects",
    label="accuracy of a model of other subjects (r)",
)
COMPONENTS = tuple(MapKind(f"pc{i}", "joint", f"Component {i} of the weights") for i in (1, 2, 3))
LAG = MapKind(
    "lag",
    "members",
    "Delay, s, at which the weights of {names} in the joint model are largest; the first or last delay where the peak "
    "may lie beyond it",
    label="delay with the largest weight (s)",
    short="delay (s)",
    needs="results.weights = true, and three or more equally spaced model.delays (not [windows])",
)
PREFERRED = MapKind("index", "preference", "Preferred feature space; -1 no preference, -2 not predicted")
MARGIN = MapKind("margin", "preference", "{measure} of the best minus that of the second")
MARGIN_Q = MapKind("q", "preference", "Adjusted two-sided p of the margin")
PROBABILITY = MapKind("probability", "spaces", "Probability that it predicts new stimuli best")
TAG = MapKind(
    "tag",
    "spaces",
    "Number, among Levels, of the feature with a name that goes with the responses to held-out clips most (largest "
    "correlation); -2 not predicted",
)
TAG_R = MapKind(
    "tagr", "spaces", "Correlation over held-out clips of the feature of tag and the responses", label="correlation (r)"
)
TAG_SHARE = MapKind("tagshare", "spaces", "Share of bootstrap samples of the clips with the same feature of tag")
UNIQUE = MapKind(
    "unique", "sets", "Held-out R2 that only {names} explains; may be negative", label="unique variance (R²)"
)
SHARED = MapKind("shared", "sets", "Held-out R2 that only {names} explain alike; may be negative")
PRODUCT = MapKind(
    "product",
    "spaces",
    "Share of {name} in the R2 of the joint model (product measure); a wrong mean counts for no share",
)
STACKED = 'several feature spaces and model.solver = "stacked"'
STACK = MapKind(
    "stack",
    "members",
    "Weight of the ridge model of {names} in the stacked joint model; those of all members sum to one",
    label="stacking weight",
    needs=STACKED,
)
STACK_WITHOUT = MapKind(
    "stackwithout",
    "spaces",
    "Weight of the ridge model of all feature spaces but {name} in the stacked joint model",
    label="stacking weight of all but one",
    needs=f"three feature spaces or more, {STACKED.removeprefix('several feature spaces and ')}",
)
BETWEEN_LOW = MapKind("rlow", "intersubject", "Inter-subject ceiling: r with the mean of the other subjects")
BETWEEN_HIGH = MapKind(
    "rhigh", "intersubject", "Inter-subject ceiling: r with the mean of all subjects, itself included"
)
GROUP_PREFERRED = MapKind(
    "index",
    "preference",
    "Feature space that most subjects prefer; -1 none, -2 predicted in no subject",
    group=True,
)
CONSISTENCY = MapKind(
    "consistency",
    "preference",
    "Share of the subjects in whom the target is predicted who agree",
    group=True,
)
MEAN = MapKind("mean", "measured", "Mean of the first run before cleaning, in volumes", masked=False)
MAPS = (
    R, R2, P, P_FAMILY_WISE, Q, R_OWN, P_OWN, Q_OWN,
    ALPHA, R_LOW, R_HIGH, *CLUSTERS.values(), EXPLAINABLE, CEILING, R_NORMALISED, R_OTHERS,
    *COMPONENTS, LAG, TAG, TAG_R, TAG_SHARE, PREFERRED, MARGIN, MARGIN_Q, PROBABILITY, UNIQUE, SHARED, PRODUCT,
    STACK, STACK_WITHOUT,
    BETWEEN_LOW, BETWEEN_HIGH, GROUP_PREFERRED, CONSISTENCY, MEAN,
)  # fmt: skip
"""Every kind of map."""

COMPARISON: Literal["comparison"] = "comparison"
"""What maps of two compared results describe, as in ``_desc-`` of the file name."""
DIFFERENCE = MapKind("difference", COMPARISON, "r of {first} minus r of {second}", label="difference (r)", masked=False)
DIFFERENCE_LOW = MapKind("low", COMPARISON, "Lower end of the interval of the difference", masked=False)
DIFFERENCE_HIGH = MapKind("high", COMPARISON, "Upper end of the interval of the difference", masked=False)
DIFFERENCE_P = MapKind("p", COMPARISON, "Two-sided p of the difference", masked=False)
DIFFERENCE_Q = MapKind("q", COMPARISON, "Adjusted p of the difference (Benjamini-Hochberg)", masked=False)
COMPARISON_MAPS = (DIFFERENCE, DIFFERENCE_LOW, DIFFERENCE_HIGH, DIFFERENCE_P, DIFFERENCE_Q)
"""Kinds of maps that ``b2m compare`` writes into a folder of its own."""

LABELS = {kind.stat: kind.label for kind in MAPS if kind.label}
"""Labels of colour bars, by statistic."""
SHORT_LABELS = {kind.stat: kind.short for kind in MAPS if kind.short}
UNMASKED = tuple(kind.stat for kind in MAPS if not kind.masked)
"""Statistics that are drawn wherever a target was tested, predicted or not."""
MARGIN_MEASURES = {"r": "r", "unique": "unique R2", "deltas": "minus the log penalty"}
"""What the margin is a difference of, by the option ``statistics.preference``."""


@dataclass(frozen=True)
class Correction:
    """A correction for many targets, option ``statistics.correction``.

    Parameters
    ----------
    name : str
        Method, for the sidecar of q.
    controls : str
        Error rate, for captions.
    text : str
        Error rate with citation, for the report.
    """

    name: str
    controls: str
    text: str


PERMUTATIONS: Mapping[str, str] = {
    "shift": "circular shifts within runs",
    "block": "rearrangements of blocks within runs",
    "clip": "exchanges of clips within runs",
}
"""What is counted as a permutation, by the test of a study."""


def counted_from(method: str, permutations: float, refits: float = 0) -> str:
    """Name what p values were counted from, for captions and the report.

    Parameters
    ----------
    method : str
        Test of the study; ``paper`` counts nothing.
    permutations, refits : float
        Permutations, and fits to rearranged responses where folds are joined (p is then the share of these).

    Examples
    --------
    >>> counted_from("clip", 1000), counted_from("shift", 1000, 20000)
    ('1,000 exchanges of clips within runs', '20,000 fits to rearranged responses')
    """
    if method == "paper":
        return "correlations of independent Gaussian series"
    if refits > 0:
        return f"{refits:,.0f} fits to rearranged responses"
    return f"{permutations:,.0f} {PERMUTATIONS.get(method, method)}"


CORRECTIONS: Mapping[str, Correction] = {
    "bh": Correction("Benjamini-Hochberg", "FDR", "the false discovery rate over targets [@benjamini1995]"),
    "by": Correction(
        "Benjamini-Yekutieli",
        "FDR",
        "the false discovery rate over targets under any dependence [@benjamini2001]",
    ),
    "fwe": Correction(
        "family-wise, largest statistic",
        "family-wise error",
        "the family-wise error by the largest statistic over targets [@nichols2002]",
    ),
}
