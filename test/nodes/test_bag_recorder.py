"""The bag recorder in this process, with real subscriptions; other libraries read what it wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("mcap")

import rclpy.node
from mcap.reader import NonSeekingReader
from mcap_ros2.reader import read_ros2_messages
from probe import Probe
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from franka_reacher_rl.nodes.bag_recorder import BagRecorder
from franka_reacher_rl.ros import qos

TOPIC = "/robot_bridge/joint_states"


@pytest.fixture
def start(probe_after: Callable[..., Probe], tmp_path: Path) -> Callable[..., Probe]:
    """Starts a probe, and a recorder of `run.mcap` once it is made; without a limit of the disk."""

    def start(*arguments: str) -> Probe:
        given = (f"path:={tmp_path}/run.mcap", "keep_free:=0.0", *arguments)
        return probe_after(*(word for argument in given for word in ("-p", argument)))

    return start


def record(probe: Probe, topic: str = TOPIC) -> None:
    """Records messages until the recorder has written some, and ends it."""
    publisher = probe.node.create_publisher(JointState, topic, qos.RELIABLE)
    probe.until(lambda: probe.node.count_publishers(topic))
    recorder = probe.add(BagRecorder())

    def written() -> bool:
        publisher.publish(JointState(name=["a"], position=[0.25]))
        return bool(recorder._bag.written[topic] > 2)

    probe.until(written)
    probe.remove(recorder)


def topics(path: Path) -> set[str]:
    return {message.channel.topic for message in read_ros2_messages(str(path))}


def test_rosbags_reads_what_was_recorded(start: Callable[..., Probe], tmp_path: Path) -> None:
    record(start())
    with AnyReader([tmp_path / "run.mcap"], default_typestore=get_typestore(Stores.ROS2_JAZZY)) as reader:
        found = [
            reader.deserialize(data, connection.msgtype)
            for connection, _, data in reader.messages()
            if connection.topic == TOPIC
        ]
    assert len(found) > 2
    assert all(list(message.position) == [0.25] for message in found)  # type: ignore[attr-defined]


def test_messages_have_the_times_of_sending_and_of_receiving(start: Callable[..., Probe], tmp_path: Path) -> None:
    probe = start()
    before = probe.node.get_clock().now().nanoseconds
    record(probe)
    after = probe.node.get_clock().now().nanoseconds
    times = [(m.publish_time_ns, m.log_time_ns) for m in read_ros2_messages(str(tmp_path / "run.mcap"), topics=[TOPIC])]
    assert all(before < sent <= received < after for sent, received in times)
    assert len(set(times)) == len(times)  # although many are read at a time


def test_messages_of_several_topics_are_in_the_order_of_their_arrival(
    start: Callable[..., Probe], tmp_path: Path
) -> None:
    probe = start()
    publishers = [probe.node.create_publisher(String, topic, qos.RELIABLE) for topic in ("/a", "/b")]
    recorder = probe.add(BagRecorder())

    def written() -> bool:
        for publisher in publishers:
            publisher.publish(String(data="a"))
        return bool(recorder._bag.written["/a"] > 5 and recorder._bag.written["/b"] > 5)

    probe.until(written)
    probe.remove(recorder)
    with (tmp_path / "run.mcap").open("rb") as file:
        found = [message.log_time for _, _, message in NonSeekingReader(file).iter_messages(log_time_order=False)]
    assert found == sorted(found)


def test_a_recording_is_not_overwritten(start: Callable[..., Probe], tmp_path: Path) -> None:
    path = tmp_path / "run.mcap"
    path.write_text("precious")
    record(start())
    assert path.read_text() == "precious" and TOPIC in topics(tmp_path / "run_1.mcap")


def test_the_folder_is_made(probe_after: Callable[..., Probe], tmp_path: Path) -> None:
    record(probe_after("-p", f"path:={tmp_path}/new/run.mcap", "-p", "keep_free:=0.0"))
    assert TOPIC in topics(tmp_path / "new" / "run.mcap")


def test_what_a_killed_recorder_left_is_completed(start: Callable[..., Probe], tmp_path: Path) -> None:
    probe, path = start(), tmp_path / "run.mcap"
    record(probe)
    path.write_bytes(path.read_bytes()[:-30])
    recorder = probe.add(BagRecorder())
    probe.until(lambda: path.read_bytes().endswith(b"\x89MCAP0\r\n"))
    probe.remove(recorder)
    assert TOPIC in topics(path)


def test_a_latched_message_that_was_sent_before_is_recorded(start: Callable[..., Probe], tmp_path: Path) -> None:
    probe = start()
    probe.node.create_publisher(String, "/robot_description", qos.LATCHED).publish(String(data="<robot/>"))
    recorder = probe.add(BagRecorder())
    probe.until(lambda: recorder._bag.written["/robot_description"])
    probe.remove(recorder)
    (found,) = read_ros2_messages(str(tmp_path / "run.mcap"), topics=["/robot_description"])
    assert found.ros_msg.data == "<robot/>"


def test_only_topics_of_this_graph_are_recorded(start: Callable[..., Probe], tmp_path: Path) -> None:
    probe = start()
    elsewhere = [rclpy.node.Node(name, namespace="/other") for name in ("camera", "driver")]
    for node, topic in zip(elsewhere, ("/other/state", "/usb_camera/image")):
        probe.add(node)
        publisher = node.create_publisher(String, topic, qos.RELIABLE)
        node.create_timer(0.01, lambda publisher=publisher: publisher.publish(String(data="a")))
    environment = probe.add(rclpy.node.Node("environment"))
    environment.create_subscription(String, "/usb_camera/image", lambda message: None, qos.RELIABLE)
    probe.node.create_publisher(String, "/arm/_action/feedback", qos.RELIABLE)  # hidden
    probe.node.create_publisher(String, "/learner/policy_inline", qos.RELIABLE)  # large
    probe.until(lambda: len(probe.node.get_publishers_info_by_topic("/other/state")) == 1)
    probe.until(lambda: len(probe.node.get_publishers_info_by_topic("/usb_camera/image")) == 1)
    recorder = probe.add(BagRecorder())
    probe.until(lambda: recorder._bag.written["/usb_camera/image"] > 2)
    probe.remove(recorder)
    assert not recorder._readers.keys() & {"/other/state", "/arm/_action/feedback", "/learner/policy_inline"}


def test_a_message_without_a_definition_is_named(
    start: Callable[..., Probe], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    probe = start()
    recorder = probe.add(BagRecorder())
    monkeypatch.setattr(recorder, "get_topic_names_and_types", lambda: [("/x", ["nowhere_msgs/msg/Nothing"])])
    monkeypatch.setattr(recorder, "_belongs", lambda topic, publishers: True)
    monkeypatch.setattr(recorder, "get_publishers_info_by_topic", lambda topic: [None])
    recorder._look()
    assert "/x is not recorded: there is no definition of nowhere_msgs/msg/Nothing" in capfd.readouterr().err


def test_a_recording_that_fails_is_reported(start: Callable[..., Probe], tmp_path: Path) -> None:
    probe = start("keep_free:=1000000000.0")
    publisher = probe.node.create_publisher(JointState, TOPIC, qos.RELIABLE)
    recorder = probe.add(BagRecorder())

    def failed() -> bool:
        publisher.publish(JointState())
        return bool(recorder._bag.failure)

    probe.until(failed)
    level, message, values = recorder.diagnose()
    assert level == b"\2" and "are kept for the run" in message and values["dropped"] == 0


def test_a_free_space_that_is_not_allowed(start: Callable[..., Probe]) -> None:
    start("keep_free:=-1.0")
    with pytest.raises(ValueError, match="keep_free = -1.0 is not allowed: 0 or more"):
        BagRecorder()
