"""Velocity ramps at a fixed rate: how the joints' velocities change and stop within acceleration and jerk limits.

A motion is a velocity held for one cycle, with the acceleration that led to it. Towards a goal velocity, every joint is
treated on its own. Braking slows all joints in proportion, so that the arm stops on a straight line in joint space: the
line does not change if a command is held for longer than planned. Ramps are exact for commands held over cycles of
`dt`, and in closed form where the jerk limit does not bind.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from franka_reacher_rl.core.base.datatypes import Rows, Vector

LONGEST_STOP = 2000  # cycles
STILL = 1e-9  # rad/s; a slower joint is at rest


@dataclass(frozen=True)
class Limits:
    """Limits of velocity, acceleration and jerk, one value per joint."""

    velocity: Vector  # (joints,), rad/s
    acceleration: Vector  # (joints,), rad/s^2
    jerk: Vector  # (joints,), rad/s^3

    @cached_property
    def free_cycle(self) -> float:
        """Shortest cycle time in s in which the acceleration can be fully reversed, so that jerk does not bind."""
        return float((2.0 * self.acceleration / self.jerk).max())


@dataclass(frozen=True)
class Motion:
    """A commanded velocity, and the acceleration that led to it."""

    velocity: Vector  # (joints,), rad/s
    acceleration: Vector  # (joints,), rad/s^2

    @classmethod
    def rest(cls, joints: int) -> Motion:
        """Return a motion at rest."""
        return cls(np.zeros(joints), np.zeros(joints))

    @property
    def at_rest(self) -> bool:
        """Whether velocity and acceleration are zero."""
        return not self.velocity.any() and not self.acceleration.any()


def clipped(values: Vector, low: Vector, high: Vector) -> Vector:
    """Return np.clip(values, low, high), several times faster for a handful of values."""
    return np.asarray(np.minimum(np.maximum(values, low), high))


def landing(last: Motion, goal: Vector, limits: Limits, dt: float, period: float = 0.0) -> Motion:
    """Return the motion one cycle closer to the goal velocity, as fast as the limits allow without overshoot.

    Args:
        last: The motion of the previous cycle.
        goal: Velocities to reach, (joints,) in rad/s.
        limits: Limits of acceleration and jerk.
        dt: Time since the previous cycle, s.
        period: Regular cycle time if this cycle is shorter, s: the ramp must be able to level out in regular cycles.
    """
    low, high = _reachable(last, limits, dt)
    acceleration = clipped(_acceleration_towards(goal, last, limits, max(dt, period)), low, high)
    velocity = last.velocity + dt * acceleration
    return Motion(np.where(np.abs(velocity - goal) < STILL, goal, velocity), acceleration)


def brake(last: Motion, limits: Limits, dt: float, period: float = 0.0) -> Motion:
    """Return the motion one cycle closer to rest; arguments as for `landing`.

    All joints slow down in proportion, as fast as the joint with the longest stop allows.
    """
    if dt >= limits.free_cycle:
        rate = 1.0 / max(dt, period, float((np.abs(last.velocity) / limits.acceleration).max()))
        low, high = -limits.acceleration, limits.acceleration
    else:
        motion = last.velocity.tolist(), last.acceleration.tolist()
        full, jerk = limits.acceleration.tolist(), limits.jerk.tolist()
        rate = _brake_rate(*motion, full, (limits.jerk * dt).tolist(), max(dt, period), jerk)
        low, high = _reachable(last, limits, dt)
    acceleration = clipped(-rate * last.velocity, low, high)
    velocity = last.velocity + dt * acceleration
    return Motion(np.where(np.abs(velocity) < STILL, 0.0, velocity), acceleration)


def change_limits(last: Motion, limits: Limits, dt: float, period: float = 0.0) -> tuple[Vector, Vector]:
    """Return the lowest and highest next velocity, (joints,) in rad/s, from which the velocity limit can still be kept.

    If the velocity exceeds its limit already, both bounds follow the fastest way back to it. Arguments as for
    `landing`.
    """
    low, high = _reachable(last, limits, dt)
    cycle = max(dt, period)
    fastest = clipped(_acceleration_towards(limits.velocity, last, limits, cycle), low, high)
    slowest = clipped(_acceleration_towards(-limits.velocity, last, limits, cycle), low, high)
    return last.velocity + dt * slowest, last.velocity + dt * fastest


def brake_velocities(motion: Motion, limits: Limits, dt: float) -> Rows:
    """Return the velocities if a motion is followed by braking to rest in cycles of dt.

    Returns:
        Velocities, (cycles, joints) in rad/s: the first row is that of the motion itself, the last is zero.
    """
    if dt >= limits.free_cycle:
        time = float((np.abs(motion.velocity) / limits.acceleration).max())  # until the arm rests, s
        cycles = min(math.ceil(time / dt - 1e-9), LONGEST_STOP)
        left = 1.0 - np.arange(cycles + 1) * (dt / max(time, STILL))
        return np.asarray(np.maximum(left, 0.0)[:, None] * motion.velocity)
    return _jerky_brake(motion, limits, dt)


def brake_path(motion: Motion, limits: Limits, dt: float) -> Rows:
    """Return the joints' path if a motion is carried out for one cycle and is followed by braking to rest.

    Returns:
        Positions relative to the present one, (cycles, joints) in rad: the first row is after the motion itself, the
        last at rest.
    """
    return np.asarray(np.cumsum(brake_velocities(motion, limits, dt), axis=0) * dt)


def _jerky_brake(motion: Motion, limits: Limits, dt: float) -> Rows:
    """Return the velocities while braking as `brake` does, several times faster in plain floats."""
    velocities, accelerations = motion.velocity.tolist(), motion.acceleration.tolist()
    full, jerk, changes = limits.acceleration.tolist(), limits.jerk.tolist(), (limits.jerk * dt).tolist()
    ramp = [velocities]
    while (any(velocities) or any(accelerations)) and len(ramp) < LONGEST_STOP:
        rate = _brake_rate(velocities, accelerations, full, changes, dt, jerk)
        accelerations = [
            min(max(-rate * v, a - change, -most), a + change, most)
            for v, a, change, most in zip(velocities, accelerations, changes, full)
        ]
        velocities = [v + dt * a for v, a in zip(velocities, accelerations)]
        velocities = [0.0 if -STILL < v < STILL else v for v in velocities]
        ramp.append(velocities)
    return np.array(ramp)


def _brake_rate(
    velocities: list[float],
    accelerations: list[float],
    full: list[float],
    changes: list[float],
    period: float,
    jerk: list[float],
) -> float:
    """Return the common deceleration per speed, 1/s, at which every joint can brake and level out.

    Args:
        velocities: Velocity of each joint, rad/s.
        accelerations: Present acceleration of each joint, rad/s^2.
        full: Limit of each joint's acceleration, rad/s^2.
        changes: Largest change of each joint's acceleration in this cycle, rad/s^2.
        period: Length of the cycles in which the joints level out, s.
        jerk: Limit of each joint's jerk, rad/s^3.
    """
    rate = 1.0 / period
    for v, a, most, change, j in zip(velocities, accelerations, full, changes, jerk):
        speed = abs(v)
        if speed > STILL:
            size, step = speed / period, j * period
            m = int(0.5 * (math.sqrt(1.0 + 8.0 * size / step) - 1.0))
            hardest = min((size + step * m * (m + 1.0) / 2.0) / (m + 1.0), most)
            slowing = -a if v > 0.0 else a
            if slowing >= 0.0:  # a joint that still speeds up follows later
                hardest = min(hardest, slowing + change)
            rate = min(rate, hardest / speed)
    return rate


def _reachable(last: Motion, limits: Limits, dt: float) -> tuple[Vector, Vector]:
    """Return the lowest and highest acceleration possible in the next cycle, (joints,) in rad/s^2."""
    full = limits.acceleration
    if dt >= limits.free_cycle:
        return -full, full
    change = limits.jerk * dt
    return clipped(last.acceleration - change, -full, full), clipped(last.acceleration + change, -full, full)


def _acceleration_towards(goal: Vector, last: Motion, limits: Limits, dt: float) -> Vector:
    """Return the acceleration that leads to the goal velocity if it is then reduced to zero at full jerk.

    The reduction takes steps of `limits.jerk * dt` per cycle. An acceleration between m and m + 1 steps changes the
    velocity by dt * ((m + 1) * acceleration - step * m * (m + 1) / 2), which is piecewise linear and is inverted here.
    A cycle of half the length reduces the acceleration by only half a step, and then the change is larger by up to a
    quarter of dt * step: this much is reserved.
    """
    change = goal - last.velocity
    if dt >= limits.free_cycle:
        return change / dt
    step = limits.jerk * dt
    size = np.abs(change) / dt
    size = np.maximum(size - 0.25 * step, np.minimum(size, 0.5 * step))
    m = np.floor(0.5 * (np.sqrt(1.0 + 8.0 * size / step) - 1.0))
    return np.copysign((size + step * m * (m + 1.0) / 2.0) / (m + 1.0), change)
