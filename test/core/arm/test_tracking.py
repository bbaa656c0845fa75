"""Tests of the timing of the control loop and of the estimate of the lag that is not declared."""

from dataclasses import replace

import numpy as np
import pytest

from franka_reacher_rl.core.arm.health import JointMeasurement
from franka_reacher_rl.core.arm.robot_files.sections import DriverSettings
from franka_reacher_rl.core.arm.tracking import CycleClock, Tracking

DT = 0.01
DRIVER = DriverSettings(control_rate=100.0, deadline=0.1, lag=0.02, delay=0.01)


def test_regular_cycles_allow_a_full_change():
    clock = CycleClock(DRIVER)
    assert [clock.tick(1.0 + i * DT) for i in range(3)] == pytest.approx([DT] * 3)
    assert clock.slowest == pytest.approx(DT) and clock.braked == []


def test_a_late_cycle_allows_no_larger_change_and_the_early_one_after_it_none():
    clock = CycleClock(DRIVER)
    clock.tick(1.0)
    assert clock.tick(1.057) == pytest.approx(DT) and clock.slowest == pytest.approx(0.057)
    assert clock.tick(1.060) == 0.0
    assert clock.tick(1.070) == pytest.approx(DT)
    for i in range(1000):
        clock.tick(1.08 + i * DT)
    assert clock.slowest == pytest.approx(DT, abs=1e-3)


@pytest.mark.parametrize(
    ("silence", "braked", "dt"), [(0.1, [], DT), (0.104, [0.004], 0.0), (0.127, [0.027, 0.017, 0.007], 0.007)]
)
def test_braking_of_the_guard_is_told_with_its_times(silence, braked, dt):
    clock = CycleClock(DRIVER)
    clock.tick(1.0)
    assert clock.tick(1.0 + silence) == pytest.approx(dt)
    assert clock.braked == pytest.approx(braked)


def test_only_repeated_lateness_counts_beyond_the_deadline():
    clock = CycleClock(DRIVER)
    clock.tick(1.0)
    clock.tick(1.15)
    assert clock.slowest == pytest.approx(0.1)
    clock.tick(1.30)
    assert clock.slowest == pytest.approx(0.15)


def follow(driver, lag, delay, cycles=300, noise=0.0, block=False):
    """Return the tracking of an arm with this lag and delay whose command changes every 0.3 s."""
    tracking, random = Tracking(driver, 1), np.random.default_rng(0)
    q = dq = np.zeros(1)
    commands = [np.zeros(1)]
    for i in range(cycles):
        now = 1.0 + i * DT
        measured = JointMeasurement(now, q + noise * random.normal(size=1), dq)
        tracking.measure(measured)
        velocity = commands[-1] if i % 30 else random.uniform(-0.2, 0.2, 1)
        tracking.sent(now, velocity)
        commands.append(velocity)
        followed = commands[-1 - round(delay / DT)] if i > delay / DT else np.zeros(1)
        decay = np.exp(-DT / lag) if lag else 0.0
        if not block:
            q = q + followed * DT + (dq - followed) * lag * (1.0 - decay)
            dq = followed + (dq - followed) * decay
    return tracking, q, dq, now + DT


@pytest.mark.parametrize(
    ("lag", "delay", "excess"), [(0.02, 0.01, 0.0), (0.04, 0.05, 0.06), (0.0, 0.0, 0.0), (0.08, 0.01, 0.06)]
)
def test_the_lag_that_is_not_declared_is_estimated(lag, delay, excess):
    for noise in (0.0, 1e-4):
        assert follow(DRIVER, lag, delay, noise=noise)[0].excess == pytest.approx(excess, abs=0.01)


def test_the_estimate_is_bounded():
    assert follow(replace(DRIVER, lag=0.0, delay=0.0), 0.4, 0.0, cycles=600)[0].excess == 0.2


def test_a_blocked_arm_is_no_lag():
    assert follow(DRIVER, 0.02, 0.01, block=True)[0].excess == 0.0


def test_the_travel_leads_to_where_the_arm_comes_to_rest():
    tracking, q, dq, now = follow(DRIVER, DRIVER.lag, DRIVER.delay, cycles=305)
    rest = q + DRIVER.lag * dq + tracking.travel(now, now)
    still = now + 1.0
    tracking.sent(now, np.zeros(1))
    np.testing.assert_allclose(tracking.travel(now, still), tracking.travel(now, now), atol=1e-12)
    np.testing.assert_allclose(rest, q + DRIVER.lag * dq + DRIVER.delay * dq, atol=2e-3)


def test_a_late_measurement_lacks_the_commands_sent_since():
    tracking = Tracking(replace(DRIVER, delay=0.0), 1)
    tracking.sent(1.0, np.array([0.1]))
    tracking.sent(1.5, np.array([0.3]))
    np.testing.assert_allclose(tracking.travel(1.2, 1.6), 0.3 * 0.1 + 0.1 * 0.3)
    np.testing.assert_allclose(tracking.travel(0.5, 1.2), 0.1 * 0.2)
