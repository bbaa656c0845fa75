"""A bounded queue of numbered messages on disk, which outlives its process.

Messages are appended to segment files. The name of a file is the number of its first message, so numbers are
consecutive within a file and may jump from one file to the next. When the spool is full, its oldest file is removed.

What was appended survives the end of the process, but not a power failure: nothing is synced to the disk. A message
that was not written completely ends its file; a message whose checksum differs is left out when it is read.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import zlib
from array import array
from bisect import bisect_right
from pathlib import Path

from franka_reacher_rl.core.base.files import write_atomic

_RECORD = struct.Struct("<4sII")  # mark, bytes, CRC-32 of the message
_MARK = b"msg1"
_SUFFIX = ".spool"
_RUN_FILE = "run_id"
_LARGEST_SEGMENT = 32 << 20  # bytes
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Spool:
    """Keeps the newest messages of one run, numbered from 1.

    Attributes:
        damaged: Messages found damaged since the spool was opened.
    """

    def __init__(self, folder: Path, run_id: str, limit: int) -> None:
        """Open the spool in a folder, which is created if necessary. The messages of another run are removed.

        Args:
            folder: Folder of the files.
            run_id: Identifier of the run.
            limit: Most bytes on disk.

        Raises:
            OSError: The folder cannot be used.
            ValueError: Another process uses it.
        """
        self._folder, self._limit = folder, limit
        self._segment_bytes = min(_LARGEST_SEGMENT, max(1, limit // 16))
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(folder)
        self.damaged = 0
        self._segments: list[_Segment] = []
        self._open(run_id)
        self._own: int | None = self.next  # messages from here on are of this process and unsent; None: `settle`d

    @property
    def oldest(self) -> int:
        """Number of the oldest message; that of the next one if there is none."""
        return self._segments[0].first if self._segments else self.next

    @property
    def next(self) -> int:
        """Number of the next message."""
        return self._next

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(segment.size for segment in self._segments)

    def append(self, message: bytes) -> int:
        """Store a message and return its number.

        Raises:
            OSError: It cannot be written, although the oldest messages were removed; it has no number.
            ValueError: It is larger than the spool.
        """
        size = _RECORD.size + len(message)
        if size > self._limit:
            raise ValueError(f"a message of {len(message)} bytes does not fit into a spool of {self._limit} bytes")
        while self._segments and self.size + size > self._limit:
            self._remove_oldest()
        while True:
            try:
                self._segment_for(size).append(message)
                break
            except OSError as error:
                if error.errno not in _FULL or not self.size:
                    raise
                self._remove_oldest()
        self._next += 1
        return self._next - 1

    def read(self, number: int) -> tuple[int, bytes] | None:
        """Return the message with a number or, if it is not held, the first one after it, with its number.

        Returns None if there is no such message.

        Raises:
            OSError: A file cannot be read.
        """
        at = bisect_right(self._segments, number, key=lambda segment: segment.first)
        for segment in self._segments[max(0, at - 1) :]:
            for wanted in range(max(number, segment.first), segment.next):
                message = segment.read(wanted)
                if message is not None:
                    return wanted, message
                self.damaged += 1
        return None

    def continue_from(self, number: int) -> None:
        """Give the messages that this process has appended the numbers from `number` on, and so the next ones.

        The receiver has the messages up to `number` - 1, some of which this spool has lost. Numbers never
        decrease, so a lower number has no effect. After `settle`, only the next messages are meant.

        Raises:
            OSError: A file cannot be renamed.
        """
        own = self._next if self._own is None else self._own
        shift = number - own
        if shift <= 0:
            return
        for segment in reversed(self._segments):
            if segment.first >= own:
                segment.rename(self._folder / _name(segment.first + shift), segment.first + shift)
        self._next += shift
        if self._own is not None:
            self._own += shift

    def settle(self) -> None:
        """Fix the numbers of all messages so far: from now on they may be sent."""
        self._own = None

    def close(self) -> None:
        """Close the files."""
        for segment in self._segments:
            segment.close()
        self._segments = []
        if self._lock >= 0:
            os.close(self._lock)
        self._lock = -1

    def _open(self, run_id: str) -> None:
        note = self._folder / _RUN_FILE
        ours = note.is_file() and note.read_text() == run_id
        paths = sorted(path for path in self._folder.glob(f"*{_SUFFIX}") if path.stem.isdecimal())
        if not ours:
            for path in paths:
                path.unlink()
            write_atomic(note, run_id)
            paths = []
        self._next = 1
        for path in paths:
            segment = _Segment(path, int(path.stem))
            self.damaged += segment.torn
            self._next = max(self._next, segment.next)
            if len(segment):
                self._segments.append(segment)
            else:
                segment.remove()

    def _segment_for(self, size: int) -> _Segment:
        """Return the file for the next message of a size."""
        last = self._segments[-1] if self._segments else None
        first = self._next == self._own  # so that `continue_from` can rename what is appended from now on
        if last is None or first or last.next != self._next or last.size + size > self._segment_bytes:
            last = _Segment(self._folder / _name(self._next), self._next)
            self._segments.append(last)
        return last

    def _remove_oldest(self) -> None:
        self._segments.pop(0).remove()


class _Segment:
    """One file of consecutive messages.

    Attributes:
        first: Number of its first message.
        size: Bytes.
        torn: 1 if its last message was not written completely, and was cut off.
    """

    def __init__(self, path: Path, first: int) -> None:
        self._path, self.first = path, first
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._begins = array("Q")  # where each message's record begins
        self.size = self.torn = 0
        self._scan()

    def __len__(self) -> int:
        return len(self._begins)

    @property
    def next(self) -> int:
        return self.first + len(self._begins)

    def append(self, message: bytes) -> None:
        record = _RECORD.pack(_MARK, len(message), zlib.crc32(message))
        try:
            written = os.pwritev(self._file, [record, message], self.size)
            if written != len(record) + len(message):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        except OSError:
            os.ftruncate(self._file, self.size)
            raise
        self._begins.append(self.size)
        self.size += written

    def read(self, number: int) -> bytes | None:
        """Return a message; None if it is damaged."""
        at = number - self.first
        begin = self._begins[at] + _RECORD.size
        end = self._begins[at + 1] if at + 1 < len(self._begins) else self.size
        message = os.pread(self._file, end - begin, begin)
        checksum = _RECORD.unpack(os.pread(self._file, _RECORD.size, begin - _RECORD.size))[2]
        return message if zlib.crc32(message) == checksum else None

    def rename(self, path: Path, first: int) -> None:
        self._path.rename(path)
        self._path, self.first = path, first

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        os.close(self._file)

    def _scan(self) -> None:
        """Find the records. The file ends before the first one that is not complete."""
        whole = os.fstat(self._file).st_size
        while self.size < whole:
            record = os.pread(self._file, _RECORD.size, self.size)
            mark, length, _ = _RECORD.unpack(record) if len(record) == _RECORD.size else (b"", 0, 0)
            end = self.size + _RECORD.size + length
            if mark != _MARK or end > whole:
                self.torn = 1
                os.ftruncate(self._file, self.size)
                return
            self._begins.append(self.size)
            self.size = end


def _name(number: int) -> str:
    return f"{number:020d}{_SUFFIX}"


def _lock(folder: Path) -> int:
    """Lock the folder for this process and return the descriptor that holds the lock."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise ValueError(f"{folder} is in use by another uplink: end it, or give this run another folder") from None
    return descriptor
