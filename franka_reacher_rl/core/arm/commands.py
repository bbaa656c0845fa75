"""What comes in for the arm, checked before anything is done with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from franka_reacher_rl.core.base.datatypes import Vector

FUTURE = 0.1  # s; a stamp may be ahead of our clock by this much


class Refusal(str, Enum):
    """Why a whole velocity command was refused."""

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
    """A request that is refused as a whole; says why and what to do."""

    def __init__(self, why: Refusal, message: str) -> None:
        super().__init__(message)
        self.why = why


@dataclass(frozen=True)
class Command:
    """An accepted velocity command."""

    velocity: Vector  # (joints,), rad/s, in the robot file's order
    stamp: float  # s
    received: float  # s


def by_joint(joints: Sequence[str], names: Sequence[str], values: Sequence[float]) -> Vector:
    """Values (joints,) in the robot's joint order from values by name.

    Raises:
        Refused: Not exactly one finite value for each joint.
    """
    if len(names) != len(values):
        raise Refused(Refusal.WRONG_LENGTH, f"{len(names)} joint names, but {len(values)} values")
    if len(set(names)) != len(names):
        double = next(n for n in names if list(names).count(n) > 1)
        raise Refused(Refusal.DUPLICATE_JOINT, f"joint {double!r} is there twice")
    unknown = [n for n in names if n not in joints]
    if unknown:
        raise Refused(Refusal.UNKNOWN_JOINT, f"no joint {unknown[0]!r}: there are {', '.join(joints)}")
    missing = [n for n in joints if n not in names]
    if missing:
        raise Refused(Refusal.MISSING_JOINT, f"joint {missing[0]!r} is missing")
    value_of = dict(zip(names, values, strict=True))
    ordered = np.array([value_of[n] for n in joints], float)
    if not np.isfinite(ordered).all():
        raise Refused(Refusal.NOT_FINITE, f"not a finite number in {ordered.tolist()}")
    return ordered


def check_stamp(stamp: float, now: float, max_age: float, newest: float) -> None:
    """Refuses commands that are too old, from the future, or older than one that came before.

    Args:
        stamp: When the command was made, s.
        now: The time by the same clock, s.
        max_age: Oldest accepted, s.
        newest: Stamp of the newest accepted command, s.

    Raises:
        Refused: With how old the command is.
    """
    age = now - stamp
    if not age <= max_age:
        raise Refused(Refusal.STALE, f"stamp is {age:.3f} s old, allowed are {max_age} s")
    if age < -FUTURE:
        raise Refused(Refusal.FUTURE, f"stamp is {-age:.3f} s ahead: are the clocks synchronised?")
    if stamp < newest:
        raise Refused(Refusal.OUT_OF_ORDER, f"stamp is {newest - stamp:.3f} s before that of an earlier command")
