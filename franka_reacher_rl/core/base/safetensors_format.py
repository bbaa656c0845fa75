"""Arrays as safetensors: a JSON header and the raw bytes, so nothing that is read can run code.

Written here rather than by the safetensors library so that large arrays go straight from memory to the file without
holding Python's lock, and so that a policy's header is made once and not at every update. Reading is the library's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

_TYPES = {"float32": "F32", "float64": "F64", "int64": "I64", "uint64": "U64", "int32": "I32", "uint8": "U8"}
_CHUNK = 1 << 20  # bytes written at once


def header(arrays: Mapping[str, npt.NDArray[np.generic]], metadata: Mapping[str, str] | None = None) -> bytes:
    """What comes before the arrays' bytes in a safetensors file.

    Args:
        arrays: Name to array, in the order in which their bytes will follow.
        metadata: Words to go with them.

    Raises:
        ValueError: An array's type has no name in the format.
    """
    entries: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    offset = 0
    for name, array in arrays.items():
        if array.dtype.name not in _TYPES:
            raise ValueError(f"{name} is {array.dtype}: only {', '.join(_TYPES)} can be saved")
        span = [offset, offset + array.nbytes]
        entries[name] = {"dtype": _TYPES[array.dtype.name], "shape": list(array.shape), "data_offsets": span}
        offset += array.nbytes
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def write(file: BinaryIO, arrays: Mapping[str, npt.NDArray[np.generic]], metadata: Mapping[str, str]) -> None:
    """Writes a whole safetensors file.

    Raises:
        OSError: The file cannot be written.
        ValueError: An array's type has no name in the format.
    """
    file.write(header(arrays, metadata))
    for array in arrays.values():
        for chunk in _chunks(array):
            file.write(chunk)


def _chunks(array: npt.NDArray[np.generic]) -> Iterator[memoryview]:
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    for begin in range(0, len(flat), _CHUNK):
        yield flat[begin : begin + _CHUNK].data


class FlatWeights:
    """The weights of a float32 module in the safetensors format, in one block of memory."""

    def __init__(self, module: nn.Module) -> None:
        self._tensors: dict[str, Tensor] = dict(module.state_dict())
        # shapes and types are all the header asks for
        shapes = {name: np.broadcast_to(np.float32(0), tuple(t.shape)) for name, t in self._tensors.items()}
        text = header(shapes)
        size = 4 * sum(t.numel() for t in self._tensors.values())
        self._block = np.empty(len(text) + size, np.uint8)
        self._block[: len(text)] = np.frombuffer(text, np.uint8)
        self._values = torch.from_numpy(self._block[len(text) :].view(np.float32))

    @torch.no_grad()
    def bytes(self) -> memoryview:
        """The weights as they are now; the memory is written anew by the next call."""
        flat = [t.reshape(-1) for t in self._tensors.values()]
        if flat[0].device == self._values.device:
            torch.cat(flat, out=self._values)
        else:  # gathered on the device first: one transfer instead of one per tensor
            self._values.copy_(torch.cat(flat))
        return self._block.data
