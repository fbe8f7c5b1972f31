from .compare import compare_results
from .compared import Comparison
from .differences import Difference, group_difference, paired_difference, unpaired_difference
from .write import write_comparison

__all__ = [
    "Comparison",
    "Difference",
    "compare_results",
    "group_difference",
    "paired_difference",
    "unpaired_difference",
    "write_comparison",
]
