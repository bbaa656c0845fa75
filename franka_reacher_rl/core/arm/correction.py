"""The search for the safe velocity that is nearest to a request, in one call of the safety filter."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import daqp
import numpy as np

from franka_reacher_rl.core.arm.kinematics import Kinematics
from franka_reacher_rl.core.arm.ramps import STILL, Motion, brake, brake_velocities, clipped, next_velocities
from franka_reacher_rl.core.arm.region import Faces, Region
from franka_reacher_rl.core.arm.status import Reason
from franka_reacher_rl.core.base.datatypes import Rows, Vector

ATTEMPTS = 3  # corrections of a velocity before the filter takes a part of the last one
CAUTION = 0.9  # share of the largest step from braking towards a correction that is tried in the end
LEAST = 0.05  # share of the correction below which the arm brakes instead
JOINT_TOLERANCE = 1e-7  # rad
SPACE_TOLERANCE = 1e-7  # m
AIM = 0.1  # share of the margin by which corrections aim short of a face, so that their error is no violation
CREEP = 0.5  # share of one period at full acceleration, which sets the speed while cycles are later than the deadline
CHANGED = 1e-6  # rad/s; a smaller correction is not reported


@dataclass(frozen=True)
class Filtered:
    """A safe motion, and the reasons why it differs from the request."""

    motion: Motion
    reasons: tuple[Reason, ...] = ()


class Planner(Protocol):
    """What a correction needs of the safety filter."""

    region: Region
    kinematics: Kinematics
    period: float  # s, of the control cycle
    hold: float  # s, longest time for which a command may be held
    distance: Rows  # (joints, joints), quadratic form of the distance from the request

    def samples(self, cycles: int, cycle: float) -> Vector:
        """Return what sums up the velocities of a plan to samples of its paths, (paths, samples, cycles) in s."""

    def faces_near(self, x: Vector, last: Motion, cycle: float) -> tuple[Faces, Vector]:
        """Return the faces that a plan may reach, and how far along each of them its point is, (faces,) in m."""


@dataclass
class Plan:
    """The plan of a velocity, as `Correction._plan` returns it, and how far along the faces it leads, once needed."""

    path: Rows  # (paths, samples, joints), rad
    shifts: Rows  # (paths, samples), s
    places: Rows | None = None  # (paths, samples, faces), m


class Correction:
    """Finds the safe velocity nearest to a request, for one call of the filter."""

    def __init__(self, owner: Planner, x: Vector, last: Motion, requested: Vector, dt: float, cycle: float) -> None:
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
        self.rows: Rows = np.empty((0, len(x)))  # constraints: rows @ velocity <= bounds
        self.bounds: Vector = np.empty(0)
        self.plans: dict[bytes, Plan] = {}

    def run(self) -> Filtered:
        """Choose a velocity, bound each joint, then check the plan and correct it until it is safe.

        Plans must stay inside at first, which is quick to check. If that fails, they may go as far as braking at once.
        """
        self.target = self._aim()
        self.low, self.high = self._joint_bounds()
        self.faces, self.place = self.owner.faces_near(self.x, self.last, self.cycle)
        if len(self.faces):
            self._measure_faces()
        start = self.low, self.high, self.rows, self.bounds
        tried, self.share = self.brake.velocity, 0.0
        for self.strict in (True, False):
            self.low, self.high, self.rows, self.bounds = start
            for _ in range(ATTEMPTS):
                velocity = self._nearest()
                if velocity is None:
                    break
                tried = velocity
                if self._accepts(velocity):
                    return Filtered(self._motion(velocity), tuple(self.reasons))
        part = CAUTION * self.share
        if part > LEAST:
            velocity = self.brake.velocity + part * (tried - self.brake.velocity)
            if self._accepts(velocity):
                return Filtered(self._motion(velocity), tuple(self.reasons))
        self._add_reason(Reason.BRAKING)
        return Filtered(self.brake, tuple(self.reasons))

    def _creep(self) -> None:
        """Scale the request to a speed from which the arm or its guard stops all joints in a part of one period.

        Cycles are later than the deadline, so the arm brakes in every cycle; at a higher speed it would jolt.
        """
        self.reasons.append(Reason.LATE_CYCLES)
        speed = CREEP * self.limits.acceleration * self.owner.period
        self.requested = self.requested / max(1.0, float((np.abs(self.requested) / speed).max()))

    def _aim(self) -> Vector:
        """Return the next velocity ignoring position constraints: the request, or a step of the ramp towards it.

        While acceleration or jerk bind, the full request remains the target, so that its projection keeps its
        direction. Once a jerk-limited ramp has begun to level out, the target is the ramp itself.
        """
        period = self.owner.period
        way, self.lowest, self.highest = next_velocities(self.last, self.requested, self.limits, self.dt, period)
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
        path = self.owner.samples(len(velocities), self.cycle) @ velocities
        speed = motion.velocity
        shifts = path @ speed / max(float(speed @ speed), STILL)
        return np.asarray(self.x + path), np.maximum(shifts, self.owner.period)

    @cached_property
    def braking(self) -> Rows:
        """The paths of braking at once, (paths, samples, joints) in rad; no plan can be required to do better."""
        return self._plan(self.brake)[0]

    def _accepts(self, velocity: Vector) -> bool:
        """Return whether a velocity's plan is safe; if not, constrain the velocities that are considered next."""
        self.share = 1.0
        key = velocity.tobytes()
        if key not in self.plans:
            self.plans[key] = Plan(*self._plan(self._motion(velocity)))
        plan = self.plans[key]
        joints, faces = self._joints_hold(velocity, plan), self._faces_hold(velocity, plan)
        return joints and faces

    def _joints_hold(self, velocity: Vector, plan: Plan) -> bool:
        """Return whether a plan keeps the joint range; if not, narrow the bounds of the joints that leave it."""
        upper, lower = self.region.position_upper, self.region.position_lower
        above, below = (plan.path > upper).any(), (plan.path < lower).any()
        high = self._narrowed(1.0, upper, velocity, plan) if above else None
        low = self._narrowed(-1.0, -lower, velocity, plan) if below else None
        if high is not None:
            self.high = np.maximum(np.minimum(self.high, high), self.low)
        if low is not None:
            self.low = np.minimum(np.maximum(self.low, -low), self.high)
        return high is None and low is None

    def _narrowed(self, side: float, limit: Vector, velocity: Vector, plan: Plan) -> Vector | None:
        """Return the highest velocities with which a plan keeps the limits of one side, or None if it keeps them.

        Args:
            side: 1 for the upper side; -1 for the lower side, where limits and result have the opposite sign.
            limit: Limits of the joint positions, (joints,) in rad.
            velocity: First velocity of the plan, (joints,) in rad/s.
            plan: The plan.
        """
        top, reach = (side * plan.path).max(axis=1), side * self.x  # (paths, joints)
        if not self.strict:
            reach = np.maximum(reach, (side * self.braking).max(axis=1))
        wall = np.maximum(limit, reach)
        beyond = top > wall + JOINT_TOLERANCE
        if not beyond.any():
            return None
        self._add_reason(Reason.JOINT_LIMIT)
        self._share(wall, top, reach, beyond)
        excess = top - np.maximum(limit - AIM * self.region.position_margin, reach)
        return np.asarray(np.where(beyond, side * velocity - excess / plan.shifts[:, -1:], np.inf).min(axis=0))

    # -- faces ----------------------------------------------------------------------------------------------------

    def _measure_faces(self) -> None:
        """Compute how fast each point may approach its faces."""
        self.aim = self.faces.bound - AIM * self.region.margin  # (faces,)
        if (self.place > self.faces.bound + self.region.margin).any():
            self._add_reason(Reason.OUTSIDE_WORKSPACE)
        self.jacobian = self.faces.jacobian(self.kinematics, self.x)
        self.slopes, self.room = np.abs(self.jacobian), self.faces.bound - self.place
        approach = np.maximum(self.aim - self.place, 0.0) / self.approach_time
        self.rows = self.jacobian
        self.bounds = np.maximum(approach, self.jacobian @ self.brake.velocity)

    def _faces_hold(self, velocity: Vector, plan: Plan) -> bool:
        """Return whether a plan keeps all faces; if not, constrain the velocity along those that it leaves."""
        if plan.places is None:
            if not len(self.faces) or self._far_from_faces(plan.path):
                return True
            plan.places = self._places(plan.path)
        places = plan.places
        top = places.max(axis=1)  # (paths, faces)
        if not (top > self.faces.bound + SPACE_TOLERANCE).any():
            return True
        reach: Rows = self.place + np.zeros_like(top) if self.strict else self.reach
        wall = np.maximum(self.faces.bound, reach)
        beyond = top > wall + SPACE_TOLERANCE
        if not beyond.any():
            return True
        self._add_reason(Reason.WORKSPACE)
        self._share(wall, top, reach, beyond)
        rows, bounds, jacobians = [], [], dict[tuple[int, int], Rows]()
        for i, face in np.argwhere(beyond).tolist():
            sample = int(places[i, :, face].argmax())
            if (i, sample) not in jacobians:
                jacobians[i, sample] = (
                    self.faces.jacobian(self.kinematics, plan.path[i, sample]) * plan.shifts[i, sample]
                )
            row = jacobians[i, sample][face]
            rows.append(row)
            bounds.append(max(self.aim[face], reach[i, face]) - places[i, sample, face] + row @ velocity)
        self.rows = np.concatenate([self.rows, rows])
        self.bounds = np.concatenate([self.bounds, bounds])
        return False

    def _share(self, wall: Rows, top: Rows, reach: Rows, beyond: Rows) -> None:
        """Estimate the largest step from braking, which comes to `reach`, to a velocity that comes to `top`."""
        if not self.strict:
            self.share = min(self.share, float(((wall - reach)[beyond] / (top - reach)[beyond]).min()))

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
        return bool((self.slopes @ way + curvature < self.room).all())

    def _nearest(self) -> Vector | None:
        """Return the velocity nearest to the target within all bounds, or None if there is none."""
        velocity = clipped(self.target, self.low, self.high)
        if not len(self.faces) or not (self.rows @ velocity > self.bounds + SPACE_TOLERANCE).any():
            return velocity
        self._add_reason(Reason.WORKSPACE)
        bounds = np.full((2, len(self.low) + len(self.bounds)), -1e30)
        upper, lower = bounds
        upper[: len(self.low)], upper[len(self.low) :], lower[: len(self.low)] = self.high, self.bounds, self.low
        sense = np.zeros(len(upper), np.int32)
        solution, _, flag, _ = daqp.solve(
            self.owner.distance, -self.target, np.ascontiguousarray(self.rows), upper, lower, sense, primal_tol=1e-9
        )
        if flag <= 0 or not math.isfinite(solution @ solution):
            return None
        return clipped(solution, self.low, self.high)

    def _add_reason(self, reason: Reason) -> None:
        if reason not in self.reasons:
            self.reasons.append(reason)
