"""Ends the process after a time with a chosen exit code, also while a library blocks with Python's lock held."""

from __future__ import annotations

import ctypes

_CLOCK_MONOTONIC, _SIGEV_THREAD = 1, 2  # linux/time.h, asm-generic/siginfo.h


class _Value(ctypes.Union):
    """`union sigval`."""

    _fields_ = [("number", ctypes.c_int), ("pointer", ctypes.c_void_p)]


class _Event(ctypes.Structure):
    """`struct sigevent` of Linux, for SIGEV_THREAD."""

    _fields_ = [
        ("value", _Value),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("function", ctypes.c_void_p),
        ("attributes", ctypes.c_void_p),
        ("padding", ctypes.c_char * 32),
    ]


class _Times(ctypes.Structure):
    """`struct itimerspec`."""

    _fields_ = [(name, ctypes.c_long) for name in ("period", "period_ns", "first", "first_ns")]


def exit_within(seconds: float, code: int) -> None:
    """Have the C library end the process from a thread of its own.

    A signal cannot do this: a Python handler does not run while a library blocks, and the default action has an exit
    status of its own.

    Args:
        seconds: Time that the process still has.
        code: Exit code that it ends with if it has not ended before.

    Raises:
        OSError: The timer cannot be made.
    """
    library = ctypes.CDLL(None, use_errno=True)
    end = ctypes.cast(library._exit, ctypes.c_void_p)
    event = _Event(value=_Value(number=code), notify=_SIGEV_THREAD, function=end)
    timer, whole = ctypes.c_void_p(), int(seconds)
    times = _Times(first=whole, first_ns=round(1e9 * (seconds - whole)))
    if library.timer_create(_CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)) or library.timer_settime(
        timer, 0, ctypes.byref(times), None
    ):
        raise OSError(ctypes.get_errno(), "no timer can be made")
