"""Small sample statistics for status messages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def quantile(values: Sequence[float] | npt.NDArray[np.float64], q: float) -> float:
    """The q-quantile (0 to 1), 0.0 of nothing."""
    return float(np.quantile(values, q)) if len(values) else 0.0


def median(values: Sequence[float] | npt.NDArray[np.float64]) -> float:
    """The median, 0.0 of nothing."""
    return quantile(values, 0.5)
