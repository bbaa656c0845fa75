"""The search for the safe velocity that is nearest to a request, in one call of the safety filter."""

from __future__ import annotations

import math
from functools import cached_property

import daqp
import numpy as np

from franka_reacher_rl.core.arm.ramps import (
    STILL,
    Motion,
    brake,
    brake_velocities,
    brakes_within,
    clipped,
    clipped_floats,
    next_velocities,
    straight_stop,
)
from franka_reacher_rl.core.arm.region import Planner
from franka_reacher_rl.core.arm.status import Filtered, Reason
from franka_reacher_rl.core.base.datatypes import Rows, Vector

ATTEMPTS = 3  # corrections of a velocity before the filter takes a part of the last one
CAUTION = 0.9  # share of the largest step from braking towards a correction that is tried in the end
LEAST = 0.05  # share of the correction below which the arm brakes instead
JOINT_TOLERANCE = 1e-7  # rad
SPACE_TOLERANCE = 1e-7  # m
AIM = 0.1  # share of the margin by which corrections aim short of a face, so that their error is no violation
CREEP = 0.5  # share of one period at full acceleration, which sets the speed while cycles are later than the deadline
CHANGED = 1e-6  # rad/s; a smaller correction is not reported
ROUNDING = 1.0 + 1e-9  # factor by which a bound of a displacement exceeds what rounding may add


class Plan:
    """The paths of a motion that is followed by braking: if it is held, and if all cycles are punctual.

    If jerk does not bind, the arm brakes on a straight line, and the first path contains the second.

    Attributes:
        path: Joint positions, (paths, samples, joints) in rad.
        shifts: How far each sample shifts if the velocity changes, (paths, samples) in s.
        places: How far along the faces the paths lead, (paths, samples, faces) in m, once needed.
    """

    def __init__(self, owner: Planner, x: Vector, motion: Motion, cycle: float) -> None:
        velocities, speed = brake_velocities(motion, owner.region.limits, owner.period), motion.velocity
        way = owner.samples(len(velocities), cycle) @ velocities
        shifts = way @ speed / max(float(speed @ speed), STILL)
        self.path: Rows = np.asarray(x + way)
        self.shifts: Rows = np.maximum(shifts, owner.period)
        self.places: Rows | None = None


class Correction:
    """Finds the safe velocity nearest to a request, for one call of the filter."""

    def __init__(self, owner: Planner, x: Vector, last: Motion, requested: Vector, dt: float, cycle: float) -> None:
        self.owner, self.region, self.limits = owner, owner.region, owner.region.limits
        self.kinematics = owner.kinematics
        self.x, self.last, self.dt, self.cycle = x, last, dt, cycle
        self.at, self.before = x.tolist(), last.velocity.tolist()
        self.approach_time = max(self.region.approach_time, owner.hold, cycle)
        self.reasons: list[Reason] = []
        asked = requested.tolist()
        if not all(map(math.isfinite, asked)):
            self.reasons.append(Reason.REQUEST_NOT_FINITE)
            asked = [0.0] * len(asked)
        self.requested = clipped_floats(asked, self.limits.velocities)
        if self.requested != asked and any(abs(r) > most + CHANGED for r, most in zip(asked, self.limits.fastest)):
            self.reasons.append(Reason.VELOCITY)
        if cycle > owner.hold:
            self._creep()
        self.plans: dict[bytes, Plan] = {}

    def run(self) -> Filtered:
        """Choose a velocity, bound each joint, then check the plan and correct it until it is safe.

        Most plans are safe by a bound that is quick to compute.
        """
        target = self._aim()
        low, high = self._joint_bounds(target)
        velocity = np.array(clipped_floats(target, zip(low, high)))
        self.faces, self.place, speeds = self.owner.faces_near(self.x, velocity, self.last, self.cycle)
        self._measure_faces()
        if self._surely_safe(velocity, speeds):
            return Filtered(self._motion(velocity), tuple(self.reasons))
        self.target = np.array(target)
        return self._search(np.array(low), np.array(high))

    def _search(self, low: Vector, high: Vector) -> Filtered:
        """Check plans and correct the velocity until its plan is safe.

        Plans must stay inside at first, which is quick to check. If that fails, they may go as far as braking at once.

        Args:
            low: Lower bound of each joint's velocity, (joints,) in rad/s.
            high: Upper bound of each joint's velocity, (joints,) in rad/s.
        """
        self.jacobian = self.faces.jacobian(self.kinematics, self.x)
        face_bounds = np.maximum(self.approach, self.jacobian @ self.brake.velocity)
        tried, self.share = self.brake.velocity, 0.0
        for self.strict in (True, False):
            self.low, self.high = low, high
            self.rows, self.bounds = self.jacobian, face_bounds  # constraints: rows @ velocity <= bounds
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

    @cached_property
    def brake(self) -> Motion:
        """The motion of braking at once."""
        return brake(self.last, self.limits, self.dt, self.owner.period)

    def _creep(self) -> None:
        """Scale the request to a speed from which the arm or its guard stops all joints in a part of one period.

        Cycles are later than the deadline, so the arm brakes in every cycle; at a higher speed it would jolt.
        """
        self.reasons.append(Reason.LATE_CYCLES)
        speeds = [CREEP * full * self.owner.period for _, full, _ in self.limits.floats]
        scale = max(1.0, *(abs(r) / speed for r, speed in zip(self.requested, speeds)))
        self.requested = [r / scale for r in self.requested]

    def _aim(self) -> list[float]:
        """Return the next velocity ignoring position constraints: the request, or a step of the ramp towards it.

        While acceleration or jerk bind, the full request remains the target, so that its projection keeps its
        direction. Once a jerk-limited ramp has begun to level out, the target is the ramp itself.
        """
        found = next_velocities(self.last, self.requested, self.limits, self.dt, self.owner.period)
        way, self.lowest, self.highest = found
        if way == self.requested:
            return way
        target, short = [], set[Reason]()
        for w, r, v, low, high, (_, full, _) in zip(way, self.requested, self.before, *found[1:], self.limits.floats):
            if abs(w - r) > CHANGED:
                jerk = abs(w - v) / self.dt < full * (1.0 - 1e-6)
                short.add(Reason.JERK if jerk else Reason.ACCELERATION)
            target.append(r if w <= low + CHANGED or w >= high - CHANGED else w)
        if not short:
            return way
        for reason in (Reason.JERK, Reason.ACCELERATION):
            if reason in short:
                self._add_reason(reason)
        return target

    def _joint_bounds(self, target: list[float]) -> tuple[list[float], list[float]]:
        """Return the lower and upper bound of each joint's next velocity, rad/s.

        A joint is bounded by what it can reach within one cycle and by its approach speed towards its limit. Braking is
        always within the bounds.
        """
        low, high, time = self.lowest, self.highest, self.approach_time
        above = [(upper - x if x < upper else 0.0) / time for x, (_, upper) in zip(self.at, self.region.ranges)]
        below = [(lower - x if x > lower else -0.0) / time for x, (lower, _) in zip(self.at, self.region.ranges)]
        if self.at != clipped_floats(self.at, self.region.ranges):
            self._add_reason(Reason.OUTSIDE_LIMITS)
        limited = target != clipped_floats(target, zip(below, above))
        if not limited and brakes_within(self.before, low, high, self.limits, self.dt):
            return low, high
        brake = self.brake.velocity.tolist()
        if limited:
            self._add_reason(Reason.JOINT_LIMIT)
            high = [min(max(v, most), fastest) for fastest, most, v in zip(high, above, brake)]
            low = [max(min(v, least), slowest) for slowest, least, v in zip(low, below, brake)]
        return list(map(min, brake, low)), list(map(max, brake, high))

    def _motion(self, velocity: Vector) -> Motion:
        return Motion(velocity, (velocity - self.last.velocity) / self.dt)

    # -- plans ----------------------------------------------------------------------------------------------------

    @cached_property
    def braking(self) -> Rows:
        """The paths of braking at once, (paths, samples, joints) in rad; no plan can be required to do better."""
        return Plan(self.owner, self.x, self.brake, self.cycle).path

    def _surely_safe(self, velocity: Vector, speeds: list[float]) -> bool:
        """Return whether a velocity and its plan are safe by a bound of the displacement, far quicker than by the plan.

        On a straight line the plan covers a part of `travel` seconds at the first velocity. Along a face it comes as
        far as that at first order, plus a bound of the remainder.

        Args:
            velocity: Joint velocities, (joints,) in rad/s.
            speeds: How fast they move the points along each face's normal, m/s.
        """
        if not self.owner.straight:
            return False
        period, values = self.owner.period, velocity.tolist()
        travel = ROUNDING * (self.owner.hold + self.cycle * straight_stop(values, self.limits, period))
        total = 0.0
        for x, v, (lower, upper) in zip(self.at, values, self.region.ranges):
            way = abs(travel * v)
            if x - way < lower or x + way > upper:
                return False
            total += way
        remainder = 0.5 * self.kinematics.reach * total * total * ROUNDING
        for speed, approach, bound, place in zip(speeds, self.approach, self.faces.bounds, self.place):
            if speed > approach or place + travel * max(speed, 0.0) + remainder >= bound:
                return False
        return True

    def _accepts(self, velocity: Vector) -> bool:
        """Return whether a velocity's plan is safe; if not, constrain the velocities that are considered next."""
        self.share = 1.0
        key = velocity.tobytes()
        if key not in self.plans:
            self.plans[key] = Plan(self.owner, self.x, self._motion(velocity), self.cycle)
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
        margin, bounds = self.region.margin, self.faces.bounds
        if any(place > bound + margin for place, bound in zip(self.place, bounds)):
            self._add_reason(Reason.OUTSIDE_WORKSPACE)
        self.aim = [bound - AIM * margin for bound in bounds]  # m
        time = self.approach_time
        self.approach = [(aim - place if aim > place else 0.0) / time for aim, place in zip(self.aim, self.place)]

    def _faces_hold(self, velocity: Vector, plan: Plan) -> bool:
        """Return whether a plan keeps all faces; if not, constrain the velocity along those that it leaves."""
        if plan.places is None:
            if not self.place or self._far_from_faces(plan.path):
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
        room = self.faces.bound - self.place
        return bool((np.abs(self.jacobian) @ way + curvature < room).all())

    def _nearest(self) -> Vector | None:
        """Return the velocity nearest to the target within all bounds, or None if there is none."""
        velocity = clipped(self.target, self.low, self.high)
        if not self.place or not (self.rows @ velocity > self.bounds + SPACE_TOLERANCE).any():
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
