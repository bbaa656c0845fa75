"""Assembly of the MuJoCo model: an arm on a table, with a red bean bag and a wrist camera."""

from __future__ import annotations

import mujoco
import numpy as np
import numpy.typing as npt

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.arm.robot_files.model_file import find_model
from franka_reacher_rl.core.base.paths import scene_path

ARM = "arm/"  # prefix of the arm's element names in the scene
WRIST_CAMERA = "wrist_camera"

# Groups of geoms that are rendered or not together; the table is in group 0.
SURROUNDINGS_GROUP = 1  # floor and table legs
TARGET_GROUP = 2
ARM_GROUP = 3  # not in the view of the wrist camera
SERVO_TIME = 0.001  # s, time constant of the velocity servos at the start pose
# kg m^2, reflected rotor inertia of joints whose model gives no armature. Franka's values for the FR3 are 0.2 to 0.6
# (README of franka_description in Drake). Without it, the acceleration of heavy joints would disturb the light ones of
# the wrist.
ROTOR_INERTIA = 0.3


def build(robot: Robot) -> mujoco.MjModel:
    """Build the model of the robot's arm in the scene, with velocity servos and a wrist camera.

    The arm may be an MJCF or a URDF, since MuJoCo reads both. Its own actuators, keyframes and sensors are removed.
    Collisions are disabled: the safety filter's workspace keeps the arm off the table.

    Raises:
        ValueError: The robot cannot be simulated, or its model lacks a joint or a frame; the message names it.
    """
    if not robot.model.mjcf:
        raise ValueError(f"robot {robot.name!r} cannot be simulated: set model.mjcf in its file")
    arm = mujoco.MjSpec.from_file(str(find_model(robot.model.mjcf)))
    _check_joints(robot, arm)
    _add_wrist_camera(robot, arm)
    for part in (*arm.actuators, *arm.keys, *arm.sensors):
        arm.delete(part)
    for body in arm.bodies:
        body.gravcomp = 1.0  # as the controller of a real arm does
    for joint in arm.joints:
        joint.actfrclimited = False  # the safety filter limits acceleration; a saturated servo would oscillate
        joint.solref_limit, joint.solimp_limit = [0.004, 1.0], [0.99, 0.999, 0.001, 0.5, 2.0]  # a hard stop
        joint.armature = joint.armature or ROTOR_INERTIA
    for geom in arm.geoms:
        geom.group, geom.contype, geom.conaffinity = ARM_GROUP, 0, 0
    scene = mujoco.MjSpec.from_file(str(scene_path()))
    _paint(scene)
    _group(scene)
    scene.attach(arm, prefix=ARM, frame=scene.worldbody.add_frame())
    for name, speed in zip(robot.joints, robot.limits.velocity, strict=True):
        servo = scene.add_actuator(name=name, target=ARM + name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        servo.set_to_velocity(kv=1.0)
        servo.ctrllimited, servo.ctrlrange = True, [-speed, speed]
    model = scene.compile()
    model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONTACT)  # do not look for what cannot collide
    _tune_servos(robot, model)
    return model


def joint_addresses(robot: Robot, model: mujoco.MjModel) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the indices of the robot's joints in qpos and in qvel, (joints,) each, in the robot file's order."""
    joints = [model.joint(ARM + name) for name in robot.joints]
    return np.array([j.qposadr[0] for j in joints]), np.array([j.dofadr[0] for j in joints])


def has_body(model: mujoco.MjModel, name: str) -> bool:
    """Return whether the model has a body with this name."""
    return bool(mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, name) >= 0)


def _check_joints(robot: Robot, arm: mujoco.MjSpec) -> None:
    there = [j.name for j in arm.joints]
    for name in robot.joints:
        if name not in there:
            raise ValueError(
                f"{robot.model.mjcf} has no joint {name!r} (of robot {robot.name!r}): it has {', '.join(there)}"
            )
    frames = [b.name for b in arm.bodies] + [s.name for s in arm.sites]
    if robot.model.end_effector_frame not in frames:
        raise ValueError(
            f"{robot.model.mjcf} has no frame {robot.model.end_effector_frame!r} (the end effector of robot "
            f"{robot.name!r}): it has {', '.join(frames)}"
        )


def _add_wrist_camera(robot: Robot, arm: mujoco.MjSpec) -> None:
    if arm.camera(WRIST_CAMERA) is not None:
        return
    body = arm.body(robot.camera.frame)
    if body is None:
        raise ValueError(
            f"{robot.model.mjcf} has neither a camera {WRIST_CAMERA!r} nor a link {robot.camera.frame!r}: add one"
        )
    # An optical frame has z forward and y down, a MuJoCo camera -z forward and y up: half a turn about x apart.
    body.add_camera(name=WRIST_CAMERA, quat=[0.0, 1.0, 0.0, 0.0], fovy=robot.camera.vertical_fov_deg)


def _tune_servos(robot: Robot, model: mujoco.MjModel) -> None:
    """Set each servo's gain from the inertia that it moves, so that all joints of any arm settle equally fast."""
    data = mujoco.MjData(model)
    positions, velocities = joint_addresses(robot, model)
    data.qpos[positions] = robot.start_middle()
    mujoco.mj_forward(model, data)
    column, gain = np.zeros(model.nv), np.zeros(robot.dof)
    for i, joint in enumerate(velocities):
        mujoco.mj_mulM(model, data, column, np.eye(model.nv)[joint])
        gain[i] = column[joint] / SERVO_TIME
    model.actuator_gainprm[:, 0] = gain
    model.actuator_biasprm[:, 2] = -gain


def _group(scene: mujoco.MjSpec) -> None:
    for geom in scene.worldbody.geoms:
        geom.group = 0 if geom.name == "table" else SURROUNDINGS_GROUP
    for geom in scene.body("target").geoms:
        geom.group = TARGET_GROUP


def _paint(scene: mujoco.MjSpec) -> None:
    """Generate the textures: wooden planks for the table, cloth for the bag."""
    random = np.random.default_rng(7)
    _fill(scene, "table", _planks(random, 512))
    _fill(scene, "bag", _cloth(random, 64))


def _fill(scene: mujoco.MjSpec, name: str, picture: npt.NDArray[np.float64]) -> None:
    texture = scene.texture(name)
    texture.builtin = mujoco.mjtBuiltin.mjBUILTIN_NONE
    texture.height, texture.width, texture.nchannel = picture.shape
    texture.data = (255.0 * picture.clip(0.0, 1.0)).astype(np.uint8).tobytes()


def _smooth(random: np.random.Generator, size: int, rows: int, columns: int) -> npt.NDArray[np.float64]:
    """Return seamless noise with `rows` by `columns` waves, (size, size), with zero mean and unit deviation."""
    frequency = np.fft.fftfreq(size, 1.0 / size)
    weight = np.exp(-0.5 * ((frequency[:, None] / rows) ** 2 + (frequency[None] / columns) ** 2))
    noise = np.fft.ifft2(np.fft.fft2(random.standard_normal((size, size))) * weight).real
    return np.asarray((noise - noise.mean()) / noise.std())


def _planks(random: np.random.Generator, size: int) -> npt.NDArray[np.float64]:
    """Return a texture of ten rows of boards, (size, size, 3) in [0, 1].

    It has seams in both directions, so that motion is visible in both.
    """
    row, along = np.arange(size) * 10 // size, np.arange(size)
    width, length = size / 10, size / 3
    grain = 0.05 * _smooth(random, size, 60, 4) + 0.04 * _smooth(random, size, 8, 6)
    offset = random.uniform(0.0, length, 10)[row][:, None] + along[None]
    board = (row[:, None] * 7 + (offset // length).astype(int)) % 31
    shade = random.uniform(-0.12, 0.12, 31)[board]
    seam = ((along % width < 1.5)[:, None] | (offset % length < 1.5)) * -0.25
    return np.asarray(np.array([0.66, 0.55, 0.42]) * (1.0 + grain + shade + seam)[..., None])


def _cloth(random: np.random.Generator, size: int) -> npt.NDArray[np.float64]:
    """Return a texture of red cloth with folds, (size, size, 3) in [0, 1]."""
    folds = 0.10 * _smooth(random, size, 3, 3) + 0.05 * _smooth(random, size, 12, 12)
    return np.asarray(np.array([0.80, 0.05, 0.13]) * (1.0 + folds)[..., None])
