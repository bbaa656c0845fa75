"""Velocity ramps at a fixed rate: how a joint's velocity changes and stops within acceleration and jerk limits.

A motion is a velocity held for one cycle, with the acceleration that led to it. Every joint is treated on its own. The
ramps are exact for commands held over cycles of `dt`, and in closed form where the jerk limit does not bind.
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


def landing(last: Motion, goal: Vector, limits: Limits, dt: float) -> Motion:
    """Return the motion one cycle closer to the goal velocity, as fast as the limits allow without overshoot.

    Args:
        last: The motion of the previous cycle.
        goal: Velocities to reach, (joints,) in rad/s.
        limits: Limits of acceleration and jerk.
        dt: Cycle time, s.
    """
    low, high = _reachable(last, limits, dt)
    acceleration = clipped(_acceleration_for(goal - last.velocity, limits, dt), low, high)
    velocity = last.velocity + dt * acceleration
    return Motion(np.where(np.abs(velocity - goal) < STILL, goal, velocity), acceleration)


def brake(last: Motion, limits: Limits, dt: float) -> Motion:
    """Return the motion one cycle closer to rest; arguments as for `landing`."""
    return landing(last, np.zeros_like(last.velocity), limits, dt)


def change_limits(last: Motion, limits: Limits, dt: float) -> tuple[Vector, Vector]:
    """Return the lowest and highest next velocity, (joints,) in rad/s, from which the velocity limit can still be kept.

    If the velocity exceeds its limit already, both bounds follow the fastest way back to it.
    """
    low, high = _reachable(last, limits, dt)
    fastest = clipped(_acceleration_for(limits.velocity - last.velocity, limits, dt), low, high)
    slowest = clipped(_acceleration_for(-limits.velocity - last.velocity, limits, dt), low, high)
    return last.velocity + dt * slowest, last.velocity + dt * fastest


def brake_path(motion: Motion, limits: Limits, dt: float) -> Rows:
    """Return the joints' path if a motion is carried out for one cycle and is followed by braking to rest.

    Returns:
        Positions relative to the present one, (cycles, joints) in rad: the first row is after the motion itself, the
        last at rest.
    """
    if dt >= limits.free_cycle:
        step = limits.acceleration * dt
        speed = np.abs(motion.velocity)
        cycles = int(min(np.ceil((speed / step).max()), LONGEST_STOP))
        left = np.maximum(speed - np.arange(cycles + 1)[:, None] * step, 0.0)
        return np.asarray(np.cumsum(np.copysign(left, motion.velocity), axis=0) * dt)
    joints = zip(motion.velocity, motion.acceleration, limits.acceleration, limits.jerk, strict=True)
    ways = [_brake_way(float(v), float(a), float(full), float(jerk), dt) for v, a, full, jerk in joints]
    longest = max(len(way) for way in ways)
    return np.array([way + way[-1:] * (longest - len(way)) for way in ways]).T


def _brake_way(velocity: float, acceleration: float, full: float, jerk: float, dt: float) -> list[float]:
    """Return one joint's positions after each cycle of braking as `brake` does, five times faster in plain floats."""
    step, position = jerk * dt, velocity * dt
    way = [position]
    while (velocity or acceleration) and len(way) < LONGEST_STOP:
        size = abs(velocity) / dt
        m = int(0.5 * (math.sqrt(1.0 + 8.0 * size / step) - 1.0))
        wanted = (size + step * m * (m + 1.0) / 2.0) / (m + 1.0)
        if velocity > 0.0:
            wanted = -wanted
        low, high = acceleration - step, acceleration + step
        if wanted < low or wanted < -full:
            acceleration = low if low > -full else -full
        elif wanted > high or wanted > full:
            acceleration = high if high < full else full
        else:
            acceleration = wanted
        velocity += dt * acceleration
        if -STILL < velocity < STILL:
            velocity = 0.0
        position += velocity * dt
        way.append(position)
    return way


def _reachable(last: Motion, limits: Limits, dt: float) -> tuple[Vector, Vector]:
    """Return the lowest and highest acceleration possible in the next cycle, (joints,) in rad/s^2."""
    full = limits.acceleration
    if dt >= limits.free_cycle:
        return -full, full
    change = limits.jerk * dt
    return clipped(last.acceleration - change, -full, full), clipped(last.acceleration + change, -full, full)


def _acceleration_for(change: Vector, limits: Limits, dt: float) -> Vector:
    """Return the acceleration that changes the velocity by `change` if it is then reduced to zero at full jerk.

    The reduction takes steps of `limits.jerk * dt` per cycle. An acceleration between m and m + 1 steps changes the
    velocity by dt * ((m + 1) * acceleration - step * m * (m + 1) / 2), which is piecewise linear and is inverted here.
    """
    if dt >= limits.free_cycle:
        return change / dt
    step = limits.jerk * dt
    size = np.abs(change) / dt
    m = np.floor(0.5 * (np.sqrt(1.0 + 8.0 * size / step) - 1.0))
    return np.copysign((size + step * m * (m + 1.0) / 2.0) / (m + 1.0), change)
