"""Completes a recording whose recorder was killed, so that every MCAP reader reads it."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import struct
from pathlib import Path
from typing import IO

from mcap.exceptions import McapError
from mcap.reader import NonSeekingReader
from mcap.writer import CompressionType, Writer
from zstandard import ZstdError

from franka_reacher_rl.ros.recording.bag import CHUNK, LIBRARY

_END = b"\x89MCAP0\r\n"  # the last bytes of a complete file
# A wrong checksum is a ValueError, and a wrong length may ask for more memory than there is.
_DAMAGES = (McapError, ZstdError, struct.error, ValueError, MemoryError, OverflowError)


def complete(path: Path) -> int | None:
    """Rewrite an incomplete recording with all whole messages and an index.

    Args:
        path: An MCAP file. It is replaced when its new version is complete.

    Returns:
        The number of messages that were recovered; None: the file is complete already.

    Raises:
        OSError: The file cannot be read, or there is too little space for its new version.
        ValueError: The file is being written, or holds nothing that can be recovered.
    """
    with path.open("rb") as damaged:
        size = damaged.seek(0, os.SEEK_END)
        if size > len(_END):
            damaged.seek(-len(_END), os.SEEK_END)
            if damaged.read() == _END:
                return None
        try:
            fcntl.flock(damaged, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"{path} is being recorded: end the run first") from None
        if shutil.disk_usage(path.parent).free < 2 * size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        damaged.seek(0)
        whole = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with whole.open("xb") as file:
                found = _copy(damaged, file)
            if not found:
                raise ValueError(f"{path} holds no whole message: remove it")
            whole.replace(path)
        finally:
            whole.unlink(missing_ok=True)
    return found


def _copy(damaged: IO[bytes], file: IO[bytes]) -> int:
    """Copy all messages up to the first damage, and return their number."""
    writer = Writer(file, chunk_size=CHUNK, compression=CompressionType.ZSTD)
    writer.start(profile="ros2", library=LIBRARY)
    schemas, channels, found = dict[int, int](), dict[int, int](), 0
    try:
        for schema, channel, message in NonSeekingReader(damaged, validate_crcs=True).iter_messages(
            log_time_order=False
        ):
            if channel.id not in channels:
                if schema is not None and schema.id not in schemas:
                    schemas[schema.id] = writer.register_schema(schema.name, schema.encoding, schema.data)
                kind = schemas[schema.id] if schema else 0
                channels[channel.id] = writer.register_channel(channel.topic, channel.message_encoding, kind)
            writer.add_message(channels[channel.id], message.log_time, message.data, message.publish_time)
            found += 1
    except _DAMAGES:  # the rest was not written
        pass
    writer.finish()
    return found
