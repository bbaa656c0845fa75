"""The safety filter: limits a requested velocity so that the arm stays within its limits and its workspace.

The filter plans to a full stop. It accepts a velocity if the arm leaves neither the workspace nor the joint limits
while it follows the velocity for as long as a command may be held, and then brakes as hard as allowed. If the bridge's
next cycle is late, a command is held for `driver.deadline`, after which the arm or its command guard brakes. The brake
plan of one cycle stays feasible in the next, so a safe command always exists. A velocity that is not accepted is
replaced by the nearest one that is, found by small quadratic programs: the arm slides along a workspace face instead of
stopping at it.

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
from franka_reacher_rl.core.arm.ramps import STILL, Motion, brake, brake_velocities, change_limits, clipped, landing
from franka_reacher_rl.core.arm.region import Faces, Region
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Rows, Vector

ATTEMPTS = 4  # corrections of a velocity before the filter takes a part of the last one
PARTS = (0.8, 0.5, 0.25, 0.1)  # shares of a correction, from braking, that are tried in the end
JOINT_TOLERANCE = 1e-7  # rad
SPACE_TOLERANCE = 1e-7  # m
AIM = 0.1  # share of the margin by which corrections aim short of a face, so that their error is no violation
CREEP = 0.5  # share of one period at full acceleration, which sets the speed while cycles are later than the deadline
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
    LATE_CYCLES = "late_cycles"
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


class SafetyFilter:
    """Filters the velocities of one robot in one region; it has no state."""

    def __init__(self, robot: Robot, kinematics: Kinematics, region: Region) -> None:
        self.region = region
        self.kinematics = kinematics
        self.period = 1.0 / robot.driver.control_rate
        self.hold = max(robot.driver.deadline, self.period)  # s, longest time for which a command may be held
        self.straight = self.period >= region.limits.free_cycle  # whether the arm brakes on a straight line
        self.workspace = region.faces.of_point(0)
        self._lag = robot.driver.lag
        fastest = Motion(region.limits.velocity, region.limits.acceleration)
        self._stop = brake_velocities(fastest, region.limits, self.period)[1:].sum(axis=0)

    def predict(self, q: Vector, dq: Vector, travel: Vector | float = 0.0) -> Vector:
        """Return where the arm will come to rest if it is commanded zero from now on, (joints,) in rad.

        If the arm's velocity follows the command with a first-order lag, q + lag * dq is exactly the integral of the
        commands.

        Args:
            q: Measured joint positions, (joints,) in rad.
            dq: Measured joint velocities, (joints,) in rad/s.
            travel: Integral of the commands that the measurement does not contain yet, (joints,) in rad.
        """
        fastest = 2.0 * self.region.limits.velocity + 0.1
        return np.asarray(q + self._lag * clipped(dq, -fastest, fastest) + travel)

    def filter(
        self,
        q: Vector,
        dq: Vector,
        last: Motion,
        requested: Vector,
        dt: float,
        travel: Vector | float = 0.0,
        slowest: float = 0.0,
    ) -> Filtered:
        """Return the safe motion nearest to the requested velocity.

        Args:
            q: Measured joint positions, (joints,) in rad.
            dq: Measured joint velocities, (joints,) in rad/s.
            last: The motion that was commanded last.
            requested: Requested joint velocities, (joints,) in rad/s.
            dt: Time since the last command, at most one period, s.
            travel: As for `predict`.
            slowest: Time that the next cycles may take, s; 0: one period.
        """
        if not (_finite(q) and _finite(dq)):
            return Filtered(brake(last, self.region.limits, dt, self.period), (Reason.STATE_NOT_FINITE,))
        cycle = min(max(slowest, self.period), self.hold + self.period)
        return _Call(self, self.predict(q, dq, travel), last, requested, dt, cycle).run()

    def faces_near(self, x: Vector, last: Motion, cycle: float) -> Faces:
        """Return the faces that a plan may reach, by a bound of the displacement of any point of the arm."""
        faces = self.region.faces
        if len(faces) == len(self.workspace):
            return faces
        speed = np.maximum(self.region.limits.velocity, np.abs(last.velocity))
        farthest = self.kinematics.reach * float((speed * self.hold + self._stop * cycle).sum())
        near = faces.bound - faces.places(self.kinematics, x[None])[0] < farthest
        return faces if (near & (faces.point > 0)).any() else self.workspace


class _Call:
    """The intermediate results of one call of the filter."""

    def __init__(
        self, owner: SafetyFilter, x: Vector, last: Motion, requested: Vector, dt: float, cycle: float
    ) -> None:
        self.owner, self.region, self.limits = owner, owner.region, owner.region.limits
        self.kinematics = owner.kinematics
        self.x, self.last, self.dt, self.cycle = x, last, dt, cycle
        self.approach_time = max(self.region.approach_time, owner.hold, cycle)
        self.reasons: list[Reason] = []
        if not np.isfinite(requested).all():
            self.reasons.append(Reason.REQUEST_NOT_FINITE)
            requested = np.zeros_like(x)
        self.requested = clipped(requested, -self.limits.velocity, self.limits.velocity)
        if (np.abs(requested) > self.limits.velocity + CHANGED).any():
            self.reasons.append(Reason.VELOCITY)
        if cycle > owner.hold:
            self._creep()
        self.brake = brake(last, self.limits, dt, owner.period)

    def run(self) -> Filtered:
        """Choose a velocity, bound each joint, then check the plan and correct it until it is safe."""
        self.target = self._aim()
        self.low, self.high = self._joint_bounds()
        self.faces = self.owner.faces_near(self.x, self.last, self.cycle)
        if len(self.faces):
            self._measure_faces()
        tried: Vector = self.brake.velocity
        for _ in range(ATTEMPTS):
            velocity = self._nearest()
            if velocity is None:
                break
            tried = velocity
            if self._accepts(velocity):
                return Filtered(self._motion(velocity), tuple(self.reasons))
        for part in PARTS:
            velocity = self.brake.velocity + part * (tried - self.brake.velocity)
            if self._accepts(velocity):
                return Filtered(self._motion(velocity), tuple(self.reasons))
        self._add_reason(Reason.BRAKING)
        return Filtered(self.brake, tuple(self.reasons))

    def _creep(self) -> None:
        """Limit the request to a speed at which the arm or its guard stops the joints in a part of one period.

        Cycles are later than the deadline, so the arm brakes in every cycle; at a higher speed it would jolt.
        """
        self.reasons.append(Reason.LATE_CYCLES)
        speed = CREEP * self.limits.acceleration * self.owner.period
        self.requested = clipped(self.requested, -speed, speed)

    def _aim(self) -> Vector:
        """Return the next velocity ignoring position constraints: the request, or a step of the ramp towards it.

        While acceleration or jerk bind, the full request remains the target, so that its projection keeps its
        direction. Once a jerk-limited ramp has begun to level out, the target is the ramp itself.
        """
        period = self.owner.period
        self.lowest, self.highest = change_limits(self.last, self.limits, self.dt, period)
        way = landing(self.last, self.requested, self.limits, self.dt, period).velocity
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
        above = np.maximum(up, 0.0) / self.approach_time
        below = -np.maximum(down, 0.0) / self.approach_time
        if (self.target > above).any() or (self.target < below).any():
            self._add_reason(Reason.JOINT_LIMIT)
            high = np.minimum(high, np.maximum(above, self.brake.velocity))
            low = np.maximum(low, np.minimum(below, self.brake.velocity))
        return np.minimum(low, self.brake.velocity), np.maximum(high, self.brake.velocity)

    def _motion(self, velocity: Vector) -> Motion:
        return Motion(velocity, (velocity - self.last.velocity) / self.dt)

    # -- plans ----------------------------------------------------------------------------------------------------

    def _plan(self, motion: Motion) -> tuple[Rows, Rows]:
        """Return the paths of a motion that is followed by braking: if it is held, and if all cycles are punctual.

        If jerk does not bind, the arm brakes on a straight line, and the first path contains the second.

        Returns:
            Joint positions, (paths, samples, joints) in rad, and how far each sample shifts if the velocity changes,
            (paths, samples) in s.
        """
        velocities = brake_velocities(motion, self.limits, self.owner.period)
        times = np.full((1 if self.owner.straight else 2, len(velocities)), self.cycle)
        times[0, 0] = self.owner.hold
        if not self.owner.straight:
            times[1] = self.owner.period
        path = np.cumsum(velocities * times[:, :, None], axis=1)
        shifts = path @ motion.velocity / max(float(motion.velocity @ motion.velocity), STILL)
        return np.asarray(self.x + path), np.maximum(shifts, times[:, :1])

    @cached_property
    def braking(self) -> Rows:
        """The paths of braking at once, (paths, samples, joints) in rad; no plan can be required to do better."""
        return self._plan(self.brake)[0]

    def _accepts(self, velocity: Vector) -> bool:
        """Return whether a velocity's plan is safe; if not, constrain the velocities that are considered next."""
        path, shifts = self._plan(self._motion(velocity))
        joints, faces = self._joints_hold(velocity, path, shifts), self._faces_hold(velocity, path, shifts)
        return joints and faces

    def _joints_hold(self, velocity: Vector, path: Rows, shifts: Rows) -> bool:
        """Return whether a plan keeps the joint range; if not, narrow the bounds of the joints that leave it."""
        top, bottom = path.max(axis=1), path.min(axis=1)  # (paths, joints)
        upper, lower = self.region.position_upper, self.region.position_lower
        if (top <= upper).all() and (bottom >= lower).all():
            return True
        highest = np.maximum(self.x, self.braking.max(axis=1))
        lowest = np.minimum(self.x, self.braking.min(axis=1))
        too_high = top > np.maximum(upper, highest) + JOINT_TOLERANCE
        too_low = bottom < np.minimum(lower, lowest) - JOINT_TOLERANCE
        if not (too_high | too_low).any():
            return True
        self._add_reason(Reason.JOINT_LIMIT)
        aim, time = AIM * self.region.position_margin, shifts[:, -1:]
        high = np.where(too_high, velocity - (top - np.maximum(upper - aim, highest)) / time, np.inf).min(axis=0)
        low = np.where(too_low, velocity + (np.minimum(lower + aim, lowest) - bottom) / time, -np.inf).max(axis=0)
        self.high = np.maximum(np.minimum(self.high, high), self.low)
        self.low = np.minimum(np.maximum(self.low, low), self.high)
        return False

    # -- faces ----------------------------------------------------------------------------------------------------

    def _measure_faces(self) -> None:
        """Compute each point's distance to its faces, and how fast it may approach them."""
        self.place = self.faces.places(self.kinematics, self.x[None])[0]
        self.aim = self.faces.bound - AIM * self.region.margin  # (faces,)
        if (self.place > self.faces.bound + self.region.margin).any():
            self._add_reason(Reason.OUTSIDE_WORKSPACE)
        self.jacobian = self.faces.jacobian(self.kinematics, self.x)
        approach = np.maximum(self.aim - self.place, 0.0) / self.approach_time
        self.rows = self.jacobian  # (constraints, joints): rows @ velocity <= bounds
        self.bounds = np.maximum(approach, self.jacobian @ self.brake.velocity)

    def _faces_hold(self, velocity: Vector, path: Rows, shifts: Rows) -> bool:
        """Return whether a plan keeps all faces; if not, constrain the velocity along those that it leaves."""
        if not len(self.faces) or self._far_from_faces(path):
            return True
        places = self._places(path)
        top = places.max(axis=1)  # (paths, faces)
        if not (top > self.faces.bound + SPACE_TOLERANCE).any():
            return True
        beyond = top > np.maximum(self.faces.bound, self.reach) + SPACE_TOLERANCE
        if not beyond.any():
            return True
        self._add_reason(Reason.WORKSPACE)
        for i, face in np.argwhere(beyond):
            sample = int(places[i, :, face].argmax())
            row = self.faces.jacobian(self.kinematics, path[i, sample])[face] * shifts[i, sample]
            bound = max(self.aim[face], self.reach[i, face]) - places[i, sample, face] + row @ velocity
            self.rows = np.concatenate([self.rows, row[None]])
            self.bounds = np.append(self.bounds, bound)
        return False

    def _places(self, path: Rows) -> Rows:
        """Return how far each face's point is along its normal, (paths, samples, faces) in m."""
        flat = self.faces.places(self.kinematics, path.reshape(-1, path.shape[-1]))
        return flat.reshape(*path.shape[:2], -1)

    @cached_property
    def reach(self) -> Rows:
        """How far along each face's normal the arm is or comes if it brakes at once, (paths, faces) in m."""
        return np.asarray(np.maximum(self._places(self.braking).max(axis=1), self.place))

    def _far_from_faces(self, path: Rows) -> bool:
        """Return whether the path reaches no face, by its first-order displacement and a bound of the remainder."""
        way = np.abs(path - self.x).max(axis=(0, 1))
        curvature = 0.5 * self.kinematics.reach * way.sum() ** 2
        return bool((np.abs(self.jacobian) @ way + curvature < self.faces.bound - self.place).all())

    def _nearest(self) -> Vector | None:
        """Return the velocity nearest to the target within all bounds, or None if there is none."""
        velocity = clipped(self.target, self.low, self.high)
        if not len(self.faces) or not (self.rows @ velocity > self.bounds + SPACE_TOLERANCE).any():
            return velocity
        self._add_reason(Reason.WORKSPACE)
        upper = np.concatenate([self.high, self.bounds])
        lower = np.concatenate([self.low, np.full(len(self.bounds), -1e30)])
        sense = np.zeros(len(upper), np.int32)
        solution, _, flag, _ = daqp.solve(
            np.eye(len(self.x)), -self.target, np.ascontiguousarray(self.rows), upper, lower, sense, primal_tol=1e-9
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
