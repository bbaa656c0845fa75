"""Interquartile means of runs and their bootstrap intervals.

The method is that of "Deep RL at the Edge of the Statistical Precipice" (Agarwal et al., 2021), as implemented in the
library rliable. With a single task, its stratification over tasks has no effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.stats

Values = npt.NDArray[np.float64]

RESAMPLES = 10_000  # bootstrap resamples of an interquartile mean
_CURVE_RESAMPLES = 2_000
_LEVELS = (2.5, 97.5)  # percentiles that bound a 95 % interval


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1f} [{self.low:.1f}, {self.high:.1f}]"


def iqm(values: Sequence[float] | Values, axis: int = -1) -> Values:
    """Return the interquartile mean, which is the mean of the middle half of the values."""
    return np.asarray(scipy.stats.trim_mean(np.asarray(values, float), 0.25, axis=axis))


def estimate(values: Sequence[float]) -> Estimate:
    """Estimate the interquartile mean of runs.

    Args:
        values: One value per run, (runs,).

    Returns:
        The interquartile mean with a percentile bootstrap interval. The resampling is seeded, so equal values give
        equal estimates.
    """
    sample = np.asarray(values, float)
    low, high = np.percentile(iqm(_resample(sample, 0)), _LEVELS)
    return Estimate(float(iqm(sample)), float(low), float(high))


def estimate_difference(a: Sequence[float], b: Sequence[float]) -> Estimate:
    """Estimate the interquartile mean of `a` minus that of `b`; each holds one value per run."""
    first, second = np.asarray(a, float), np.asarray(b, float)
    low, high = np.percentile(iqm(_resample(first, 1)) - iqm(_resample(second, 2)), _LEVELS)
    return Estimate(float(iqm(first) - iqm(second)), float(low), float(high))


def curve_interval(runs: Values) -> tuple[Values, Values, Values]:
    """Return the mean curve of runs and its pointwise 95 % bootstrap interval.

    Args:
        runs: One curve per run, (runs, points).

    Returns:
        The mean, the lower and the upper bound, (points,) each.
    """
    draws = np.random.default_rng(0).integers(0, len(runs), (_CURVE_RESAMPLES, len(runs)))
    low, high = np.percentile(runs[draws].mean(axis=1), _LEVELS, axis=0)
    return runs.mean(axis=0), low, high


def _resample(sample: Values, seed: int) -> Values:
    random = np.random.default_rng([seed, len(sample)])
    return np.asarray(sample[random.integers(0, len(sample), (RESAMPLES, len(sample)))])  # (RESAMPLES, runs)
