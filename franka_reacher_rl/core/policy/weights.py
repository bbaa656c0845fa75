"""The weights of a policy as one block of bytes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from franka_reacher_rl.core.base.safetensors_format import header


class FlatWeights:
    """The weights of a float32 module in the safetensors format, gathered into one block of memory."""

    def __init__(self, module: nn.Module) -> None:
        """Allocate the block; the module's parameters must stay the same tensors."""
        self._tensors: dict[str, Tensor] = dict(module.state_dict())
        # the header only depends on shapes and types
        shapes = {name: np.broadcast_to(np.float32(0), tuple(t.shape)) for name, t in self._tensors.items()}
        text = header(shapes)
        size = 4 * sum(t.numel() for t in self._tensors.values())
        self._block = np.empty(len(text) + size, np.uint8)
        self._block[: len(text)] = np.frombuffer(text, np.uint8)
        self._values = torch.from_numpy(self._block[len(text) :].view(np.float32))

    @property
    def last(self) -> memoryview:
        """The weights as the last call of `bytes` returned them."""
        return self._block.data

    @torch.no_grad()
    def bytes(self) -> memoryview:
        """Return the current weights as a safetensors file; the next call overwrites the memory."""
        flat = [t.reshape(-1) for t in self._tensors.values()]
        if flat[0].device == self._values.device:
            torch.cat(flat, out=self._values)
        else:  # gathered on the device: one transfer instead of one per tensor
            self._values.copy_(torch.cat(flat))
        return self._block.data
