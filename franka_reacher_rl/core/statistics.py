"""Small sample statistics for status messages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def quantile(values: Sequence[float], q: float) -> float:
    """The q-quantile (0 to 1), 0.0 of nothing."""
    return float(np.quantile(values, q)) if len(values) else 0.0


def median(values: Sequence[float]) -> float:
    """The median, 0.0 of nothing."""
    return quantile(values, 0.5)
