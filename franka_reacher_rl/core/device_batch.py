"""A sampled batch on the learner's device."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from franka_reacher_rl.core.types import Batch


@dataclass(frozen=True)
class DeviceBatch:
    """A `Batch` as tensors."""

    image: Tensor  # uint8 (batch, channels, height, width)
    next_image: Tensor  # uint8 (batch, channels, height, width)
    proprioception: Tensor  # (batch, 3 * dof)
    next_proprioception: Tensor  # (batch, 3 * dof)
    action: Tensor  # (batch, dof)
    reward: Tensor  # (batch,)
    terminated: Tensor  # (batch,)

    def tensors(self) -> list[Tensor]:
        """All of them, in the order of the fields."""
        return [getattr(self, f.name) for f in fields(self)]


def to_device(batch: Batch, device: torch.device) -> DeviceBatch:
    """The batch on the device; on the CPU it shares the batch's memory."""

    def put(value: npt.NDArray[np.generic] | Tensor) -> Tensor:
        tensor = value if isinstance(value, Tensor) else torch.from_numpy(value)
        return tensor.to(device, non_blocking=True)

    return DeviceBatch(**{f.name: put(getattr(batch, f.name)) for f in fields(DeviceBatch)})


def choose_device(name: str) -> torch.device:
    """The device that `LearnerSettings.device` means.

    Raises:
        ValueError: CUDA is asked for, and there is none.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise ValueError("device = 'cuda', but PyTorch sees no CUDA device: install its driver, or take 'auto'")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and available) else "cpu")
