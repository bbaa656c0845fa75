"""Tests of the simulated physics: servos, time and bit-identical restoring of states."""

from __future__ import annotations

import numpy as np
import pytest

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Vector
from franka_reacher_rl.sim.world import World


@pytest.mark.parametrize("share", [1.0, -1.0])
def test_servos_settle_at_the_action_scale(world: World, share: float) -> None:
    command = share * np.asarray(world.robot.task.action_scale)
    world.set_command(command)
    fastest = 0.0
    for _ in range(10):
        world.step(0.002)
        fastest = max(fastest, float(np.abs(world.dq / command).max()))
    np.testing.assert_allclose(world.dq, command, rtol=0.02)  # after 20 ms
    assert fastest < 1.02


@pytest.mark.parametrize("share", [1.0, -1.0])
def test_servos_settle_at_the_velocity_limit(world: World, share: float) -> None:
    command = share * np.asarray(world.robot.limits.velocity)
    world.set_command(command)
    world.step(0.02)
    np.testing.assert_allclose(world.dq, command, rtol=0.05)


def test_one_joint_moves_alone(world: World) -> None:
    for i in range(world.dof):
        world.reset(world.robot.start_middle())
        start = world.q
        command = np.zeros(world.dof)
        command[i] = 0.2
        world.set_command(command)
        world.step(1.0)
        np.testing.assert_allclose(world.q - start, command, atol=0.002)


def test_an_arm_at_rest_stays_at_rest(world: World) -> None:
    start = world.q
    world.step(10.0)
    np.testing.assert_allclose(world.q, start, atol=1e-9)
    assert np.abs(world.dq).max() < 1e-9


def test_random_velocities_for_a_minute(world: World) -> None:
    """Random velocities up to the limits drive the arm into its joint limits, but not far beyond any limit."""
    random, limit = np.random.default_rng(4), np.asarray(world.robot.limits.velocity)
    low, high = np.asarray(world.robot.limits.position_lower), np.asarray(world.robot.limits.position_upper)
    for _ in range(1500):
        world.set_command(random.uniform(-1.0, 1.0, world.dof) * limit)
        world.step(0.04)
        assert np.all(np.abs(world.dq) < 1.5 * limit)
        assert np.all(world.q > low - 0.05) and np.all(world.q < high + 0.05)


def test_commands_are_clipped_to_the_velocity_limits(world: World) -> None:
    world.set_command(np.full(world.dof, 100.0))
    np.testing.assert_array_equal(world.command, world.robot.limits.velocity)


@pytest.mark.parametrize("bad", [np.zeros(3), np.array(0.1), "nan"])
def test_a_bad_command_is_refused(world: World, bad: object) -> None:
    values = np.full(world.dof, np.nan) if isinstance(bad, str) else bad
    before = world.command
    with pytest.raises(ValueError, match="finite numbers"):
        world.set_command(values)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="finite numbers"):
        world.reset(values)  # type: ignore[arg-type]
    np.testing.assert_array_equal(world.command, before)


def test_fractions_of_a_timestep_are_carried_over(world: World) -> None:
    start = world.time
    for _ in range(1000):
        world.step(0.0033)
    assert world.time - start == pytest.approx(3.3, abs=0.0021)
    for _ in range(25):
        before = world.time
        world.step(0.04)
        assert round((world.time - before) / 0.002) == 20


@pytest.mark.parametrize("seconds", [-0.1, float("inf"), float("nan")])
def test_a_negative_or_infinite_time_is_refused(world: World, seconds: float) -> None:
    with pytest.raises(ValueError, match="cannot step"):
        world.step(seconds)


@pytest.mark.parametrize("timestep", [0.0, -0.002, 0.1])
def test_a_bad_timestep_is_refused(robot: Robot, timestep: float) -> None:
    with pytest.raises(ValueError, match="timestep"):
        World(robot, timestep=timestep)


def test_the_target_stays_on_the_table(world: World) -> None:
    world.place_target(np.array([0.5, -0.2]))
    np.testing.assert_allclose(world.target[:2], [0.5, -0.2])
    assert 0.0 < world.target[2] < 0.05
    for outside in ([2.0, 0.0], [0.5, -0.8], [np.nan, 0.0], [0.5, 0.0, 0.0]):
        with pytest.raises(ValueError, match="not on the table"):
            world.place_target(np.array(outside))
    np.testing.assert_allclose(world.target[:2], [0.5, -0.2])


def test_every_drawn_target_is_on_the_table(world: World) -> None:
    for corner in (world.robot.target.lower, world.robot.target.upper):
        world.place_target(np.asarray(corner))


def _wander(world: World, seed: int, steps: int) -> Vector:
    random, seen = np.random.default_rng(seed), []
    for _ in range(steps):
        world.set_command(random.uniform(-0.2, 0.2, world.dof))
        world.step(0.0403)
        seen.append(np.concatenate([world.q, world.dq, world.target, [world.time]]))
    return np.array(seen)


def test_a_restored_world_continues_bit_identically(world: World) -> None:
    _wander(world, 5, 20)
    state = world.save()
    first = _wander(world, 6, 50)
    world.place_target(np.array([0.4, 0.1]))
    world.restore(state)
    np.testing.assert_array_equal(world.save(), state)
    np.testing.assert_array_equal(_wander(world, 6, 50), first)
    other = World(world.robot)
    other.restore(state)
    np.testing.assert_array_equal(_wander(other, 6, 50), first)


def test_reading_the_state_does_not_change_it(world: World) -> None:
    state = world.save()
    first = _wander(world, 7, 20)
    world.restore(state)
    random = np.random.default_rng(7)
    for row in first:
        world.set_command(random.uniform(-0.2, 0.2, world.dof))
        world.step(0.0403)
        world.end_effector()
        np.testing.assert_array_equal(world.q, row[: world.dof])


def test_a_state_of_another_model_is_refused(world: World) -> None:
    with pytest.raises(ValueError, match="shape"):
        world.restore(world.save()[:-1])


def test_returned_arrays_are_copies(world: World) -> None:
    before = world.q
    for values in (world.q, world.dq, world.command, world.target):
        values += 1.0
    np.testing.assert_array_equal(world.q, before)
