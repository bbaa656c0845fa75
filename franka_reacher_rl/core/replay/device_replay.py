"""A copy of the replay's frames in device memory, so that no batch travels: only new frames do."""

from __future__ import annotations

import torch
from torch import Tensor

from franka_reacher_rl.core.replay.device_batch import DeviceBatch, to_device
from franka_reacher_rl.core.replay.replay import Indices, Replay

_CHUNK = 256  # rows copied at once


class DeviceReplay:
    """Samples like its replay, with the images gathered on the device.

    The replay stays what it is: rows are added there and checkpoints are made of it.
    """

    def __init__(self, replay: Replay, device: torch.device) -> None:
        """Takes device memory for all rows.

        Raises:
            torch.OutOfMemoryError: The device has not enough.
        """
        self._replay, self._device = replay, device
        shape = (replay.capacity, *replay.row_type["frame"].shape)
        self._frames = torch.empty(shape, dtype=torch.uint8, device=device)
        self._copied = 0  # rows copied so far

    def sample(self, n: int) -> DeviceBatch:
        """Draws transitions evenly, with replacement.

        Raises:
            ValueError: There is no transition yet.
        """
        stacks = torch.empty(
            (n, self._replay.frames + 1, *self._frames.shape[1:]), dtype=torch.uint8, device=self._device
        )

        def copy(wanted: Indices, slots: Indices) -> None:
            self._follow()
            index = torch.from_numpy(slots).to(self._device, non_blocking=True).flatten()
            chosen = self._frames[index].view(len(slots), *stacks.shape[1:])
            stacks[torch.from_numpy(wanted).to(self._device, non_blocking=True)] = chosen

        flat: Tensor = stacks.view(n, -1, *stacks.shape[3:])
        return to_device(self._replay.gather(n, copy, flat[:, 3:], flat[:, :-3]), self._device)

    def _follow(self) -> None:
        """Copies the rows added since; `gather` leaves out those that the writer overwrote meanwhile."""
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
