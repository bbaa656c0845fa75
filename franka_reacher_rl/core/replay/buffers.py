"""Memory for sampled batches that is used again once nobody holds the batch."""

from __future__ import annotations

import math
import weakref
from typing import Any

import numpy as np
import numpy.typing as npt
import torch


class BufferPool:
    """Hands out arrays; filling fresh pages would cost as much again as filling them."""

    def __init__(self, pinned: bool = False) -> None:
        """Makes an empty pool.

        Args:
            pinned: Page-locked memory, from which CUDA copies without a detour.
        """
        self._pinned = pinned
        self._free: dict[int, list[Any]] = {}

    def take(self, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
        """An array of that shape, its contents anything. It comes back when the last view of it is gone."""
        size = math.prod(shape)
        free = self._free.setdefault(size, [])
        try:
            memory = free.pop()
        except IndexError:
            memory = torch.empty(size, dtype=torch.uint8, pin_memory=True) if self._pinned else bytearray(size)
        # Every view of this array refers to it and not to `memory`, so its end is the end of all of them.
        lease: npt.NDArray[np.uint8] = memory.numpy() if self._pinned else np.frombuffer(memory, np.uint8)
        weakref.finalize(lease, free.append, memory).atexit = False
        return lease.reshape(shape)
