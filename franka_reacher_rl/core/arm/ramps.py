"""Velocity profiles at a fixed rate: how a joint's velocity changes and stops within acceleration and jerk.

A motion is a velocity held for one cycle and the acceleration that led to it. All of it is per joint, in closed form
where jerk does not bind, and exact for commands held over cycles of `dt`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from franka_reacher_rl.core.base.datatypes import Rows, Vector

LONGEST_STOP = 2000  # cycles
STILL = 1e-9  # rad/s; less is rest


@dataclass(frozen=True)
class Limits:
    """How fast a motion may be and change, one value per joint."""

    velocity: Vector  # (joints,), rad/s
    acceleration: Vector  # (joints,), rad/s^2
    jerk: Vector  # (joints,), rad/s^3

    @cached_property
    def free_cycle(self) -> float:
        """In cycles this long (s) or longer jerk does not bind: one takes full acceleration one way to the other."""
        return float((2.0 * self.acceleration / self.jerk).max())


@dataclass(frozen=True)
class Motion:
    """A commanded velocity, and the acceleration with which it was reached."""

    velocity: Vector  # (joints,), rad/s
    acceleration: Vector  # (joints,), rad/s^2

    @classmethod
    def rest(cls, joints: int) -> Motion:
        """No motion."""
        return cls(np.zeros(joints), np.zeros(joints))

    @property
    def at_rest(self) -> bool:
        """Whether nothing moves, nor is about to."""
        return not self.velocity.any() and not self.acceleration.any()


def clipped(values: Vector, low: Vector, high: Vector) -> Vector:
    """As np.clip, which takes several times as long for a handful of values."""
    return np.asarray(np.minimum(np.maximum(values, low), high))


def landing(last: Motion, goal: Vector, limits: Limits, dt: float) -> Motion:
    """One cycle towards the goal velocity, as fast as the limits allow without passing it.

    Args:
        last: The motion before.
        goal: Velocities to reach, (joints,) in rad/s.
        limits: Bounds of acceleration and jerk.
        dt: Cycle time, s.
    """
    low, high = _reachable(last, limits, dt)
    acceleration = clipped(_acceleration_for(goal - last.velocity, limits, dt), low, high)
    velocity = last.velocity + dt * acceleration
    return Motion(np.where(np.abs(velocity - goal) < STILL, goal, velocity), acceleration)


def brake(last: Motion, limits: Limits, dt: float) -> Motion:
    """One cycle towards rest."""
    return landing(last, np.zeros_like(last.velocity), limits, dt)


def change_limits(last: Motion, limits: Limits, dt: float) -> tuple[Vector, Vector]:
    """Lowest and highest next velocity, (joints,), after which the velocity limit can still be kept.

    Where the velocity is beyond its limit already, both are on the fastest way back.
    """
    low, high = _reachable(last, limits, dt)
    fastest = clipped(_acceleration_for(limits.velocity - last.velocity, limits, dt), low, high)
    slowest = clipped(_acceleration_for(-limits.velocity - last.velocity, limits, dt), low, high)
    return last.velocity + dt * slowest, last.velocity + dt * fastest


def brake_path(motion: Motion, limits: Limits, dt: float) -> Rows:
    """Where the joints are, from their present position, after each cycle of a motion and of braking from it to rest.

    Returns:
        Positions, (cycles, joints) in rad: the first after the motion itself, the last at rest.
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
    """One joint's positions after each cycle, from 0, as `brake` would go on: in plain floats five times as fast."""
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
    """Lowest and highest acceleration of the next cycle, (joints,)."""
    full = limits.acceleration
    if dt >= limits.free_cycle:
        return -full, full
    change = limits.jerk * dt
    return clipped(last.acceleration - change, -full, full), clipped(last.acceleration + change, -full, full)


def _acceleration_for(change: Vector, limits: Limits, dt: float) -> Vector:
    """The acceleration now after which, taken back to zero at full jerk, the velocity has changed by `change`.

    Taken back by `limits.jerk * dt` a cycle, an acceleration between m and m + 1 of these steps changes the velocity by
    dt * ((m + 1) * acceleration - step * m * (m + 1) / 2): linear pieces, inverted here.
    """
    if dt >= limits.free_cycle:
        return change / dt
    step = limits.jerk * dt
    size = np.abs(change) / dt
    m = np.floor(0.5 * (np.sqrt(1.0 + 8.0 * size / step) - 1.0))
    return np.copysign((size + step * m * (m + 1.0) / 2.0) / (m + 1.0), change)
