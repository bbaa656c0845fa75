"""Writing arrays in the safetensors format: a JSON header and raw bytes, which cannot execute code when they are read.

The safetensors library copies everything before it writes. This module writes large arrays directly from memory without
holding Python's lock, and its header can be reused while the values change. The library is used to read files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[np.generic]]

_TYPES = {
    "float32": "F32",
    "float64": "F64",
    "int64": "I64",
    "uint64": "U64",
    "int32": "I32",
    "uint32": "U32",
    "uint8": "U8",
}
_CHUNK = 1 << 20  # bytes written at once


def header(arrays: Mapping[str, npt.NDArray[np.generic]], metadata: Mapping[str, str] | None = None) -> bytes:
    """Return the part of a safetensors file that precedes the arrays' bytes.

    Args:
        arrays: Arrays by name, in the order in which their bytes will follow.
        metadata: Strings to store in the header.

    Raises:
        ValueError: The format does not support an array's type.
    """
    entries: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    offset = 0
    for name, array in arrays.items():
        if array.dtype.name not in _TYPES:
            raise ValueError(f"{name} is {array.dtype}: convert it to one of {', '.join(_TYPES)}")
        span = [offset, offset + array.nbytes]
        entries[name] = {"dtype": _TYPES[array.dtype.name], "shape": list(array.shape), "data_offsets": span}
        offset += array.nbytes
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def write(file: BinaryIO, arrays: Mapping[str, npt.NDArray[np.generic]], metadata: Mapping[str, str]) -> None:
    """Write a complete safetensors file.

    Raises:
        OSError: The file cannot be written.
        ValueError: The format does not support an array's type.
    """
    file.write(header(arrays, metadata))
    for array in arrays.values():
        for chunk in _chunks(array):
            file.write(chunk)


def _chunks(array: npt.NDArray[np.generic]) -> Iterator[memoryview]:
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    for begin in range(0, len(flat), _CHUNK):
        yield flat[begin : begin + _CHUNK].data
