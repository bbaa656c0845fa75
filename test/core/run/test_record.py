"""The record of a run outlives a disk that is full."""

from __future__ import annotations

import csv
import errno
from pathlib import Path

import pytest
from full_disk import small_disk
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from franka_reacher_rl.core.base.files import write_atomic
from franka_reacher_rl.core.run.record import STATUS_COLUMNS, Record
from franka_reacher_rl.core.task.summary import COLUMNS, CYCLE_COLUMNS, EpisodeSummary

STATUS = dict.fromkeys(STATUS_COLUMNS, 1.5)
CYCLES = [[0.1] * len(CYCLE_COLUMNS)] * 50
ROW = dict.fromkeys(COLUMNS, "3") | {"terminated": "False", "truncated": "True", "end_reason": "time_limit"}


def episode(number: int) -> EpisodeSummary:
    return EpisodeSummary.from_row(ROW | {"episode": str(number)})


def recorded(folder: Path) -> list[int]:
    with (folder / "episodes.csv").open(newline="") as file:
        return [int(row["episode"]) for row in csv.DictReader(file)]


def test_tables_and_scalars_hold_what_was_written(tmp_path: Path) -> None:
    record = Record(tmp_path / "run", lambda: None)
    for number in (1, 2):
        record.write_episode(episode(number), CYCLES)
        record.write_status(1.0, STATUS)
    assert record.problem == "" and record.waiting == record.dropped == 0
    assert record.close() == ""
    assert recorded(tmp_path / "run") == [1, 2]
    assert len((tmp_path / "run" / "cycles.csv").read_text().splitlines()) == 1 + 2 * len(CYCLES)
    found = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    found.Reload()
    assert [event.step for event in found.Scalars("episode/episode_return")] == [1, 2]
    assert [event.value for event in found.Scalars("learner/temperature")] == [1.5, 1.5]


def test_a_full_disk_loses_nothing_once_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        record = Record(tmp_path / "run", lambda: write_atomic(tmp_path / "run" / "manifest.yaml", "x" * 9000))
        record.write_episode(episode(1), CYCLES)
        disk.fill()
        for number in range(2, 30):
            record.write_episode(episode(number), CYCLES)
            record.write_status(1.0, STATUS)
        assert not record.flush() and record.waiting > 100 and record.dropped == 0
        assert "No space left on device; 0 MB free" in record.problem and "rows wait in memory" in record.problem
        disk.empty()
        assert record.flush() and record.problem == ""
        assert record.close() == ""
        assert recorded(tmp_path / "run") == list(range(1, 30))
        found = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
        found.Reload()
        assert [event.step for event in found.Scalars("episode/episode_return")] == list(range(1, 30))


def test_a_manifest_that_cannot_be_written_is_written_later(tmp_path: Path) -> None:
    attempts: list[int] = []

    def write() -> None:
        attempts.append(1)
        if len(attempts) < 3:
            raise OSError(errno.EROFS, "Read-only file system")

    record = Record(tmp_path, write)
    assert "Read-only file system" in record.problem
    assert not record.flush() and record.flush() and record.flush()
    assert len(attempts) == 3 and record.problem == ""
    record.close()


def test_a_folder_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"run folder .*file/run cannot be created \(Not a directory\): give run_dir"):
        Record(tmp_path / "file" / "run", lambda: None)


def test_a_read_only_disk_loses_nothing_once_it_is_writable(tmp_path: Path) -> None:
    def write_manifest() -> None:
        write_atomic(tmp_path / "run" / "manifest.yaml", "run: 1")

    with small_disk(tmp_path) as disk:
        Record(tmp_path / "run", write_manifest).close()
        disk.mount("ro")
        record = Record(tmp_path / "run", write_manifest)
        record.write_episode(episode(1), CYCLES)
        record.write_status(1.0, STATUS)
        assert not record.flush() and "Read-only file system" in record.problem and recorded(tmp_path / "run") == []
        disk.mount("rw")
        assert record.flush() and recorded(tmp_path / "run") == [1]
        assert record.close() == ""


def test_what_is_lost_at_the_end_is_reported(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        record = Record(tmp_path / "run", lambda: None)
        disk.fill()
        for number in range(20):
            record.write_episode(episode(number), CYCLES)
        assert "cannot be written (No space left on device" in record.close()


def test_a_torn_table_is_repaired_and_noticed(tmp_path: Path) -> None:
    record = Record(tmp_path, lambda: None)
    record.write_episode(episode(1), CYCLES)
    record.close()
    with (tmp_path / "episodes.csv").open("a") as file:
        file.write("2,17.5")
    record = Record(tmp_path, lambda: None)
    assert len(record.notices) == 1 and "episodes.csv (6 bytes)" in record.notices[0]
    record.write_episode(episode(2), CYCLES)
    record.close()
    assert recorded(tmp_path) == [1, 2]
