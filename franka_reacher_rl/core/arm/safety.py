"""The safety filter: limits a requested velocity so that the arm stays within its limits and its workspace.

The filter plans to a full stop. It accepts a velocity if the arm, after following it for one cycle and then braking as
hard as allowed, leaves neither the workspace nor the joint limits on the way. The brake plan of one cycle stays
feasible in the next, so a safe command always exists. A velocity that is not accepted is replaced by the nearest one
that is, found by a small quadratic program: the arm slides along a workspace face instead of stopping at it.

All functions are pure: they never change their arguments.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import daqp
import numpy as np

from franka_reacher_rl.core.arm.kinematics import Kinematics
from franka_reacher_rl.core.arm.ramps import Limits, Motion, brake, brake_path, change_limits, clipped, landing
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Rows, Vector

ATTEMPTS = 3  # corrections of a velocity before the filter brakes instead
JOINT_TOLERANCE = 1e-7  # rad
SPACE_TOLERANCE = 1e-6  # m
CHANGED = 1e-6  # rad/s; a smaller correction is not reported


class Reason(str, Enum):
    """Why a command differs from the requested velocity."""

    VELOCITY = "velocity"
    ACCELERATION = "acceleration"
    JERK = "jerk"
    JOINT_LIMIT = "joint_limit"
    WORKSPACE = "workspace"
    OUTSIDE_LIMITS = "outside_limits"
    OUTSIDE_WORKSPACE = "outside_workspace"
    BRAKING = "braking"
    REQUEST_NOT_FINITE = "request_not_finite"
    STATE_NOT_FINITE = "state_not_finite"
    WATCHDOG = "watchdog"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Filtered:
    """A safe motion, and the reasons why it differs from the request."""

    motion: Motion
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class Region:
    """The positions that the arm may reach, and its limits of motion."""

    limits: Limits
    position_lower: Vector  # (joints,), rad
    position_upper: Vector  # (joints,), rad
    workspace: Vector | None  # (6,), m: upper corner, then the negated lower corner; None: unlimited
    margin: float = 0.0  # m, distance kept from the workspace faces
    approach_time: float = 0.0  # s, as in the robot file

    @classmethod
    def for_task(cls, robot: Robot) -> Region:
        """Return the region of an episode: the task's joint range and workspace, at the speed of full actions."""
        return cls(
            limits=_limits(robot, robot.task.action_scale),
            position_lower=np.array(robot.task.position_lower) + robot.bridge.position_margin,
            position_upper=np.array(robot.task.position_upper) - robot.bridge.position_margin,
            workspace=np.concatenate([robot.task.workspace_upper, -np.array(robot.task.workspace_lower)]),
            margin=robot.bridge.workspace_margin,
            approach_time=robot.bridge.approach_time,
        )

    @classmethod
    def for_moves(cls, robot: Robot) -> Region:
        """Return the region of a reset move: the robot's limits at reset speed, without the task's workspace."""
        return cls(
            limits=_limits(robot, [robot.reset.velocity] * robot.dof),
            position_lower=np.array(robot.limits.position_lower) + robot.bridge.position_margin,
            position_upper=np.array(robot.limits.position_upper) - robot.bridge.position_margin,
            workspace=None,
            approach_time=robot.bridge.approach_time,
        )


def _limits(robot: Robot, velocity: list[float]) -> Limits:
    return Limits(
        velocity=np.minimum(velocity, robot.limits.velocity),
        acceleration=np.array(robot.limits.acceleration),
        jerk=np.array(robot.limits.jerk),
    )


class SafetyFilter:
    """Filters the velocities of one robot in one region; it has no state."""

    def __init__(self, robot: Robot, kinematics: Kinematics, region: Region) -> None:
        self.region = region
        self._kinematics = kinematics
        self._lag, self._delay = robot.driver.lag, robot.driver.delay
        self._dof = robot.dof

    def predict(self, q: Vector, dq: Vector, last: Motion, age: float = 0.0) -> Vector:
        """Return where the arm will come to rest if it is commanded zero from now on, (joints,) in rad.

        If the arm's velocity follows the command with a first-order lag, q + lag * dq is exactly the integral of the
        commands. Commands that are still in transit, or newer than the measurement, are added.
        """
        fastest = 2.0 * self.region.limits.velocity + 0.1
        return q + self._lag * clipped(dq, -fastest, fastest) + (age + self._delay) * last.velocity

    def filter(self, q: Vector, dq: Vector, last: Motion, requested: Vector, dt: float, age: float = 0.0) -> Filtered:
        """Return the safe motion nearest to the requested velocity.

        Args:
            q: Measured joint positions, (joints,) in rad.
            dq: Measured joint velocities, (joints,) in rad/s.
            last: The motion that was commanded last.
            requested: Requested joint velocities, (joints,) in rad/s.
            dt: How long the command will be held, s.
            age: Age of the measurement, s.
        """
        if not (_finite(q) and _finite(dq)):
            return Filtered(brake(last, self.region.limits, dt), (Reason.STATE_NOT_FINITE,))
        return _Call(self, self.predict(q, dq, last, age), last, requested, dt).run()


class _Call:
    """The intermediate results of one call of the filter."""

    def __init__(self, owner: SafetyFilter, x: Vector, last: Motion, requested: Vector, dt: float) -> None:
        self.region, self.limits = owner.region, owner.region.limits
        self.kinematics = owner._kinematics
        self.x, self.last, self.dt = x, last, dt
        self.reasons: list[Reason] = []
        if not np.isfinite(requested).all():
            self.reasons.append(Reason.REQUEST_NOT_FINITE)
            requested = np.zeros_like(x)
        self.requested = clipped(requested, -self.limits.velocity, self.limits.velocity)
        if (np.abs(requested) > self.limits.velocity + CHANGED).any():
            self.reasons.append(Reason.VELOCITY)

    @cached_property
    def brake(self) -> Motion:
        """The motion of braking at once, which is always allowed."""
        return brake(self.last, self.limits, self.dt)

    @cached_property
    def braking(self) -> Rows:
        """Joint positions while braking at once, (cycles, joints) in rad; no plan can be required to do better."""
        return np.asarray(self.x + brake_path(self.brake, self.limits, self.dt))

    def run(self) -> Filtered:
        """Choose a velocity, bound each joint, then check the plan and correct it until it is safe."""
        self.target = self._aim()
        self.low, self.high = self._joint_bounds()
        velocity = clipped(self.target, self.low, self.high)
        if self.region.workspace is not None:
            self._measure_faces()
        for _ in range(ATTEMPTS):
            motion = self._motion(velocity)
            path = self.x + brake_path(motion, self.limits, self.dt)
            rows, bounds = self._violated_faces(velocity, path)
            if not self._tighten_joints(velocity, path) and not len(rows):
                return Filtered(motion, tuple(self.reasons))
            solution = self._nearest(rows, bounds)
            if solution is None:
                break
            velocity = solution
        self._add_reason(Reason.BRAKING)
        return Filtered(self.brake, tuple(self.reasons))

    def _aim(self) -> Vector:
        """Return the next velocity ignoring position constraints: the request, or a step of the ramp towards it.

        While acceleration or jerk bind, the full request remains the target, so that its projection keeps its
        direction. Once a jerk-limited ramp has begun to level out, the target is the ramp itself.
        """
        self.lowest, self.highest = change_limits(self.last, self.limits, self.dt)
        way = landing(self.last, self.requested, self.limits, self.dt).velocity
        short = np.abs(way - self.requested) > CHANGED
        if not short.any():
            return way
        bound = (way <= self.lowest + CHANGED) | (way >= self.highest - CHANGED)
        jerk = np.abs(way - self.last.velocity) / self.dt < self.limits.acceleration * (1.0 - 1e-6)
        if (short & jerk).any():
            self._add_reason(Reason.JERK)
        if (short & ~jerk).any():
            self._add_reason(Reason.ACCELERATION)
        return np.where(bound, self.requested, way)

    def _joint_bounds(self) -> tuple[Vector, Vector]:
        """Return the lower and upper bound of the next velocity, (joints,) each in rad/s.

        A joint is bounded by what it can reach within one cycle and by its approach speed towards its limit. Braking is
        always within the bounds.
        """
        low, high = self.lowest, self.highest
        up, down = self.region.position_upper - self.x, self.x - self.region.position_lower
        if (up < 0.0).any() or (down < 0.0).any():
            self._add_reason(Reason.OUTSIDE_LIMITS)
        time = max(self.region.approach_time, self.dt)
        above, below = np.maximum(up, 0.0) / time, -np.maximum(down, 0.0) / time
        if (self.target > above).any() or (self.target < below).any():
            self._add_reason(Reason.JOINT_LIMIT)
            high = np.minimum(high, np.maximum(above, self.brake.velocity))
            low = np.maximum(low, np.minimum(below, self.brake.velocity))
        return np.minimum(low, high), high

    def _motion(self, velocity: Vector) -> Motion:
        return Motion(velocity, (velocity - self.last.velocity) / self.dt)

    # -- joint limits ---------------------------------------------------------------------------------------------

    def _tighten_joints(self, velocity: Vector, path: Rows) -> bool:
        """Narrow the bounds of joints whose plan leaves their range; return whether there were any."""
        top, bottom = path.max(axis=0), path.min(axis=0)
        upper, lower = self.region.position_upper, self.region.position_lower
        if (top <= upper).all() and (bottom >= lower).all():
            return False
        highest, lowest = self.braking.max(axis=0), self.braking.min(axis=0)
        over = top - np.maximum(np.maximum(upper, self.x), highest)
        under = np.minimum(np.minimum(lower, self.x), lowest) - bottom
        too_high, too_low = over > JOINT_TOLERANCE, under > JOINT_TOLERANCE
        if not (too_high | too_low).any():
            return False
        self._add_reason(Reason.JOINT_LIMIT)
        moving = self._cycles_moving(velocity, path)
        high = np.where(too_high, np.maximum(velocity - over / moving, self.brake.velocity), self.high)
        low = np.where(too_low, np.minimum(velocity + under / moving, self.brake.velocity), self.low)
        self.high, self.low = np.maximum(high, self.low), np.minimum(low, np.maximum(high, self.low))
        return True

    def _cycles_moving(self, velocity: Vector, path: Rows) -> Vector:
        """Return how long each joint keeps moving, (joints,) in s: how far its stop shifts per rad/s."""
        steps = np.abs(path[1:] - path[:-1]) > 1e-12
        return np.asarray(self.dt * (1.0 + steps.sum(axis=0)))

    # -- workspace ------------------------------------------------------------------------------------------------

    def _measure_faces(self) -> None:
        """Compute the end effector's distance to each workspace face, and how fast it may approach it."""
        assert self.region.workspace is not None
        place = self.kinematics.position(self.x)
        self.place = np.concatenate([place, -place])  # (6,)
        self.faces = self.region.workspace - self.region.margin  # (6,)
        distance = self.faces - self.place
        if (distance < -self.region.margin).any():
            self._add_reason(Reason.OUTSIDE_WORKSPACE)
        jacobian = self.kinematics.jacobian(self.x)[:3]
        self.jacobian = np.concatenate([jacobian, -jacobian])  # (6, joints)
        time = max(self.region.approach_time, self.dt)
        self.approach = np.maximum(np.maximum(distance, 0.0) / time, self.jacobian @ self.brake.velocity)

    def _violated_faces(self, velocity: Vector, path: Rows) -> tuple[Rows, Vector]:
        """Return linear constraints rows @ velocity <= bounds that a velocity violates; none if its plan is safe."""
        if self.region.workspace is None:
            return np.empty((0, len(velocity))), np.empty(0)
        too_fast = self.jacobian @ velocity > self.approach + SPACE_TOLERANCE
        if not too_fast.any() and self._far_from_faces(path):
            return np.empty((0, len(velocity))), np.empty(0)
        places = self.kinematics.positions(path)
        places = np.concatenate([places, -places], axis=1)  # (cycles, 6)
        beyond = places.max(axis=0) > self.faces + SPACE_TOLERANCE
        if beyond.any():
            beyond = places.max(axis=0) > self.wall + SPACE_TOLERANCE
        if not too_fast.any() and not beyond.any():
            return np.empty((0, len(velocity))), np.empty(0)
        self._add_reason(Reason.WORKSPACE)
        rows, bounds = [self.jacobian], list(self.approach)
        for face in np.flatnonzero(beyond):
            sample = int(places[:, face].argmax())
            row = self.jacobian[face] * self._cycles_moving(velocity, path[: sample + 1])
            rows.append(row[None])
            bounds.append(self.wall[face] - places[sample, face] + row @ velocity)
        return np.concatenate(rows), np.array(bounds)

    @cached_property
    def wall(self) -> Vector:
        """How far a plan may go along each face's normal, (6,) in m: to the face, or as far as braking at once goes."""
        places = self.kinematics.positions(self.braking)
        reach = np.concatenate([places.max(axis=0), -places.min(axis=0)])
        return np.asarray(np.maximum(np.maximum(self.faces, self.place), reach))

    def _far_from_faces(self, path: Rows) -> bool:
        """Return whether the path reaches no face, by its first-order displacement and a bound of the remainder."""
        way = np.abs(path - self.x).max(axis=0)
        curvature = 0.5 * self.kinematics.reach * way.sum() ** 2
        return bool((np.abs(self.jacobian) @ way + curvature < self.faces - self.place).all())

    def _nearest(self, rows: Rows, bounds: Vector) -> Vector | None:
        """Return the velocity nearest to the target within all bounds, or None if there is none."""
        if not len(rows):
            return clipped(self.target, self.low, self.high)
        upper = np.concatenate([self.high, bounds])
        lower = np.concatenate([self.low, np.full(len(bounds), -1e30)])
        sense = np.zeros(len(upper), np.int32)
        solution, _, flag, _ = daqp.solve(
            np.eye(len(self.x)), -self.target, np.ascontiguousarray(rows), upper, lower, sense, primal_tol=1e-9
        )
        if flag <= 0 or not np.isfinite(solution).all():
            return None
        return clipped(solution, self.low, self.high)

    def _add_reason(self, reason: Reason) -> None:
        if reason not in self.reasons:
            self.reasons.append(reason)


def _finite(values: Vector) -> bool:
    """Return whether all values are finite, three times faster than np.isfinite(...).all()."""
    return math.isfinite(values @ values)
