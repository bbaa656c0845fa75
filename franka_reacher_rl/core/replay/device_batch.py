"""The learner's device, its arithmetic, and a sampled batch on it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from franka_reacher_rl.core.base.datatypes import Batch


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

    joined = joined_images(batch) if device.type != "cpu" else None
    if joined is None:
        return DeviceBatch(**{f.name: put(getattr(batch, f.name)) for f in fields(DeviceBatch)})
    stacks = put(joined)
    rest = {f.name: put(getattr(batch, f.name)) for f in fields(DeviceBatch) if "image" not in f.name}
    return DeviceBatch(image=stacks[:, 3:], next_image=stacks[:, :-3], **rest)


def joined_images(batch: Batch) -> npt.NDArray[np.uint8] | None:
    """The replay's memory that both images of a batch are views of, (batch, 3 * (frames + 1), height, width).

    A third less to transfer, and contiguous. None where the images are not such views.
    """
    newer, older = batch.next_image, batch.image
    if not isinstance(newer, np.ndarray) or newer.base is None or newer.base is not older.base:
        return None
    n, channels, height, width = newer.shape
    plane = height * width
    overlap = older.ctypes.data - newer.ctypes.data == 3 * plane and older.shape == newer.shape
    if not overlap or newer.strides != ((channels + 3) * plane, plane, width, 1) or older.strides != newer.strides:
        return None
    return np.lib.stride_tricks.as_strided(newer, (n, channels + 3, height, width))


def choose_dtype(precision: str, device: torch.device) -> torch.dtype:
    """The type of the convolutions that `LearnerSettings.precision` means.

    auto: bfloat16 where the processor multiplies matrices of it (CUDA from compute capability 8, x86 with AMX or
    AVX-512 BF16, 64-bit ARM with BF16); elsewhere it is emulated, and slower than float32.
    """
    if precision != "auto":
        return torch.bfloat16 if precision == "bfloat16" else torch.float32
    if device.type == "cuda":
        native = torch.cuda.get_device_capability(device) >= (8, 0)
    else:
        native = bool(processor_features() & {"amx_bf16", "avx512_bf16", "bf16"})
    return torch.bfloat16 if native else torch.float32


def processor_features() -> set[str]:
    """What this machine's processor says it can do; nothing where it does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return next((set(line.split()) for line in lines if line.startswith(("flags", "Features"))), set())


def choose_device(name: str) -> torch.device:
    """The device that `LearnerSettings.device` means.

    Raises:
        ValueError: CUDA is asked for, and there is none.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise ValueError("device = 'cuda', but PyTorch sees no CUDA device: install its driver, or take 'auto'")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and available) else "cpu")
