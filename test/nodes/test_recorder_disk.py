"""The recorder outlives a disk that is full, and names a folder that cannot be created."""

from __future__ import annotations

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from full_disk import small_disk

from franka_reacher_rl.msg import EpisodeSummary
from franka_reacher_rl.nodes.recorder import Recorder
from franka_reacher_rl.ros import qos


def test_a_full_disk_ends_nothing_and_everything_is_written_when_there_is_room(probe_after, tmp_path):
    with small_disk(tmp_path) as disk:
        folder = tmp_path / "run"
        probe = probe_after("-p", f"run_dir:={folder}", "-p", "run_id:=r1")
        recorder = probe.add(Recorder())
        summaries = probe.node.create_publisher(EpisodeSummary, "/episode", qos.SUMMARIES)
        probe.until(summaries.get_subscription_count)
        disk.fill()
        for episode in range(1, 21):
            cycle = {name: [0.1] * 100 for name in ("observation_age", "response_time", "policy_age", "lateness")}
            summaries.publish(EpisodeSummary(run_id="r1", episode=episode, steps=100, end_reason="time_limit", **cycle))
        probe.until(lambda: recorder._episode == 20 and recorder._failed)
        level, message, values = recorder.diagnose()
        assert level == DiagnosticStatus.WARN and "No space left on device; 0 MB free" in message
        assert int(values["waiting"]) > 0 and int(values["dropped"]) == 0
        disk.empty()
        probe.until(lambda: not recorder._failed)
        assert recorder.diagnose()[1] != message and recorder.exit_code is None
        rows = (folder / "episodes.csv").read_text().splitlines()[1:]
        assert [int(row.split(",")[0]) for row in rows] == list(range(1, 21))


def test_a_recorder_that_starts_on_a_full_disk_goes_on_with_its_run(probe_after, tmp_path):
    with small_disk(tmp_path) as disk:
        folder = tmp_path / "run"
        arguments = ("-p", f"run_dir:={folder}", "-p", "run_id:=r1")
        first = probe_after(*arguments)
        recorder = first.add(Recorder())
        recorder.on_stop()
        first.close()
        rclpy.try_shutdown()
        (folder / "episodes.csv").open("a").write("7,12")
        disk.fill()
        second = probe_after(*arguments)
        recorder = second.add(Recorder())
        assert recorder.exit_code is None and (folder / "episodes.csv").read_text().endswith("\n")


def test_a_run_folder_that_cannot_be_created_is_named(ros, tmp_path):
    (tmp_path / "file").write_text("")
    ros("-p", f"run_dir:={tmp_path / 'file' / 'run'}")
    with pytest.raises(ValueError, match=r"run folder .* cannot be created \(Not a directory\): give run_dir:=FOLDER"):
        Recorder()
