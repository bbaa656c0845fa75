from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats

from franka_reacher_rl.analysis.significance import (
    EXACT_LIMIT,
    MONTE_CARLO_DRAWS,
    compare,
    holm,
    permutation_test,
    superiority,
)

RANDOM = np.random.default_rng(5)


def brute_force(a: list[float], b: list[float]) -> float:
    """The share of all arrangements whose means differ at least as much as the observed ones."""
    pooled, observed = [*a, *b], abs(np.mean(a) - np.mean(b))
    extreme = arrangements = 0
    for chosen in itertools.combinations(range(len(pooled)), len(a)):
        first = [pooled[i] for i in chosen]
        second = [v for i, v in enumerate(pooled) if i not in chosen]
        extreme += abs(np.mean(first) - np.mean(second)) >= observed - 1e-9
        arrangements += 1
    return extreme / arrangements


def test_a_case_computed_by_hand() -> None:
    """Of the 6 arrangements of 1, 2, 3, 4 the means differ by 2 in two, by 1 in two and by 0 in two."""
    assert permutation_test([4.0, 3.0], [1.0, 2.0]).p == pytest.approx(2 / 6)
    assert permutation_test([4.0, 2.0], [1.0, 3.0]).p == pytest.approx(4 / 6)
    assert permutation_test([4.0, 1.0], [2.0, 3.0]).p == 1.0
    assert permutation_test([5.0, 5.0], [5.0, 5.0]).p == 1.0


@pytest.mark.parametrize(("n", "m"), [(2, 3), (3, 3), (3, 5), (6, 4), (5, 5)])
def test_p_equals_that_of_counting_every_arrangement(n: int, m: int) -> None:
    for _ in range(4):
        a, b = RANDOM.normal(1.0, 1.0, n).round(1).tolist(), RANDOM.normal(0.0, 1.0, m).round(1).tolist()  # with ties
        test = permutation_test(a, b)
        assert test.exact
        assert test.p == pytest.approx(brute_force(a, b)), (a, b)
        assert test.p == pytest.approx(permutation_test(b, a).p)


def test_ten_against_ten_is_exact() -> None:
    a, b = RANDOM.normal(0.8, 1.0, 10), RANDOM.normal(0.0, 1.0, 10)
    assert math.comb(20, 10) == EXACT_LIMIT
    test = permutation_test(a.tolist(), b.tolist())
    reference = scipy.stats.permutation_test(
        (a, b), lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis), vectorized=True, n_resamples=np.inf
    )
    assert test.exact
    assert test.p == pytest.approx(reference.pvalue)
    assert test.p * EXACT_LIMIT == pytest.approx(round(test.p * EXACT_LIMIT))


@pytest.mark.parametrize(
    ("n", "m", "floor"),
    [(3, 3, 2 / 20), (5, 5, 2 / 252), (10, 10, 2 / 184_756), (3, 5, 1 / 56), (2, 10, 1 / 66), (1, 5, 1.0)],
)
def test_the_floor_is_the_smallest_p_of_groups_of_these_sizes(n: int, m: int, floor: float) -> None:
    low, high = [float(i) for i in range(n)], [1000.0 + i * i for i in range(m)]
    test = permutation_test(low, high)
    assert test.floor == pytest.approx(floor)
    assert test.p == pytest.approx(floor), "groups that are completely apart reach it"


def test_larger_groups_are_tested_by_monte_carlo() -> None:
    a, b = RANDOM.normal(0.5, 1.0, 12).tolist(), RANDOM.normal(0.0, 1.0, 11).tolist()
    test = permutation_test(a, b)
    assert not test.exact
    assert test == permutation_test(a, b), "the draws are seeded"
    assert test.p == pytest.approx(float(scipy.stats.ttest_ind(a, b).pvalue), abs=0.02)
    apart = permutation_test([v + 100.0 for v in a], b)
    assert apart.p == pytest.approx(apart.floor) == 1 / (MONTE_CARLO_DRAWS + 1)


def test_unknown_values_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        permutation_test([1.0, float("nan")], [1.0, 2.0])


def test_holm_against_values_computed_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.01, 0.02, 0.03, 0.04]) == pytest.approx([0.04, 0.06, 0.06, 0.06])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_holm_is_over_all_measures_and_pairs() -> None:
    apart, near = {"a": [11.0, 12.0, 13.0, 14.0, 15.0], "b": [1.0, 2.0, 3.0, 4.0, 5.0]}, {"a": [3.0], "b": [2.0]}
    near = {"a": [1.0, 3.0, 5.0, 7.0, 9.0], "b": [2.0, 4.0, 6.0, 8.0, 11.0]}
    compared = compare({"end": near, "whole": apart}, [("a", "b")])
    assert [c.measure for c in compared] == ["end", "whole"]
    assert [(c.a, c.b) for c in compared] == [("b", "a"), ("a", "b")], "the higher mean comes first"
    assert compared[1].test.p == pytest.approx(2 / 252)
    assert compared[1].p_holm == pytest.approx(2 * 2 / 252), "two tests in the family, not one"
    assert [c.p_holm for c in compared] == holm([c.test.p for c in compared])
    eight = compare({str(i): apart for i in range(8)}, [("a", "b")])
    assert not any(c.significant for c in eight), "8 x 2/252 is above 0.05"


def test_five_runs_apart_are_significant_and_three_cannot_be() -> None:
    five = {"high": [101.0, 104.0, 102.0, 106.0, 103.0], "low": [1.0, 3.0, 2.0, 5.0, 4.0]}
    (c,) = compare({"end": five}, [("high", "low")])
    assert c.significant and c.superiority == 1.0
    (c,) = compare({"end": {k: v[:3] for k, v in five.items()}}, [("high", "low")])
    assert not c.significant
    assert c.test.p == pytest.approx(0.1) == c.test.floor
    (c,) = compare({"end": {"a": [1.0], "b": [2.0]}}, [("a", "b")])
    assert c.test.p == 1.0, "a single run cannot be tested"


def test_superiority_counts_ties_half() -> None:
    assert superiority([1.0, 3.0], [1.0, 2.0]) == pytest.approx((0.5 + 0 + 1 + 1) / 4)
