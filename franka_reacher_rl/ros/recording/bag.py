"""Writes serialised messages into an MCAP file, in a thread of its own whose queue is bounded."""

from __future__ import annotations

import fcntl
import os
import queue
import threading
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from mcap.writer import CompressionType, Writer

from franka_reacher_rl.core.base.datatypes import Nanoseconds
from franka_reacher_rl.ros.recording.definitions import full_definition

WAITING = 64_000_000  # bytes of messages; more are dropped, so that a slow disk delays nobody
LIBRARY = "franka_reacher_rl"
CHUNK = 1 << 20  # bytes before compression; a process that is killed loses its last chunk
_NICE = 15
_FLUSH_PERIOD = 1.0  # s


class Message(NamedTuple):
    """A serialised message."""

    topic: str
    received: Nanoseconds  # since the epoch
    published: Nanoseconds  # since the epoch
    data: bytes  # CDR, as a raw subscription gets it


class Bag:
    """An MCAP file that is being written.

    Attributes:
        written: Messages by topic.
        dropped: Messages that found the queue full, by topic.
        failure: Why nothing more is written; empty while messages are written.
    """

    def __init__(self, path: Path, keep_free: int = 0) -> None:
        """Create the file.

        Args:
            path: File to write.
            keep_free: Free space in bytes below which the recording ends, so that a run can still save its checkpoints.

        Raises:
            OSError: It cannot be created.
        """
        self.path, self._keep_free = path, keep_free
        self.written, self.dropped, self.failure = Counter[str](), Counter[str](), ""
        self._file = path.open("xb")
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # `recovery` leaves a file alone that is being written
        self._writer = Writer(self._file, chunk_size=CHUNK, compression=CompressionType.ZSTD)
        self._writer.start(profile="ros2", library=LIBRARY)
        self._types: dict[str, tuple[str, bytes]] = {}  # topic -> type and its definition
        self._channels: dict[str, int] = {}
        self._schemas: dict[str, int] = {}
        self._waiting: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._queued = self._taken = 0  # bytes so far; each is changed by one thread only
        self._thread = threading.Thread(target=self._run, name="bag", daemon=True)
        self._thread.start()

    def add(self, topic: str, kind: str) -> None:
        """Add a topic; its messages may follow.

        Raises:
            ValueError: The definition of its type is unknown.
        """
        self._types[topic] = kind, full_definition(kind).encode()

    def write(self, message: Message) -> None:
        """Queue a message of a topic that was added."""
        if self._queued - self._taken > WAITING:
            self.dropped[message.topic] += 1
            return
        self._queued += len(message.data)
        self._waiting.put(message)

    def close(self) -> None:
        """Write what waits, and complete the file."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        closed = False
        try:
            closed = self._write_messages()
            self._writer.finish()
            self._file.close()
        except OSError as error:
            self.failure = f"{self.path} cannot be written: {error.strerror}"
        while not closed and self._waiting.get() is not None:  # the memory is freed
            pass

    def _write_messages(self) -> bool:
        """Write messages until the bag is closed (True) or space is short (False)."""
        flush_at = 0.0
        while (message := self._waiting.get()) is not None:
            topic, received, published, data = message
            self._taken += len(data)
            if time.monotonic() >= flush_at:
                flush_at = time.monotonic() + _FLUSH_PERIOD
                self._file.flush()
                if self._space_is_short():
                    return False
            self._writer.add_message(self._channel(topic), log_time=received, publish_time=published, data=data)
            self.written[topic] += 1
        return True

    def _space_is_short(self) -> bool:
        disk = os.fstatvfs(self._file.fileno())
        free = disk.f_bavail * disk.f_frsize
        if short := free < self._keep_free:
            self.failure = (
                f"{self.path} ends here: {free / 1e9:.1f} GB are free, and {self._keep_free / 1e9:.1f} GB are kept for "
                "the run. Free some space, or lower the parameter keep_free"
            )
        return short

    def _channel(self, topic: str) -> int:
        """Return a topic's channel; the writer belongs to the thread, so it is registered with the first message."""
        if topic not in self._channels:
            kind, definition = self._types[topic]
            if kind not in self._schemas:
                self._schemas[kind] = self._writer.register_schema(name=kind, encoding="ros2msg", data=definition)
            self._channels[topic] = self._writer.register_channel(topic, "cdr", schema_id=self._schemas[kind])
        return self._channels[topic]
