"""The command guard takes over from a silent bridge, within the limits, and from nobody else."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from franka_reacher_rl.core.arm.bridge import Bridge
from franka_reacher_rl.core.arm.guard import GONE_AFTER, REPEAT_ZERO, Guard, GuardWatch
from franka_reacher_rl.core.arm.robot import Robot

ROBOTS = ["panda_sim", "ur5e_sim", "ros2_control"]
FAST = {"control_rate": 500.0}  # cycles in which the jerk limits bind


def robot_of(name: str, **driver: float) -> Robot:
    robot = Robot.load(name)
    return replace(robot, driver=replace(robot.driver, **driver))


def run(guard: Guard, end: float) -> list[tuple[float, np.ndarray]]:
    """Call the guard at each of its alarms until a time, and return what it sends."""
    sent = []
    while guard.alarm <= end:
        now = guard.alarm
        velocity = guard.on_alarm(now)
        if velocity is not None:
            sent.append((now, velocity))
    return sent


def commanded(guard: Guard, robot: Robot, velocity: np.ndarray, seconds: float = 3.0) -> float:
    """Command a ramp to a velocity at the bridge's rate; return the time of the last command."""
    period, v, now = 1.0 / robot.driver.control_rate, np.zeros(robot.dof), 0.0
    step = 0.5 * np.asarray(robot.limits.acceleration) * period
    for i in range(round(seconds / period)):
        now = i * period
        v = np.clip(velocity, v - step, v + step)
        guard.on_command(now, v)
        assert guard.on_alarm(now) is None
    np.testing.assert_allclose(v, velocity)
    return now


@pytest.mark.parametrize("rate", [{}, FAST], ids=["file's rate", "500 Hz"])
@pytest.mark.parametrize("name", ROBOTS)
def test_a_silent_bridge_is_followed_by_a_ramp_to_zero_within_the_limits(name: str, rate: dict[str, float]) -> None:
    robot = robot_of(name, **rate)
    limits, period = robot.limits, 1.0 / robot.driver.control_rate
    guard = Guard(robot)
    full = np.asarray(limits.velocity) * np.where(np.arange(robot.dof) % 2, 1.0, -0.7)
    last = commanded(guard, robot, full)
    sent = run(guard, last + 10.0)
    assert sent[0][0] == pytest.approx(last + robot.driver.deadline)
    v = np.array([full, *(velocity for _, velocity in sent)])
    a = np.diff(v, axis=0) / period
    assert (np.abs(a) <= np.asarray(limits.acceleration) * (1.0 + 1e-9)).all()
    jerk = np.diff(np.array([np.zeros(robot.dof), *a]), axis=0) / period
    if rate:
        moving = v[1:].any(axis=1)
        assert (np.abs(jerk[moving]) <= np.asarray(limits.jerk) * (1.0 + 1e-6)).all()
    rest = next(time for time, velocity in sent if not velocity.any())
    assert rest - sent[0][0] < 1.2 * np.max(np.abs(full) / limits.acceleration) + 0.1
    assert sent[-1][0] - rest == pytest.approx(REPEAT_ZERO, abs=2 * period), "zero is repeated, then there is silence"
    assert not any(velocity.any() for time, velocity in sent if time >= rest)


def test_each_joint_is_braked_within_its_own_limit_in_the_controllers_order() -> None:
    robot = robot_of("panda_sim")
    robot = replace(robot, limits=replace(robot.limits, acceleration=[2.0, *robot.limits.acceleration[1:]]))
    reverse = list(range(robot.dof))[::-1]
    joints = [robot.joints[i] for i in reverse]
    guard = Guard(robot)
    guard.on_command(0.0, np.full(7, 0.5), joints)
    v = np.array([np.full(7, 0.5), *(velocity for _, velocity in run(guard, 10.0))])
    greatest = np.abs(np.diff(v, axis=0)).max(axis=0) * robot.driver.control_rate
    np.testing.assert_array_less(greatest, np.asarray(robot.limits.acceleration)[reverse] * (1.0 + 1e-9))
    assert greatest[-1] > 1.0, "the slow joint brakes"


def test_the_guard_is_silent_while_the_bridge_commands_and_after_it_has_ended_at_rest() -> None:
    robot = robot_of("panda_sim")
    guard = Guard(robot)
    now = commanded(guard, robot, np.full(7, 0.2))
    assert now + 0.05 < guard.alarm < np.inf and not guard.idle
    guard.on_command(now + 0.01, np.zeros(7))
    assert guard.idle and run(guard, 100.0) == []


def test_the_guard_gives_way_when_the_bridge_is_back() -> None:
    robot = robot_of("panda_sim")
    guard = Guard(robot)
    last = commanded(guard, robot, np.full(7, 2.0))
    assert run(guard, last + 0.15) and guard.braking
    guard.on_command(last + 0.16, np.full(7, 0.1))
    assert not guard.braking
    assert run(guard, last + 0.25) == []
    assert run(guard, last + 1.0)[0][0] == pytest.approx(last + 0.16 + robot.driver.deadline)


def test_a_command_from_before_the_bridge_was_stopped_is_revoked_at_once() -> None:
    """It arrives when the bridge wakes; the bridge's next one starts from rest."""
    robot = robot_of("panda_sim")
    guard = Guard(robot)
    last = commanded(guard, robot, np.full(7, 1.0))
    run(guard, last + 3.0)
    answer = guard.on_command(last + 3.0, np.full(7, 1.0))
    assert answer is not None and not answer.any() and guard.braking
    assert guard.on_command(last + 3.01, np.zeros(7)) is None and not guard.braking
    assert run(guard, last + 9.0) == []


def test_a_bridge_that_insists_is_in_charge() -> None:
    robot = robot_of("panda_sim")
    guard = Guard(robot)
    last = commanded(guard, robot, np.full(7, 1.0))
    run(guard, last + 3.0)
    assert guard.on_command(last + 3.0, np.full(7, 1.0)) is not None
    assert guard.on_command(last + 3.01, np.full(7, 1.0)) is None and not guard.braking
    assert run(guard, last + 5.0)[0][0] == pytest.approx(last + 3.01 + robot.driver.deadline)


def test_a_pause_of_the_guard_itself_leaves_time_to_read_commands() -> None:
    robot = robot_of("panda_sim")
    guard = Guard(robot)
    last = commanded(guard, robot, np.full(7, 0.2))
    assert guard.on_alarm(last + 3.0) is None
    guard.on_command(last + 3.001, np.full(7, 0.2))
    assert guard.on_alarm(last + 3.02) is None and not guard.braking
    assert run(guard, last + 4.0), "a bridge that stays silent is noticed"


@pytest.mark.parametrize("wrong", [[np.nan] * 7, [0.1] * 6, []])
def test_a_broken_command_is_no_heartbeat(wrong: list[float]) -> None:
    robot = robot_of("panda_sim")
    guard = Guard(robot)
    last = commanded(guard, robot, np.full(7, 0.2))
    with pytest.raises(ValueError, match="velocity"):
        guard.on_command(last + 0.05, np.array(wrong))
    assert run(guard, last + 1.0)[0][0] == pytest.approx(last + robot.driver.deadline)


def test_an_impossible_command_is_braked_from_the_velocity_limit() -> None:
    robot = robot_of("panda_sim")
    guard = Guard(robot)
    guard.on_command(0.0, np.full(7, 1e300))
    sent = run(guard, 60.0)
    assert (np.abs([velocity for _, velocity in sent]) <= robot.limits.velocity).all()
    assert guard.idle


@pytest.mark.parametrize("pause", [0.115, 0.135, 0.3, 5.0])
def test_a_bridge_that_continues_after_a_pause_follows_the_guard(pause: float) -> None:
    """Its next command differs from what the guard has sent by no more than two cycles of acceleration."""
    robot = robot_of("panda_sim")
    bridge, guard, period = Bridge(robot), Guard(robot), 0.01
    q, now = robot.start_middle(), 10.0
    arm = np.zeros(7)

    def cycle() -> None:
        bridge.take_state(now, now, q, arm)
        bridge.take_command(now, now, robot.joints, [0.2, 0, 0, 0, 0, 0, 0])
        arm[:] = bridge.update(now).velocity
        guard.on_command(now, arm.copy())

    for _ in range(50):
        now += period
        q = q + period * arm
        cycle()
    assert arm[0] > 0.19
    sent = run(guard, now + pause)
    now += pause
    before = sent[-1][1] if sent else arm.copy()
    cycle()
    assert (np.abs(arm - before) <= 2.001 * period * np.asarray(robot.limits.acceleration)).all()
    if pause >= 0.3:
        assert arm[0] <= 1.001 * period * robot.limits.acceleration[0], "it starts from rest"


def test_a_missing_guard_is_noticed_where_the_driver_has_no_deadline() -> None:
    watch = GuardWatch(Robot.load("ros2_control"))
    assert "has never been heard" in watch.problem(5.0) and "command_guard" in watch.problem(5.0)
    watch.on_heartbeat(5.0)
    assert watch.problem(5.0 + 0.9 * GONE_AFTER) == ""
    assert "does not respond" in watch.problem(5.1 + GONE_AFTER)
    assert GuardWatch(Robot.load("fr3")).problem(5.0) == ""


def test_the_guard_imports_no_heavy_module() -> None:
    heavy = "{'torch', 'pinocchio', 'mujoco', 'cv2', 'daqp', 'scipy'}"
    code = f"import sys, franka_reacher_rl.core.arm.guard; sys.exit({heavy} & set(sys.modules) or 0)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
