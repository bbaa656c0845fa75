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


def brake(last: Motion, limits: Limits, dt: float, period: float = 0.0) -> Motion:
    """Return the motion one cycle closer to rest, as fast as the joint with the longest stop allows.

    Args:
        last: The motion of the previous cycle.
        limits: Limits of acceleration and jerk.
        dt: Time since the previous cycle, s.
        period: Regular cycle time if this cycle is shorter, s: the ramp must be able to level out in regular cycles.
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


def next_velocities(
    last: Motion, goal: Vector, limits: Limits, dt: float, period: float = 0.0
) -> tuple[Vector, Vector, Vector]:
    """Return the next velocity on the way to a goal, and the lowest and highest next velocity.

    The way is as fast as the limits allow without overshoot. From velocities within the bounds, the velocity limit can
    still be kept. If the velocity exceeds its limit already, both bounds follow the fastest way back to it.

    Args:
        last: The motion of the previous cycle.
        goal: Velocities to reach, (joints,) in rad/s.
        limits: Limits of the motion.
        dt: Time since the previous cycle, s.
        period: As for `brake`.

    Returns:
        Three velocities, (joints,) each in rad/s.
    """
    low, high = _reachable(last, limits, dt)
    goals = np.array([goal, -limits.velocity, limits.velocity])
    acceleration = clipped(_acceleration_towards(goals, last, limits, max(dt, period)), low, high)
    way, slowest, fastest = last.velocity + dt * acceleration
    return np.where(np.abs(way - goal) < STILL, goal, way), slowest, fastest


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


def _jerky_brake(motion: Motion, limits: Limits, dt: float) -> Rows:
    """Return the velocities while braking as `brake` does, several times faster in plain floats."""
    velocities, accelerations = motion.velocity.tolist(), motion.acceleration.tolist()
    full, jerk, changes = limits.acceleration.tolist(), limits.jerk.tolist(), (limits.jerk * dt).tolist()
    ramp, limits_of = [velocities], list(zip(full, changes))
    while (any(velocities) or any(accelerations)) and len(ramp) < LONGEST_STOP:
        rate = _brake_rate(velocities, accelerations, full, changes, dt, jerk)
        before, velocities, accelerations, straight = zip(velocities, accelerations, limits_of), [], [], True
        for v, a, (most, change) in before:
            wanted = -rate * v
            low, high = a - change, a + change
            low, high = low if low > -most else -most, high if high < most else most
            a = low if wanted < low else high if wanted > high else wanted
            straight = straight and a == wanted
            v += dt * a
            velocities.append(0.0 if -STILL < v < STILL else v)
            accelerations.append(a)
        ramp.append(velocities)
        if straight and any(velocities):
            return np.concatenate([ramp, _straight_brake(np.array(velocities), rate / (1.0 - dt * rate), limits, dt)])
    return np.array(ramp)


def _straight_brake(velocity: Vector, rate: float, limits: Limits, dt: float) -> Rows:
    """Return the further velocities of joints that already slow down in proportion, (cycles, joints) in rad/s.

    Args:
        velocity: The last velocity, (joints,) in rad/s.
        rate: The last deceleration per speed, 1/s.
        limits: Limits of acceleration and jerk.
        dt: Cycle time, s.
    """
    speed = np.abs(velocity)
    slowest = np.argmax([speed / limits.acceleration, speed / limits.jerk], axis=1)  # no other joint limits the rate
    few = sorted(set(slowest.tolist()))
    v, full, jerk = speed[few].tolist(), limits.acceleration[few].tolist(), limits.jerk[few].tolist()
    changes = [j * dt for j in jerk]
    left, shares = 1.0, list[float]()
    while left * max(v) > STILL and len(shares) < LONGEST_STOP:
        speeds = [left * x for x in v]
        rate = _brake_rate(speeds, [-rate * x for x in speeds], full, changes, dt, jerk)
        faster, left = left, left * (1.0 - dt * rate)
        shares.append(left)
        rate = rate * faster / left if left * max(v) > STILL else 0.0
    return np.array([*shares, 0.0])[:, None] * velocity


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
        speed, slowing = (v, -a) if v > 0.0 else (-v, a)
        if speed > STILL:
            size, step, wanted = speed / period, j * period, rate * speed
            enough = size >= step and wanted * wanted <= size * step  # the joint can level out from this deceleration
            if enough and wanted <= most and (slowing < 0.0 or wanted <= slowing + change):
                continue
            m = int(0.5 * (math.sqrt(1.0 + 8.0 * size / step) - 1.0))
            hardest = (size + step * m * (m + 1.0) / 2.0) / (m + 1.0)
            if hardest > most:
                hardest = most
            if slowing >= 0.0 and hardest > slowing + change:  # a joint that still speeds up follows later
                hardest = slowing + change
            if wanted > hardest:
                rate = hardest / speed
    return rate


def _reachable(last: Motion, limits: Limits, dt: float) -> tuple[Vector, Vector]:
    """Return the lowest and highest acceleration possible in the next cycle, (joints,) in rad/s^2."""
    full = limits.acceleration
    if dt >= limits.free_cycle:
        return -full, full
    change = limits.jerk * dt
    return clipped(last.acceleration - change, -full, full), clipped(last.acceleration + change, -full, full)


def _acceleration_towards(goal: Vector, last: Motion, limits: Limits, dt: float) -> Vector:
    """Return the acceleration that leads to a goal velocity if it is then reduced to zero at full jerk.

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
