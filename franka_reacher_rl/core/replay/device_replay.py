"""A copy of the replay's frames in device memory, so that only new frames are transferred and not whole batches."""

from __future__ import annotations

import torch

from franka_reacher_rl.core.replay.batch import DeviceBatch, to_device
from franka_reacher_rl.core.replay.replay import Indices, Replay

_CHUNK = 256  # rows copied at once


class DeviceReplay:
    """Samples like its replay, but gathers the frames on the device.

    Rows are still added to the replay, and checkpoints are still made from it.
    """

    def __init__(self, replay: Replay, device: torch.device) -> None:
        """Allocate device memory for the frames of all rows.

        Raises:
            torch.OutOfMemoryError: The device does not have enough memory.
        """
        self._replay, self._device = replay, device
        shape = (replay.capacity, *replay.row_type["frame"].shape)
        self._frames = torch.empty(shape, dtype=torch.uint8, device=device)
        self._copied = 0  # rows copied so far

    def sample(self, n: int) -> DeviceBatch:
        """Draw n transitions uniformly, with replacement.

        Raises:
            ValueError: The replay holds no transition yet.
        """
        shape = (n, self._replay.frames + 1, *self._frames.shape[1:])
        stacks = torch.empty(shape, dtype=torch.uint8, device=self._device)

        def copy(wanted: Indices, slots: Indices) -> None:
            self._follow()
            index = torch.from_numpy(slots).to(self._device, non_blocking=True).flatten()
            chosen = self._frames[index].view(len(slots), *stacks.shape[1:])
            stacks[torch.from_numpy(wanted).to(self._device, non_blocking=True)] = chosen

        return to_device(self._replay.gather(n, copy, stacks), self._device)

    def _follow(self) -> None:
        """Copy the rows added since the last call; `gather` draws again those that are overwritten meanwhile."""
        begin, end = max(self._copied, self._replay.oldest), self._replay.total
        while begin < end:
            count = min(_CHUNK, end - begin)
            slot = begin % self._replay.capacity
            for part in self._replay.slots(begin, begin + count):
                frames = torch.from_numpy(part["frame"])
                self._frames[slot : slot + len(part)].copy_(frames)
                slot = (slot + len(part)) % self._replay.capacity
            begin += count
        self._copied = end
