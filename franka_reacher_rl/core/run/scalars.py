"""Scalars for TensorBoard, in a file that outlives a full disk.

TensorBoard's own writer hands its events to a thread, which ends with the first error.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event  # type: ignore[import-untyped]
from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]
from tensorboard.summary.writer.record_writer import RecordWriter  # type: ignore[import-untyped]

from franka_reacher_rl.core.base.files import AppendFile


class Scalars:
    """Writes an event file of its own into a folder."""

    def __init__(self, folder: Path) -> None:
        """Begin the file.

        Args:
            folder: Folder of the event files, which exists.
        """
        began = time.time()
        self.file = AppendFile(folder / f"events.out.tfevents.{began:.0f}.{os.getpid()}")
        self._records = RecordWriter(self)
        self._records.write(Event(wall_time=began, file_version="brain.Event:2").SerializeToString())

    def write(self, record: bytes) -> None:
        """Take one encoded event of the record writer."""
        self.file.append(record)

    def add(self, prefix: str, values: Mapping[str, Any], step: int) -> None:
        """Add numbers at a step, each under `<prefix>/<name>`; unknown values (NaN) and texts are left out."""
        known = [
            Summary.Value(tag=f"{prefix}/{name}", simple_value=float(value))
            for name, value in values.items()
            if isinstance(value, (int, float)) and value == value
        ]
        if known:
            event = Event(wall_time=time.time(), step=step, summary=Summary(value=known))
            self._records.write(event.SerializeToString())
