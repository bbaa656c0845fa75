"""Quantiles of samples that may be empty."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def quantile(values: Sequence[float] | npt.NDArray[np.float64], q: float) -> float:
    """Return the q-quantile (0 to 1), NaN of an empty sample."""
    return float(np.quantile(values, q)) if len(values) else math.nan


def median(values: Sequence[float] | npt.NDArray[np.float64]) -> float:
    """Return the median, NaN of an empty sample."""
    return quantile(values, 0.5)
