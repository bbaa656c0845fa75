"""A disk of a few kilobytes, for tests of what happens when it is full."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class SmallDisk:
    """A file system in memory that a test can fill and empty."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Use up all free space."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (4096, 1):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError:
                    continue

    def mount(self, how: str) -> None:
        """Mount it read-only (`ro`) or writable (`rw`); no file may be open for writing."""
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.folder)], check=True)

    def empty(self) -> None:
        """Free the space again."""
        self._ballast.unlink()


@contextmanager
def small_disk(folder: Path, size: str = "256k") -> Iterator[SmallDisk]:
    """Mount a small file system on a folder; skip the test where that is not permitted."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a file system cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
