"""Tests of the checks of joint measurements."""

import numpy as np
import pytest

from franka_reacher_rl.core.arm.health import FROZEN_TRAVEL, JointMeasurement, StateMonitor

TIMEOUT = 0.2
DT = 0.01


def measurement(stamp, q=0.0):
    return JointMeasurement(stamp, np.full(2, q), np.zeros(2))


def test_without_a_measurement_there_is_a_problem():
    monitor = StateMonitor(TIMEOUT)
    assert monitor.problem(1.0) == "no joint state yet" and not monitor.frozen(np.ones(2), DT)


@pytest.mark.parametrize(
    ("age", "silence", "problem"),
    [
        (0.0, 0.0, ""),
        (0.19, 0.19, ""),
        (0.21, 0.21, "no new joint state for 0.21 s"),
        (0.5, 0.0, "0.50 s old by its stamp"),
        (-0.05, 0.0, ""),
        (-1.0, 0.0, "1.00 s ahead"),
    ],
)
def test_age_and_silence(age, silence, problem):
    monitor, now = StateMonitor(TIMEOUT), 100.0
    monitor.take(now - silence, measurement(now - age))
    found = monitor.problem(now)
    assert problem in found and bool(found) is bool(problem)


def test_a_single_stamp_from_the_future_is_ignored():
    monitor = StateMonitor(TIMEOUT)
    monitor.take(1.0, measurement(1.0))
    monitor.take(1.01, measurement(4.0))
    monitor.take(1.02, measurement(1.02))
    assert monitor.problem(1.02) == "" and monitor.newest is not None and monitor.newest.stamp == 1.02


def test_stamps_that_stay_in_the_future_are_a_problem():
    monitor, now = StateMonitor(TIMEOUT), 1.0
    monitor.take(now, measurement(now))
    while now < 1.0 + TIMEOUT:
        assert monitor.problem(now) == ""
        now += DT
        monitor.take(now, measurement(now + 3.0))
    assert "3.00 s ahead" in monitor.problem(now + DT)


def test_a_measurement_that_is_not_newer_is_ignored():
    monitor = StateMonitor(TIMEOUT)
    monitor.take(1.0, measurement(1.0, q=0.5))
    monitor.take(1.1, measurement(1.0, q=0.7))
    monitor.take(1.2, measurement(0.9, q=0.8))
    assert monitor.newest is not None and monitor.newest.q[0] == 0.5


@pytest.mark.parametrize(("moves", "speed", "frozen"), [(False, 0.1, True), (True, 0.1, False), (False, 0.0, False)])
def test_constant_positions_are_frozen_only_while_the_arm_is_commanded_to_move(moves, speed, frozen):
    monitor, velocity = StateMonitor(TIMEOUT), np.full(2, speed)
    for cycle in range(60):
        now = 1.0 + cycle * DT
        monitor.take(now, measurement(now, q=0.001 * cycle if moves else 0.0))
        found = monitor.frozen(velocity, DT)
        assert not found or (now - 1.0 > TIMEOUT and speed * (now - 1.0) > 0.9 * FROZEN_TRAVEL)
    assert found is frozen


def test_a_restarted_check_forgets_the_past():
    monitor, velocity = StateMonitor(TIMEOUT), np.full(2, 0.1)
    for cycle in range(60):
        monitor.take(1.0 + cycle * DT, measurement(1.0 + cycle * DT))
        found = monitor.frozen(velocity, DT)
    assert found
    monitor.restart_frozen_check()
    assert not monitor.frozen(velocity, DT)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_measurement_that_is_not_finite_is_a_problem_and_is_not_kept(value):
    monitor = StateMonitor(TIMEOUT)
    monitor.take(1.0, measurement(1.0, q=0.5))
    monitor.take(1.1, measurement(1.1, q=value))
    assert "not finite" in monitor.problem(1.1) and monitor.newest is not None and monitor.newest.q[0] == 0.5
    monitor.take(1.2, measurement(1.2))
    assert monitor.problem(1.2) == ""
