"""The region in which the arm must stay: joint ranges, and the faces of the boxes of points of the arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from franka_reacher_rl.core.arm.kinematics import Kinematics
from franka_reacher_rl.core.arm.ramps import Limits, Motion
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
    def bounds(self) -> list[float]:
        """The faces' bounds, m."""
        return list(self.bound.tolist())

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

    @cached_property
    def _coordinates(self) -> list[tuple[int, int, float]]:
        """Index of each face's point among the points used, its axis and its sign."""
        indices = np.searchsorted(self._points, self.point)
        return list(zip(indices.tolist(), self.axis.tolist(), self.sign.tolist()))

    def motion(self, kinematics: Kinematics, q: Vector, dq: Vector) -> tuple[list[float], list[float]]:
        """Return how far each face's point is along its normal, m, and how fast it moves along it, m/s.

        Args:
            kinematics: Of the robot.
            q: Joint positions, (joints,) in rad.
            dq: Joint velocities, (joints,) in rad/s.
        """
        places, speeds = kinematics.motion(q, dq, self._points)
        chosen = self._coordinates
        return [places[p][axis] * sign for p, axis, sign in chosen], [
            speeds[p][axis] * sign for p, axis, sign in chosen
        ]

    def jacobian(self, kinematics: Kinematics, q: Vector) -> Rows:
        """Return the derivative of `places` with respect to the joints, (faces, joints) in m/rad, at q (joints,)."""
        jacobians = kinematics.point_jacobians(q, self._points)
        return np.asarray(jacobians.reshape(-1, len(q))[self._column] * self.sign[:, None])


class FacesNear(NamedTuple):
    """The faces that a plan may reach."""

    faces: Faces
    places: list[float]  # how far along each face's normal its point is, m
    speeds: list[float]  # how fast it moves along it, m/s


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

    @cached_property
    def ranges(self) -> list[tuple[float, float]]:
        """Lower and upper limit of each joint, rad."""
        return list(zip(self.position_lower.tolist(), self.position_upper.tolist()))

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


class Planner(Protocol):
    """What a correction needs of the safety filter."""

    region: Region
    kinematics: Kinematics
    period: float  # s, of the control cycle
    hold: float  # s, longest time for which a command may be held
    straight: bool  # whether the arm brakes on a straight line
    distance: Rows  # (joints, joints), quadratic form of the distance from the request

    def samples(self, cycles: int, cycle: float) -> Vector:
        """Return what sums up the velocities of a plan to samples of its paths, (paths, samples, cycles) in s."""

    def faces_near(self, x: Vector, velocity: Vector, last: Motion, cycle: float) -> FacesNear:
        """Return the faces that a plan may reach, at x (joints,) in rad and at a velocity (joints,) in rad/s."""
