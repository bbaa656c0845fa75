"""The learner's use of the machine: device, arithmetic, threads, priority and memory."""

from __future__ import annotations

import ctypes
import functools
import os
from pathlib import Path

import torch

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8  # malloc.h of glibc
_MADV_HUGEPAGE, _HUGE_PAGE = 14, 2 << 20  # mman.h of Linux; bytes
_HUGE_BYTES = 3 << 29  # more than the memory of a high-resolution update, less than the trim threshold


def choose_device(name: str) -> torch.device:
    """Return the device that `LearnerSettings.device` selects.

    Raises:
        ValueError: CUDA is requested but not available.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise ValueError(
            "device = 'cuda', but PyTorch finds no CUDA device: install its driver, or use 'auto' or 'cpu'"
        )
    return torch.device("cuda" if name == "cuda" or (name == "auto" and available) else "cpu")


def choose_dtype(precision: str, device: torch.device) -> torch.dtype:
    """Return the type of the convolutions that `LearnerSettings.precision` selects.

    `auto` selects bfloat16 where the hardware multiplies bfloat16 matrices: CUDA from compute capability 8, x86 with
    AMX or AVX-512 BF16, 64-bit ARM with BF16. Elsewhere bfloat16 is emulated and slower than float32.
    """
    if precision != "auto":
        return torch.bfloat16 if precision == "bfloat16" else torch.float32
    if device.type == "cuda":
        native = torch.cuda.get_device_capability(device) >= (8, 0)
    else:
        native = bool(processor_features() & {"amx_bf16", "avx512_bf16", "bf16"})
    return torch.bfloat16 if native else torch.float32


def allow_tf32(allowed: bool) -> None:
    """Set whether CUDA multiplies float32 numbers in TF32; PyTorch's defaults differ between operations."""
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def processor_features() -> set[str]:
    """Return the processor's feature flags; empty if the system does not list them."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return next((set(line.split()) for line in lines if line.startswith(("flags", "Features"))), set())


def prepare_learner(threads: int = 0, nice: int = 0, cores: str = "") -> None:
    """Set up this process for updates; call it once, before any network is made.

    Args:
        threads: Threads of PyTorch's arithmetic; 0 for one per core that the process may use.
        nice: Minimum niceness; a process cannot lower its own.
        cores: Cores to stay on, for example `1,2-3`; empty for all.

    Raises:
        ValueError: The process may not use one of the cores.
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
    """Parse a list of cores such as `1,2-3`.

    Raises:
        ValueError: The text is not such a list.
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


def leave_cores_to_updates() -> None:
    """Let the calling thread compute alone, beside the thread of the updates.

    With threads for both, OpenMP counts twice as many as there are cores, and those of the updates hardly spin while
    they wait for each other.
    """
    torch.set_num_threads(1)


@functools.cache
def keep_freed_memory() -> bool:
    """Make malloc keep freed memory instead of returning it to the system, and prefer huge pages.

    Every update allocates and frees activations of tens of megabytes. The page faults of fresh memory cost more than
    the arithmetic (a ReLU over 54 MB takes 13 ms with fresh pages, 3 ms without). Call it before other threads allocate
    memory: a thread that has a heap of its own returns it in pieces of 64 MB.

    Returns:
        Whether the C library accepted the settings; only glibc is known to do so.
    """
    libc = ctypes.CDLL(None)
    try:
        mallopt, malloc, free, madvise = libc.mallopt, libc.malloc, libc.free, libc.madvise
    except AttributeError:
        return False
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 64 << 20), (_M_ARENA_MAX, 1))
    if not all(mallopt(*setting) for setting in settings):
        return False
    # The freed block stays at the end of the heap, where the next allocations take their memory from.
    malloc.restype, malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    free.restype, free.argtypes = None, [ctypes.c_void_p]
    madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    if block := malloc(_HUGE_BYTES):
        madvise(-(-block // _HUGE_PAGE) * _HUGE_PAGE, _HUGE_BYTES - _HUGE_PAGE, _MADV_HUGEPAGE)
        free(block)
    return True
