"""Steady time for durations and deadlines, and its relation to message stamps.

The wall clock may be stepped at any time. Only message stamps are wall time; a stamp is converted to steady time once,
when its message arrives.
"""

from __future__ import annotations

import time

from builtin_interfaces.msg import Time

from franka_reacher_rl.core.base.datatypes import Nanoseconds

_SECOND = 1_000_000_000


def steady_ns() -> Nanoseconds:
    """Return the steady time in ns. Its origin is arbitrary; processes on one host share it."""
    return time.monotonic_ns()


def steady_seconds() -> float:
    """Return the steady time in s."""
    return steady_ns() * 1e-9


def stamp_ns(stamp: Time) -> Nanoseconds:
    """Return a message stamp in ns since the epoch."""
    return int(stamp.sec) * _SECOND + int(stamp.nanosec)


def steady_from_stamp(stamp: Time) -> Nanoseconds:
    """Return the steady time (ns) at which a message that has just arrived was stamped.

    The age of the stamp is measured with the wall clock now, so a clock step disturbs only the messages in flight. A
    stamp from a sender whose clock is ahead gives a time in the future.
    """
    return steady_ns() - (time.time_ns() - stamp_ns(stamp))


def stamp_from_steady(steady: Nanoseconds) -> Time:
    """Return the message stamp of a steady time: the inverse of `steady_from_stamp`."""
    nanoseconds = time.time_ns() - (steady_ns() - steady)
    return Time(sec=nanoseconds // _SECOND, nanosec=nanoseconds % _SECOND)
