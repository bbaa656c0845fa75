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
from itertools import compress

import numpy as np

from franka_reacher_rl.core.arm.correction import Correction
from franka_reacher_rl.core.arm.kinematics import Kinematics
from franka_reacher_rl.core.arm.ramps import Motion, brake, brake_velocities, clipped_floats
from franka_reacher_rl.core.arm.region import Faces, FacesNear, Region
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.arm.status import Filtered, Reason
from franka_reacher_rl.core.base.datatypes import Vector

MOST_SAMPLES = 1000  # cached results
SAMPLES = 3  # of a path, at which it is checked; between them it is nearly straight


class SafetyFilter:
    """Filters the velocities of one robot in one region; it has no state."""

    def __init__(self, robot: Robot, kinematics: Kinematics, region: Region) -> None:
        self.region = region
        self.kinematics = kinematics
        self.period = 1.0 / robot.driver.control_rate
        self.hold = max(robot.driver.deadline, self.period)  # s, longest time for which a command may be held
        self.straight = self.period >= region.limits.free_cycle  # whether the arm brakes on a straight line
        self.distance = np.eye(robot.dof)
        self._near: dict[bytes, Faces] = {}  # by the mask of the faces that are near
        self._lag = robot.driver.lag
        fastest = (2.0 * region.limits.velocity + 0.1).tolist()
        self._fastest = [(-most, most) for most in fastest]  # rad/s, what is measured counts at most as
        self._samples: dict[tuple[int, float], Vector] = {}
        full_speed = Motion(region.limits.velocity, region.limits.acceleration)
        self._stop = brake_velocities(full_speed, region.limits, self.period)[1:].sum(axis=0)
        self._reaches: dict[float, float] = {}  # m, by the length of the cycles

    def predict(self, q: Vector, dq: Vector, travel: Vector | float = 0.0) -> Vector:
        """Return where the arm will come to rest if it is commanded zero from now on, (joints,) in rad.

        If the arm's velocity follows the command with a first-order lag, q + lag * dq is exactly the integral of the
        commands.

        Args:
            q: Measured joint positions, (joints,) in rad.
            dq: Measured joint velocities, (joints,) in rad/s.
            travel: Integral of the commands that the measurement does not contain yet, (joints,) in rad.
        """
        moved = [travel] * len(q) if isinstance(travel, float) else travel.tolist()
        velocities = clipped_floats(dq.tolist(), self._fastest)
        return np.array([x + self._lag * v + way for x, v, way in zip(q.tolist(), velocities, moved)])

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
        cycle = round(min(max(slowest, self.period), self.hold + self.period), 3)
        return Correction(self, self.predict(q, dq, travel), last, requested, dt, cycle).run()

    def samples(self, cycles: int, cycle: float) -> Vector:
        """Return what sums up the velocities of a plan to samples of its paths, (paths, samples, cycles) in s.

        The first path holds the first velocity for as long as possible and brakes in cycles of `cycle`. The second has
        punctual cycles. If jerk does not bind, the arm brakes on a straight line and the first contains the second.
        """
        found = self._samples.get((cycles, cycle))
        if found is None:
            times = np.full((1 if self.straight else 2, cycles), cycle)
            times[1:] = self.period
            times[0, 0] = self.hold
            ends = np.unique(np.linspace(0, cycles - 1, SAMPLES).astype(int))
            found = np.tri(cycles)[ends] * times[:, None, :]
            if len(self._samples) > MOST_SAMPLES:
                self._samples.clear()
            self._samples[(cycles, cycle)] = found
        return found

    def faces_near(self, x: Vector, velocity: Vector, last: Motion, cycle: float) -> FacesNear:
        """Return the faces that a plan may reach, at x (joints,) in rad and at a velocity (joints,) in rad/s.

        What a plan may reach follows from a bound of the displacement of any point of the arm.
        """
        faces = self.region.faces
        if not faces.bounds:
            return FacesNear(faces, [], [])
        places, speeds = faces.motion(self.kinematics, x, velocity)
        reach = self._reach(last, cycle)
        near = bytes([bound - place < reach for bound, place in zip(faces.bounds, places)])
        if near not in self._near:
            self._near[near] = faces.subset(np.frombuffer(near, np.bool_))
        return FacesNear(self._near[near], list(compress(places, near)), list(compress(speeds, near)))

    def _reach(self, last: Motion, cycle: float) -> float:
        """Return the largest displacement in m of any point of the arm in a plan, after a motion."""
        limits = self.region.limits
        velocities = last.velocity.tolist()
        if clipped_floats(velocities, limits.velocities) != velocities:
            return self._displacement(np.maximum(limits.velocity, np.abs(last.velocity)), cycle)
        if cycle not in self._reaches:
            self._reaches[cycle] = self._displacement(limits.velocity, cycle)
        return self._reaches[cycle]

    def _displacement(self, speed: Vector, cycle: float) -> float:
        return self.kinematics.reach * float((speed * self.hold + self._stop * cycle).sum())


def _finite(values: Vector) -> bool:
    """Return whether all values are finite, three times faster than np.isfinite(...).all()."""
    return math.isfinite(values @ values)
