"""Statistics over runs, after "Deep RL at the Edge of the Statistical Precipice" (Agarwal et al., 2021).

Interquartile means with percentile bootstrap intervals over runs, as the library rliable has them; its stratification
over tasks falls away with one task. Runs are few, so differences also get an exact permutation test, which an interval
from three to five values cannot replace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.stats

Values = npt.NDArray[np.float64]

_RESAMPLES = 10_000
_LEVELS = (2.5, 97.5)


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1f} [{self.low:.1f}, {self.high:.1f}]"


@dataclass(frozen=True)
class Difference:
    """Two samples compared: a minus b."""

    a: str
    b: str
    difference: Estimate  # of the interquartile means
    superior: float  # share of pairs of runs in which a's is larger, ties counting half
    p: float  # of an exact permutation test of the means, two-sided
    p_holm: float  # the same, after Holm's correction for all comparisons made
    smallest_p: float  # that so many runs can give

    @property
    def significant(self) -> bool:
        """Whether chance is an unlikely reason: test and interval agree."""
        return self.p_holm < 0.05 and not self.difference.low <= 0.0 <= self.difference.high


def iqm(values: Sequence[float] | Values, axis: int = -1) -> npt.NDArray[np.float64]:
    """The interquartile mean: the mean of the middle half."""
    return np.asarray(scipy.stats.trim_mean(np.asarray(values, float), 0.25, axis=axis))


def estimate(values: Sequence[float]) -> Estimate:
    """The interquartile mean of runs, (runs,), with its bootstrap interval; the same for the same values."""
    sample = np.asarray(values, float)
    low, high = np.percentile(iqm(_resampled(sample, 0)), _LEVELS)
    return Estimate(float(iqm(sample)), float(low), float(high))


def curve_interval(runs: Values) -> tuple[Values, Values, Values]:
    """Mean over runs, with its bootstrap interval, of curves (runs, points)."""
    draws = np.random.default_rng(0).integers(0, len(runs), (2000, len(runs)))
    low, high = np.percentile(runs[draws].mean(axis=1), _LEVELS, axis=0)
    return runs.mean(axis=0), low, high


def compare(samples: Mapping[str, Sequence[float]], pairs: Sequence[tuple[str, str]]) -> list[Difference]:
    """Compares pairs of samples, each (runs,), with Holm's correction over the pairs."""
    raw = [_permutation_p(samples[a], samples[b]) for a, b in pairs]
    corrected = holm([p for p, _ in raw])
    return [
        Difference(a, b, _difference(samples[a], samples[b]), _superior(samples[a], samples[b]), p, p_holm, smallest)
        for (a, b), (p, smallest), p_holm in zip(pairs, raw, corrected, strict=True)
    ]


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down correction, in the order given."""
    corrected, largest = [1.0] * len(p), 0.0
    for rank, i in enumerate(np.argsort(p, kind="stable")):
        largest = max(largest, min(1.0, (len(p) - rank) * p[i]))
        corrected[i] = largest
    return corrected


def _resampled(sample: Values, seed: int) -> Values:
    random = np.random.default_rng([seed, len(sample)])
    return np.asarray(sample[random.integers(0, len(sample), (_RESAMPLES, len(sample)))])


def _difference(a: Sequence[float], b: Sequence[float]) -> Estimate:
    first, second = np.asarray(a, float), np.asarray(b, float)
    draws = iqm(_resampled(first, 1)) - iqm(_resampled(second, 2))
    low, high = np.percentile(draws, _LEVELS)
    return Estimate(float(iqm(first) - iqm(second)), float(low), float(high))


def _superior(a: Sequence[float], b: Sequence[float]) -> float:
    first, second = np.asarray(a, float)[:, None], np.asarray(b, float)[None]
    return float((first > second).mean() + 0.5 * (first == second).mean())


def _permutation_p(a: Sequence[float], b: Sequence[float]) -> tuple[float, float]:
    """The p of an exact test where there are few enough runs, and the smallest that it can give."""
    ways = float(scipy.special.comb(len(a) + len(b), len(a)))
    if min(len(a), len(b)) < 2:
        return 1.0, 1.0
    result = scipy.stats.permutation_test(
        (np.asarray(a, float), np.asarray(b, float)),
        lambda x, y, axis: np.mean(x, axis=axis) - np.mean(y, axis=axis),
        vectorized=True,
        n_resamples=20_000,
        rng=np.random.default_rng(0),
    )
    return float(result.pvalue), 2.0 / ways
