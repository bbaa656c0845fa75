"""Tests of the identification of lag and delay with simulated arms whose lag and delay are known."""

from dataclasses import replace

import numpy as np
import pytest
import yaml

from franka_reacher_rl.core.arm.identification import (
    Estimate,
    Fit,
    Recording,
    direction,
    fit,
    line_of,
    response,
    summarise,
    write_into,
)
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.paths import config_dir

NOISE = 2e-3  # rad/s, standard deviation
NOTE = "14 movements"


def recording(lag, delay, *, seed=0, noise=NOISE, speed=0.1, lateness=0.0):
    """Simulate a joint in steps of 0.1 ms that is commanded at 100 Hz and measured at 100 Hz."""
    random = np.random.default_rng(seed)
    sent = np.arange(0.0, 1.6, 0.01) + random.uniform(0.0, lateness + 1e-9, 160)
    ramp = np.interp(
        np.arange(0.0, 1.6, 0.01), [0.1, 0.12, 0.4, 0.42, 0.8, 0.82, 1.1, 1.12], [0, 1, 1, 0, 0, -1, -1, 0]
    )
    fine = np.arange(0.0, 1.6, 1e-4)
    velocity, values = 0.0, np.empty(len(fine))
    for i, time in enumerate(fine):
        newest = np.searchsorted(sent + delay, time, side="right") - 1
        command = speed * ramp[newest] if newest >= 0 else 0.0
        velocity += (command - velocity) * (1e-4 / lag if lag > 1e-4 else 1.0)
        values[i] = velocity
    at = np.arange(0.003, 1.59, 0.01)
    measured = np.interp(at, fine, values) + random.normal(scale=noise, size=len(at))
    return Recording(sent, speed * ramp, at, measured)


@pytest.mark.parametrize(("lag", "delay"), [(0.02, 0.005), (0.0, 0.03), (0.05, 0.0), (0.03, 0.08), (0.005, 0.002)])
def test_the_known_lag_and_delay_of_a_simulated_arm_are_found(lag, delay):
    fits = [fit(recording(lag, delay, seed=seed, lateness=0.004)) for seed in range(5)]
    lags, delays = Estimate.of([f.lag for f in fits]), Estimate.of([f.delay for f in fits])
    assert abs(lags.value - lag) < 2.5e-3 and abs(delays.value - delay) < 2.5e-3
    assert abs(lags.value + delays.value - lag - delay) < 1.5e-3
    assert lags.lowest <= lags.value <= lags.highest < lags.lowest + 0.01
    assert all(f.error == pytest.approx(NOISE, rel=0.3) for f in fits)


def test_the_model_follows_a_step_exponentially_after_the_delay():
    times = np.array([0.0, 0.05, 0.0999, 0.15, 0.3])
    step = Recording(np.array([-1.0, 0.0]), np.array([0.0, 0.2]), times, np.zeros(5))
    expected = [0.0, 0.0, 0.0, 0.2 * (1.0 - np.exp(-1.0)), 0.2 * (1.0 - np.exp(-4.0))]
    np.testing.assert_allclose(response(step, 0.05, 0.1), expected, atol=1e-12)


def test_a_joint_that_does_not_move_is_refused():
    still = recording(0.02, 0.005)
    with pytest.raises(ValueError, match=r"reached 0\.0.. rad/s of the commanded 0\.100 rad/s: check that the contr"):
        fit(replace(still, measured=np.random.default_rng(0).normal(scale=NOISE, size=len(still.measured))))


def test_noisy_movements_do_not_count_unless_they_are_the_most():
    clear, noisy = Fit(0.02, 0.005, 0.002), Fit(0.3, 0.0, 0.04)
    values, counted = summarise([clear, clear, noisy], 0.1)
    assert values["lag"] == Estimate(0.02, 0.02, 0.02) and counted == 2
    with pytest.raises(ValueError, match=r"of 2 of 3 movements are too noisy: .* by up to 0\.040 rad/s, 0\.030"):
        summarise([clear, noisy, noisy], 0.1)


def test_a_joint_moves_to_the_side_with_more_room():
    robot = Robot.load("panda_sim")
    q = robot.start_middle()
    assert direction(robot, q, 1, 0.03) == 1.0  # 0.13 rad of 0 to 1.2 rad
    q[1] = 1.1
    assert direction(robot, q, 1, 0.03) == -1.0


def test_a_movement_that_would_leave_the_range_is_refused():
    robot = Robot.load("panda_sim")
    q = robot.start_middle()
    with pytest.raises(ValueError, match=r"panda_joint2 has 1\.070 rad .* left, but needs 1\.105 rad: call ~/move_to"):
        direction(robot, q, 1, 1.1)
    q[3] = -2.9
    with pytest.raises(ValueError, match=r"panda_joint4 = -2\.900 rad is outside its range .*-2\.8 to -0\.2 rad"):
        direction(robot, q, 1, 0.03)


VALUES = {"lag": Estimate(0.0213, 0.0191, 0.0225), "delay": Estimate(0.0049, 0.004, 0.0061)}


@pytest.mark.parametrize("name", sorted(path.stem for path in (config_dir() / "robots").glob("*.yaml")))
def test_a_robot_file_keeps_everything_but_the_two_values(name):
    text = (config_dir() / "robots" / f"{name}.yaml").read_text()
    changed = write_into(text, VALUES, NOTE)
    old, new = yaml.safe_load(text), yaml.safe_load(changed)
    assert (new["driver"]["lag"], new["driver"]["delay"]) == (0.0213, 0.0049)
    assert {**old, "driver": {**old["driver"], "lag": 0.0213, "delay": 0.0049}} == new
    before, after = text.splitlines(), changed.splitlines()
    assert [line for line in before if line not in after] == [
        line for line in before if line.strip().startswith(("lag:", "delay:"))
    ]
    assert "  lag: 0.0213 # s, 0.0191 to 0.0225 in 14 movements" in after
    assert write_into(changed, VALUES, NOTE) == changed


def test_a_robot_file_without_a_section_of_lines_is_refused():
    with pytest.raises(ValueError, match="no section `driver:`"):
        write_into("driver: {lag: 0.1}\n", VALUES, NOTE)


def test_the_line_of_an_estimate_gives_its_range():
    assert line_of("delay", VALUES["delay"], NOTE) == "delay: 0.0049 # s, 0.0040 to 0.0061 in 14 movements"
