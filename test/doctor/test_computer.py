"""The checks of the computer say what they find."""

from __future__ import annotations

import os
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from learner_helpers import fill, make_replay, make_sac

from franka_reacher_rl.core.replay import segments
from franka_reacher_rl.core.replay.checkpoint import Checkpointer
from franka_reacher_rl.doctor import computer
from franka_reacher_rl.doctor.finding import Level

Usage = namedtuple("Usage", "total used free")


def test_versions_name_what_a_report_needs() -> None:
    text = " ".join(found.text for found in computer.versions())
    assert "torch" in text and "Python" in text and "cores" in text


@pytest.mark.parametrize(("free", "level"), [(1e9, Level.WARNING), (1e12, Level.OK)])
def test_disk_for_the_replay(monkeypatch: Any, tmp_path: Path, free: float, level: Level) -> None:
    monkeypatch.setattr(computer.shutil, "disk_usage", lambda path: Usage(1e12, 0, free))
    monkeypatch.setattr(computer.psutil, "virtual_memory", lambda: namedtuple("M", "available")(1e12))
    found = {each.text.partition(":")[0]: each for each in computer.storage(tmp_path / "runs")}
    assert (
        found["async_highres"].level is level
        and "17.3 GB of memory and 17.6 GB on the disk" in found["async_highres"].text
    )


def test_a_step_of_the_wall_clock(monkeypatch: Any) -> None:
    times = iter([100.0, 100.5])
    monkeypatch.setattr(computer.time, "time", lambda: next(times))
    monkeypatch.setattr(computer.time, "monotonic", lambda: 7.0)
    monkeypatch.setattr(computer.time, "sleep", lambda seconds: None)
    found = {each.name: each for each in computer.clocks()}
    assert found["wall clock"].level is Level.WARNING and "+500.0 ms" in found["wall clock"].text


def test_a_slow_clock_source(monkeypatch: Any) -> None:
    monkeypatch.setattr(computer, "_read", lambda path: "hpet")
    found = {each.name: each for each in computer.clocks(0.0)}
    assert found["clock"].level is Level.WARNING and "hpet" in found["clock"].text


@pytest.mark.parametrize(("permitted", "level"), [(False, Level.WARNING), (True, Level.OK)])
def test_permission_of_real_time_priority(monkeypatch: Any, permitted: bool, level: Level) -> None:
    asked: list[int] = []

    def schedule(process: int, policy: int, parameters: os.sched_param) -> None:
        asked.append(policy)
        if not permitted:
            raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(computer.os, "sched_setscheduler", schedule)
    found = {each.name: each for each in computer.scheduling()}
    assert found["real-time priority"].level is level
    assert asked == ([os.SCHED_FIFO, os.sched_getscheduler(0)] if permitted else [os.SCHED_FIFO])


def test_the_stated_size_is_that_of_the_files(monkeypatch: Any, tmp_path: Path) -> None:
    """With the oldest kept checkpoint's rows and the part of a segment before them, the disk holds what is stated."""
    monkeypatch.setattr(segments, "_SEGMENT_BYTES", 4000)
    replay, added = make_replay(100), 30
    checkpointer = Checkpointer(tmp_path, make_sac(), replay)
    stated, largest = segments.most_bytes(replay.row_type, 100, added), 0
    for begin in range(0, 600, added):
        fill(replay, added, begin=begin)
        assert checkpointer.save(wait=True)
        largest = max(largest, sum(path.stat().st_size for path in (tmp_path / "replay").iterdir()))
    assert 0.9 * stated < largest <= stated
