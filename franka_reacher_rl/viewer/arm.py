"""Draws an arm from its URDF: shapes that belong to a joint, and a transform of each joint."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pinocchio
import rerun as rr

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.arm.robot_files.model_file import find_model
from franka_reacher_rl.core.base.datatypes import Vector

_ROOT = "world/arm"


class Arm:
    """The visual shapes of a URDF, logged once, and the poses of its joints."""

    def __init__(self, robot: Robot, recording: rr.RecordingStream) -> None:
        """Log the shapes.

        Args:
            robot: The arm.
            recording: What is drawn on.

        Raises:
            ValueError: There is no such URDF.
        """
        path = find_model(robot.model.urdf)
        self._model = pinocchio.buildModelFromUrdf(str(path))
        self._data, self._q = self._model.createData(), pinocchio.neutral(self._model)
        self._indices = [self._model.joints[self._model.getJointId(joint)].idx_q for joint in robot.joints]
        self._recording = recording
        visual = pinocchio.GeometryType.VISUAL
        shapes = pinocchio.buildGeomFromUrdf(self._model, str(path), visual, package_dirs=[str(path.parent)])
        self._moving = sorted({shape.parentJoint for shape in shapes.geometryObjects} - {0})
        for shape in shapes.geometryObjects:
            entity = f"{_ROOT}/{shape.parentJoint}/{shape.name}"
            for archetype in _drawn(shape):
                recording.log(entity, archetype, static=True)

    def move(self, q: Vector) -> None:
        """Log the pose at joint positions q, (joints,) in rad."""
        self._q[self._indices] = q
        pinocchio.forwardKinematics(self._model, self._data, self._q)
        for joint in self._moving:
            pose = self._data.oMi[joint]
            self._recording.log(f"{_ROOT}/{joint}", rr.Transform3D(translation=pose.translation, mat3x3=pose.rotation))


def _drawn(shape: Any) -> Iterator[Any]:
    """Yield what draws a shape in the frame of its joint; a kind that rerun lacks is left out."""
    colour = (255 * np.asarray(shape.meshColor)).astype(np.uint8)
    place = shape.placement
    rotation = rr.Quaternion(xyzw=pinocchio.Quaternion(place.rotation).coeffs())
    common: dict[str, Any] = {
        "centers": [place.translation],
        "quaternions": [rotation],
        "colors": [colour],
        "fill_mode": "solid",
    }
    kind, geometry = type(shape.geometry).__name__, shape.geometry
    if kind == "Box":
        yield rr.Boxes3D(half_sizes=[geometry.halfSide], **common)
    elif kind == "Cylinder":
        yield rr.Cylinders3D(lengths=[2.0 * geometry.halfLength], radii=[geometry.radius], **common)
    elif kind == "Sphere":
        yield rr.Ellipsoids3D(half_sizes=[[geometry.radius] * 3], **common)
    elif shape.meshPath:
        yield rr.Asset3D(path=shape.meshPath)
        scale = np.asarray(shape.meshScale)
        yield rr.Transform3D(translation=place.translation, mat3x3=place.rotation, scale=scale)
