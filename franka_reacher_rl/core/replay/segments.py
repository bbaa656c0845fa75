"""The replay's rows on disk, each at a position given by its number."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from franka_reacher_rl.core.base.files import sync_folder
from franka_reacher_rl.core.replay.replay import Replay

Checksums = npt.NDArray[np.uint32]  # CRC-32 of each row

_SEGMENT_BYTES = 64 << 20
_CHUNK_BYTES = 4 << 20


def most_bytes(row_type: np.dtype[np.void], capacity: int, added: int) -> int:
    """Return the most that the rows of a run take on the disk.

    Args:
        row_type: Type of a row.
        capacity: Rows of the replay.
        added: Rows that are added between two checkpoints, of which the older one keeps its rows as well.
    """
    return row_type.itemsize * (capacity + added + max(1, _SEGMENT_BYTES // row_type.itemsize) - 1)


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
        self.layout = json.dumps({"rows": self._rows, "row": shapes, "checksum": "crc32"})

    def check(self, layout: str) -> None:
        """Check that files of a layout hold rows of this store's type.

        Raises:
            ValueError: They do not; the message lists the differences.
            OSError: The layout cannot be read.
        """
        if layout == self.layout:
            return
        here = json.loads(self.layout)["row"]
        try:
            there = [(str(name), list(shape), str(kind)) for name, shape, kind in json.loads(layout)["row"]]
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise OSError(f"its layout is damaged: {error}") from None
        if [list(field) for field in there] == here:
            raise ValueError("checkpoint was written by another version of this package: resume with that version")
        differences = [
            f"{a[0]} is {a[1]} in the checkpoint and {b[1]} here" for a, b in zip(there, here) if list(a) != b
        ]
        raise ValueError(f"checkpoint has rows of another shape: {'; '.join(differences)}; resume with its settings")

    def write(self, replay: Replay, begin: int, end: int) -> Checksums:
        """Write rows durably and return their checksums.

        The checksum of a row whose slot is reused meanwhile is meaningless.

        Raises:
            OSError: The rows cannot be written; some of them may have been.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        checksums = np.empty(end - begin, np.uint32)
        for segment, first, last in self._spans(begin, end):
            descriptor = os.open(self._path(segment), os.O_WRONLY | os.O_CREAT, 0o644)
            try:
                checksums[first - begin : last - begin] = self._transfer(descriptor, replay, first, last, writing=True)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(self._folder)
        return checksums

    def read(self, replay: Replay, begin: int, end: int, checksums: Checksums) -> int:
        """Read rows into their slots. Those up to the last damaged one are of no use, whatever their slots hold.

        Args:
            replay: Replay to fill.
            begin: Number of the first row.
            end: Number after the last row.
            checksums: Checksums that `write` returned for these rows.

        Returns:
            Number of the first row after the last one that is missing, has another checksum, or is not finite; `begin`
            if all rows are intact, `end` if none is left.
        """
        kept = begin
        for segment, first, last in self._spans(begin, end):
            try:
                descriptor = os.open(self._path(segment), os.O_RDONLY)
            except OSError:
                kept = last
                continue
            try:
                found = self._transfer(descriptor, replay, first, last, writing=False)
            except (OSError, EOFError):
                kept = last
                continue
            finally:
                os.close(descriptor)
            wrong = np.flatnonzero(found != checksums[first - begin : last - begin])
            if len(wrong):
                kept = first + int(wrong[-1]) + 1
        number = kept
        for part in replay.slots(kept, end):
            wrong = np.flatnonzero(~_finite(part))
            if len(wrong):
                kept = number + int(wrong[-1]) + 1
            number += len(part)
        return kept

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

    def _transfer(self, descriptor: int, replay: Replay, begin: int, end: int, writing: bool) -> Checksums:
        """Copy rows between their slots and a file; return the checksums of the slots afterwards."""
        checksums: list[int] = []
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
                checksums += [zlib.crc32(row.data) for row in part.view(np.uint8).reshape(len(part), -1)]
        return np.array(checksums, np.uint32)


def _finite(rows: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
    """Return for each row whether its values are finite, (rows,)."""
    fields = [rows[name].reshape(len(rows), -1) for name in ("proprioception", "action", "reward")]
    return np.logical_and.reduce([np.isfinite(field).all(1) for field in fields])
