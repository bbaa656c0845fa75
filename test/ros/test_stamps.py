"""Stamps that come from outside."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy")

from builtin_interfaces.msg import Time

from franka_reacher_rl.ros.clocks import (
    FUTURE,
    measured_from_stamp,
    stamp_from_steady,
    steady_from_stamp,
    steady_ns,
)


def test_a_stamp_in_the_future_is_refused_since_it_would_not_grow_old() -> None:
    for ahead in (-10_000_000_000, 0, FUTURE // 2):
        measured = measured_from_stamp(stamp_from_steady(steady_ns() + ahead))
        assert abs(measured - steady_ns() - ahead) < 50_000_000
    with pytest.raises(ValueError, match="s ahead: at most 0.1 s is allowed; synchronise"):
        measured_from_stamp(stamp_from_steady(steady_ns() + 10 * FUTURE))


def test_a_stamp_that_is_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="1000000000 ns"):
        steady_from_stamp(Time(sec=1, nanosec=1_000_000_000))


def test_a_time_that_no_stamp_can_hold_gives_the_nearest_one() -> None:
    assert stamp_from_steady(steady_ns() + 10**20).sec == 2**31 - 1
    assert stamp_from_steady(steady_ns() - 10**20).sec == -(2**31 - 1)
