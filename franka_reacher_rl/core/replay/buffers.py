"""Reusable memory for sampled batches."""

from __future__ import annotations

import math
import weakref
from typing import Any

import numpy as np
import numpy.typing as npt
import torch


class BufferPool:
    """A pool of arrays, which saves the page faults of fresh memory: they cost as much as copying a batch."""

    def __init__(self, pinned: bool = False) -> None:
        """Create an empty pool.

        Args:
            pinned: Whether to allocate page-locked memory, from which CUDA copies without an intermediate buffer.
        """
        self._pinned = pinned
        self._free: dict[int, list[Any]] = {}

    def take(self, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
        """Return an uninitialised array; its memory returns to the pool once the last view of it is deleted."""
        size = math.prod(shape)
        free = self._free.setdefault(size, [])
        try:
            memory = free.pop()
        except IndexError:
            memory = torch.empty(size, dtype=torch.uint8, pin_memory=True) if self._pinned else bytearray(size)
        # Every view of this array holds a reference to it, not to `memory`, so it is finalised after all of them.
        lease: npt.NDArray[np.uint8] = memory.numpy() if self._pinned else np.frombuffer(memory, np.uint8)
        weakref.finalize(lease, free.append, memory).atexit = False
        return lease.reshape(shape)
