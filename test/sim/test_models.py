"""Tests that simulation and safety filter use the same arm, which has the published lengths and masses."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import mujoco
import numpy as np
import pinocchio
import pytest

from franka_reacher_rl.core.arm.kinematics import Kinematics
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.arm.robot_files.model_file import find_model
from franka_reacher_rl.sim import scene
from franka_reacher_rl.sim.world import World

PUBLISHED_MASS = {  # kg, of the moving links
    "panda_sim": 4.970684 + 0.646926 + 3.228604 + 3.587895 + 1.225946 + 1.666555 + 0.735522,
    "ur5e_sim": 3.761 + 8.058 + 2.846 + 1.37 + 1.3 + 0.365,
}
PUBLISHED_POSE = {  # flange position in m at a pose for which it follows from the manufacturer's table of lengths
    "panda_sim": ("panda_link8", np.zeros(7), [0.088, 0.0, 0.333 + 0.316 + 0.384 - 0.107]),
    "ur5e_sim": ("tool0", np.zeros(6), [0.425 + 0.3922, 0.1333 + 0.0996, 0.1625 - 0.0997]),
}


def test_kinematics_agree(world: World) -> None:
    kinematics, random = Kinematics(world.robot), np.random.default_rng(1)
    low, high = world.robot.limits.position_lower, world.robot.limits.position_upper
    for _ in range(50):
        q = random.uniform(low, high)
        world.reset(q)
        np.testing.assert_allclose(world.end_effector(), kinematics.forward(q), atol=1e-6)


def test_inertia_agrees(world: World) -> None:
    """MuJoCo and Pinocchio compute the same mass matrix, so all masses, centres and inertias agree."""
    model = pinocchio.buildModelFromUrdf(str(find_model(world.robot.model.urdf)))
    data, column = model.createData(), np.zeros(world.dof)
    q = np.random.default_rng(2).uniform(world.robot.task.position_lower, world.robot.task.position_upper)
    world.reset(q)
    expected = np.asarray(pinocchio.crba(model, data, q))
    expected = np.triu(expected) + np.triu(expected, 1).T
    for i in range(world.dof):
        mujoco.mj_mulM(world.model, world.data, column, np.eye(world.dof)[i])
        np.testing.assert_allclose(column - world.model.dof_armature * np.eye(world.dof)[i], expected[i], atol=1e-6)


def test_published_mass(world: World) -> None:
    model, camera = world.model, world.model.body(scene.ARM + "wrist_camera_link")
    moving = [i for i in range(model.nbody) if model.body_weldid[i] and model.body(i).name.startswith(scene.ARM)]
    assert model.body_mass[moving].sum() - camera.mass[0] == pytest.approx(PUBLISHED_MASS[world.robot.name], abs=1e-9)


def test_published_lengths(robot: Robot) -> None:
    frame, q, position = PUBLISHED_POSE[robot.name]
    at_flange = dataclasses.replace(robot, model=dataclasses.replace(robot.model, end_effector_frame=frame))
    found = Kinematics(at_flange).position(q)
    np.testing.assert_allclose(np.abs(found), np.abs(position), atol=1e-9)


def test_joint_limits_are_the_robot_files(world: World) -> None:
    kinematics = Kinematics(world.robot)
    for i, name in enumerate(world.robot.joints):
        low, high = world.robot.limits.position_lower[i], world.robot.limits.position_upper[i]
        np.testing.assert_allclose(world.model.joint(scene.ARM + name).range, [low, high], atol=1e-4)
        np.testing.assert_allclose([kinematics.position_lower[i], kinematics.position_upper[i]], [low, high], atol=1e-4)


def test_start_poses_are_inside(world: World) -> None:
    robot, random = world.robot, np.random.default_rng(3)
    for _ in range(100):
        q = robot.draw_start(random)
        world.reset(q)
        place = world.end_effector()[:3, 3]
        assert np.all(place > robot.task.workspace_lower) and np.all(place < robot.task.workspace_upper)
        assert np.all(q >= robot.task.position_lower) and np.all(q <= robot.task.position_upper)


def test_a_missing_joint_gives_a_clear_error(robot: Robot) -> None:
    other = dataclasses.replace(robot, joints=[*robot.joints[:-1], "no_such_joint"])
    with pytest.raises(ValueError, match=rf"no joint 'no_such_joint'.*{robot.joints[0]}"):
        World(other)


def test_a_missing_end_effector_gives_a_clear_error(robot: Robot) -> None:
    other = dataclasses.replace(robot, model=dataclasses.replace(robot.model, end_effector_frame="hand"))
    with pytest.raises(ValueError, match=r"no frame 'hand'.*wrist_camera_link"):
        World(other)


def test_a_robot_without_mjcf_cannot_be_simulated(robot: Robot) -> None:
    other = dataclasses.replace(robot, model=dataclasses.replace(robot.model, mjcf=""))
    with pytest.raises(ValueError, match="cannot be simulated"):
        World(other)


def test_a_third_party_mjcf_works(tmp_path: Path, robot: Robot) -> None:
    """The MJCF has its own actuators, keyframes and camera, and its joints are in another order."""
    path = tmp_path / "arm.xml"
    path.write_text("""<mujoco><worldbody>
      <body name="a"><joint name="j1" axis="0 0 1"/><geom name="box" size="0.1"/>
        <body name="b" pos="0.3 0 0.3"><joint name="j2" axis="0 1 0" armature="0.5"/><geom size="0.1"/>
          <camera name="wrist_camera"/><site name="tip" pos="0.2 0 0"/></body></body></worldbody>
      <actuator><position joint="j1" kp="100"/></actuator><keyframe><key qpos="0 1"/></keyframe></mujoco>""")
    two, low, high = [0.0, 0.0], [-0.1, -0.1], [0.1, 0.1]
    other = dataclasses.replace(
        robot,
        joints=["j2", "j1"],
        limits=dataclasses.replace(robot.limits, **{k: v[:2] for k, v in vars(robot.limits).items()}),
        task=dataclasses.replace(robot.task, action_scale=two, position_lower=low, position_upper=high),
        reset=dataclasses.replace(robot.reset, start_lower=two, start_upper=two, swing_lower=[], swing_upper=[]),
        model=dataclasses.replace(robot.model, mjcf=str(path), end_effector_frame="tip"),
    )
    world = World(other)
    world.reset(np.array([0.0, np.pi / 2]))
    np.testing.assert_allclose(world.end_effector()[:3, 3], [0.0, 0.5, 0.3], atol=1e-9)
    world.set_command(np.array([0.2, -0.1]))
    world.step(0.1)
    np.testing.assert_allclose(world.dq, [0.2, -0.1], atol=1e-3)
    np.testing.assert_allclose(world.model.dof_armature, [scene.ROTOR_INERTIA, 0.5])
