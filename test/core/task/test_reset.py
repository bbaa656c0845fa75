"""Tests of the steps of each reset strategy."""

from dataclasses import replace

import numpy as np

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.task.reset import MoveTo, PlaceTarget, reset_steps

ROBOT = Robot.load("fr3")


def steps(strategy, seed=0):
    return reset_steps(replace(ROBOT, reset=replace(ROBOT.reset, strategy=strategy)), np.random.default_rng(seed))


def is_start(q):
    return (q >= ROBOT.reset.start_lower).all() and (q <= ROBOT.reset.start_upper).all()


def test_teleport_moves_then_places_the_target():
    move, place = steps("teleport")
    assert isinstance(move, MoveTo) and is_start(move.q)
    assert isinstance(place, PlaceTarget) and place.xy.shape == (2,)
    assert (place.xy >= ROBOT.target.lower).all() and (place.xy <= ROBOT.target.upper).all()


def test_swing_visits_another_pose_before_the_start_pose():
    swing, start = steps("swing")
    assert isinstance(swing, MoveTo) and not is_start(swing.q)
    assert (swing.q >= ROBOT.reset.swing_lower).all() and (swing.q <= ROBOT.reset.swing_upper).all()
    assert isinstance(start, MoveTo) and is_start(start.q)


def test_joint_only_moves():
    (move,) = steps("joint")
    assert isinstance(move, MoveTo) and is_start(move.q)


def test_a_reset_depends_on_the_seed_alone():
    np.testing.assert_array_equal(steps("teleport", 3)[0].q, steps("teleport", 3)[0].q)
    assert not np.array_equal(steps("teleport", 3)[0].q, steps("teleport", 4)[0].q)
