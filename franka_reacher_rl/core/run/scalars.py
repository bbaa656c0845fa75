"""Scalars for TensorBoard, in a file that outlives a full disk.

TensorBoard's own writer hands its events to a thread, which ends with the first error. Its record format is written
here too, because the module that writes it loads hundreds of others.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event  # type: ignore[import-untyped]
from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]

from franka_reacher_rl.core.base.files import AppendFile


def _table() -> list[int]:
    """Return the CRC-32C (polynomial 0x1EDC6F41, reflected) of each byte."""
    table = list(range(256))
    for _ in range(8):
        table = [(value >> 1) ^ (0x82F63B78 if value & 1 else 0) for value in table]
    return table


_TABLE = _table()


class Scalars:
    """Writes an event file of its own into a folder."""

    def __init__(self, folder: Path) -> None:
        """Begin the file.

        Args:
            folder: Folder of the event files, which exists.
        """
        began = time.time()
        self.file = AppendFile(folder / f"events.out.tfevents.{began:.0f}.{os.getpid()}")
        self.file.append(record(Event(wall_time=began, file_version="brain.Event:2").SerializeToString()))

    def add(self, prefix: str, values: Mapping[str, Any], step: int) -> None:
        """Add numbers at a step, each under `<prefix>/<name>`; unknown values (NaN) and texts are left out."""
        known = [
            Summary.Value(tag=f"{prefix}/{name}", simple_value=float(value))
            for name, value in values.items()
            if isinstance(value, (int, float)) and value == value
        ]
        if known:
            event = Event(wall_time=time.time(), step=step, summary=Summary(value=known))
            self.file.append(record(event.SerializeToString()))


def record(data: bytes) -> bytes:
    """Return data as a TFRecord: length, checksum of the length, data, checksum of the data."""
    length = struct.pack("<Q", len(data))
    return length + _checksum(length) + data + _checksum(data)


def _checksum(data: bytes) -> bytes:
    """Return the masked CRC-32C of TFRecord."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
