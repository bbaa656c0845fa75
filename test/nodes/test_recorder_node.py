"""Tests of the recorder's messages: the lines on /rosout and the graph's health."""

from __future__ import annotations

import csv
import subprocess
import sys
import time
from unittest import mock

import pytest
from child_environment import child_environment
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import Log
from rclpy.qos import QoSProfile

from franka_reacher_rl.msg import EpisodeSummary
from franka_reacher_rl.nodes.recorder import Recorder
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.node import EXIT_CANNOT_START
from franka_reacher_rl.ros.standard_messages import time_msg


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
    # A name of its own: ends of earlier recorders in this process take the publisher of their name with them.
    probe = probe_after("-p", f"run_dir:={tmp_path / 'run'}", "-r", "recorder:__node:=rosout_recorder")
    lines = probe.listen(Log, "/rosout", QoSProfile(depth=100, durability=qos.LATCHED.durability))
    summaries = probe.node.create_publisher(EpisodeSummary, "/episode", qos.SUMMARIES)
    probe.add(Recorder())
    probe.until(summaries.get_subscription_count)
    summaries.publish(EpisodeSummary(episode=3, episodes=5, steps=150, end_reason="time_limit", episode_return=88.25))
    probe.until(lambda: any("3/5" in line.msg for line in lines))
    mine = [line.msg for line in lines if line.name == "rosout_recorder"]
    assert [text.split()[0] for text in mine] == ["run", "episode", "3/5"]


def summary(episode: int) -> EpisodeSummary:
    return EpisodeSummary(run_id="mine", episode=episode, episodes=5, steps=150, end_reason="time_limit")


def test_a_new_recorder_writes_what_its_predecessor_missed_and_nothing_twice(probe_after, tmp_path):
    probe = probe_after("-p", f"run_dir:={tmp_path / 'run'}", "-p", "run_id:=mine")
    summaries = probe.node.create_publisher(EpisodeSummary, "/episode", qos.SUMMARIES)
    table = tmp_path / "run" / "episodes.csv"

    def recorded() -> list[int]:
        return [int(row["episode"]) for row in csv.DictReader(table.open(newline=""))]

    first = probe.add(Recorder())
    probe.until(summaries.get_subscription_count)
    summaries.publish(summary(1))
    probe.until(lambda: recorded() == [1])
    probe.remove(first)
    summaries.publish(summary(2))
    probe.add(Recorder())
    probe.until(lambda: len(recorded()) > 1)
    summaries.publish(summary(3))
    probe.until(lambda: len(recorded()) > 2)
    assert recorded() == [1, 2, 3]


def test_a_graph_yields_to_another_one_that_was_there_before(probe_after):
    probe = probe_after("-p", "run_id:=mine")
    recorder = probe.add(Recorder())
    reports = probe.node.create_publisher(DiagnosticArray, "/diagnostics", 10)
    probe.until(reports.get_subscription_count)

    def report(run_id: str) -> None:
        values = [KeyValue(key="run_id", value=run_id)]
        reports.publish(DiagnosticArray(status=[DiagnosticStatus(name="learner: updates", values=values)]))

    report("mine")
    report("theirs")
    probe.until(lambda: recorder.exit_code is not None)
    assert recorder.exit_code == EXIT_CANNOT_START


def test_its_lines_are_printed_as_they_are(tmp_path):
    code = "from franka_reacher_rl.nodes.recorder import main; main()"
    command = [sys.executable, "-c", code, "--ros-args", "-p", f"run_dir:={tmp_path / 'run'}", "-p", "robot:=nowhere"]
    variables = child_environment(tmp_path)
    variables.pop("RCUTILS_CONSOLE_OUTPUT_FORMAT", None)
    ended = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60.0)
    assert ended.returncode == 2 and ended.stderr.startswith("cannot start: no robot 'nowhere'")


@pytest.mark.parametrize(("ahead", "when"), [(0.3, "future"), (-0.3, "past")])
def test_a_clock_of_another_computer_that_differs_is_named(probe_after, ahead, when):
    recorder = probe_after("-p", "run_id:=monday").add(Recorder())
    now = 0.0

    def report(host: str, stamp: float) -> None:
        array = DiagnosticArray(status=[DiagnosticStatus(name="learner: updates", hardware_id=host)])
        array.header.stamp = time_msg(stamp)
        recorder._on_diagnostics(array)

    for _ in range(25):
        now += 1.0
        with mock.patch("franka_reacher_rl.nodes.recorder.steady_seconds", lambda: now):  # noqa: B023
            report("gpu", time.time() + ahead)
            report("here", time.time())
    level, message, _ = recorder.diagnose()
    assert level == DiagnosticStatus.WARN and "messages of gpu are stamped" in message and "chrony" in message
    assert f" ms in the {when}" in message
