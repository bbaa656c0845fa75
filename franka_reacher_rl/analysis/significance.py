"""Permutation tests between variants, with Holm's correction over all tests of a report.

A bootstrap interval from three to five runs is too narrow, so every difference is also tested. The test is exact up to
10 runs against 10.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from franka_reacher_rl.analysis.estimates import Estimate, Values, estimate_difference

LEVEL = 0.05  # of significance, after Holm's correction
EXACT_LIMIT = 184_756  # arrangements of 10 runs against 10; larger groups are tested by Monte Carlo
MONTE_CARLO_DRAWS = 99_999
_CHUNK = 10_000  # arrangements drawn at once, which bounds the memory
_ROUNDING = 1e-12  # relative; sums of the same values in another order may differ by this much


@dataclass(frozen=True)
class PermutationTest:
    """Result of a two-sided permutation test of the difference of means."""

    p: float
    floor: float  # the smallest p that groups of these sizes can give
    exact: bool  # every arrangement was counted; otherwise p is a Monte Carlo estimate


@dataclass(frozen=True)
class Comparison:
    """Two variants compared by one measure: `a` minus `b`."""

    measure: str
    a: str
    b: str
    difference: Estimate  # of the interquartile means
    superiority: float  # share of pairs of runs in which a's value is larger; a tie counts half
    test: PermutationTest
    p_holm: float  # the test's p after Holm's correction over all comparisons of the report

    @property
    def significant(self) -> bool:
        """Whether both the corrected test and the bootstrap interval exclude chance."""
        return self.p_holm < LEVEL and not self.difference.low <= 0.0 <= self.difference.high


def compare(
    measures: Mapping[str, Mapping[str, Sequence[float]]], pairs: Sequence[tuple[str, str]]
) -> list[Comparison]:
    """Compare pairs of variants by every measure and correct for all these tests together.

    Args:
        measures: For each measure, each variant's values, (runs,).
        pairs: Variants to compare. In each comparison, the variant with the higher mean comes first.

    Returns:
        All pairs of the first measure, then those of the next.
    """
    ordered = [(name, *_higher_first(values, pair)) for name, values in measures.items() for pair in pairs]
    samples = [(measures[name][a], measures[name][b]) for name, a, b in ordered]
    tests = [permutation_test(first, second) for first, second in samples]
    corrected = holm([test.p for test in tests])
    return [
        Comparison(name, a, b, estimate_difference(*sample), superiority(*sample), test, p_holm)
        for (name, a, b), sample, test, p_holm in zip(ordered, samples, tests, corrected, strict=True)
    ]


def permutation_test(a: Sequence[float], b: Sequence[float]) -> PermutationTest:
    """Test whether two groups of runs have the same mean, two-sided.

    p is the share of the arrangements of all runs into two groups of these sizes whose means differ at least as much as
    the observed ones. The floor is 1 / arrangements, or 2 / arrangements for groups of equal size, where exchanging the
    groups gives the same difference. Beyond `EXACT_LIMIT` arrangements, p = (1 + n) / (1 + `MONTE_CARLO_DRAWS`), where
    n of the drawn arrangements differ at least as much.

    Args:
        a: One value per run, (runs,).
        b: Likewise; the number of runs may differ. A group of one run is not tested: p is 1.

    Raises:
        ValueError: A value is not finite.
    """
    pooled = np.concatenate([np.asarray(a, float), np.asarray(b, float)])
    if not np.isfinite(pooled).all():
        raise ValueError("a permutation test needs finite values: leave runs with unknown values out")
    if min(len(a), len(b)) < 2:
        return PermutationTest(p=1.0, floor=1.0, exact=True)
    centred = pooled - pooled.mean()  # then the means differ the more, the larger the size of a group's sum
    chosen = min(len(a), len(b))
    observed = abs(centred[: len(a)].sum()) - _ROUNDING * np.abs(pooled).sum()
    arrangements = math.comb(len(pooled), chosen)
    floor = (2 if len(a) == len(b) else 1) / arrangements
    if arrangements <= EXACT_LIMIT:
        sums = centred[_arrangements(len(pooled), chosen)].sum(axis=1)
        return PermutationTest(float((np.abs(sums) >= observed).mean()), floor, exact=True)
    extreme = sum(int((np.abs(sums) >= observed).sum()) for sums in _drawn_sums(centred, chosen))
    draws = MONTE_CARLO_DRAWS + 1
    return PermutationTest((1 + extreme) / draws, max(floor, 1 / draws), exact=False)


def holm(p: Sequence[float]) -> list[float]:
    """Return Holm's step-down correction of a family of p values, in the order given."""
    corrected, largest = [1.0] * len(p), 0.0
    for rank, i in enumerate(np.argsort(p, kind="stable")):
        largest = max(largest, min(1.0, (len(p) - rank) * p[i]))
        corrected[i] = largest
    return corrected


def superiority(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the share of pairs of runs in which the value of `a` is larger; a tie counts half."""
    first, second = np.asarray(a, float)[:, None], np.asarray(b, float)[None]
    return float((first > second).mean() + 0.5 * (first == second).mean())


@functools.lru_cache(maxsize=4)
def _arrangements(runs: int, chosen: int) -> npt.NDArray[np.int8]:
    """Every way of choosing so many of the runs, (arrangements, chosen)."""
    indices = itertools.chain.from_iterable(itertools.combinations(range(runs), chosen))
    return np.fromiter(indices, np.int8, math.comb(runs, chosen) * chosen).reshape(-1, chosen)


def _drawn_sums(centred: Values, chosen: int) -> list[Values]:
    """Sums of a group of `chosen` runs in `MONTE_CARLO_DRAWS` random arrangements, in chunks."""
    random = np.random.default_rng(0)
    sums = []
    for begin in range(0, MONTE_CARLO_DRAWS, _CHUNK):
        rows = np.tile(centred, (min(_CHUNK, MONTE_CARLO_DRAWS - begin), 1))
        sums.append(random.permuted(rows, axis=1)[:, :chosen].sum(axis=1))
    return sums


def _higher_first(values: Mapping[str, Sequence[float]], pair: tuple[str, str]) -> tuple[str, str]:
    a, b = pair
    return (a, b) if np.mean(values[a]) >= np.mean(values[b]) else (b, a)
