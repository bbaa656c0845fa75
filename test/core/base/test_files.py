"""Files that grow lose nothing to a disk that is full for a while."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from full_disk import small_disk

from franka_reacher_rl.core.base import files
from franka_reacher_rl.core.base.files import AppendFile, write_atomic


class Disk:
    """Room for a number of bytes, beyond which writing fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room = 0
        monkeypatch.setattr(files.os, "writev", self._write)

    def _write(self, descriptor: int, pieces: Sequence[bytes]) -> int:
        data = b"".join(pieces)[: self.room]
        if not data:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room -= len(data)
        return os.write(descriptor, data)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_what_does_not_fit_is_written_later_byte_for_byte(tmp_path: Path, disk: Disk) -> None:
    file, written = AppendFile(tmp_path / "file"), b""
    for number, room in enumerate((7, 0, 3, 1, 0, 100)):
        piece = b"piece %d;" % number
        file.append(piece)
        written += piece
        disk.room = room
        assert file.flush() == (room == 100)
    assert (tmp_path / "file").read_bytes() == written
    assert (file.waiting, file.dropped, file.failure) == (0, 0, "")


def test_beyond_its_limit_the_oldest_whole_pieces_are_dropped_and_counted(tmp_path: Path, disk: Disk) -> None:
    file = AppendFile(tmp_path / "file", limit=30)
    disk.room = 2
    for number in range(10):
        file.append(b"<%07d>" % number)
        file.flush()
    assert file.failure == "No space left on device" and file.dropped == 7
    disk.room = 1000
    assert file.close()
    assert (tmp_path / "file").read_bytes() == b"<0000000><0000008><0000009>"


def test_a_file_that_cannot_be_opened_is_opened_later(tmp_path: Path) -> None:
    file = AppendFile(tmp_path / "folder" / "file")
    file.append(b"a")
    assert not file.flush() and file.failure == "No such file or directory"
    (tmp_path / "folder").mkdir()
    assert file.close() and (tmp_path / "folder" / "file").read_bytes() == b"a"


def test_sync_reports_what_is_not_on_the_disk(tmp_path: Path, disk: Disk) -> None:
    file = AppendFile(tmp_path / "file", limit=4)
    file.append(b"abc")
    with pytest.raises(OSError, match="cannot be written: No space left"):
        file.sync()
    disk.room = 3
    file.sync()
    for _ in range(4):
        file.append(b"abc")
    disk.room = 100
    with pytest.raises(OSError, match="lacks 2 entries"):
        file.sync()


def test_a_full_device_keeps_everything_waiting() -> None:
    file = AppendFile(Path("/dev/full"))
    file.append(b"abc")
    assert not file.flush() and file.waiting == 1 and "No space left" in file.failure


def test_a_full_disk_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        write_atomic(tmp_path / "file", "old")
        with pytest.raises(OSError, match="No space left"):
            write_atomic(tmp_path / "file", b"y" * 500_000)
        assert (tmp_path / "file").read_text() == "old"
        assert [path.name for path in disk.folder.iterdir()] == ["file"]


def test_a_file_catches_up_when_a_full_disk_has_room_again(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        file, written = AppendFile(tmp_path / "file"), b""
        file.append(b"begin")
        assert file.flush()
        disk.fill()
        for number in range(200):
            piece = b"%05d" % number * 20
            file.append(piece)
            written += piece
            file.flush()
        assert file.waiting > 0 and "No space left" in file.failure
        disk.empty()
        assert file.close()
        assert (tmp_path / "file").read_bytes() == b"begin" + written
