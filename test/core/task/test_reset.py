"""Tests of the steps of each reset strategy."""

from dataclasses import replace

import numpy as np
import pytest

from franka_reacher_rl.core.arm.kinematics import Kinematics
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.task.reset import TARGET_HEIGHT, MoveTo, PlaceTarget, in_view, reset_steps

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


SIMULATED = Robot.load("panda_sim")


def with_target(**settings):
    return replace(SIMULATED, target=replace(SIMULATED.target, **settings))


def camera_pose(robot, q):
    at_camera = replace(robot, model=replace(robot.model, end_effector_frame=robot.camera.frame))
    return Kinematics(at_camera).forward(q)


def visible(robot, seed):
    move, place = reset_steps(robot, np.random.default_rng(seed))
    target = np.append(place.xy, TARGET_HEIGHT)
    return in_view(camera_pose(robot, move.q), target, robot.camera.vertical_fov_deg)


@pytest.mark.parametrize("name", ["panda_sim", "ur5e_sim"])
def test_the_target_is_in_view_at_the_start(name):
    assert all(visible(Robot.load(name), seed) for seed in range(100))


def test_the_search_task_places_the_target_anywhere():
    robot = with_target(visible_at_start=False)
    assert 0.4 < np.mean([visible(robot, seed) for seed in range(100)]) < 0.9
    random = np.random.default_rng(3)
    start, target = robot.draw_start(random), robot.draw_target(random)
    move, place = reset_steps(robot, np.random.default_rng(3))
    assert (move.q == start).all() and (place.xy == target).all(), "start pose first, then one draw of the target"


def test_the_start_pose_does_not_depend_on_the_visibility():
    free = with_target(visible_at_start=False)
    for seed in range(20):
        poses = [reset_steps(robot, np.random.default_rng(seed))[0].q for robot in (SIMULATED, free)]
        np.testing.assert_array_equal(*poses)


def test_a_target_that_is_never_in_view_gives_a_clear_error():
    robot = with_target(lower=[-0.2, 0.5], upper=[-0.1, 0.6])
    with pytest.raises(ValueError, match="robot file 'panda_sim': none of 1000 target positions"):
        reset_steps(robot, np.random.default_rng(0))


def test_a_missing_camera_frame_gives_a_clear_error():
    robot = replace(SIMULATED, camera=replace(SIMULATED.camera, frame="lens"))
    with pytest.raises(ValueError, match="no frame 'lens'.*visible_at_start: false"):
        reset_steps(robot, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("point", "seen"),
    [
        ([0.0, 0.0, 1.0], True),
        ([0.0, 0.0, -1.0], False),
        ([0.0, 0.41, 1.0], True),
        ([0.0, 0.42, 1.0], False),
        ([0.73, 0.0, 1.0], True),
        ([-0.74, 0.0, 1.0], False),
    ],
)
def test_the_field_of_view_is_45_degrees_high_and_16_to_9(point, seen):
    pose = np.eye(4)
    pose[:3, 3] = [0.1, 0.2, 0.3]
    assert in_view(pose, pose[:3, 3] + point, 45.0) is seen


def test_a_reset_depends_on_the_seed_alone():
    np.testing.assert_array_equal(steps("teleport", 3)[0].q, steps("teleport", 3)[0].q)
    assert not np.array_equal(steps("teleport", 3)[0].q, steps("teleport", 4)[0].q)
