"""The replay's rows on disk, each at a position given by its number."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

from franka_reacher_rl.core.base.files import sync_folder
from franka_reacher_rl.core.replay.replay import Replay

_SEGMENT_BYTES = 64 << 20
_CHUNK_BYTES = 4 << 20


class SegmentStore:
    """Segment files of a fixed number of rows; row n is row n % rows of file n // rows.

    Rows are never moved, so rows that are written again after a resume replace their earlier versions.
    """

    def __init__(self, folder: Path, row_type: np.dtype[np.void]) -> None:
        """Describe the store; the first write creates its files.

        Args:
            folder: Folder of the files.
            row_type: Type of a row, whose bytes are stored.
        """
        self._folder, self._size = folder, row_type.itemsize
        self._rows = max(1, _SEGMENT_BYTES // row_type.itemsize)
        shapes = [[name, list(row_type[name].shape), row_type[name].base.str] for name in row_type.names or ()]
        self.layout = json.dumps({"rows": self._rows, "row": shapes})

    def check(self, layout: str) -> None:
        """Check that files of a layout hold rows of this store's type.

        Raises:
            ValueError: They do not; the message lists the differences.
        """
        if layout == self.layout:
            return
        pairs = zip(json.loads(layout)["row"], json.loads(self.layout)["row"], strict=False)
        differences = [f"{a[0]} is {a[1]} in the checkpoint and {b[1]} here" for a, b in pairs if a != b]
        raise ValueError(f"checkpoint has rows of another shape: {'; '.join(differences)}; resume with its settings")

    def write(self, replay: Replay, begin: int, end: int) -> None:
        """Write rows durably.

        Raises:
            OSError: The rows cannot be written; some of them may have been.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        for segment, first, last in self._spans(begin, end):
            descriptor = os.open(self._path(segment), os.O_WRONLY | os.O_CREAT, 0o644)
            try:
                self._transfer(descriptor, replay, first, last, writing=True)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(self._folder)

    def read(self, replay: Replay, begin: int, end: int) -> None:
        """Read rows into their slots.

        Raises:
            OSError: A file is missing.
            EOFError: A file is too short.
        """
        for segment, first, last in self._spans(begin, end):
            descriptor = os.open(self._path(segment), os.O_RDONLY)
            try:
                self._transfer(descriptor, replay, first, last, writing=False)
            finally:
                os.close(descriptor)

    def remove_before(self, row: int) -> None:
        """Remove the files that hold only rows before this one."""
        for path in self._folder.glob("*.rows"):
            if (int(path.stem) + 1) * self._rows <= row:
                path.unlink(missing_ok=True)

    def _path(self, segment: int) -> Path:
        return self._folder / f"{segment:08d}.rows"

    def _spans(self, begin: int, end: int) -> list[tuple[int, int, int]]:
        """Return (segment, first row, row after the last) for each file that rows begin to end belong to."""
        spans = []
        while begin < end:
            segment = begin // self._rows
            last = min(end, (segment + 1) * self._rows)
            spans.append((segment, begin, last))
            begin = last
        return spans

    def _transfer(self, descriptor: int, replay: Replay, begin: int, end: int, writing: bool) -> None:
        step = max(1, _CHUNK_BYTES // self._size)
        for first in range(begin, end, step):
            offset = (first % self._rows) * self._size
            for part in replay.slots(first, min(end, first + step)):
                view = part.view(np.uint8).data
                while len(view):
                    move = os.pwritev if writing else os.preadv
                    done = move(descriptor, [view], offset)
                    if done == 0:
                        raise EOFError(f"{self._path(begin // self._rows).name} is too short")
                    view, offset = view[done:], offset + done
