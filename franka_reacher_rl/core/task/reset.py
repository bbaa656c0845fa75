"""The reset that precedes an episode, as a list of steps to execute."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from franka_reacher_rl.core.arm.kinematics import Kinematics
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Vector
from franka_reacher_rl.core.task.reset_step import MoveTo as MoveTo
from franka_reacher_rl.core.task.reset_step import PlaceTarget as PlaceTarget

TARGET_HEIGHT = 0.022  # m, of the target's centre above the table, as in sim/scene.xml
ASPECT = 16.0 / 9.0  # width over height of the camera's image
MAX_DRAWS = 1000  # of the target's position until it is in view


def reset_steps(robot: Robot, random: np.random.Generator) -> list[MoveTo | PlaceTarget]:
    """Draw one reset and return its steps in order of execution.

    `teleport` moves to a start pose, then places the simulated target, by default in view of the wrist camera. `swing`
    lifts the arm, which drags and swings the bag on its thread, then moves to a start pose. `joint` only moves to a
    start pose.

    Raises:
        ValueError: The target is to be in view at the start, but the URDF lacks the camera's frame, or no position in
            the target's area is in view.
    """
    start = MoveTo(robot.draw_start(random))
    if robot.reset.strategy == "teleport":
        return [start, PlaceTarget(_draw_target(robot, start.q, random))]
    if robot.reset.strategy == "swing":
        return [MoveTo(random.uniform(robot.reset.swing_lower, robot.reset.swing_upper)), start]
    return [start]


def _draw_target(robot: Robot, q: Vector, random: np.random.Generator) -> Vector:
    """Draw a target position, (2,) in m; if the robot file says so, until it is in view at joint positions q."""
    if not robot.target.visible_at_start:
        return robot.draw_target(random)
    camera = replace(robot, model=replace(robot.model, end_effector_frame=robot.camera.frame))
    try:
        pose = Kinematics(camera).forward(q)
    except ValueError as error:
        raise ValueError(
            f"robot file {robot.name!r}: the target cannot be placed in view ({error}); set camera.frame, or "
            "target.visible_at_start: false"
        ) from None
    for _ in range(MAX_DRAWS):
        xy = robot.draw_target(random)
        if in_view(pose, np.append(xy, TARGET_HEIGHT), robot.camera.vertical_fov_deg):
            return xy
    raise ValueError(
        f"robot file {robot.name!r}: none of {MAX_DRAWS} target positions between {robot.target.lower} and "
        f"{robot.target.upper} m is in view of the wrist camera at start pose {q.round(3).tolist()} rad; change target "
        "or reset.start_lower and reset.start_upper, or set target.visible_at_start: false"
    )


def in_view(pose: Vector, point: Vector, vertical_fov_deg: float) -> bool:
    """Return whether a camera sees a point, ignoring occlusion.

    Args:
        pose: Pose of the camera's optical frame (z forward, y down), (4, 4).
        point: Position of the point in the same base frame, (3,) in m.
        vertical_fov_deg: Vertical field of view, degrees; the image is 16:9.
    """
    x, y, z = pose[:3, :3].T @ (point - pose[:3, 3])
    reach = z * math.tan(0.5 * math.radians(vertical_fov_deg))
    return bool(z > 0.0 and abs(y) <= reach and abs(x) <= ASPECT * reach)
