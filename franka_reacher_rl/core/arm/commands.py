"""Validation of velocity commands and joint positions received from other nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from franka_reacher_rl.core.base.datatypes import Vector
from franka_reacher_rl.core.base.suggestions import shortened

FUTURE = 0.1  # s; a stamp may be at most this far ahead of the local clock
SAME = 5e-4  # s; commands whose stamps differ by less are one command sent twice
MOST_NAMES = 2  # a longer list of names than this many per joint is refused unread


class Refusal(str, Enum):
    """Why a velocity command or a move was refused."""

    NOT_FINITE = "not_finite"
    WRONG_LENGTH = "wrong_length"
    DUPLICATE_JOINT = "duplicate_joint"
    UNKNOWN_JOINT = "unknown_joint"
    MISSING_JOINT = "missing_joint"
    STALE = "stale"
    FUTURE = "future"
    OUT_OF_ORDER = "out_of_order"
    NOT_ARMED = "not_armed"
    MOVING = "moving"


class Refused(ValueError):
    """Raised for a request that is refused as a whole; the message says why and what to do."""

    def __init__(self, refusal: Refusal, message: str) -> None:
        super().__init__(message)
        self.refusal = refusal


@dataclass(frozen=True)
class Command:
    """A velocity command that was accepted."""

    velocity: Vector  # (joints,), rad/s, in the robot file's order
    stamp: float  # s, when it was issued
    received: float  # s, when it arrived


def by_joint(joints: Sequence[str], names: Sequence[str], values: Sequence[float]) -> Vector:
    """Return named values in the robot's joint order, (joints,).

    Raises:
        Refused: There is not exactly one finite value for each joint.
    """
    if len(names) > MOST_NAMES * len(joints):
        raise Refused(Refusal.WRONG_LENGTH, f"{len(names)} joint names, but the robot has {len(joints)} joints")
    if len(names) != len(values):
        raise Refused(Refusal.WRONG_LENGTH, f"{len(names)} joint names, but {len(values)} values")
    if len(set(names)) != len(names):
        double = next(n for n in names if list(names).count(n) > 1)
        raise Refused(Refusal.DUPLICATE_JOINT, f"joint {shortened(repr(double))} is given twice")
    unknown = [n for n in names if n not in joints]
    if unknown:
        raise Refused(
            Refusal.UNKNOWN_JOINT, f"unknown joint {shortened(repr(unknown[0]))}: the robot has {', '.join(joints)}"
        )
    missing = [n for n in joints if n not in names]
    if missing:
        raise Refused(Refusal.MISSING_JOINT, f"joint {missing[0]!r} is missing")
    value_of = dict(zip(names, values, strict=True))
    ordered = np.array([value_of[n] for n in joints], float)
    if not np.isfinite(ordered).all():
        raise Refused(Refusal.NOT_FINITE, f"not all values are finite: {ordered.tolist()}")
    return ordered


def check_stamp(stamp: float, now: float, max_age: float, newest: float) -> None:
    """Check that a command is neither too old, nor from the future, and newer than all accepted ones.

    A stamp converted from another clock varies by some microseconds, so newer means by more than that.

    Args:
        stamp: When the command was issued, s.
        now: Current time on the same clock, s.
        max_age: Largest accepted age, s.
        newest: Stamp of the newest accepted command, s.

    Raises:
        Refused: The stamp is not allowed; the message gives its age.
    """
    age = now - stamp
    if not age <= max_age:
        raise Refused(Refusal.STALE, f"stamp is {age:.3f} s old: at most {max_age} s is allowed")
    if age < -FUTURE:
        raise Refused(Refusal.FUTURE, f"stamp is {-age:.3f} s ahead: are the clocks synchronised?")
    if stamp < newest + SAME:
        older = f"{newest - stamp:.3f} s older than" if stamp < newest - SAME else "equal to"
        raise Refused(Refusal.OUT_OF_ORDER, f"stamp is {older} that of an earlier command: stamp each command anew")
