"""Quantiles of small samples, for status messages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def quantile(values: Sequence[float] | npt.NDArray[np.float64], q: float) -> float:
    """Return the q-quantile (q in [0, 1]) of the values, or 0.0 if there are none."""
    return float(np.quantile(values, q)) if len(values) else 0.0


def median(values: Sequence[float] | npt.NDArray[np.float64]) -> float:
    """Return the median of the values, or 0.0 if there are none."""
    return quantile(values, 0.5)
