"""Tables of decoded features: identification and the penalties of the decoders."""

from __future__ import annotations

from b2m_encoding.results.schema.table import SUBJECT
from b2m_encoding.results.schema.table import Table as Table

IDENTIFICATION = Table(
    "identification.tsv",
    {
        **SUBJECT,
        "target": "Decoded feature space",
        "decoder": "Decoder",
        "clip": "Presented test clip",
        "accuracy": "Identification accuracy: share of the other clips that are less similar to the decoded features",
        "identified": "Clip most similar to the decoded features",
        "accuracy_raw": "The same in the units of the feature space; accuracy is in standard units, in which all "
        "dimensions weigh the same",
        "accuracy_within": "Accuracy among the clips of the same group; n/a where there is no other",
        "accuracy_unheard": "Accuracy of decoders trained without the group of the clip; left out where not asked for",
        "accuracy_unheard_within": "The same among the clips of the same group",
    },
    described=False,  # identification.json holds the summary of all clips
)
PENALTIES = Table(
    "penalties.tsv",
    {
        **SUBJECT,
        "target": "Decoded feature space",
        "decoder": "Decoder",
        "alpha": "Penalty, the same for all dimensions",
        "r_training": "Pearson r of the windows that were fitted, mean over dimensions and folds",
        "r_validation": "Pearson r of the windows that were left out",
    },
)
MEASURES = {
    "identification_test": "identification accuracy, test clips",
    "identification_training": "identification accuracy, training clips",
    "correlation_test": "correlation, test windows",
    "correlation_training": "correlation, training windows",
}
"""Measures of :data:`BRAIN2MUSIC_TABLE2`."""
RAW = "identification_raw"
"""Column of identification accuracy in raw units, test clips."""
BRAIN2MUSIC_TABLE2 = Table(
    "decoding_table.tsv",
    {
        "target": "Decoded feature space",
        "decoder": "Decoder",
        "subjects": "Number of subjects",
        RAW: "Mean over subjects of identification accuracy, test clips, in the units of the feature space",
        f"{RAW}_sd": "Standard deviation over subjects of the same",
        **{
            f"{name}{end}": f"{kind} of {text}"
            for name, text in MEASURES.items()
            for end, kind in (("", "Mean over subjects"), ("_sd", "Standard deviation over subjects"))
        },
        "stands_for": "Embedding of Brain2Music that the feature space is compared with",
        **{
            f"{name}_published{end}": f"{kind} of {text}, Brain2Music, Table 2 (arXiv 2307.11078)"
            for name, text in MEASURES.items()
            for end, kind in (("", "Mean"), ("_sd", "Standard deviation"))
        },
    },
)
