"""Atomic and durable file writes, and files that outlive a full disk."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

_APPEND_LIMIT = 8 << 20  # bytes that wait in memory while a file cannot be written
_PIECES_AT_ONCE = 512  # the system's limit is 1024


def write_atomic(path: Path, content: str | bytes | memoryview) -> None:
    """Replace a file's content in one step: a reader or a crashed process sees either the old file or the new one.

    Raises:
        OSError: The file cannot be written; the old one is unchanged.
    """
    data = content.encode() if isinstance(content, str) else content
    _replace(path, lambda file: file.write(data), durable=False)


def write_durable(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Like `write_atomic`, and the new file survives a power failure once this returns.

    Args:
        path: The file to replace.
        write: Writes the content to the open file.

    Raises:
        OSError: The file cannot be written; the old one is unchanged.
    """
    _replace(path, write, durable=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a folder's entries (created, renamed and removed files) durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def without_none(values: Any) -> Any:
    """Drop the entries of nested mappings whose value is None: ROS parameters have no null."""
    if isinstance(values, dict):
        return {key: without_none(value) for key, value in values.items() if value is not None}
    return values


def _replace(path: Path, write: Callable[[BinaryIO], object], durable: bool) -> None:
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("wb") as file:
            write(file)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


class AppendFile:
    """A file that grows in pieces and outlives a full or read-only disk.

    What cannot be written stays in memory, in order, and is written by a later `flush`. Beyond a limit, the oldest of
    the waiting pieces are dropped and counted. A piece is never written in part only, except by a crash.

    Attributes:
        failure: Why the last `flush` could not write; empty if it could.
        dropped: Number of pieces dropped so far.
    """

    def __init__(self, path: Path, limit: int = _APPEND_LIMIT) -> None:
        """Describe the file; the first `flush` creates it.

        Args:
            path: The file.
            limit: Bytes that may wait in memory.
        """
        self.path, self._limit = path, limit
        self._descriptor: int | None = None
        self._waiting: deque[bytes] = deque()
        self._size = 0  # bytes waiting
        self.failure = ""
        self.dropped = 0

    @property
    def waiting(self) -> int:
        """Number of pieces that are not written yet."""
        return len(self._waiting)

    def append(self, piece: bytes) -> None:
        """Add a piece of at least one byte, which the next `flush` writes."""
        assert piece
        self._waiting.append(piece)
        self._size += len(piece)
        while self._size > self._limit and len(self._waiting) > 2:
            # The first piece stays: part of it may be written, or it is a header.
            self._size -= len(self._waiting[1])
            del self._waiting[1]
            self.dropped += 1

    def flush(self) -> bool:
        """Hand everything that waits to the operating system; return whether that succeeded."""
        try:
            if self._descriptor is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
                self._descriptor = os.open(self.path, flags, 0o644)
            while self._waiting:
                self._remove(os.writev(self._descriptor, list(islice(self._waiting, _PIECES_AT_ONCE))))
        except OSError as error:
            self.failure = error.strerror or str(error)
            return False
        self.failure = ""
        return True

    def sync(self) -> None:
        """Write everything durably.

        Raises:
            OSError: Something cannot be written, or was dropped.
        """
        if not self.flush():
            raise OSError(f"{self.path} cannot be written: {self.failure}")
        if self.dropped:
            raise OSError(f"{self.path} lacks {self.dropped} entries, which could not be written")
        assert self._descriptor is not None
        os.fsync(self._descriptor)

    def close(self) -> bool:
        """Write what still waits and close the file; return whether everything is written."""
        written = self.flush()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        return written

    def _remove(self, written: int) -> None:
        """Remove the bytes that were written from those that wait."""
        self._size -= written
        while written:
            first = self._waiting.popleft()
            if written < len(first):
                self._waiting.appendleft(first[written:])
            written -= min(written, len(first))
