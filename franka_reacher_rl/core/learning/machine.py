"""What a learner's process asks of the machine it runs on."""

from __future__ import annotations

import ctypes
import os

import torch

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # malloc.h of glibc


def prepare_learner(threads: int = 0, nice: int = 0, cores: str = "") -> None:
    """Sets up this process for updates. Call it once, before any network is made.

    Args:
        threads: Of PyTorch's arithmetic; 0: one per core that the process may use.
        nice: Niceness at least; a process cannot lower its own.
        cores: To stay on, for example `1,2-3`; empty: all.

    Raises:
        ValueError: There is no such core.
    """
    if cores:
        wanted, allowed = parse_cores(cores), os.sched_getaffinity(0)
        if not wanted <= allowed:
            raise ValueError(f"cores = {cores!r} is not allowed: this process may use {sorted(allowed)}")
        os.sched_setaffinity(0, wanted)
    current = os.getpriority(os.PRIO_PROCESS, 0)
    if nice > current:
        os.nice(nice - current)
    torch.set_num_threads(threads or len(os.sched_getaffinity(0)))
    keep_freed_memory()


def parse_cores(text: str) -> set[int]:
    """The cores that `1,2-3` names.

    Raises:
        ValueError: It names none.
    """
    cores: set[int] = set()
    try:
        for part in text.split(","):
            first, _, last = part.partition("-")
            cores.update(range(int(first), int(last or first) + 1))
    except ValueError:
        cores = set()
    if not cores:
        raise ValueError(f"cores = {text!r} is not a list such as 1,2-3")
    return cores


def keep_freed_memory() -> bool:
    """Has malloc keep what is freed instead of giving it back to the system.

    Every update allocates and frees activations of tens of megabytes; fresh pages for them cost more than the
    arithmetic on them (a ReLU over 54 MB: 13 ms with fresh pages, 3 ms without).

    Returns:
        Whether the C library took it; another than glibc may not.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return all([mallopt(_M_MMAP_MAX, 0), mallopt(_M_TRIM_THRESHOLD, 2**31 - 1), mallopt(_M_TOP_PAD, 64 << 20)])
