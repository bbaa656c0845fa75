"""Tests of the region: faces of the workspace and of the boxes of guarded frames."""

from dataclasses import replace

import numpy as np

from franka_reacher_rl.core.arm.kinematics import Kinematics
from franka_reacher_rl.core.arm.region import Region
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.arm.robot_files.sections import GuardedFrame


def guarded(robot, *frames):
    return replace(robot, model=replace(robot.model, guarded_frames=list(frames)))


ROBOT = guarded(
    Robot.load("panda_sim"), GuardedFrame("panda_link4", lower=[-10.0, -10.0, 0.2], upper=[0.9, 10.0, 10.0])
)


def test_each_bound_that_is_not_unlimited_is_a_face():
    faces = Region.for_task(ROBOT).faces
    assert faces.point.tolist() == [0] * 6 + [1, 1]
    margin = ROBOT.bridge.workspace_margin
    np.testing.assert_allclose(faces.bound[-2:], [-0.2 - margin, 0.9 - margin])
    assert Region.for_moves(ROBOT).faces.point.tolist() == [1, 1]  # a move may leave the workspace, not hit the table


def test_places_and_their_derivatives_are_those_of_the_points():
    kinematics, faces = Kinematics(ROBOT), Region.for_task(ROBOT).faces
    elbow = Kinematics(replace(ROBOT, model=replace(ROBOT.model, end_effector_frame="panda_link4")))
    q, h = ROBOT.start_middle(), 1e-6
    places = faces.places(kinematics, q[None])[0]
    np.testing.assert_allclose(places[-2:], [-elbow.position(q)[2], elbow.position(q)[0]])
    np.testing.assert_allclose(places[3:6], kinematics.position(q))
    for joint, column in enumerate(faces.jacobian(kinematics, q).T):
        ahead = faces.places(kinematics, (q + h * np.eye(7)[joint])[None])[0]
        np.testing.assert_allclose(column, (ahead - places) / h, atol=1e-5)


def test_a_subset_keeps_the_chosen_faces():
    faces = Region.for_task(ROBOT).faces
    some = faces.subset(faces.point == 1)
    assert len(some) == 2 and some.axis.tolist() == [2, 0]
