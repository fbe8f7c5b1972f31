"""Types that several rooms share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Floating = NDArray[np.floating[Any]]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
Bands = tuple[str, ...]
"""Names of feature spaces, in the order of the study."""
Progress = Callable[[str, int, int], None]
"""Called with what is done now, how much is done, and of how much."""
