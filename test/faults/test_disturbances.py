"""What comes from outside the graph: a clock that steps, a full disk, a node started twice, a closed terminal."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import time
from pathlib import Path

import pytest
from drill import Drill
from processes import until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]

SHIM = Path(__file__).with_name("wall_clock.c")


@pytest.fixture
def wall_clock(tmp_path, monkeypatch):
    """A function that steps the wall clock of all processes started from here on, by seconds in total."""
    library, offset = tmp_path / "wall_clock.so", tmp_path / "offset"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SHIM), "-ldl"], check=True)

    def step(seconds: float) -> None:
        with offset.open("r+b") as file:
            file.write(struct.pack("<q", round(seconds * 1e9)))

    offset.write_bytes(bytes(8))
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("WALL_CLOCK_OFFSET", str(offset))
    return step


@pytest.mark.parametrize("wiring", ["async", "sync"])
def test_a_wall_clock_that_steps(launch, tmp_path, wall_clock, wiring):
    drill = Drill(launch, wiring, tmp_path / "run", 7)
    for episode, seconds in ((2, 0.2), (3, -0.3), (4, 3600.0), (5, -7200.0)):
        drill.in_episode(episode)
        time.sleep(0.7)
        wall_clock(seconds)
    drill.assert_complete(7)
    assert drill.restarts() == []
    ended = [row["end_reason"] for row in drill.rows()]
    assert ended.count("time_limit") >= 5, ended


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system needs root")
def test_a_full_disk(launch, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], check=True)
    try:
        drill = Drill(launch, "async", disk / "run", 6)
        drill.in_episode(2)
        ballast = disk / "ballast"
        with ballast.open("wb") as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
                    file.flush()
            except OSError:
                pass
        # The file that says which episode has begun cannot be written now.
        drill.graph.until(lambda: "No space left on device" in drill.graph.text and " 4/6 " in drill.graph.text, 60.0)
        ballast.unlink()
        drill.assert_complete(6)
        assert drill.restarts() == []
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_node_that_is_started_twice(launch, tmp_path):
    """A second actor is a second source of commands: the bridge stops, and goes on when it is gone."""
    drill = Drill(launch, "async", tmp_path / "run", 5)
    drill.in_episode(2)
    command = ["ros2", "run", "franka_reacher_rl", "actor", "--ros-args", "-r", "__node:=actor"]
    second = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        drill.graph.until(lambda: "robot_stopped" in [row["end_reason"] for row in drill.rows()], 60.0)
    finally:
        os.killpg(second.pid, signal.SIGKILL)
        second.wait()
    drill.assert_complete(5)


def test_a_second_graph_yields(launch, tmp_path):
    drill = Drill(launch, "async", tmp_path / "run", 8)
    drill.in_episode(1)
    second = launch("async", episodes="2")
    assert second.wait(30.0) == 1, second.text
    assert f"another graph is running in domain {os.environ['ROS_DOMAIN_ID']}: process " in second.text
    drill.assert_complete(8)
    assert {row["end_reason"] for row in drill.rows()} == {"time_limit"}


def test_a_terminal_that_is_closed(launch, tmp_path):
    drill = Drill(launch, "async", tmp_path / "run", 50)
    drill.in_episode(2)
    os.killpg(drill.graph.process.pid, signal.SIGHUP)
    drill.graph.process.wait(60.0)  # the launch itself ends at once
    until(lambda: not drill.graph.nodes(), 60.0)
    assert (drill.folder / "policy.safetensors").is_file() and drill.rows()
    assert json.loads((drill.folder / "progress.json").read_text())["episode"] >= 2
