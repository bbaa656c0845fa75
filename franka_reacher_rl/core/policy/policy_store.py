"""Policies in shared memory, written by the learner and read by actors on the same host.

A mapped file has two slots that are written alternately, so the newest policy stays intact while the next one is
written. A reader compares a slot's header before and after copying the weights, then checks their CRC, so it never
returns a partly written policy. The file is mapped without `multiprocessing.shared_memory`, whose resource tracker
would unlink it when a reader exits.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import socket
import stat
import struct
import tempfile
import uuid
import weakref
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_log = logging.getLogger(__name__)

_FIELDS = struct.Struct("<QQQI")  # sequence (odd while being written), version, bytes, CRC-32 of the weights
_CHECK = struct.Struct("<I")  # CRC-32 of the fields
_SEQUENCE = struct.Struct("<Q")
_HEADER = 64  # bytes per header, a cache line
_DATA = 4096  # where the first slot's weights begin
_PREFIX = "franka_reacher_rl-policy-"
_ATTEMPTS = 20
MOST_BYTES = 1 << 30  # of weights


@dataclass(frozen=True)
class PolicyAnnouncement:
    """A version of the policy and its location; the fields of the `Policy` message."""

    run_id: str
    version: int
    network: str  # digest of the network's architecture
    crc: int  # CRC-32 of the weights
    size: int  # bytes of weights
    host: str  # name of the host on which `shared_memory` can be opened
    shared_memory: str  # path of the mapped file; empty if the message contains the weights


class PolicyBlob(NamedTuple):
    """Weights as read, possibly of a newer version than announced."""

    version: int
    weights: bytes | memoryview


class PolicyWriter:
    """Publishes a learner's policies; a run has one writer."""

    def __init__(self, run_id: str, network_digest: str, directory: Path | None = None) -> None:
        """Describe the store; the first `publish` creates the file, whose size depends on the weights.

        Args:
            run_id: Identifier of the run; readers refuse policies of another run.
            network_digest: Digest of the network's architecture; readers refuse policies of another network.
            directory: Folder of the file; by default /dev/shm or, if that fails, the temporary folder.
        """
        self._run_id, self._network = run_id, network_digest
        self._directories = [directory] if directory else [Path("/dev/shm"), Path(tempfile.gettempdir())]
        self._sequence, self._slot, self._room = 0, 0, 0
        self._map: mmap.mmap | None = None
        self._path = Path()
        self._remove: weakref.finalize[..., PolicyWriter] | None = None

    def publish(self, weights: bytes | memoryview, version: int) -> PolicyAnnouncement:
        """Publish a version; this copies the weights and computes their CRC.

        Raises:
            ValueError: The weights are larger than the first ones.
            OSError: No folder has room for the file.
        """
        if self._map is None:
            self._open(len(weights))
        assert self._map is not None
        if len(weights) > self._room:
            raise ValueError(f"policy has {len(weights)} bytes, the store holds {self._room}: create a new store")
        self._slot = 1 - self._slot
        header, data = self._slot * _HEADER, _DATA + self._slot * self._room
        self._sequence += 2
        _SEQUENCE.pack_into(self._map, header, self._sequence - 1)
        self._map[data : data + len(weights)] = weights
        crc = zlib.crc32(weights)
        fields = _FIELDS.pack(self._sequence, version, len(weights), crc)
        self._map[header + 8 : header + _FIELDS.size + _CHECK.size] = fields[8:] + _CHECK.pack(zlib.crc32(fields))
        _SEQUENCE.pack_into(self._map, header, self._sequence)
        return PolicyAnnouncement(self._run_id, version, self._network, crc, len(weights), host_name(), str(self._path))

    def inline(self, weights: bytes | memoryview, version: int) -> PolicyAnnouncement:
        """Announce weights that are sent in the message, for an actor on another host."""
        return PolicyAnnouncement(
            self._run_id, version, self._network, zlib.crc32(weights), len(weights), host_name(), ""
        )

    def close(self) -> None:
        """Remove the file; readers that have mapped it can still read it."""
        if self._remove is not None:
            self._remove()
        if self._map is not None:
            self._map.close()
            self._map = None

    def __enter__(self) -> PolicyWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _open(self, size: int) -> None:
        self._room = _room(size)
        errors = []
        for directory in self._directories:
            remove_stale(directory)
            try:
                path, descriptor = _create(directory, _DATA + 2 * self._room)
            except OSError as error:
                errors.append(f"{directory}: {error.strerror}")
                continue
            self._map = mmap.mmap(descriptor, _DATA + 2 * self._room)
            self._path = path
            self._remove = weakref.finalize(self, _remove, path, descriptor, os.getpid())
            return
        raise OSError(f"no room for the policy ({2 * self._room} bytes): {'; '.join(errors)}")


class PolicyReader:
    """Reads the policies of one run."""

    def __init__(self, network_digest: str, run_id: str) -> None:
        """Create a reader.

        Args:
            network_digest: Digest of the reader's network.
            run_id: Identifier of the run; policies of another run are refused.
        """
        self._network, self._run_id = network_digest, run_id
        self._map: mmap.mmap | None = None
        self._path = ""
        self.refusal = ""
        self.unreachable = False  # whether the last policy was refused because its file cannot be opened here

    def read(self, announcement: PolicyAnnouncement, inline: bytes | memoryview = b"") -> PolicyBlob | None:
        """Read the announced policy, or a newer one if it has been overwritten.

        Args:
            announcement: The announcement as received.
            inline: The weights in the message, if any.

        Returns:
            The policy, or None if it is refused or no longer available; `refusal` then has the reason.
        """
        self.refusal, self.unreachable = self._mismatch(announcement), False
        if self.refusal:
            return None
        if inline:
            if len(inline) == announcement.size and zlib.crc32(inline) == announcement.crc:
                return PolicyBlob(announcement.version, inline)
            self.refusal = f"policy {announcement.version} is damaged: its {len(inline)} bytes have another size or CRC"
            return None
        if not self._attach(announcement):
            return None
        for _ in range(_ATTEMPTS):
            blob = self._try_read(announcement)
            if blob is not None:
                return blob
        self.refusal = (
            f"policy {announcement.version} is not in {self._path}: it was overwritten or not written completely"
        )
        return None

    def close(self) -> None:
        """Unmap the file."""
        if self._map is not None:
            self._map.close()
        self._map, self._path = None, ""

    def _mismatch(self, announcement: PolicyAnnouncement) -> str:
        if announcement.size > MOST_BYTES:
            return f"policy {announcement.version} has {announcement.size} bytes: at most {MOST_BYTES} are read"
        if announcement.network != self._network:
            return (
                f"policy {announcement.version} is of another network ({announcement.network}, here {self._network}): "
                "give learner and actor the same image and network settings and the same robot"
            )
        if announcement.run_id != self._run_id:
            return (
                f"policy {announcement.version} is of run {announcement.run_id!r}, this is run {self._run_id!r}: "
                "there is another learner on this network; give each its own ROS_DOMAIN_ID"
            )
        return ""

    def _attach(self, announcement: PolicyAnnouncement) -> bool:
        if not announcement.shared_memory:
            self.refusal = f"policy {announcement.version} was announced without weights and without a file"
            return False
        if announcement.host != host_name():
            self.refusal = (
                f"policy {announcement.version} is in the memory of {announcement.host!r}, this is {host_name()!r}"
            )
            self.unreachable = True
            return False
        if announcement.shared_memory == self._path:
            return True
        self.close()
        try:
            self._map = _map(Path(announcement.shared_memory), announcement.size)
        except (OSError, ValueError) as error:
            self.refusal = (
                f"cannot open {announcement.shared_memory} ({error}): the learner has exited, or it runs in a "
                "container with another /dev/shm"
            )
            self.unreachable = True
            return False
        self._path = announcement.shared_memory
        return True

    def _try_read(self, announcement: PolicyAnnouncement) -> PolicyBlob | None:
        """Try to read one of the slots, the newest first; return None if a write interfered."""
        assert self._map is not None
        room = (len(self._map) - _DATA) // 2
        headers = [(self._header(slot), slot) for slot in range(2)]
        for header, slot in sorted(headers, reverse=True):
            sequence, version, size, crc = _FIELDS.unpack(header) if header else (1, 0, 0, 0)
            if sequence % 2 or version < announcement.version or size > room:
                continue
            begin = _DATA + slot * room
            weights = self._map[begin : begin + size]
            if self._header(slot) == header and zlib.crc32(weights) == crc:
                return PolicyBlob(version, weights)
        return None

    def _header(self, slot: int) -> bytes:
        """Return a slot's fields; empty while they are being written."""
        assert self._map is not None
        raw = self._map[slot * _HEADER : slot * _HEADER + _FIELDS.size + _CHECK.size]
        fields, check = raw[: _FIELDS.size], raw[_FIELDS.size :]
        return fields if _CHECK.pack(zlib.crc32(fields)) == check else b""


def _room(size: int) -> int:
    """Return the bytes of a slot for weights of a size."""
    return -(-size // mmap.PAGESIZE) * mmap.PAGESIZE


def _map(path: Path, size: int) -> mmap.mmap:
    """Map the file of a policy; anything else that an announcement may name is refused.

    Args:
        path: The announced path.
        size: Announced bytes of weights.

    Raises:
        OSError: The file cannot be opened.
        ValueError: It is not a file that `PolicyWriter` has created for weights of this size.
    """
    if not path.is_absolute() or not path.name.startswith(_PREFIX):
        raise ValueError(f"its name does not begin with {_PREFIX}")
    # Without O_NONBLOCK, opening a pipe would block.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status, whole = os.fstat(descriptor), _DATA + 2 * _room(size)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is not a regular file")
        if status.st_uid not in (os.getuid(), 0):
            raise ValueError(f"it belongs to user {status.st_uid}, not to {os.getuid()} or root")
        if status.st_size != whole:
            raise ValueError(f"it has {status.st_size} bytes instead of {whole}")
        return mmap.mmap(descriptor, whole, access=mmap.ACCESS_READ)
    finally:
        os.close(descriptor)


def host_name() -> str:
    """Return the name of this host in announcements."""
    return socket.gethostname()


def remove_stale(directory: Path) -> list[Path]:
    """Remove the files of writers that no longer run, and return their paths.

    A running writer holds a lock on its file. Process ids would not do: another container that shares the folder has
    its own.
    """
    removed = []
    for path in directory.glob(f"{_PREFIX}*"):
        try:
            with open(path, "r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
        except OSError:  # in use, not permitted, or already removed
            continue
        _log.warning("removed %s of a learner that did not shut down properly", path)
        removed.append(path)
    return removed


def _create(directory: Path, size: int) -> tuple[Path, int]:
    """Create and lock a file with reserved space: on a full tmpfs, writing would otherwise raise SIGBUS."""
    while True:
        path = directory / f"{_PREFIX}{os.getpid()}-{uuid.uuid4().hex[:8]}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # `remove_stale` of another process may hold it for a moment
            if os.fstat(descriptor).st_nlink:
                os.posix_fallocate(descriptor, 0, size)
                return path, descriptor
        except OSError:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        os.close(descriptor)  # it was removed before it was locked: create another one


def _remove(path: Path, descriptor: int, owner: int) -> None:
    if os.getpid() == owner:  # a forked process inherits this finalizer
        path.unlink(missing_ok=True)
        os.close(descriptor)
