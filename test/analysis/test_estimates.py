from __future__ import annotations

import numpy as np
import pytest

from franka_reacher_rl.analysis.estimates import curve_interval, estimate, estimate_difference, iqm


def test_the_interquartile_mean_leaves_out_a_quarter_at_each_end() -> None:
    assert iqm([0.0, 10.0, 20.0, 1000.0]) == 15.0
    assert iqm([3.0]) == 3.0


def test_intervals_contain_the_value_and_are_reproducible() -> None:
    runs = [10.0, 12.0, 9.0, 14.0, 11.0]
    first, again = estimate(runs), estimate(runs)
    assert first == again
    assert first.low < first.value < first.high
    assert first.value == pytest.approx(11.0)
    middle, low, high = curve_interval(np.array([[1.0, 5.0], [3.0, 5.0]]))
    assert middle.tolist() == [2.0, 5.0]
    assert low.tolist() == [1.0, 5.0] and high.tolist() == [3.0, 5.0]


def test_the_difference_of_two_groups() -> None:
    found = estimate_difference([11.0, 12.0, 13.0, 14.0], [1.0, 2.0, 3.0, 4.0])
    assert found.value == pytest.approx(10.0)
    assert 7.0 <= found.low < 10.0 < found.high <= 13.0
