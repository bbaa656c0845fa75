"""A sampled set of transitions, in host memory and as tensors on the learner's device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from franka_reacher_rl.core.base.settings import ImageSettings

T = TypeVar("T", bound="TensorRecord")


@dataclass(frozen=True)
class Batch:
    """A sampled set of transitions in host memory.

    The stacks before and after an action have all but one frame in common, so each transition's frames are held once
    and both stacks are views of them.
    """

    frames: npt.NDArray[np.uint8]  # (batch, stack + 1, 3, height, width), newest frame first, uncropped
    proprioception: npt.NDArray[np.float32]  # (batch, 3 * joints)
    next_proprioception: npt.NDArray[np.float32]  # (batch, 3 * joints)
    action: npt.NDArray[np.float32]  # (batch, joints)
    reward: npt.NDArray[np.float32]  # (batch,)
    terminated: npt.NDArray[np.float32]  # (batch,), 1 where the task ended and nothing is bootstrapped
    index: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))  # (batch,), row numbers

    @property
    def image(self) -> npt.NDArray[np.uint8]:
        """Stacks before the action, (batch, 3 * stack, height, width); a view of `frames`."""
        return self.frames[:, 1:].reshape(len(self.frames), -1, *self.frames.shape[3:])

    @property
    def next_image(self) -> npt.NDArray[np.uint8]:
        """Stacks after the action, (batch, 3 * stack, height, width); a view of `frames`."""
        return self.frames[:, :-1].reshape(len(self.frames), -1, *self.frames.shape[3:])


class TensorRecord:
    """Base of dataclasses whose fields are tensors; converts them to and from a mapping by field name."""

    def tensors(self) -> dict[str, Tensor]:
        """Return the fields by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]

    @classmethod
    def from_tensors(cls: type[T], tensors: Mapping[str, Tensor]) -> T:
        """Make a record from a mapping that has its fields among its keys."""
        return cls(**{f.name: tensors[f.name] for f in fields(cls)})  # type: ignore[arg-type]

    def to(self: T, device: torch.device) -> T:
        """Return the record on a device; tensors that are there already are shared, not copied."""
        return type(self)(**{name: tensor.to(device, non_blocking=True) for name, tensor in self.tensors().items()})


@dataclass(frozen=True)
class DeviceBatch(TensorRecord):
    """A `Batch` as tensors."""

    frames: Tensor  # uint8 (batch, stack + 1, 3, height, width), newest frame first, uncropped
    proprioception: Tensor  # (batch, 3 * joints)
    next_proprioception: Tensor  # (batch, 3 * joints)
    action: Tensor  # (batch, joints)
    reward: Tensor  # (batch,)
    terminated: Tensor  # (batch,)

    @classmethod
    def zeros(cls, batch: int, image: ImageSettings, dof: int) -> DeviceBatch:
        """Return a batch of zeros in host memory."""
        frames = torch.zeros((batch, image.frames + 1, 3, image.height, image.width), dtype=torch.uint8)
        proprioception, scalars = torch.zeros((2, batch, 3 * dof)), torch.zeros((2, batch))
        action = torch.zeros((batch, dof))
        return cls(frames, proprioception[0], proprioception[1], action, scalars[0], scalars[1])

    @property
    def image(self) -> Tensor:
        """Stacks before the action, (batch, 3 * stack, height, width); a view of `frames`."""
        return self.frames[:, 1:].flatten(1, 2)

    @property
    def next_image(self) -> Tensor:
        """Stacks after the action, (batch, 3 * stack, height, width); a view of `frames`."""
        return self.frames[:, :-1].flatten(1, 2)


def to_device(batch: Batch, device: torch.device) -> DeviceBatch:
    """Return the batch as tensors on a device; on the CPU they share the batch's memory."""

    def tensor(value: npt.NDArray[np.generic] | Tensor) -> Tensor:
        return value if isinstance(value, Tensor) else torch.from_numpy(value)

    return DeviceBatch(**{f.name: tensor(getattr(batch, f.name)) for f in fields(DeviceBatch)}).to(device)
