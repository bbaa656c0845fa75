"""The region in which the arm must stay: joint ranges, and the faces of the boxes of points of the arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from franka_reacher_rl.core.arm.kinematics import Kinematics
from franka_reacher_rl.core.arm.ramps import Limits
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.arm.robot_files.sections import UNLIMITED
from franka_reacher_rl.core.base.datatypes import Rows, Vector

Box = tuple[Sequence[float], Sequence[float]]  # lower and upper corner, m


@dataclass(frozen=True)
class Faces:
    """Half-spaces that points of the arm must not leave: `sign * point[axis] <= bound`."""

    point: npt.NDArray[np.int64]  # (faces,), index of `Kinematics.points`
    axis: npt.NDArray[np.int64]  # (faces,), 0 to 2
    sign: Vector  # (faces,)
    bound: Vector  # (faces,), m, less the margin

    @classmethod
    def of_robot(cls, robot: Robot, workspace: bool) -> Faces:
        """Return the faces of the guarded frames' boxes, after those of the workspace if that is wanted."""
        boxes: list[tuple[int, Box]] = [(1 + i, (g.lower, g.upper)) for i, g in enumerate(robot.model.guarded_frames)]
        if workspace:
            boxes.insert(0, (0, (robot.task.workspace_lower, robot.task.workspace_upper)))
        found = [
            (point, axis, sign, sign * corner[axis] - robot.bridge.workspace_margin)
            for point, box in boxes
            for sign, corner in zip((-1.0, 1.0), box)
            for axis in range(3)
            if abs(corner[axis]) < UNLIMITED
        ]
        columns = np.array(found).reshape(-1, 4).T
        return cls(columns[0].astype(np.int64), columns[1].astype(np.int64), columns[2], columns[3])

    def subset(self, chosen: npt.NDArray[np.bool_]) -> Faces:
        """Return some of the faces, given by a mask (faces,)."""
        return Faces(self.point[chosen], self.axis[chosen], self.sign[chosen], self.bound[chosen])

    def __len__(self) -> int:
        return len(self.bound)

    @cached_property
    def _points(self) -> list[int]:
        return sorted(set(self.point.tolist()))

    @cached_property
    def _column(self) -> npt.NDArray[np.int64]:
        """Index of each face's coordinate among the coordinates of the points used, (faces,)."""
        return 3 * np.searchsorted(self._points, self.point) + self.axis

    def places(self, kinematics: Kinematics, path: Rows) -> Rows:
        """Return how far each face's point is along its normal, (n, faces) in m, at configurations (n, joints)."""
        points = kinematics.points(path, self._points)
        return np.asarray(points.reshape(len(path), -1)[:, self._column] * self.sign)

    def jacobian(self, kinematics: Kinematics, q: Vector) -> Rows:
        """Return the derivative of `places` with respect to the joints, (faces, joints) in m/rad, at q (joints,)."""
        jacobians = kinematics.point_jacobians(q, self._points)
        return np.asarray(jacobians.reshape(-1, len(q))[self._column] * self.sign[:, None])


@dataclass(frozen=True)
class Region:
    """The positions that the arm may reach, and its limits of motion."""

    limits: Limits
    position_lower: Vector  # (joints,), rad
    position_upper: Vector  # (joints,), rad
    faces: Faces
    margin: float = 0.0  # m, distance of the faces from those of the robot file
    position_margin: float = 0.0  # rad, distance of the joint limits from those of the robot file
    approach_time: float = 0.0  # s, as in the robot file

    @classmethod
    def for_task(cls, robot: Robot) -> Region:
        """Return the region of an episode: the task's joint range and workspace, at the speed of full actions."""
        task = robot.task
        return cls._of(robot, task.action_scale, task.position_lower, task.position_upper, workspace=True)

    @classmethod
    def for_moves(cls, robot: Robot) -> Region:
        """Return the region of a reset move: the robot's limits at reset speed, without the task's workspace."""
        limits, velocity = robot.limits, [robot.reset.velocity] * robot.dof
        return cls._of(robot, velocity, limits.position_lower, limits.position_upper, workspace=False)

    @classmethod
    def _of(
        cls, robot: Robot, velocity: list[float], lower: list[float], upper: list[float], *, workspace: bool
    ) -> Region:
        limits = robot.limits
        return cls(
            limits=Limits(np.minimum(velocity, limits.velocity), np.array(limits.acceleration), np.array(limits.jerk)),
            position_lower=np.array(lower) + robot.bridge.position_margin,
            position_upper=np.array(upper) - robot.bridge.position_margin,
            faces=Faces.of_robot(robot, workspace),
            margin=robot.bridge.workspace_margin,
            position_margin=robot.bridge.position_margin,
            approach_time=robot.bridge.approach_time,
        )
