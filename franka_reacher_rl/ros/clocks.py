"""Steady time for durations and deadlines, and its relation to message stamps.

The wall clock may be stepped at any time. Only message stamps are wall time; a stamp is converted to steady time once,
when its message arrives.
"""

from __future__ import annotations

import time

from builtin_interfaces.msg import Time

from franka_reacher_rl.core.base.datatypes import Nanoseconds

_SECOND = 1_000_000_000
_LAST_SECOND = 2**31 - 1  # that a stamp can hold
FUTURE: Nanoseconds = 100_000_000  # a measurement may be stamped at most this far ahead


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

    Raises:
        ValueError: The stamp is not a time.
    """
    if stamp.nanosec >= _SECOND:
        raise ValueError(f"its stamp has {stamp.nanosec} ns: at most {_SECOND - 1} are a time")
    return steady_ns() - (time.time_ns() - stamp_ns(stamp))


def measured_from_stamp(stamp: Time) -> Nanoseconds:
    """Return the steady time (ns) at which what a message says, which has just arrived, was measured.

    Raises:
        ValueError: The stamp is not a time, or in the future, so that the measurement would not grow old.
    """
    measured = steady_from_stamp(stamp)
    ahead = measured - steady_ns()
    if ahead > FUTURE:
        raise ValueError(
            f"its stamp is {1e-9 * ahead:.3f} s ahead: at most {1e-9 * FUTURE:g} s is allowed; synchronise the clocks "
            "of the computers"
        )
    return measured


def stamp_from_steady(steady: Nanoseconds) -> Time:
    """Return the message stamp of a steady time: the inverse of `steady_from_stamp`.

    A time that a stamp cannot hold gives the first or last one that it can hold.
    """
    seconds, nanoseconds = divmod(time.time_ns() - (steady_ns() - steady), _SECOND)
    return Time(sec=min(max(seconds, -_LAST_SECOND), _LAST_SECOND), nanosec=nanoseconds)
