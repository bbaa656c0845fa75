"""Tests of the kinematics against published Denavit-Hartenberg parameters and finite differences."""

from dataclasses import replace

import numpy as np
import pytest
from robots import ROBOTS

from franka_reacher_rl.core.arm.kinematics import Kinematics, check_start_poses
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.arm.robot_files.sections import GuardedFrame

# a (m), d (m) and alpha (rad) of joints 1 to 7 in Craig's convention, and d of the flange. Source: Franka Control
# Interface documentation, "Denavit-Hartenberg parameters".
PANDA_DH = [
    (0.0, 0.333, 0.0),
    (0.0, 0.0, -np.pi / 2),
    (0.0, 0.316, np.pi / 2),
    (0.0825, 0.0, np.pi / 2),
    (-0.0825, 0.384, -np.pi / 2),
    (0.0, 0.0, np.pi / 2),
    (0.088, 0.0, np.pi / 2),
]
FLANGE = 0.107


def panda_flange(q):
    pose = np.eye(4)
    for (a, d, alpha), theta in zip(PANDA_DH, q, strict=True):
        ct, st, ca, sa = np.cos(theta), np.sin(theta), np.cos(alpha), np.sin(alpha)
        pose = pose @ np.array(
            [[ct, -st, 0, a], [st * ca, ct * ca, -sa, -d * sa], [st * sa, ct * sa, ca, d * ca], [0, 0, 0, 1]]
        )
    pose[:3, 3] += FLANGE * pose[:3, 2]
    return pose


def at_flange(name, frame):
    robot = Robot.load(name)
    return Kinematics(replace(robot, model=replace(robot.model, end_effector_frame=frame)))


@pytest.mark.parametrize(("name", "frame"), [("panda_sim", "panda_link8"), ("fr3", "fr3_link8")])
def test_the_flange_pose_matches_the_published_parameters(name, frame):
    kinematics, random = at_flange(name, frame), np.random.default_rng(0)
    for q in random.uniform(-1.5, 1.5, (20, 7)):
        np.testing.assert_allclose(kinematics.forward(q), panda_flange(q), atol=1e-9)
        np.testing.assert_allclose(kinematics.position(q), panda_flange(q)[:3, 3], atol=1e-9)


@pytest.mark.parametrize("name", ROBOTS)
def test_the_jacobian_is_the_derivative_of_the_pose(name):
    robot = Robot.load(name)
    kinematics = Kinematics(robot)
    q, h = robot.start_middle(), 1e-6
    jacobian = kinematics.jacobian(q)
    assert jacobian.shape == (6, robot.dof)
    for joint in range(robot.dof):
        step = np.eye(robot.dof)[joint] * h
        ahead, behind = kinematics.forward(q + step), kinematics.forward(q - step)
        np.testing.assert_allclose(jacobian[:3, joint], (ahead - behind)[:3, 3] / (2 * h), atol=1e-7)
        turn = (ahead[:3, :3] - behind[:3, :3]) / (2 * h) @ kinematics.forward(q)[:3, :3].T
        np.testing.assert_allclose(jacobian[3:, joint], [turn[2, 1], turn[0, 2], turn[1, 0]], atol=1e-6)


@pytest.mark.parametrize("name", ["panda_sim", "ur5e_sim"])
def test_points_are_those_of_each_configuration(name):
    robot = Robot.load(name)
    kinematics, random = Kinematics(robot), np.random.default_rng(0)
    path = np.array([robot.draw_start(random) for _ in range(4)])
    points = kinematics.points(path, [1, 0])
    np.testing.assert_allclose(points[:, 1], [kinematics.forward(q)[:3, 3] for q in path], atol=1e-12)
    guarded = replace(robot.model, end_effector_frame=robot.model.guarded_frames[0].frame)
    other = Kinematics(replace(robot, model=guarded))
    np.testing.assert_allclose(points[:, 0], [other.forward(q)[:3, 3] for q in path], atol=1e-12)


def test_vectors_have_the_robot_files_joint_order():
    robot = Robot.load("panda_sim")
    limits = replace(robot.limits, **{name: value[::-1] for name, value in vars(robot.limits).items()})
    swapped = replace(
        robot,
        joints=robot.joints[::-1],
        limits=limits,
        task=replace(
            robot.task,
            position_lower=robot.task.position_lower[::-1],
            position_upper=robot.task.position_upper[::-1],
        ),
        reset=replace(
            robot.reset, start_lower=robot.reset.start_lower[::-1], start_upper=robot.reset.start_upper[::-1]
        ),
    )
    q = np.arange(7) / 10 - 0.3
    kinematics, other = Kinematics(robot), Kinematics(swapped)
    np.testing.assert_allclose(other.forward(q[::-1]), kinematics.forward(q))
    np.testing.assert_allclose(other.jacobian(q[::-1]), kinematics.jacobian(q)[:, ::-1])


def test_another_base_frame_moves_the_origin():
    robot = Robot.load("ur5e_sim")
    inertial = Kinematics(replace(robot, model=replace(robot.model, base_frame="base_link_inertia")))
    turned, upright = inertial.forward(robot.start_middle()), Kinematics(robot).forward(robot.start_middle())
    np.testing.assert_allclose(turned[:2, 3], -upright[:2, 3], atol=1e-9)  # half a turn about z
    np.testing.assert_allclose(
        inertial.jacobian(robot.start_middle())[:2], -Kinematics(robot).jacobian(robot.start_middle())[:2], atol=1e-9
    )


@pytest.mark.parametrize("name", ROBOTS)
def test_limits_of_the_robot_file_are_within_those_of_its_urdf(name):
    robot = Robot.load(name)
    kinematics = Kinematics(robot)
    assert (np.array(robot.limits.position_lower) >= kinematics.position_lower - 1e-3).all()
    assert (np.array(robot.limits.position_upper) <= kinematics.position_upper + 1e-3).all()


@pytest.mark.parametrize("name", ROBOTS)
def test_start_poses_are_in_the_workspace(name):
    robot, random = Robot.load(name), np.random.default_rng(0)
    kinematics = Kinematics(robot)
    for _ in range(100):
        place = kinematics.position(robot.draw_start(random))
        assert (place > robot.task.workspace_lower).all() and (place < robot.task.workspace_upper).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"urdf": "nowhere.urdf"}, "no model 'nowhere.urdf'"),
        ({"end_effector_frame": "tool9"}, "no frame 'tool9': its links are panda_link0"),
        ({"base_frame": "panda_link3"}, "base_frame 'panda_link3' moves with joint 'panda_joint3'"),
    ],
)
def test_a_wrong_model_is_refused_with_the_known_names(changes, message):
    robot = Robot.load("panda_sim")
    with pytest.raises(ValueError, match=message):
        Kinematics(replace(robot, model=replace(robot.model, **changes)))


def test_a_wrong_joint_is_refused_with_the_known_names():
    robot = Robot.load("panda_sim")
    with pytest.raises(ValueError, match="no movable joint 'elbow': it has panda_joint1"):
        Kinematics(replace(robot, joints=["elbow", *robot.joints[1:]]))


def test_a_broken_urdf_is_refused(tmp_path):
    path = tmp_path / "broken.urdf"
    path.write_text("<robot")
    robot = Robot.load("panda_sim")
    with pytest.raises(ValueError, match="not a URDF"):
        Kinematics(replace(robot, model=replace(robot.model, urdf=str(path))))


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"position_lower": [-30.0] * 7, "position_upper": [30.0] * 7}, "panda_joint1 = -30 to 30 rad exceed those of"),
        ({"velocity": [50.0] * 7}, "velocity of panda_joint1 = 50 rad/s exceeds that of panda.urdf"),
    ],
)
def test_limits_beyond_those_of_the_urdf_are_refused(limits, message):
    robot = Robot.load("panda_sim")
    with pytest.raises(ValueError, match=message):
        Kinematics(replace(robot, limits=replace(robot.limits, **limits)))


@pytest.mark.parametrize("name", ROBOTS)
def test_the_start_poses_of_the_robot_files_are_in_their_boxes(name):
    robot = Robot.load(name)
    check_start_poses(robot, Kinematics(robot))
    assert len(robot.model.guarded_frames) >= 2


def test_a_start_pose_outside_a_box_is_refused():
    robot = Robot.load("panda_sim")
    low = replace(robot, task=replace(robot.task, workspace_upper=[0.5, 0.3, 0.2]))
    with pytest.raises(ValueError, match="wrist_camera_link is at .* outside"):
        check_start_poses(low, Kinematics(low))
    guard = GuardedFrame("panda_link4", lower=[-10.0, -10.0, 0.9])
    high = replace(robot, model=replace(robot.model, guarded_frames=[guard]))
    with pytest.raises(ValueError, match="panda_link4 is at"):
        check_start_poses(high, Kinematics(high))


def test_positions_and_velocities_of_points_are_those_of_their_jacobians():
    robot = Robot.load("panda_sim")
    kinematics = Kinematics(robot)
    q, dq = robot.start_middle(), np.linspace(-1.0, 1.0, robot.dof)
    places, speeds = kinematics.motion(q, dq, [0, 2])
    np.testing.assert_array_equal(places, kinematics.points(q[None], [0, 2])[0])
    np.testing.assert_allclose(speeds, kinematics.point_jacobians(q, [0, 2]) @ dq, atol=1e-12)
