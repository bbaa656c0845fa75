"""Atomic and durable file writes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO


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
