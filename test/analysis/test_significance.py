from __future__ import annotations

import numpy as np
import pytest

from franka_reacher_rl.analysis.significance import compare, curve_interval, estimate, holm, iqm
from franka_reacher_rl.experiments.paper import paper


def test_the_interquartile_mean_leaves_out_a_quarter_at_each_end() -> None:
    assert iqm([0.0, 10.0, 20.0, 1000.0]) == 15.0
    assert iqm([3.0]) == 3.0


def test_intervals_hold_the_value_and_do_not_change() -> None:
    runs = [10.0, 12.0, 9.0, 14.0, 11.0]
    first, again = estimate(runs), estimate(runs)
    assert first == again
    assert first.low < first.value < first.high
    assert first.value == pytest.approx(11.0)
    middle, low, high = curve_interval(np.array([[1.0, 5.0], [3.0, 5.0]]))
    assert middle.tolist() == [2.0, 5.0]
    assert low.tolist() == [1.0, 5.0] and high.tolist() == [3.0, 5.0]


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_five_runs_apart_are_significant_and_three_cannot_be() -> None:
    five = {"high": [101.0, 104.0, 102.0, 106.0, 103.0], "low": [1.0, 3.0, 2.0, 5.0, 4.0]}
    (d,) = compare(five, [("high", "low")])
    assert d.significant
    assert d.p == pytest.approx(2 / 252) == d.smallest_p
    assert d.superior == 1.0
    (d,) = compare({k: v[:3] for k, v in five.items()}, [("high", "low")])
    assert not d.significant
    assert d.p == pytest.approx(0.1)
    (d,) = compare({"a": [1.0], "b": [2.0]}, [("a", "b")])
    assert d.p == 1.0, "a single run shows nothing"


def test_the_papers_results_are_in_the_package() -> None:
    there = paper()
    assert set(there) == {"async_baseline", "sync_baseline", "async_highres", "sync_highres"}
    assert there["async_baseline"].final == 270.8
    assert there["async_highres"].updates == 43949
    for row in there.values():
        assert len(row.minutes) == len(row.mean) == len(row.ci) == 24
        assert row.minutes[-1] == 72
