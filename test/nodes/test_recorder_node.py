"""Tests of the recorder's messages: the lines on /rosout and the graph's health."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from full_disk import small_disk
from rcl_interfaces.msg import Log
from rclpy.qos import QoSProfile

from franka_reacher_rl.msg import EpisodeSummary
from franka_reacher_rl.nodes.recorder import Recorder
from franka_reacher_rl.ros import qos

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("namespace", "prefix"), [("/", ""), ("/left", "left/")])
def test_the_state_of_the_graph_is_latched_and_that_of_its_own_namespace(probe_after, namespace, prefix):
    probe = probe_after("-r", f"__ns:={namespace}")
    recorder = probe.add(Recorder())
    topic = "/recorder/toplevel_state" if namespace == "/" else f"{namespace}/recorder/toplevel_state"
    states = probe.listen(DiagnosticStatus, topic, qos.LATCHED)
    probe.until(lambda: states and states[-1].level == DiagnosticStatus.OK)
    names = probe.node.create_publisher(DiagnosticArray, "/diagnostics", 10)
    probe.until(lambda: names.get_subscription_count())

    def report(name: str, level: bytes, message: str) -> None:
        names.publish(DiagnosticArray(status=[DiagnosticStatus(name=name, level=level, message=message)]))

    other = "right/camera: frames" if prefix else "left/camera: frames"
    report(other, DiagnosticStatus.ERROR, "the camera of another graph")
    report(f"{prefix}camera: frames", DiagnosticStatus.WARN, "frames are black")
    probe.until(lambda: states[-1].level == DiagnosticStatus.WARN)
    assert states[-1].message == "camera: frames: frames are black" and states[-1].name == f"{prefix}toplevel_state"
    report(f"{prefix}camera: frames", DiagnosticStatus.OK, "60 frames per second")
    probe.until(lambda: states[-1].level == DiagnosticStatus.OK)
    late = probe.listen(DiagnosticStatus, topic, qos.LATCHED)
    probe.until(lambda: late)
    assert late[0].message == "all nodes are well"
    assert recorder.count_subscribers("/diagnostics") == 1


def test_its_lines_are_on_rosout(probe_after, tmp_path):
    probe = probe_after("-p", f"run_dir:={tmp_path / 'run'}")
    lines = probe.listen(Log, "/rosout", QoSProfile(depth=100, durability=qos.LATCHED.durability))
    summaries = probe.node.create_publisher(EpisodeSummary, "/episode", qos.EVENT)
    probe.add(Recorder())
    probe.until(summaries.get_subscription_count)
    summaries.publish(EpisodeSummary(episode=3, episodes=5, steps=150, end_reason="time_limit", episode_return=88.25))
    probe.until(lambda: any("3/5" in line.msg for line in lines))
    mine = [line.msg for line in lines if line.name == "recorder"]
    assert [text.split()[0] for text in mine] == ["run", "episode", "3/5"]


def test_its_lines_are_printed_as_they_are(tmp_path):
    code = "from franka_reacher_rl.nodes.recorder import main; main()"
    command = [sys.executable, "-c", code, "--ros-args", "-p", f"run_dir:={tmp_path / 'run'}", "-p", "robot:=nowhere"]
    variables = os.environ | {"PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}", "ROS_LOG_DIR": str(tmp_path)}
    variables.pop("RCUTILS_CONSOLE_OUTPUT_FORMAT", None)
    ended = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60.0)
    assert ended.returncode == 2 and ended.stderr.startswith("cannot start: no robot 'nowhere'")


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
            summaries.publish(EpisodeSummary(run_id="r1", episode=episode, end_reason="time_limit", **cycle))
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
