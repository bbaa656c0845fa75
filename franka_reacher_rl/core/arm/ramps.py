"""Velocity ramps at a fixed rate: how the joints' velocities change and stop within acceleration and jerk limits.

A motion is a velocity held for one cycle, with the acceleration that led to it. Towards a goal velocity, every joint is
treated on its own. Braking slows all joints in proportion, so that the arm stops on a straight line in joint space: the
line does not change if a command is held for longer than planned. Ramps are exact for commands held over cycles of
`dt`, and in closed form where the jerk limit does not bind.

Most functions compute in plain floats: for a handful of joints, one loop takes a fraction of the time of a NumPy call
per operation, and far less in a process whose caches other work has filled. The results are the same to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
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
    def floats(self) -> list[tuple[float, float, float]]:
        """Velocity, acceleration and jerk of each joint."""
        return list(zip(self.velocity.tolist(), self.acceleration.tolist(), self.jerk.tolist()))

    @cached_property
    def slowest(self) -> list[float]:
        """Lowest velocity of each joint, rad/s."""
        return [-most for most, _, _ in self.floats]

    @cached_property
    def fastest(self) -> list[float]:
        """Highest velocity of each joint, rad/s."""
        return [most for most, _, _ in self.floats]

    @cached_property
    def velocities(self) -> list[tuple[float, float]]:
        """Lowest and highest velocity of each joint, rad/s."""
        return list(zip(self.slowest, self.fastest))

    @cached_property
    def free_reach(self) -> list[tuple[float, float]]:
        """Lowest and highest acceleration of each joint if jerk does not bind, rad/s^2."""
        return [(-full, full) for _, full, _ in self.floats]

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


def clipped_floats(values: Iterable[float], ranges: Iterable[tuple[float, float]]) -> list[float]:
    """Return each value, limited to its range."""
    return [low if x < low else high if x > high else x for x, (low, high) in zip(values, ranges)]


def brake(last: Motion, limits: Limits, dt: float, period: float = 0.0) -> Motion:
    """Return the motion one cycle closer to rest, as fast as the joint with the longest stop allows.

    Args:
        last: The motion of the previous cycle.
        limits: Limits of acceleration and jerk.
        dt: Time since the previous cycle, s.
        period: Regular cycle time if this cycle is shorter, s: the ramp must be able to level out in regular cycles.
    """
    before, accelerations = last.velocity.tolist(), last.acceleration.tolist()
    if dt >= limits.free_cycle:
        rate = 1.0 / max(dt, period, straight_time(before, limits))
    else:
        full, jerk = limits.acceleration.tolist(), limits.jerk.tolist()
        rate = _brake_rate(before, accelerations, full, (limits.jerk * dt).tolist(), max(dt, period), jerk)
    accelerations = clipped_floats([-rate * v for v in before], _reachable(accelerations, limits, dt))
    velocities = [v + dt * a for v, a in zip(before, accelerations)]
    return Motion(np.array([0.0 if -STILL < v < STILL else v for v in velocities]), np.array(accelerations))


def straight_time(velocities: list[float], limits: Limits) -> float:
    """Return the time in s in which all joints can stop if jerk does not bind."""
    return max([abs(v) / full for v, (_, full, _) in zip(velocities, limits.floats)])


def straight_stop(velocities: list[float], limits: Limits, period: float) -> float:
    """Return the sum of the velocities of a straight brake after the first, as a multiple of the first, in cycles."""
    time = straight_time(velocities, limits)
    cycles = int(time / period)
    return cycles - 0.5 * period * cycles * (cycles + 1) / time if cycles else 0.0


def brakes_within(before: list[float], lowest: list[float], highest: list[float], limits: Limits, dt: float) -> bool:
    """Return whether `brake` is surely between the lowest and the highest next velocity, without computing it.

    Braking asks for less acceleration than the way to the velocity limit does if jerk does not bind and the velocity
    is within its limits. It is then rounded to rest if it is slower than STILL.
    """
    if dt < limits.free_cycle:
        return False
    for v, low, high, most in zip(before, lowest, highest, limits.fastest):
        if not -most <= v <= most or 0.0 < low < STILL or -STILL < high < 0.0:
            return False
    return True


def next_velocities(
    last: Motion, goal: list[float], limits: Limits, dt: float, period: float = 0.0
) -> tuple[list[float], list[float], list[float]]:
    """Return the next velocity on the way to a goal, and the lowest and highest next velocity.

    The way is as fast as the limits allow without overshoot. From velocities within the bounds, the velocity limit can
    still be kept. If the velocity exceeds its limit already, both bounds follow the fastest way back to it.

    Args:
        last: The motion of the previous cycle.
        goal: Velocity of each joint to reach, rad/s.
        limits: Limits of the motion.
        dt: Time since the previous cycle, s.
        period: As for `brake`.

    Returns:
        Three velocities of each joint, rad/s.
    """
    cycle, before = max(dt, period), last.velocity.tolist()
    reach = _reachable(last.acceleration.tolist(), limits, dt)

    def next_towards(goals: list[float]) -> list[float]:
        if cycle >= limits.free_cycle:
            wanted = [(to - v) / cycle for v, to in zip(before, goals)]
        else:
            wanted = [
                _acceleration_towards(to - v, jerk * cycle, cycle)
                for v, to, (_, _, jerk) in zip(before, goals, limits.floats)
            ]
        return [v + dt * a for v, a in zip(before, clipped_floats(wanted, reach))]

    way = [to if -STILL < v - to < STILL else v for v, to in zip(next_towards(goal), goal)]
    return way, next_towards(limits.slowest), next_towards(limits.fastest)


def brake_velocities(motion: Motion, limits: Limits, dt: float) -> Rows:
    """Return the velocities if a motion is followed by braking to rest in cycles of dt.

    Returns:
        Velocities, (cycles, joints) in rad/s: the first row is that of the motion itself, the last is zero.
    """
    if dt >= limits.free_cycle:
        time = straight_time(motion.velocity.tolist(), limits)  # until the arm rests, s
        cycles = min(math.ceil(time / dt - 1e-9), LONGEST_STOP)
        left = 1.0 - np.arange(cycles + 1) * (dt / max(time, STILL))
        return np.asarray(np.maximum(left, 0.0)[:, None] * motion.velocity)
    return _jerky_brake(motion, limits, dt)


def _jerky_brake(motion: Motion, limits: Limits, dt: float) -> Rows:
    """Return the velocities while braking as `brake` does."""
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


def _reachable(accelerations: list[float], limits: Limits, dt: float) -> list[tuple[float, float]]:
    """Return the lowest and highest acceleration of each joint possible in the next cycle, rad/s^2."""
    if dt >= limits.free_cycle:
        return limits.free_reach
    return [
        (max(min(a - jerk * dt, full), -full), min(max(a + jerk * dt, -full), full))
        for a, (_, full, jerk) in zip(accelerations, limits.floats)
    ]


def _acceleration_towards(change: float, step: float, dt: float) -> float:
    """Return the acceleration that changes a velocity by an amount if it is then reduced to zero at full jerk.

    The reduction takes steps of `step = jerk * dt` per cycle. An acceleration between m and m + 1 steps changes the
    velocity by dt * ((m + 1) * acceleration - step * m * (m + 1) / 2), which is piecewise linear and is inverted here.
    A cycle of half the length reduces the acceleration by only half a step, and then the change is larger by up to a
    quarter of dt * step: this much is reserved.
    """
    size = abs(change) / dt
    size = max(size - 0.25 * step, min(size, 0.5 * step))
    m = math.floor(0.5 * (math.sqrt(1.0 + 8.0 * size / step) - 1.0))
    return math.copysign((size + step * m * (m + 1.0) / 2.0) / (m + 1.0), change)
