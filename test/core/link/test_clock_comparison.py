"""Tests that clock offsets are distinguished from slow and interrupted links."""

from __future__ import annotations

import pytest

from franka_reacher_rl.core.link.clock_comparison import ClockComparison


def feed(clocks: ClockComparison, ages: list[float], begin: float = 0.0, sender: str = "arm") -> float:
    """Messages once a second; returns the time of the next one."""
    for second, age in enumerate(ages):
        clocks.take(begin + second, sender, age)
    return begin + len(ages)


@pytest.mark.parametrize("offset", [0.3, -0.3, 0.06, -0.06])
def test_a_clock_that_differs_is_found_whatever_the_delays(offset: float) -> None:
    clocks = ClockComparison()
    feed(clocks, [offset + 0.001 * (second % 7) for second in range(25)])
    assert clocks.differing() == {"arm": pytest.approx(offset)}


def test_a_link_of_20_ms_is_no_difference() -> None:
    clocks = ClockComparison()
    feed(clocks, [0.02, 0.04, 0.03] * 20)
    assert not clocks.differing()


def test_late_messages_of_an_interrupted_link_are_no_difference() -> None:
    clocks = ClockComparison()
    now = feed(clocks, [0.02] * 12)
    for late in range(10, 0, -1):  # the backlog arrives at once
        clocks.take(now + 10.0, "arm", float(late))
    feed(clocks, [0.02] * 25, now + 10.0)
    assert not clocks.differing()


def test_a_clock_that_is_corrected_is_no_longer_reported() -> None:
    clocks = ClockComparison()
    now = feed(clocks, [-1.0] * 25)
    assert clocks.differing()
    feed(clocks, [0.001] * 25, now)
    assert not clocks.differing()


def test_few_messages_prove_nothing() -> None:
    clocks = ClockComparison()
    for window in range(5):
        clocks.take(12.0 * window, "arm", 3.0)
    assert not clocks.differing()


def test_senders_are_told_apart() -> None:
    clocks = ClockComparison()
    feed(clocks, [0.5] * 25, sender="left")
    feed(clocks, [0.0] * 25, sender="right")
    assert set(clocks.differing()) == {"left"}
