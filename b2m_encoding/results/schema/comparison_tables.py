"""Tables of a comparison of two results."""

from __future__ import annotations

from b2m_encoding.results.schema.table import REGION, Table
from b2m_encoding.results.schema.tables import REGION_TESTS

COMPARISON = Table(
    "comparison.tsv",
    {
        "subject": "Subject label, or group for all together",
        "test": "Units of the test, or why there was none",
        "units": "Number of these units",
        "targets": "Targets that were tested in both",
        "chosen": "Of these, targets whose difference was tested: the sum of both r reaches r of predicted targets",
        "first_better": "Targets where the first predicts better, by q over the chosen",
        "second_better": "Targets where the second does",
        "predicted": "Targets that one of both predicts, by its own q",
        "first": "Mean r of the first over the predicted targets",
        "second": "Mean r of the second",
        "difference": "Mean difference of r over the predicted targets",
    },
)
COMPARISON_REGIONS = Table(
    "comparison_regions.tsv",
    {
        "region": REGION["region"],
        "first": "Mean score of the first over subjects, hemispheres averaged",
        "second": "Mean score of the second",
        "n_subjects": "Subjects of the first, with a score",
        "n_second": "Subjects of the second",
        **{
            name: REGION_TESTS.columns[name]
            for name in ("difference", "low", "high", "effect_size", "effect_low", "effect_high", "p", "q", "test")
        },
    },
)
