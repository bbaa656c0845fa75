"""The spool on disk: what is appended is read, whatever happens to the process, the files or the disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from franka_reacher_rl.core.link.spool import Spool

RECORD = 12  # bytes before each message
LARGE = 1 << 20


def message(number: int, size: int = 100) -> bytes:
    return number.to_bytes(4, "little") * (size // 4)


def filled(folder: Path, count: int, limit: int = LARGE, run: str = "run") -> Spool:
    spool = Spool(folder, run, limit)
    for number in range(spool.next, spool.next + count):
        assert spool.append(message(number)) == number
    return spool


def held(spool: Spool) -> list[int]:
    """The numbers of all messages that can be read, whose content is compared."""
    numbers, number = [], 0
    while (found := spool.read(number)) is not None:
        number = found[0] + 1
        assert found[1] == message(found[0])
        numbers.append(found[0])
    return numbers


def test_messages_are_read_by_their_numbers(tmp_path: Path) -> None:
    spool = filled(tmp_path, 3)
    assert [spool.read(n) for n in (1, 2, 3)] == [(n, message(n)) for n in (1, 2, 3)]
    assert spool.read(0) == (1, message(1)) and spool.read(4) is None
    assert (spool.oldest, spool.next) == (1, 4)


def test_an_empty_spool(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "new" / "folder", "run", LARGE)
    assert (spool.oldest, spool.next, spool.size, spool.read(1)) == (1, 1, 0, None)


def test_a_restarted_process_goes_on(tmp_path: Path) -> None:
    filled(tmp_path, 5).close()
    spool = filled(tmp_path, 3)
    assert held(spool) == list(range(1, 9)) and spool.next == 9


def test_the_messages_of_another_run_are_removed(tmp_path: Path) -> None:
    filled(tmp_path, 5).close()
    spool = Spool(tmp_path, "other", LARGE)
    assert held(spool) == [] and spool.next == 1
    assert not list(tmp_path.glob("*.spool"))


def test_a_full_spool_loses_its_oldest_messages(tmp_path: Path) -> None:
    limit = 100 * (100 + RECORD)
    spool = filled(tmp_path, 250, limit)
    assert spool.size <= limit
    assert sum(path.stat().st_size for path in tmp_path.glob("*.spool")) == spool.size
    numbers = held(spool)
    assert numbers == list(range(spool.oldest, 251)) and len(numbers) >= 90
    assert spool.read(1) == (spool.oldest, message(spool.oldest))


def test_a_message_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    spool = filled(tmp_path, 3, limit=1000)
    with pytest.raises(ValueError, match="a message of 2000 bytes does not fit into a spool of 1000 bytes"):
        spool.append(bytes(2000))
    assert held(spool) == [1, 2, 3] and spool.append(message(4)) == 4


@pytest.mark.parametrize("cut", range(1, RECORD + 101, 11))
def test_a_torn_message_is_cut_off(tmp_path: Path, cut: int) -> None:
    filled(tmp_path, 5).close()
    path = next(tmp_path.glob("*.spool"))
    os.truncate(path, path.stat().st_size - cut)
    spool = Spool(tmp_path, "run", LARGE)
    assert spool.damaged == 1 and held(spool) == [1, 2, 3, 4]
    assert spool.append(message(5)) == 5 and held(spool) == [1, 2, 3, 4, 5]


def test_a_file_with_nothing_but_a_torn_message_is_removed_and_its_number_stays_used(tmp_path: Path) -> None:
    filled(tmp_path, 3).close()
    (tmp_path / "00000000000000000004.spool").write_bytes(b"msg1\xff\xff")
    spool = Spool(tmp_path, "run", LARGE)
    assert held(spool) == [1, 2, 3] and spool.next == 4
    assert len(list(tmp_path.glob("*.spool"))) == 1


def test_a_damaged_message_is_left_out(tmp_path: Path) -> None:
    filled(tmp_path, 5).close()
    path = next(tmp_path.glob("*.spool"))
    content = bytearray(path.read_bytes())
    content[2 * (100 + RECORD) + RECORD + 50] ^= 1  # within message 3
    path.write_bytes(content)
    spool = Spool(tmp_path, "run", LARGE)
    assert held(spool) == [1, 2, 4, 5] and spool.damaged >= 1


def test_a_damaged_length_ends_its_file_only(tmp_path: Path) -> None:
    spool = filled(tmp_path, 60, limit=100 * (100 + RECORD))
    spool.close()
    paths = sorted(tmp_path.glob("*.spool"))
    content = bytearray(paths[1].read_bytes())
    content[4:8] = b"\xff\xff\xff\xff"
    paths[1].write_bytes(content)
    spool = Spool(tmp_path, "run", LARGE)
    lost = set(range(int(paths[1].stem), int(paths[2].stem)))
    assert held(spool) == [n for n in range(1, 61) if n not in lost] and spool.next == 61


def test_only_one_process_uses_a_spool(tmp_path: Path) -> None:
    spool = filled(tmp_path, 1)
    with pytest.raises(ValueError, match="is in use by another uplink"):
        Spool(tmp_path, "run", LARGE)
    spool.close()
    Spool(tmp_path, "run", LARGE).close()


def test_a_full_disk_costs_the_oldest_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = filled(tmp_path, 60, limit=100 * (100 + RECORD))
    room, write = {"failures": 1}, os.pwritev

    def full(file: int, parts: list[bytes], offset: int) -> int:
        if room["failures"]:
            room["failures"] -= 1
            return write(file, [parts[0]], offset)  # a partial write
        return write(file, parts, offset)

    monkeypatch.setattr(os, "pwritev", full)
    assert spool.append(message(61)) == 61
    assert spool.oldest > 1 and held(spool) == list(range(spool.oldest, 62))


def test_a_disk_that_stays_full_stores_nothing_and_breaks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = filled(tmp_path, 3)
    with monkeypatch.context() as patch:

        def full(*_: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr(os, "pwritev", full)
        with pytest.raises(OSError, match="No space left"):
            spool.append(message(4))
    assert spool.append(message(4)) == 4 and held(spool) == [4]


def test_messages_after_a_lost_end_are_numbered_beyond_what_was_received(tmp_path: Path) -> None:
    """After a power failure the spool lacks messages 4 to 6, which were sent and received."""
    filled(tmp_path, 3).close()
    spool = Spool(tmp_path, "run", LARGE)
    for number in (7, 8):
        spool.append(message(number))
    assert spool.next == 6, "their numbers are not known yet"
    spool.continue_from(7)
    assert held(spool) == [1, 2, 3, 7, 8] and spool.next == 9
    spool.settle()
    assert spool.append(message(9)) == 9
    spool.close()
    assert held(Spool(tmp_path, "run", LARGE)) == [1, 2, 3, 7, 8, 9]


def test_numbers_do_not_decrease(tmp_path: Path) -> None:
    spool = filled(tmp_path, 5)
    spool.continue_from(1)
    assert held(spool) == [1, 2, 3, 4, 5] and spool.next == 6


def test_settled_messages_keep_their_numbers(tmp_path: Path) -> None:
    spool = filled(tmp_path, 2)
    spool.settle()
    spool.continue_from(11)
    assert spool.append(message(11)) == 11 and held(spool) == [1, 2, 11]
